package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/runner"
)

// Backup makes a snapshot of the files, just as the product does. Once it returned without an error the snapshot is
// acknowledged.
func Backup(ctx context.Context, r *repo.Repo, files Files) (crypto.ID, error) {
	now := r.Options().Clock.Now()
	results, err := runner.Backup(ctx, files, []*repo.Repo{r}, runner.BackupOptions{Start: now,
		Lock: repo.LockOptions{Wait: time.Hour}, Template: *Record(now, crypto.ID{})})
	if err != nil {
		return crypto.ID{}, err
	}
	if lost := results[0].Counts.Lost; lost > 0 {
		return crypto.ID{}, fmt.Errorf("%d entries were lost", lost)
	}
	return results[0].Snapshot.ID, nil
}

// Forget removes a snapshot, under an exclusive lock.
func Forget(ctx context.Context, r *repo.Repo, id crypto.ID) error {
	return locked(ctx, r, repo.Exclusive, func(ctx context.Context) error { return r.RemoveFile(ctx, repo.Snapshots, id) })
}

// Prune frees all space that it can, under an exclusive lock. Known is how many snapshots there are at least, as far as the caller
// knows.
func Prune(ctx context.Context, r *repo.Repo, known int) error {
	return locked(ctx, r, repo.Exclusive, func(ctx context.Context) error {
		plan, err := pruner.Prepare(ctx, r, pruner.Options{MaxUnused: pruner.Bytes(0), MinSnapshots: known})
		if err != nil {
			return err
		}
		_, err = plan.Apply(ctx)
		return err
	})
}

// PruneBlindly is a prune with a bug planted: it takes the listing of snapshots for the truth, and removes each pack that none of
// them needs.
func PruneBlindly(ctx context.Context, r *repo.Repo, _ int) error {
	return locked(ctx, r, repo.Exclusive, func(ctx context.Context) error {
		needed := make(map[crypto.ID]bool)
		var roots []crypto.ID
		for s, err := range snapshot.List(ctx, r, snapshot.Filter{}) {
			if err != nil {
				return err
			}
			roots = append(roots, s.Tree)
		}
		if err := r.LoadIndex(ctx); err != nil {
			return err
		}
		for _, root := range roots {
			blobs, err := Blobs(ctx, r, root)
			if err != nil {
				return err
			}
			for h := range blobs {
				for _, l := range r.Index().Lookup(h) {
					needed[l.Pack] = true
				}
			}
		}
		for info, err := range r.List(ctx, repo.Packs) {
			if err != nil {
				return err
			}
			if needed[info.ID] {
				continue
			}
			if err := r.RemoveFile(ctx, repo.Packs, info.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

func locked(ctx context.Context, r *repo.Repo, mode repo.LockMode, fn func(ctx context.Context) error) error {
	ctx, unlock, err := r.Lock(ctx, mode, repo.LockOptions{Wait: time.Hour})
	if err != nil {
		return err
	}
	return errors.Join(fn(ctx), unlock())
}

// Read returns the files of a snapshot, each byte of them read and verified. The index must be loaded.
func Read(ctx context.Context, r *repo.Repo, id crypto.ID) (Files, error) {
	s, err := snapshot.Load(ctx, r, id)
	if err != nil {
		return nil, err
	}
	files := make(Files)
	for item, err := range tree.Walk(ctx, r, s.Tree, nil) {
		if err != nil {
			return nil, fmt.Errorf("read %q of snapshot %s: %w", item.Path, id.Short(), err)
		}
		if item.Node.Type != entry.File {
			continue
		}
		var content []byte
		for _, id := range item.Node.Content {
			plain, err := r.LoadBlob(ctx, pack.Handle{ID: id, Type: pack.Data}, nil)
			if err != nil {
				return nil, err
			}
			content = append(content, plain...)
		}
		files[item.Path] = string(content)
	}
	return files, nil
}

// Expect reads a snapshot and returns an error unless its files are those given.
func Expect(ctx context.Context, r *repo.Repo, id crypto.ID, want Files) error {
	got, err := Read(ctx, r, id)
	if err != nil {
		return err
	}
	if !maps.Equal(got, want) {
		return fmt.Errorf("snapshot %s: %w: %d files, and %d were backed up", id.Short(), ErrSilent, len(got), len(want))
	}
	return nil
}

// ErrSilent means that a snapshot was read without an error, and is not what was backed up.
var ErrSilent = errors.New("silent corruption")

// Blobs returns the blobs that a tree needs, itself included. The index must be loaded.
func Blobs(ctx context.Context, r *repo.Repo, root crypto.ID) (map[pack.Handle]bool, error) {
	blobs := map[pack.Handle]bool{{ID: root, Type: pack.Tree}: true}
	for item, err := range tree.Walk(ctx, r, root, nil) {
		if err != nil {
			return nil, err
		}
		if item.Node.Type == entry.Dir {
			blobs[pack.Handle{ID: item.Node.Subtree, Type: pack.Tree}] = true
		}
		for _, id := range item.Node.Content {
			blobs[pack.Handle{ID: id, Type: pack.Data}] = true
		}
	}
	return blobs, nil
}
