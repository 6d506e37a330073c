package files

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstay/backstay/source/files/filesystem"
)

// missing ends a test that needs what this machine has not.
func missing(t *testing.T, what string) {
	t.Helper()
	t.Skipf("SKIPPED: on this machine %s", what)
}

// must runs a command.
func must(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(bytes.TrimSpace(out))
}

// needs skips a test that is not run by root or lacks a program.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "only root may mount file systems")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			missing(t, err.Error())
		}
	}
}

// device makes a block device of an empty file.
func device(t *testing.T, size int64) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, size)); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", "--", image).CombinedOutput()
	if err != nil {
		missing(t, "no loop device can be had: "+string(out))
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() { must(t, "losetup", "--detach", dev) })
	return dev
}

// mounted makes a file system on a device of its own and returns where it is mounted. mount is a command that ends with
// the device and the directory.
func mounted(t *testing.T, mkfs, mount string) (dir, dev string) {
	t.Helper()
	make, command := strings.Fields(mkfs), strings.Fields(mount)
	needs(t, make[0], command[0])
	if command[0] == "mount" {
		known, err := os.ReadFile("/proc/filesystems")
		if err != nil || !strings.Contains(string(known), "\t"+command[2]+"\n") {
			missing(t, "the kernel has no "+command[2])
		}
	}
	dir, dev = t.TempDir(), device(t, 300<<20)
	must(t, make[0], append(make[1:], dev)...)
	must(t, command[0], append(command[1:], dev, dir)...)
	t.Cleanup(func() { must(t, "umount", dir) })
	return dir, dev
}

// systemAt returns the file system that dir is on.
func systemAt(t *testing.T, dir string) *filesystem.System {
	t.Helper()
	fd, err := NewTarget(dir, TargetOptions{}).open()
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), dir)
	defer func() { _ = file.Close() }() // only read
	return filesystem.Of(fd)
}
