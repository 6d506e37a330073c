//go:build linux

package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/resticbin"
)

func TestEachSideMeetsOddLocksAsTheTableSays(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		rows := oddLocks(t)
		found := make([]meeting, len(rows))
		var all sync.WaitGroup
		slots := make(chan struct{}, 16) // restic 0.19 waits 35 s for a lock to become readable: as many wait at once
		for i, row := range rows {
			m := &found[i]
			m.reader, m.writer = newOddSite(t, bin, row), newOddSite(t, bin, row)
			all.Go(func() {
				slots <- struct{}{}
				m.err = m.happen(t.Context())
				<-slots
			})
		}
		all.Wait()
		for i, row := range rows {
			t.Run(row.name, func(t *testing.T) { found[i].compare(t, row) })
		}
	})
}

// oddSite is a repository with a file among its locks, which is laid there again when somebody has removed it.
type oddSite struct {
	*site
	id     crypto.ID
	stored []byte
}

func newOddSite(t *testing.T, bin resticbin.Bin, row oddLock) *oddSite {
	t.Helper()
	s := newSite(t, bin, 2)
	stored := row.file(t, s)
	return &oddSite{s, crypto.Hash(stored), stored}
}

// lay lays the file there, and reports whether it was gone.
func (s *oddSite) lay(ctx context.Context) (gone bool, err error) {
	if _, err := os.Stat(s.path(repo.Locks, s.id)); err == nil {
		return false, nil
	}
	return true, s.storage.Save(ctx, repo.Locks.Name(s.id), storage.Bytes(s.stored))
}

// meeting is what happened when both sides met an odd lock: each as reader and at unlock in the first repository, as writer in the
// second.
type meeting struct {
	reader, writer *oddSite
	theirs, ours   string // "runs locked leaves"
	said           string // by restic, to the reader
	err            error
}

func (m *meeting) happen(ctx context.Context) error {
	_, err := m.reader.lay(ctx)
	_, err2 := m.writer.lay(ctx)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	var exclusive string
	var both sync.WaitGroup
	both.Go(func() { exclusive, _ = m.writer.theyWork(ctx, "tag", "--add", "x") })
	var shared string
	shared, m.said = m.reader.theyWork(ctx, "snapshots")
	both.Wait()
	unlock, _ := m.reader.theyWork(ctx, "unlock")
	gone, err := m.reader.lay(ctx)
	if unlock == "runs" || unlock == "panics" { // which of the two is chance, where there is garbage
		unlock = removal(gone)
	}
	m.theirs = strings.Join([]string{shared, exclusive, unlock}, " ")
	return errors.Join(err, m.wePass(ctx), m.allIsRemoved(ctx))
}

// theyWork has restic run a command, and returns how that ends and what it says.
func (s *oddSite) theyWork(ctx context.Context, args ...string) (end, said string) {
	_, err := s.restic.Run(ctx, args...)
	return s.ending(err)
}

// ending is how a command of restic ended, and what it said.
func (s *site) ending(err error) (end, said string) {
	var failed *resticbin.Error
	switch {
	case err == nil:
		return "runs", ""
	case !errors.As(err, &failed):
		return err.Error(), ""
	case failed.Exit == 2 && strings.HasPrefix(failed.Stderr, "panic: "):
		return "panics", failed.Stderr
	case failed.Exit == s.lockedExit() && strings.Contains(failed.Stderr, "unable to create lock in backend: repository is already locked"):
		return "locked", failed.Stderr
	case failed.Exit == 1 && strings.Contains(failed.Stderr, "unable to create lock in backend: "):
		return "stops", failed.Stderr
	}
	return failed.Error(), failed.Stderr
}

// lockedExit is the exit code of restic for a locked repository.
func (s *site) lockedExit() int {
	if s.before(17) {
		return 1
	}
	return 11
}

func (m *meeting) wePass(ctx context.Context) error {
	var did []string
	for _, at := range []struct {
		*oddSite
		mode repo.LockMode
	}{{m.reader, repo.Shared}, {m.writer, repo.Exclusive}} {
		r, err := at.impatient(ctx)
		if err != nil {
			return err
		}
		_, unlock, err := r.Lock(ctx, at.mode, repo.LockOptions{})
		var locked *repo.LockedError
		switch {
		case err == nil:
			did = append(did, "runs")
			err = unlock()
		case errors.As(err, &locked) && locked.Lock.ID == at.id:
			did, err = append(did, "locked"), nil
		case errors.Is(err, repo.ErrLocked) && errors.Is(err, repo.ErrDamaged):
			did, err = append(did, "stops"), nil
		}
		if err != nil {
			return err
		}
	}
	_, err := m.reader.ours.Unlock(ctx, false)
	gone, err2 := m.reader.lay(ctx)
	m.ours = strings.Join(append(did, removal(gone)), " ")
	return errors.Join(err, err2)
}

