package repo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"syscall"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/storage"
)

// A lock of ours has a local file of the same name, which its process holds locked as long as it lives. If the file is there and
// can be locked, the process is dead, whatever its number is used for by now.

// lockLocally makes and locks the local file of a lock; nil without a folder for them. One that can't be written to, as that of
// a service account may be, is no reason not to work: the lock is as good without, but for its end should the process be killed.
func (r *Repo) lockLocally(id crypto.ID) (*os.File, error) {
	if r.opt.LockDir == "" {
		return nil, nil
	}
	err := os.MkdirAll(r.opt.LockDir, 0o700)
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(filepath.Join(r.opt.LockDir, id.String()), os.O_CREATE|os.O_RDWR, 0o600)
	}
	if err != nil {
		r.unguarded.Do(func() {
			r.opt.Progress.Send(progress.Event{Kind: progress.Notice, Item: Locks.Name(id),
				Text: "if this process is killed its lock has to be removed by hand: " + err.Error()})
		})
		return nil, nil
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %q: %w", f.Name(), err), f.Close())
	}
	return f, nil
}

// unlockLocally removes the local file of a lock that was removed.
func (r *Repo) unlockLocally(f *os.File) error {
	if f == nil {
		return nil
	}
	return errors.Join(os.Remove(f.Name()), f.Close())
}

// leaveLocally unlocks the local file of a lock that could not be removed, so that the lock counts as dead.
func leaveLocally(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

// removeDead removes the lock if it is one of ours and its process is dead.
func (r *Repo) removeDead(ctx context.Context, id crypto.ID) (bool, error) {
	if r.opt.LockDir == "" {
		return false, nil
	}
	f, err := os.OpenFile(filepath.Join(r.opt.LockDir, id.String()), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return false, f.Close() // its process lives
	}
	if err := r.removeRaw(ctx, Locks, id); err != nil {
		return false, errors.Join(err, f.Close())
	}
	r.opt.Progress.Send(progress.Event{Kind: progress.Notice, Item: Locks.Name(id),
		Text: "removed the lock of a process of this machine that is gone"})
	return true, r.unlockLocally(f)
}

// ListLocks yields the locks. Files in their folder that are no locks, or damaged, are yielded with only the ID set.
func (r *Repo) ListLocks(ctx context.Context) iter.Seq2[LockInfo, error] {
	return func(yield func(LockInfo, error) bool) {
		for info, err := range r.List(ctx, Locks) {
			if err != nil {
				yield(LockInfo{}, err)
				return
			}
			lock, err := r.readLock(ctx, info.ID)
			switch {
			case errors.Is(err, storage.ErrNotFound):
				continue
			case errors.Is(err, ErrDamaged):
				lock = LockInfo{ID: info.ID}
			case err != nil:
				yield(LockInfo{}, err)
				return
			}
			if !yield(lock, nil) {
				return
			}
		}
	}
}

// Stale reports whether the lock's owner is surely gone: it is older than 30 minutes, or its process ran on this host and
// is no more. A lock that is dated in the future is not stale, nor is one that could not be read.
func (r *Repo) Stale(lock LockInfo) bool {
	if lock.Time.IsZero() {
		return false
	}
	if r.opt.Clock.Now().Sub(lock.Time) > lockStale {
		return true
	}
	if lock.Hostname != r.opt.Hostname || lock.PID <= 0 {
		return false
	}
	return errors.Is(syscall.Kill(lock.PID, 0), syscall.ESRCH)
}

// Unlock removes stale locks, with all set every file in their folder, and returns those it removed. It is for a person to call: nothing
// removes the lock of another program by itself.
func (r *Repo) Unlock(ctx context.Context, all bool) (removed []LockInfo, err error) {
	for lock, err := range r.ListLocks(ctx) {
		if err != nil {
			return removed, fmt.Errorf("unlock: %w", err)
		}
		if !all && !r.Stale(lock) {
			continue
		}
		if err := r.removeRaw(ctx, Locks, lock.ID); err != nil {
			return removed, fmt.Errorf("unlock: %w", err)
		}
		removed = append(removed, lock)
	}
	return removed, nil
}
