package still

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// runner runs a command and returns what it prints.
type runner func(ctx context.Context, argv ...string) (output string, err error)

// runCommand is the runner of all but tests.
func runCommand(ctx context.Context, argv ...string) (string, error) {
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
	cmd := exec.CommandContext(ctx, program, argv[1:]...)
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &complaint, time.Second
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(complaint.String()), "\n")
		return "", fmt.Errorf("%s: %s: %w", argv[0], strings.TrimSpace(lines[len(lines)-1]), err)
	}
	return out.String(), nil
}
