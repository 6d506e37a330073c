package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/storage"
)

// LockMode says who else may work at the same time.
type LockMode int

// Shared goes with other shared locks: whoever only reads or only adds takes it. Exclusive goes with none: whoever deletes
// takes it.
const (
	Shared LockMode = iota
	Exclusive
)

func (m LockMode) String() string {
	if m == Exclusive {
		return "exclusive"
	}
	return "shared"
}

// The times of the protocol, which all programs that use the format keep to.
const (
	lockStale   = 30 * time.Minute            // a lock this old is dead
	lockRefresh = 5 * time.Minute             // a living one is made anew this often
	lockExpired = lockStale - 3*lockRefresh/2 // its owner stops by itself before others may take it for dead
	lockSettle  = 200 * time.Millisecond      // time for two that lock at once to see each other
	lockTick    = time.Second                 // how soon a suspended machine is noticed
	lockRetry   = 30 * time.Second            // from a failed refresh to the next
	lockRevive  = 2 * time.Minute             // for an expired lock to be brought back: it ends well before lockStale
	lockRelease = time.Minute                 // for removing a lock
	lockPause   = 5 * time.Second             // before the second try at a repository that is locked; then twice that, and so on
)

// ErrLocked means that another lock is in the way. The error is a *LockedError.
var ErrLocked = errors.New("repository is locked")

// ErrLockLost ends the context of a lock that could not be kept: somebody may have deleted what the run relies on.
var ErrLockLost = errors.New("the lock on the repository was lost")

// ErrNotLocked means that something was to be changed without the lock it takes: a mistake in the calling program.
var ErrNotLocked = errors.New("no lock held")

// LockInfo is the content of a lock file.
type LockInfo struct {
	Time      time.Time `json:"time"`
	Exclusive bool      `json:"exclusive"`
	Hostname  string    `json:"hostname"`
	Username  string    `json:"username"`
	PID       int       `json:"pid"`
	UID       uint32    `json:"uid,omitempty"`
	GID       uint32    `json:"gid,omitempty"`

	ID crypto.ID `json:"-"`
}

func (l LockInfo) String() string {
	mode := Shared
	if l.Exclusive {
		mode = Exclusive
	}
	return fmt.Sprintf("%s lock %s of %s@%s, pid %d, since %s", mode, l.ID.Short(), l.Username, l.Hostname, l.PID, l.Time.Format(time.DateTime))
}

// LockedError tells which lock is in the way. It wraps ErrLocked.
type LockedError struct{ Lock LockInfo }

func (e *LockedError) Error() string { return ErrLocked.Error() + ": " + e.Lock.String() }

// Unwrap returns ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// LockOptions say how to lock. The zero value tries once.
type LockOptions struct {
	Wait time.Duration // how long to wait for another lock to go
}

type lockKey struct{ r *Repo }

// Lock takes a lock on the repository and keeps it fresh until unlock is called, which removes it even when ctx has
// ended. What is called with the returned context may change the repository as the mode allows; it ends with
// ErrLockLost if the lock can't be kept.
func (r *Repo) Lock(ctx context.Context, mode LockMode, opt LockOptions) (locked context.Context, unlock func() error, err error) {
	locked, cancel := context.WithCancelCause(ctx)
	h, release, err := r.acquire(locked, mode, opt, cancel)
	if err != nil {
		cancel(err)
		return nil, nil, err
	}
	return h.within(locked), func() error { cancel(context.Canceled); return release() }, nil
}

// LockAll takes a lock on each repository, at the same time; errs[i] says why there is none on rs[i]. A repository without one, or
// whose lock is lost later, can't be changed; the returned context ends only once no lock is left. Unlock removes all of them.
func LockAll(ctx context.Context, rs []*Repo, mode LockMode, opt LockOptions) (locked context.Context, unlock func() error, errs []error) {
	locked, cancel := context.WithCancelCause(ctx)
	var left atomic.Int32
	left.Store(int32(len(rs)) + 1) // one more until all were tried
	lost := func(cause error) {
		if left.Add(-1) == 0 {
			cancel(cause)
		}
	}
	taken := make([]*held, len(rs))
	releases := make([]func() error, len(rs))
	errs = together(len(rs), func(i int) (err error) {
		if taken[i], releases[i], err = rs[i].acquire(locked, mode, opt, lost); err != nil {
			lost(err)
		}
		return err
	})
	all := locked
	for i, h := range taken {
		if errs[i] == nil {
			all = h.within(all)
		}
	}
	lost(errors.Join(errs...))
	return all, func() error {
		cancel(context.Canceled)
		return errors.Join(together(len(rs), func(i int) error {
			if errs[i] != nil {
				return nil
			}
			return releases[i]()
		})...)
	}, errs
}

// together calls do with each i below n at the same time, and returns what they returned.
func together(n int, do func(i int) error) []error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = do(i) })
	}
	all.Wait()
	return errs
}

