package secret

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"
)

// Command is a program that prints the keys, such as the client of a vault.
type Command struct {
	Args    []string      // the program and its arguments; no shell has a part in it
	Env     []string      // its environment, as "NAME=value"
	Stderr  io.Writer     // takes what it says to a person; nil: nobody does
	Timeout time.Duration // 0: 30 seconds, in which a vault is reached or is not there
}

var errTimeout = errors.New("it took too long and was ended")

// LoadCommand runs a program and reads the keys that it prints. Errors name the program only, as its arguments may be secret.
func LoadCommand(ctx context.Context, c Command) (*Ring, error) {
	if len(c.Args) == 0 {
		return nil, errors.New("run key command: it is empty")
	}
	out, err := c.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("run key command %q: %w", c.Args[0], err)
	}
	r, err := ParseRing(out)
	if err != nil {
		return nil, fmt.Errorf("read what key command %q prints: %w", c.Args[0], err)
	}
	return r, nil
}

func (c Command) run(ctx context.Context) (string, error) {
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, errTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	var out limited
	cmd.Env, cmd.Stdout, cmd.Stderr = append([]string{}, c.Env...), &out, c.Stderr // an Env of nil would be ours
	// What the program started goes with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // children that live on and hold the output are not waited for longer
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", err
	}
	return out.b.String(), nil
}

// limited keeps no more than keys can be long.
type limited struct{ b bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.b.Len()+len(p) > maxText {
		return 0, fmt.Errorf("it prints more than %d bytes", maxText)
	}
	return l.b.Write(p)
}
