package retry

import (
	"context"
	"iter"
	"time"

	"github.com/backstay/backstay/storage"
)

// keeper is a Backend that repeats the calls of object lock too.
type keeper struct {
	*Backend
	next storage.Retainer
}

var _ storage.Retainer = keeper{}

// Period implements storage.Retainer.
func (k keeper) Period() time.Duration { return k.next.Period() }

// Retained implements storage.Retainer.
func (k keeper) Retained(ctx context.Context, name string) (until time.Time, err error) {
	err = k.repeat(ctx, "look at the object lock of", name, k.opt.Stall, func(ctx context.Context, _ *watch) (err error) {
		until, err = k.next.Retained(ctx, name)
		return err
	})
	return until, err
}

// Retain implements storage.Retainer.
func (k keeper) Retain(ctx context.Context, name string, until time.Time) error {
	return k.repeat(ctx, "lock", name, k.opt.Stall, func(ctx context.Context, _ *watch) error { return k.next.Retain(ctx, name, until) })
}

// Hidden implements storage.Retainer.
func (k keeper) Hidden(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return k.list(ctx, "list hidden files of", dir, k.next.Hidden)
}

// Unhide implements storage.Retainer.
func (k keeper) Unhide(ctx context.Context, name string) error {
	return k.repeat(ctx, "bring back", name, k.opt.Stall, func(ctx context.Context, _ *watch) error { return k.next.Unhide(ctx, name) })
}