// allIsRemoved has each side remove all locks, whatever they are.
func (m *meeting) allIsRemoved(ctx context.Context) error {
	_, err := m.reader.ours.Unlock(ctx, true)
	if gone, err2 := m.reader.lay(ctx); err != nil || err2 != nil || !gone {
		return fmt.Errorf("we remove all locks: %w, and this one: %t", errors.Join(err, err2), gone)
	}
	end, _ := m.reader.theyWork(ctx, "unlock", "--remove-all")
	if gone, err := m.reader.lay(ctx); err != nil || end != "runs" || !gone {
		return fmt.Errorf("restic unlock --remove-all: %s, %w, and this one: %t", end, err, gone)
	}
	return nil
}

func removal(gone bool) string {
	if gone {
		return "removes"
	}
	return "leaves"
}

// impatient opens the repository on our side with a clock on which nobody waits for long.
func (s *site) impatient(ctx context.Context) (*repo.Repo, error) {
	return repo.Open(ctx, s.storage, password, repo.Options{Clock: hasty{clock.System}})
}

type hasty struct{ clock.Clock }

func (c hasty) Sleep(ctx context.Context, d time.Duration) error {
	return c.Clock.Sleep(ctx, min(d, time.Second))
}

func (m *meeting) compare(t *testing.T, row oddLock) {
	if m.err != nil {
		t.Fatal(m.err)
	}
	want := row.new
	if m.reader.old() {
		want = row.old
	}
	if m.theirs != want {
		t.Errorf("restic %s: %q, want %q; it says %s", m.reader.restic.Bin.Version, m.theirs, want, m.said)
	}
	if m.ours != row.ours {
		t.Errorf("Backstay: %q, want %q", m.ours, row.ours)
	}
	if strings.HasPrefix(m.theirs, "stops") && !strings.Contains(m.said, row.says) {
		t.Errorf("restic stops with %q, want %q in it", m.said, row.says)
	}
	if (row.ours == row.new) != (row.why == "") {
		t.Errorf("restic 0.19 %q, Backstay %q; the reason: %q", row.new, row.ours, row.why)
	}
}

// A process of ours that was killed leaves a lock and a local file of its name. We see by that file that it is dead, restic by the
// number of the process, but only a person has restic remove it.
func TestTheLockOfADeadProcessOfOursIsRemovedByUsAtWorkAndByResticAtUnlock(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		t.Parallel()
		lock := repo.LockInfo{Time: time.Now(), Exclusive: true, Username: "u", PID: deadProcess(t)}
		lock.Hostname, _ = os.Hostname()
		s := newOddSite(t, bin, oddLock{file: compressed(string(marshal(t, lock)))})
		for _, weAreFirst := range []bool{false, true} {
			if _, err := s.lay(t.Context()); err != nil {
				t.Fatal(err)
			}
			if end, said := s.theyWork(t.Context(), "snapshots"); end != "locked" {
				t.Errorf("restic snapshots: %s, want it locked out: %s", end, said)
			}
			if weAreFirst {
				s.weWorkWhere(t, s.id)
			} else if end, said := s.theyWork(t.Context(), "unlock"); end != "runs" {
				t.Errorf("restic unlock: %s: %s", end, said)
			}
			if left := s.list(t, repo.Locks); len(left) > 0 {
				t.Errorf("left are %d locks, we first: %t", len(left), weAreFirst)
			}
		}
	})
}

// weWorkWhere takes an exclusive lock on a machine where a process of ours that held the lock was killed.
func (s *oddSite) weWorkWhere(t *testing.T, held crypto.ID) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, held.String()), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := repo.Open(t.Context(), s.storage, password, repo.Options{LockDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	_, unlock, err := r.Lock(t.Context(), repo.Exclusive, repo.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

// deadProcess returns the number of a process that has ended.
func deadProcess(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}
