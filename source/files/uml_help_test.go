package files

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// umlModules is where Debian's package user-mode-linux has its modules.
const umlModules = "/usr/lib/uml/modules"

// insideUML runs the calling test once more in a Linux kernel of its own, which knows file systems and devices that the
// kernel of this machine may not. There prepare, lines of bash, comes first; it leaves what the test needs below /run/test. It returns
// false in there: the test is to go on. The files of both are the same.
func insideUML(t *testing.T, modules, prepare string, programs ...string) bool {
	t.Helper()
	const inside = "BACKSTAY_TEST_INSIDE_UML"
	if os.Getenv(inside) != "" {
		return false
	}
	needs(t, append(programs, "linux.uml", "modprobe")...)
	dir := t.TempDir()
	self := filepath.Join(dir, "test")
	must(t, "go", "test", "-c", "-o", self, ".") // without the race detector, which has no room in there
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "lib"), 0o700), os.Symlink(umlModules, filepath.Join(dir, "lib/modules"))); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin %s=yes TMPDIR=/run/tmp
cd %s
exec >out 2>&1
set -eux
off() {
	sync
	echo o >/proc/sysrq-trigger
	sleep 9
}
trap off EXIT
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /run
mkdir -p /run/test /run/tmp
printf '#!/bin/bash\nexec modprobe -d %%q "$@"\n' "$PWD" >modprobe
chmod +x modprobe
echo "$PWD/modprobe" >/proc/sys/kernel/modprobe # the kernel asks it for what it lacks
modprobe -d "$PWD" -a %s
%s
./test -test.v -test.run '^%s$'
touch passed
`, inside, dir, modules, prepare, t.Name())
	if err := os.WriteFile(filepath.Join(dir, "init"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "linux.uml", "mem=512M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "rw", "quiet",
		"init="+filepath.Join(dir, "init"), "con=null", "con0=null,fd:1", "umid=backstay"+filepath.Base(dir))
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, append(os.Environ(), "HOME="+dir), time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // its processes are some of this machine, too
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	boot, err := cmd.CombinedOutput()
	out, _ := os.ReadFile(filepath.Join(dir, "out")) // what there is of it
	if strings.Contains(string(out), "--- SKIP") {
		t.Skipf("SKIPPED: in there\n%s", out)
	}
	if _, failed := os.Stat(filepath.Join(dir, "passed")); failed != nil {
		t.Errorf("in User-mode Linux (%v):\n%s\n%s", err, boot, out)
	}
	return true
}
