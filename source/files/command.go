package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/clock"
)

// NewCommand makes a source whose file, called name, holds what a command prints. The command is started when the file
// is opened, and killed if its context ends or the file is closed before its end. If it ends badly the view's Close says
// so, with the last lines of what it wrote to its standard error: no backup is made of half a dump.
func NewCommand(name string, clk clock.Clock, argv ...string) *Stream {
	return &Stream{name: name, clk: clk, start: func(ctx context.Context) (stream, error) {
		if len(argv) == 0 {
			return nil, errors.New("no command to run")
		}
		return startCommand(ctx, argv)
	}}
}

// command is a stream of what a process prints.
type command struct {
	io.Reader
	cmd    *exec.Cmd
	cancel context.CancelFunc
	stderr tail
}

func startCommand(ctx context.Context, argv []string) (*command, error) {
	ctx, cancel := context.WithCancel(ctx)
	c := &command{cmd: exec.CommandContext(ctx, argv[0], argv[1:]...), cancel: cancel}
	c.cmd.Stderr = &c.stderr
	// What the command started goes with it: else a pipe's other end would stay open.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.cmd.Cancel = func() error { return unix.Kill(-c.cmd.Process.Pid, unix.SIGKILL) }
	c.cmd.WaitDelay = 5 * time.Second // children that live on and hold the standard error are not waited for longer
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("start command %q: %w", argv[0], err)
	}
	c.Reader = out
	return c, nil
}

func (c *command) end(whole bool) error {
	if !whole {
		c.cancel()
	}
	err := c.cmd.Wait()
	c.cancel()
	if err != nil {
		err = fmt.Errorf("command %q: %s%w", c.cmd.Args[0], c.stderr.lines(), err)
	}
	return err
}

// tail keeps the end of what is written to it.
type tail struct{ last []byte }

const (
	tailBytes = 4 << 10
	tailLines = 5
)

func (t *tail) Write(p []byte) (int, error) {
	t.last = append(t.last, p[max(0, len(p)-tailBytes):]...)
	if extra := len(t.last) - tailBytes; extra > 0 {
		t.last = append(t.last[:0], t.last[extra:]...)
	}
	return len(p), nil
}

// lines returns the last lines as part of a message, "" for none.
func (t *tail) lines() string {
	text := string(bytes.TrimSpace(t.last))
	if text == "" {
		return ""
	}
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "; ") + ": "
}
