package still

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// runner runs a command, unless ctx has ended, and returns what it prints.
type runner func(ctx context.Context, argv ...string) (output string, err error)

// runCommand is the runner of all but tests. Once it runs, a command is not broken off: LVM holds a volume still for a moment
// while it works on it, and killed just then it would leave it so.
func runCommand(ctx context.Context, argv ...string) (string, error) {
	if err := context.Cause(ctx); err != nil {
		return "", err
	}
	program, err := exec.LookPath(argv[0])
	for _, dir := range []string{"/usr/sbin", "/sbin"} { // which the paths of users and timers often lack
		if err != nil {
			program, err = exec.LookPath(filepath.Join(dir, argv[0]))
		}
	}
	if err != nil {
		return "", fmt.Errorf("the program %q is not there", argv[0])
	}
	var out, complaint bytes.Buffer
	cmd := exec.Command(program, argv[1:]...)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	cmd.Stdout, cmd.Stderr = &out, &complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C at the terminal is not for it
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(complaint.String()), "\n")
		return "", fmt.Errorf("%s: %s: %w", argv[0], strings.TrimSpace(lines[len(lines)-1]), err)
	}
	return out.String(), nil
}
