package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/doctor"
	"github.com/backstay/backstay/settings"
)

// The limits of hooks: a command that hangs doesn't keep a run for ever, and one that talks doesn't fill its log.
const (
	hookTimeout  = time.Hour
	hookLines    = 200
	hookLineSize = 4 << 10
)

// hookPath is where commands without a slash are looked for. Nothing else of the server's environment reaches a hook.
const hookPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// hook runs a command of the plan, without a shell. Its output goes into the log of the run.
func (e *execution) hook(ctx context.Context, which, command string, env ...string) error {
	if command == "" {
		return nil
	}
	if err := e.hooksAllowed(ctx); err != nil {
		return err
	}
	words, err := settings.Words(command)
	if err != nil || len(words) == 0 {
		return doctor.Mark(fmt.Errorf("%s hook: the command can't be read: %v", which, err), "hook-failed")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, hookTimeout, fmt.Errorf("it took longer than %v", hookTimeout))
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append([]string{hookPath, "BACKSTAY_RUN=" + e.run.ID, "BACKSTAY_PLAN=" + e.run.Plan}, env...)
	cmd.WaitDelay = beat
	read, write := io.Pipe()
	cmd.Stdout, cmd.Stderr = write, write
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.logOutput(which, read)
	}()
	err = cmd.Run()
	_ = write.Close() // a pipe within the process
	<-done
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	if err != nil {
		return doctor.Mark(fmt.Errorf("%s hook: %w", which, err), "hook-failed")
	}
	return nil
}

// hooksAllowed asks again at the moment of running: the owner may have changed their mind.
func (e *execution) hooksAllowed(ctx context.Context) error {
	var set backstay.Settings
	err := e.app.DB.Read(ctx, func(tx *db.Tx) (err error) {
		set, err = tx.Settings(ctx)
		return err
	})
	if err == nil && !set.Hooks {
		err = backstay.Errorf(backstay.Denied, "plans may not run commands on this server")
	}
	return err
}

// logOutput writes what a command says into the log of the run, as much of it as is of use.
func (e *execution) logOutput(which string, r io.Reader) {
	lines := bufio.NewReaderSize(r, hookLineSize)
	for n := 0; ; n++ {
		line, long, err := lines.ReadLine()
		for long && err == nil {
			_, long, err = lines.ReadLine()
		}
		switch {
		case err != nil:
			return
		case n < hookLines:
			e.log("info", which+" hook: "+strings.ToValidUTF8(string(line), "\uFFFD"))
		case n == hookLines:
			e.log("info", which+" hook: it says more, which is left out")
		}
	}
}
