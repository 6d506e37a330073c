//go:build linux

package good

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync/atomic"
	"time"

	"github.com/backstay/backstay/storage"
)

// clock is moved on by the rig alone. Short pauses are over at once; longer ones, by which locks are kept fresh, never.
type clock struct{ minutes atomic.Int64 }

func (c *clock) Now() time.Time {
	return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(c.minutes.Load()) * time.Minute)
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	if d < time.Second {
		return context.Cause(ctx)
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

var errKilled = errors.New("the process was killed")

// fuse is the storage of a run that is broken off: when it is about to change the repository for the n-th time, locks left out. It is
// interrupted, or if kill is set it dies, and leaves its lock.
type fuse struct {
	storage.Backend
	left atomic.Int64
	blow context.CancelFunc
	kill bool
}

func (f *fuse) blown() bool { return f.left.Load() <= 0 }

// lives returns the error of all calls of a process that is dead.
func (f *fuse) lives() error {
	if f.kill && f.blown() {
		return errKilled
	}
	return nil
}

// change is called before each change.
func (f *fuse) change(ctx context.Context, name string) error {
	if !strings.HasPrefix(name, "locks/") && f.left.Add(-1) == 0 {
		f.blow()
		return errors.Join(f.lives(), context.Cause(ctx))
	}
	return f.lives()
}

func (f *fuse) Save(ctx context.Context, name string, body storage.Body) error {
	if err := f.change(ctx, name); err != nil {
		return err
	}
	return f.Backend.Save(ctx, name, body)
}

func (f *fuse) Remove(ctx context.Context, name string) error {
	if err := f.change(ctx, name); err != nil {
		return err
	}
	return f.Backend.Remove(ctx, name)
}

func (f *fuse) Load(ctx context.Context, name string, p []byte, offset int64) error {
	if err := f.lives(); err != nil {
		return err
	}
	return f.Backend.Load(ctx, name, p, offset)
}

func (f *fuse) Stat(ctx context.Context, name string) (storage.Info, error) {
	if err := f.lives(); err != nil {
		return storage.Info{}, err
	}
	return f.Backend.Stat(ctx, name)
}

func (f *fuse) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	if err := f.lives(); err != nil {
		return func(yield func(storage.Info, error) bool) { yield(storage.Info{}, err) }
	}
	return f.Backend.List(ctx, dir)
}
