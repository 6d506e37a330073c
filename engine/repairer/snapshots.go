package repairer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
)

// Tag is the tag of snapshots that Snapshots makes.
const Tag = "repaired"

// SnapshotOptions say how to repair snapshots. The zero value repairs all, and keeps the old ones.
type SnapshotOptions struct {
	IDs     []crypto.ID // which; nil: all that can be read
	Forget  bool        // remove a snapshot once its repaired one is saved; those of which nothing is left stay
	DryRun  bool
	Changed func(Change) // gets what is changed; a directory that several snapshots share is told of once
}

// Change is what was done to one node.
type Change struct {
	Snapshot crypto.ID // the first that has it
	Path     string
	What     What
}

// What says how a node was changed.
type What string

// The changes. What is not whole any more has a name that ends with Suffix.
const (
	Dropped   What = "dropped"   // nothing of it can be restored
	Emptied   What = "emptied"   // a directory whose tree is lost, or a file whose list of content is
	Shortened What = "shortened" // a file without the parts of its content that are lost, or a directory without the rest of its tree
	Renamed   What = "renamed"   // its name was unsafe, or there twice
	Resized   What = "resized"   // only its size, or its list of no content, was put right
	Sorted    What = "sorted"    // only its place in the directory is another
)

// loses reports whether something is gone.
func (w What) loses() bool { return w == Dropped || w == Emptied || w == Shortened }

// Suffix ends the names of nodes that are not whole, or were renamed.
const Suffix = ".damaged"

// SnapshotResult is what became of one snapshot. Those with which nothing is wrong have none.
type SnapshotResult struct {
	Old  crypto.ID
	New  crypto.ID // null in a dry run, and if there is none
	Tree crypto.ID // null if the tree of the root is lost: then nothing is left, and the snapshot stays as it is
}

// ErrIndexFirst means that blobs seem to be lost that are in packs which no index names: repair the index first.
var ErrIndexFirst = errors.New("what it lacks is in packs that no index names: repair the index first")

// Snapshots makes snapshots that can be restored of those that need what is lost. A blob is lost if no index names it;
// a tree also if it is damaged wherever it is. So Index comes first, then Packs for the damaged ones. The new
// snapshot keeps the time and all else of the old one, has the Tag, and names the first in Original. Run
// again, it makes no second one. An unreadable snapshot file is an error only if it is one of opt.IDs.
func Snapshots(ctx context.Context, r *repo.Repo, opt SnapshotOptions) ([]SnapshotResult, error) {
	results, err := repairSnapshots(ctx, r, opt)
	if err != nil {
		return results, fmt.Errorf("repair snapshots: %w", err)
	}
	return results, nil
}

func repairSnapshots(ctx context.Context, r *repo.Repo, opt SnapshotOptions) ([]SnapshotResult, error) {
	all, err := load(ctx, r, opt.IDs)
	if err != nil {
		return nil, err
	}
	if err := r.LoadIndex(ctx); err != nil {
		return nil, fmt.Errorf("%w; run repair index first", err)
	}
	w := newRewriter(r, opt)
	defer w.close()
	var results []SnapshotResult
	var changed []*snapshot.Snapshot
	for _, s := range all {
		if opt.IDs != nil && !slices.Contains(opt.IDs, s.ID) {
			continue
		}
		w.snapshot = s.ID
		tree, err := w.tree(ctx, "", s.Tree)
		if err != nil {
			return nil, err
		}
		if tree.id != s.Tree || tree.lost {
			results = append(results, SnapshotResult{Old: s.ID, Tree: tree.id})
			changed = append(changed, s)
		}
	}
	if opt.DryRun {
		return results, nil
	}
	if err := w.writer.Flush(ctx); err != nil {
		return nil, err
	}
	if err := w.writer.Verify(ctx); err != nil {
		return nil, err
	}
	for i, s := range changed {
		if err := replace(ctx, r, all, s, &results[i], opt.Forget); err != nil {
			return results, err
		}
	}
	return results, nil
}

// load returns the snapshots that can be read.
func load(ctx context.Context, r *repo.Repo, wanted []crypto.ID) (all []*snapshot.Snapshot, err error) {
	for s, err := range snapshot.List(ctx, r, snapshot.Filter{}) {
		var file *snapshot.FileError
		if errors.As(err, &file) && !slices.Contains(wanted, file.ID) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// replace saves the snapshot with its new tree, unless an earlier repair did, and removes the old one if it is to be forgotten.
func replace(ctx context.Context, r *repo.Repo, all []*snapshot.Snapshot, old *snapshot.Snapshot, result *SnapshotResult, forget bool) error {
	if result.Tree.IsNull() {
		return nil
	}
	if forget {
		if err := r.Removable(ctx, repo.Snapshots, old.ID); err != nil {
			return err
		}
	}
	i := slices.IndexFunc(all, func(s *snapshot.Snapshot) bool {
		return s.Tree == result.Tree && s.Original == old.Identity() && s.HasTag(Tag) && s.ID != old.ID
	})
	if i >= 0 {
		result.New = all[i].ID
	} else {
		next := *old
		next.Tree, next.Original, next.Summary = result.Tree, old.Identity(), nil
		if !next.HasTag(Tag) {
			next.Tags = append(slices.Clone(next.Tags), Tag)
		}
		if err := snapshot.Save(ctx, r, &next); err != nil {
			return err
		}
		result.New = next.ID
	}
	if !forget {
		return nil
	}
	return r.RemoveFile(ctx, repo.Snapshots, old.ID)
}
