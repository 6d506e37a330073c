//go:build linux

package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/test/resticbin"
)

func TestResticReadsOurLocks(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		t.Parallel()
		s := newSite(t, bin, 2)
		s.locked(t, repo.Exclusive, func(context.Context) error {
			ids := strings.Fields(string(s.run(t, "list", "locks", "--no-lock")))
			if len(ids) != 1 {
				return fmt.Errorf("restic lists locks %q, want ours", ids)
			}
			var lock repo.LockInfo
			if err := json.Unmarshal(s.run(t, "cat", "lock", ids[0], "--no-lock"), &lock); err != nil {
				return err
			}
			if hostname, _ := os.Hostname(); !lock.Exclusive || lock.PID != os.Getpid() || lock.Hostname != hostname || time.Since(lock.Time) > time.Minute {
				t.Errorf("restic reads our lock as %v", lock)
			}
			s.run(t, "unlock") // ours is alive
			if n := len(s.list(t, repo.Locks)); n != 1 {
				t.Errorf("restic unlock left %d locks, want ours", n)
			}
			return nil
		})
	})
}

func TestWeHonourTheLocksOfRestic(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		t.Parallel()
		s := newSite(t, bin, 2)
		b := s.startBackup(t)
		s.waitLocked(t)
		s.wantLock(t, repo.Shared, b.cmd, false)
		s.wantLock(t, repo.Exclusive, b.cmd, true)
		b.end()
		if err := b.wait(); err != nil {
			t.Fatal(err)
		}
		s.wantLock(t, repo.Exclusive, b.cmd, false)

		check := s.restic.Command(t.Context(), "check")
		check.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a group with a stopped process in it may be hung up
		if err := check.Start(); err != nil {
			t.Fatal(err)
		}
		s.waitLocked(t)
		send(t, check, syscall.SIGSTOP)
		s.wantLock(t, repo.Shared, check, true)
		s.wantLock(t, repo.Exclusive, check, true)
		send(t, check, syscall.SIGCONT)
		if err := check.Wait(); err != nil {
			t.Fatal(err)
		}
	})
}

// wantLock tries to lock and compares whether that is refused, on account of the lock of the process.
func (s *site) wantLock(t *testing.T, mode repo.LockMode, by *exec.Cmd, refused bool) {
	t.Helper()
	_, unlock, err := s.ours.Lock(t.Context(), mode, repo.LockOptions{})
	if err == nil {
		if refused {
			t.Errorf("we got a %s lock in spite of %q", mode, by.Args)
		}
		err = unlock()
	} else if locked := new(repo.LockedError); refused && errors.As(err, &locked) {
		if locked.Lock.PID != by.Process.Pid {
			t.Errorf("refused by %v, want pid %d", locked.Lock, by.Process.Pid)
		}
		return
	}
	if err != nil {
		t.Errorf("%s lock: %v", mode, err)
	}
}

// waitLocked waits until there is a lock.
func (s *site) waitLocked(t *testing.T) {
	t.Helper()
	for range 1000 {
		if len(s.list(t, repo.Locks)) > 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("restic takes no lock")
}

func send(t *testing.T, cmd *exec.Cmd, sig os.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// runningBackup is a backup by restic of what end says is all.
type runningBackup struct {
	cmd *exec.Cmd
	end func()
}

// startBackup starts a backup of a stream that goes on.
func (s *site) startBackup(t *testing.T) *runningBackup {
	t.Helper()
	cmd := s.restic.Command(t.Context(), "backup", "--host", host, "--stdin")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		_, _ = io.WriteString(in, "all") // one that was refused doesn't read it
		_ = in.Close()
	})
	t.Cleanup(end)
	return &runningBackup{cmd, end}
}

func (b *runningBackup) wait() error { return b.cmd.Wait() }
