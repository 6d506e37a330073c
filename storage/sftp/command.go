package sftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"

	"github.com/pkg/sftp"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
)

// command is a program that makes the connection and speaks SFTP over its standard input and output.
type command []string

// newCommand returns the command that the settings name: a whole one, or ssh with arguments.
func newCommand(v settings.Values) (command, error) {
	words, err := settings.Words(v["command"])
	if err != nil {
		return nil, fmt.Errorf("setting \"command\": %w", err)
	}
	args, err := settings.Words(v["args"])
	if err != nil {
		return nil, fmt.Errorf("setting \"args\": %w", err)
	}
	if len(words) > 0 && len(args) > 0 {
		return nil, errors.New("settings \"command\" and \"args\" are both given: a command has its own arguments")
	}
	if len(words) > 0 || len(args) == 0 {
		return words, nil
	}
	ssh := append(command{"ssh"}, args...)
	if v["port"] != "" {
		ssh = append(ssh, "-p", v["port"])
	}
	if v["user"] != "" {
		ssh = append(ssh, "-l", v["user"])
	}
	return append(ssh, "-s", "--", v["host"], "sftp"), nil
}

func (c command) dial(ctx context.Context) (*conn, error) {
	cmd := exec.Command(c[0], c[1:]...)
	var said tail
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, storage.Mark(fmt.Errorf("run %s: %w", c[0], err), storage.ErrPermanent)
	}
	kill := func() { _ = cmd.Process.Kill() }
	stop := context.AfterFunc(ctx, kill)
	client, err := sftp.NewClientPipe(out, in)
	if err != nil || !stop() {
		kill()
		_ = cmd.Wait() // it was killed
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%s makes no connection: %w%s", c[0], err, said.last())
	}
	return newConn(client, kill, func() { _ = cmd.Wait() }), nil
}

// tail keeps the end of what a program prints.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	t.b = t.b[max(0, len(t.b)-1000):]
	return len(p), nil
}

// last returns the last line, with a colon before it, or nothing.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.b), []byte("\n"))
	if line := strings.TrimSpace(string(lines[len(lines)-1])); line != "" {
		return ": " + line
	}
	return ""
}
