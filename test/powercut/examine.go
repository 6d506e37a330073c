package powercut

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/test/sim"
)

// examine returns an error if a promise is broken in the state, or the work can't go on there. It works on a copy.
func (s state) examine(ctx context.Context) error {
	b := local.New(&disk{mem: s.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(0, 0))})}, location, local.Options{})
	r, err := sim.Open(ctx, b, repo.Options{})
	if !s.promised.made && errors.Is(err, repo.ErrNoRepository) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := whole(ctx, r); err != nil {
		return err
	}
	if err := s.readAll(ctx, r); err != nil {
		return err
	}
	return s.goOn(ctx, r)
}

// whole returns an error if some file is not what its name says.
func whole(ctx context.Context, r *repo.Repo) error {
	for _, t := range []repo.FileType{repo.Keys, repo.Locks, repo.Snapshots, repo.Index, repo.Packs} {
		for info, err := range r.List(ctx, t) {
			if err != nil {
				return err
			}
			if _, err := r.LoadRaw(ctx, t, info.ID); err != nil {
				return fmt.Errorf("a file that is not whole: %w", err)
			}
		}
	}
	return nil
}

// readAll reads each snapshot that is there, whether it was acknowledged or not, and compares those that were.
func (s state) readAll(ctx context.Context, r *repo.Repo) error {
	there := make(map[crypto.ID]bool)
	for info, err := range r.List(ctx, repo.Snapshots) {
		if err != nil {
			return err
		}
		if s.promised.gone[info.ID] {
			return fmt.Errorf("snapshot %s is back", info.ID.Short())
		}
		there[info.ID] = true
	}
	if err := r.LoadIndex(ctx); err != nil {
		return err
	}
	for _, id := range sorted(there) {
		if _, err := sim.Read(ctx, r, id); err != nil {
			return err
		}
	}
	for _, id := range sorted(s.promised.snapshots) {
		if !there[id] {
			return fmt.Errorf("snapshot %s: %w", id.Short(), storage.ErrNotFound)
		}
		if err := sim.Expect(ctx, r, id, s.promised.snapshots[id]); err != nil {
			return err
		}
	}
	return nil
}

// sorted returns the keys in order, so that a state gives the same error each time.
func sorted[V any](m map[crypto.ID]V) []crypto.ID {
	return slices.SortedFunc(maps.Keys(m), func(a, b crypto.ID) int { return slices.Compare(a[:], b[:]) })
}

// goOn does what comes after a power cut: the locks of before are removed, and the next backup and the next prune just work.
func (s state) goOn(ctx context.Context, r *repo.Repo) error {
	if _, err := r.Unlock(ctx, true); err != nil {
		return err
	}
	next := sim.Files{"after the power cut": ""} // a tree, but no data: the memory for a pack of data is most of what a state takes
	id, err := sim.Backup(ctx, r, next)
	if err != nil {
		return fmt.Errorf("the next backup: %w", err)
	}
	if err := sim.Prune(ctx, r, 1+len(s.promised.snapshots)); err != nil {
		return fmt.Errorf("the next prune: %w", err)
	}
	if err := r.LoadIndex(ctx); err != nil {
		return err
	}
	if err := sim.Expect(ctx, r, id, next); err != nil {
		return fmt.Errorf("after the next prune: %w", err)
	}
	for _, id := range sorted(s.promised.snapshots) {
		if err := sim.Expect(ctx, r, id, s.promised.snapshots[id]); err != nil {
			return fmt.Errorf("after the next prune: %w", err)
		}
	}
	return nil
}
