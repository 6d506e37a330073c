package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/backstay/backstay/engine/crypto"
)

// held is a lock of ours. Its methods may be called from any goroutine.
type held struct {
	r    *Repo
	mode LockMode
	ctx  context.Context // ends when the lock is given back, which may be long after the caller's context has ended

	files   chan struct{} // full while somebody writes or removes lock files; guards the next two
	current lockFile
	old     []lockFile // replaced, or not known to have been saved: those that have yet to be removed

	mu   sync.Mutex // guards the next two
	time time.Time  // since when the lock is fresh: that of its newest file
	lost error
}

// lockFile is a lock in the storage, and the local file of the same name, which is locked as long as this process lives.
type lockFile struct {
	id    crypto.ID
	local *os.File // nil without a folder for them
}

// take tries once: look, write, wait, look again.
func (h *held) take(ctx context.Context) error {
	if err := h.r.conflicts(ctx, h.mode, crypto.ID{}); err != nil {
		return err
	}
	since, err := h.write(ctx)
	if err == nil {
		err = h.r.opt.Clock.Sleep(ctx, lockSettle)
	}
	if err == nil {
		err = h.r.conflicts(ctx, h.mode, h.current.id)
	}
	if err != nil {
		return errors.Join(err, h.release(ctx))
	}
	h.renewed(since)
	return nil
}

// write saves a new lock file, makes it the current one, and returns the time it tells. The local file is locked before
// others can see the lock.
func (h *held) write(ctx context.Context) (time.Time, error) {
	r := h.r
	info := LockInfo{Time: r.opt.Clock.Now(), Exclusive: h.mode == Exclusive, Hostname: r.opt.Hostname, Username: r.opt.Username,
		PID: os.Getpid(), UID: uint32(max(0, os.Getuid())), GID: uint32(max(0, os.Getgid()))}
	plain, err := json.Marshal(info)
	if err != nil {
		return time.Time{}, err
	}
	id, sealed, err := r.sealFile(Locks, writes(plain))
	if err != nil {
		return time.Time{}, err
	}
	local, err := r.lockLocally(id)
	if err != nil {
		return time.Time{}, err
	}
	next := lockFile{id, local}
	if err := r.saveRaw(ctx, Locks, id, sealed); err != nil {
		h.old = append(h.old, next) // the answer may have been lost, and the file be there
		return time.Time{}, err
	}
	if !h.current.id.IsNull() {
		h.old = append(h.old, h.current)
	}
	h.current = next
	return info.Time, nil
}

// keep refreshes the lock until it is given back, or returns why that was not possible in time.
func (h *held) keep() error {
	var tried time.Time
	for h.r.opt.Clock.Sleep(h.ctx, lockTick) == nil {
		if err := h.fresh(h.ctx); err != nil {
			return err
		}
		age, _ := h.state()
		if now := h.r.opt.Clock.Now(); age >= lockRefresh && now.Sub(tried).Abs() >= lockRetry {
			tried = now
			h.refresh(lockExpired - age)
		}
	}
	return nil
}

// state returns how long ago the lock was last made anew, and why it is no more, if so.
func (h *held) state() (age time.Duration, lost error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.r.opt.Clock.Now()
	if now.Before(h.time) { // the clock was set back: the true age is not known, but a refresh was not due
		h.time = now.Add(-lockRefresh)
	}
	return now.Sub(h.time), h.lost
}

func (h *held) renewed(since time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.time = since
}

func (h *held) lose(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost = err
}

// fresh returns nil if nobody can have taken the lock for dead. One that has expired is brought back, if that is
// possible; whoever asks waits for it.
func (h *held) fresh(ctx context.Context) error {
	age, lost := h.state()
	if lost != nil || age < lockExpired {
		return lost
	}
	select {
	case h.files <- struct{}{}:
		defer func() { <-h.files }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	age, lost = h.state()
	if lost != nil || age < lockExpired { // somebody else was faster
		return lost
	}
	since, err := h.revive()
	switch {
	case err == nil:
		h.renewed(since)
	case h.ctx.Err() != nil: // given back meanwhile
		err = ErrNotLocked
	default:
		err = fmt.Errorf("%w: not refreshed for %v: %w", ErrLockLost, age.Round(time.Second), err)
		h.lose(err)
	}
	return err
}

// revive is the way back from a suspended machine, or a storage that was away: if nobody removed our lock, nobody took
// it for dead.
func (h *held) revive() (since time.Time, err error) {
	ctx, cancel := h.r.within(h.ctx, lockRevive)
	defer cancel()
	name := Locks.Name(h.current.id)
	if _, err := h.r.backend.Stat(ctx, name); err != nil {
		return since, err
	}
	if since, err = h.write(ctx); err != nil {
		return since, err
	}
	if err := h.r.opt.Clock.Sleep(ctx, lockSettle); err != nil {
		return since, err
	}
	if _, err := h.r.backend.Stat(ctx, name); err != nil {
		return since, err
	}
	h.drop(ctx)
	return since, nil
}

// refresh writes a new lock file and removes the old one, for at most the time left. What fails is tried again later: the
// lock has time until it expires.
func (h *held) refresh(left time.Duration) {
	h.files <- struct{}{}
	defer func() { <-h.files }()
	ctx, cancel := h.r.within(h.ctx, left)
	defer cancel()
	since, err := h.write(ctx)
	if err != nil {
		return
	}
	h.renewed(since)
	h.drop(ctx)
}

// drop removes the old lock files. Those that can't be removed now are tried again the next time.
func (h *held) drop(ctx context.Context) {
	var left []lockFile
	for _, f := range h.old {
		if h.r.removeRaw(ctx, Locks, f.id) != nil {
			left = append(left, f)
			continue
		}
		_ = h.r.unlockLocally(f.local) // it may stay: the lock it tells of is gone
	}
	h.old = left
}

// release removes the lock from the storage, also after ctx has ended. One that can't be removed is left to be found dead.
func (h *held) release(ctx context.Context) error {
	h.lose(ErrNotLocked)
	h.files <- struct{}{}
	defer func() { <-h.files }()
	ctx, cancel := h.r.within(context.WithoutCancel(ctx), lockRelease)
	defer cancel()
	files := h.old
	if !h.current.id.IsNull() {
		files = append(files, h.current)
	}
	var errs error
	for _, f := range files {
		if err := h.r.removeRaw(ctx, Locks, f.id); err != nil {
			errs = errors.Join(errs, err, leaveLocally(f.local))
			continue
		}
		errs = errors.Join(errs, h.r.unlockLocally(f.local))
	}
	h.current, h.old = lockFile{}, nil
	return errs
}

// within returns a context that ends after d, the time that the machine is suspended included.
func (r *Repo) within(ctx context.Context, d time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	end := r.opt.Clock.Now().Add(d)
	var done sync.WaitGroup
	done.Go(func() {
		for left := d; left > 0; left = min(left-lockTick, end.Sub(r.opt.Clock.Now())) {
			if r.opt.Clock.Sleep(ctx, min(left, lockTick)) != nil {
				return
			}
		}
		cancel(fmt.Errorf("no answer within %v", d.Round(time.Second)))
	})
	return ctx, func() { cancel(nil); done.Wait() }
}