// acquire takes a lock and keeps it fresh until release. It calls lost, once, if that fails.
func (r *Repo) acquire(ctx context.Context, mode LockMode, opt LockOptions, lost func(error)) (h *held, release func() error, err error) {
	h, err = r.await(ctx, mode, opt)
	if err != nil {
		return nil, nil, fmt.Errorf("lock repository: %w", err)
	}
	var stop context.CancelFunc
	h.ctx, stop = context.WithCancel(context.WithoutCancel(ctx))
	var done sync.WaitGroup
	done.Go(func() {
		if err := h.keep(); err != nil && h.ctx.Err() == nil {
			lost(err)
		}
	})
	return h, sync.OnceValue(func() error {
		stop()
		done.Wait()
		return h.release(ctx)
	}), nil
}

// within returns a context with which the repository may be changed as the lock allows.
func (h *held) within(ctx context.Context) context.Context {
	return context.WithValue(ctx, lockKey{h.r}, h)
}

// await tries until it has the lock, or the time to wait for it is over.
func (r *Repo) await(ctx context.Context, mode LockMode, opt LockOptions) (*held, error) {
	deadline := r.opt.Clock.Now().Add(opt.Wait)
	for pause := lockPause; ; pause = min(2*pause, time.Minute) {
		h := &held{r: r, mode: mode, files: make(chan struct{}, 1)}
		err := h.take(ctx)
		if err == nil {
			return h, nil
		}
		left := deadline.Sub(r.opt.Clock.Now())
		if !errors.Is(err, ErrLocked) || left <= 0 {
			return nil, err
		}
		var random [1]byte // two that met and both gave way would meet again after equal pauses
		if _, err := io.ReadFull(r.opt.Rand, random[:]); err != nil {
			return nil, fmt.Errorf("read random bytes: %w", err)
		}
		pause := pause/2 + pause*time.Duration(random[0])/256
		if err := r.opt.Clock.Sleep(ctx, min(pause, left)); err != nil {
			return nil, err
		}
	}
}

// guard returns nil if ctx holds a lock that allows a change of the mode, and the lock is fresh.
func (r *Repo) guard(ctx context.Context, mode LockMode) error {
	h, ok := ctx.Value(lockKey{r}).(*held)
	if !ok || mode == Exclusive && h.mode != Exclusive {
		return fmt.Errorf("%w: this takes a lock that is %s", ErrNotLocked, mode)
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return h.fresh(ctx)
}

// conflicts returns an error if a lock other than own forbids the mode. Locks of dead processes of ours are removed on
// the way.
func (r *Repo) conflicts(ctx context.Context, mode LockMode, own crypto.ID) error {
	passed := map[crypto.ID]bool{own: true}
	for {
		if again, err := r.look(ctx, mode, passed); err != nil || !again {
			return err
		}
	}
}

// look passes over some locks, and adds those to them that went since they were listed. Such a lock may have been made anew, under
// a name that the listing lacks, so that another look is due.
func (r *Repo) look(ctx context.Context, mode LockMode, passed map[crypto.ID]bool) (again bool, err error) {
	for info, err := range r.List(ctx, Locks) {
		if err != nil {
			return false, err
		}
		if passed[info.ID] || info.Size == 0 { // an empty file is what a store that isn't atomic leaves
			continue
		}
		if dead, err := r.removeDead(ctx, info.ID); err != nil {
			return false, err
		} else if dead {
			continue
		}
		lock, err := r.loadLock(ctx, info.ID)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			passed[info.ID], again = true, true
		case errors.Is(err, errNoLock):
		case err != nil && context.Cause(ctx) != nil:
			return false, err
		case err != nil:
			return false, fmt.Errorf("%w, and lock %s can't be read: %w", ErrLocked, info.ID.Short(), err)
		case mode == Exclusive || lock.Exclusive:
			return false, &LockedError{lock}
		}
	}
	return again, nil
}

// errNoLock is about an index or a snapshot: whoever sealed it has the key, and a genuine file in the wrong folder must not stop work for
// good.
var errNoLock = errors.New("not a lock, but a file of another kind")

// loadLock reads a lock, up to four times: one that can't be read may be in the middle of being written.
func (r *Repo) loadLock(ctx context.Context, id crypto.ID) (lock LockInfo, err error) {
	for _, pause := range []time.Duration{0, 5 * time.Second, 10 * time.Second, 20 * time.Second} {
		if err := r.opt.Clock.Sleep(ctx, pause); err != nil {
			return LockInfo{}, err
		}
		lock, err = r.readLock(ctx, id)
		if err == nil || errors.Is(err, storage.ErrNotFound) || errors.Is(err, errNoLock) {
			return lock, err
		}
	}
	return lock, err
}

func (r *Repo) readLock(ctx context.Context, id crypto.ID) (lock LockInfo, err error) {
	plain, err := r.LoadFile(ctx, Locks, id)
	if err != nil {
		return LockInfo{}, err
	}
	var other struct{ Packs, Tree json.RawMessage }
	if json.Unmarshal(plain, &other) == nil && (other.Packs != nil || other.Tree != nil) {
		return LockInfo{}, &DamageError{Type: Locks, ID: id, Err: errNoLock}
	}
	if err := json.Unmarshal(plain, &lock); err != nil { // maybe a lock of a later version of the format: it counts
		return LockInfo{}, &DamageError{Type: Locks, ID: id, Err: err}
	}
	lock.ID = id
	return lock, nil
}
