package repo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/storage"
)

// ErrNoObjectLock means that the storage keeps no files from deletion, or was not told to.
var ErrNoObjectLock = errors.New("the storage has no object lock")

// Retainer returns what keeps files from deletion, if the storage was told to.
func (r *Repo) Retainer() (storage.Retainer, bool) {
	keeper, ok := storage.As[storage.Retainer](r.backend)
	return keeper, ok && keeper.Period() > 0
}

// Held returns until when the storage keeps a file from deletion; the zero time if it doesn't any more, or never did.
func (r *Repo) Held(ctx context.Context, t FileType, id crypto.ID) (time.Time, error) {
	keeper, ok := r.Retainer()
	if !ok {
		return time.Time{}, nil
	}
	until, err := keeper.Retained(ctx, t.Name(id))
	if err != nil {
		return time.Time{}, fmt.Errorf("object lock of %s: %w", t.short(id), err)
	}
	if !until.After(r.opt.Clock.Now()) {
		return time.Time{}, nil
	}
	return until, nil
}

// Removable returns an error that wraps storage.ErrRetained for a file that the storage keeps for now. Who replaces a file by another asks
// before he saves that, lest there be both.
func (r *Repo) Removable(ctx context.Context, t FileType, id crypto.ID) error {
	until, err := r.Held(ctx, t, id)
	if err == nil && !until.IsZero() {
		err = fmt.Errorf("%s: %w until %s", t.short(id), storage.ErrRetained, until.Format(time.DateTime))
	}
	return err
}

// Retain keeps a file from deletion until a certain time at least. The context must hold a lock on the repository.
func (r *Repo) Retain(ctx context.Context, t FileType, id crypto.ID, until time.Time) error {
	keeper, ok := r.Retainer()
	err := r.guard(ctx, Shared)
	switch {
	case err != nil:
	case !ok:
		err = ErrNoObjectLock
	default:
		err = keeper.Retain(ctx, t.Name(id), until)
	}
	if err != nil {
		return fmt.Errorf("object lock of %s: %w", t.short(id), err)
	}
	return nil
}
