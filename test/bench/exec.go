//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// usage is what one process used, with those it waited for.
type usage struct {
	Wall   float64 `json:"wall_seconds"`
	User   float64 `json:"user_seconds"`
	System float64 `json:"system_seconds"`
	Peak   int64   `json:"peak_bytes"` // largest resident set of the process, or of one that it waited for
	Own    int64   `json:"own_bytes"`  // most of it that was no part of a file, such as of the program, which the kernel shares and takes back
	Exit   int     `json:"exit"`       // -1: ended by a signal
}

func (u usage) CPU() float64 { return u.User + u.System }

// measure runs a command in a small process of its own: Linux counts the memory that the parent of a process had when
// it was started into the peak of the process, and this program's own memory must not be measured. The command's output
// goes to the file log.
func measure(ctx context.Context, env []string, log string, command []string) (usage, error) {
	self, err := os.Executable()
	if err != nil {
		return usage{}, fmt.Errorf("find own program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"exec", log}, command...)...)
	cmd.Env = env
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.Output()
	if err != nil {
		return usage{}, fmt.Errorf("measure %q: %w", command, errors.Join(err, context.Cause(ctx)))
	}
	var u usage
	if err := json.Unmarshal(out, &u); err != nil {
		return usage{}, fmt.Errorf("measure %q: %w", command, err)
	}
	return u, nil
}

// execMain is the small process: it runs args[1:], with output to the file args[0], and writes the usage to out.
func execMain(args []string, out io.Writer) error {
	if len(args) < 2 {
		return errors.New("usage: bench exec LOG COMMAND [ARGUMENT ...]")
	}
	log, err := os.Create(args[0])
	if err != nil {
		return err
	}
	defer log.Close() // what could not be written to it is the command's loss, and its exit code says so
	runtime.LockOSThread()
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	own := watchOwn(cmd.Process.Pid)
	err = cmd.Wait()
	wall := time.Since(start)
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return err
	}
	state := cmd.ProcessState
	u := usage{Wall: wall.Seconds(), User: state.UserTime().Seconds(), System: state.SystemTime().Seconds(), Exit: state.ExitCode(), Own: own()}
	if r, ok := state.SysUsage().(*syscall.Rusage); ok {
		u.Peak = r.Maxrss << 10 // Linux counts in KiB
	}
	return json.NewEncoder(out).Encode(u)
}

// watchOwn looks every few milliseconds how much memory a process has that is no part of a file (RssAnon of proc_pid_status(5)), until
// stop, which returns the most that was seen.
func watchOwn(pid int) (stop func() int64) {
	var most int64
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-done:
				tick.Stop()
				return
			case <-tick.C:
				most = max(most, ownBytes(pid))
			}
		}
	}()
	return func() int64 {
		close(done)
		<-ended
		return most
	}
}

// ownBytes is 0 for a process that has ended.
func ownBytes(pid int) (bytes int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if n, _ := fmt.Sscanf(line, "RssAnon: %d kB", &bytes); n == 1 {
			return bytes << 10
		}
	}
	return 0
}
