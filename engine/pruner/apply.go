package pruner

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/progress"
)

// Result is what Apply has done.
type Result struct {
	Removed Amount      // packs
	Left    Amount      // packs that could not be removed, each reported as progress.Failed; the next prune takes them
	Added   repo.Stored // new packs
}

// Apply carries the plan out. The context must hold an exclusive lock. Before anything is removed it looks whether the repository is
// still what the plan was made for, and returns a *RefusedError if not. After any error the repository is sound, and a
// new plan finishes what is left. The index of the repository is to be loaded anew afterwards.
func (p *Plan) Apply(ctx context.Context) (Result, error) {
	a := apply{Plan: p}
	err := a.run(ctx)
	if err != nil {
		err = fmt.Errorf("prune: %w", err)
	}
	return a.result, err
}

type apply struct {
	*Plan

	mu     sync.Mutex
	result Result // guarded by mu
}

func (a *apply) run(ctx context.Context) error {
	if len(a.opt.Without) > 0 {
		return &RefusedError{Hint: "Remove these snapshots, then make a new plan.", Err: ErrWithout}
	}
	if len(a.unindexed) == 0 && !a.newIndex() {
		return nil
	}
	if err := a.unchanged(ctx); err != nil {
		return err
	}
	a.announce()
	if err := a.removePacks(ctx, a.unindexed); err != nil {
		return err
	}
	if err := a.repackAll(ctx); err != nil {
		return err
	}
	if !a.newIndex() {
		return nil
	}
	defer a.repo.ForgetIndex()
	if err := a.replaceIndex(ctx); err != nil {
		return err
	}
	return a.removePacks(ctx, a.doomed())
}

func (a *apply) announce() {
	f := a.Figures
	files := f.Unindexed.Files + f.Delete.Files + f.Repack.Files
	a.opt.Progress.Send(progress.Event{Kind: progress.Total, Files: int64(files), Bytes: f.Repack.Bytes})
}

// repackAll puts the needed blobs of some packs into new ones, and saves their index.
func (a *apply) repackAll(ctx context.Context) error {
	if a.Figures.Repack.Files == 0 {
		return nil
	}
	w := a.repo.NewWriter()
	defer w.Close()
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(a.repo.Options().Connections, runtime.GOMAXPROCS(0)))
	for id, blobs := range a.index.EachPack() {
		n, known := a.number[id]
		if !known || a.packs[n].fate != repack {
			continue
		}
		if groupCtx.Err() != nil {
			break
		}
		needed := a.needed(id, blobs)
		group.Go(func() error { return a.repackOne(groupCtx, ctx, w, &a.packs[n], needed) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := w.Flush(ctx); err != nil {
		return err
	}
	a.result.Added = w.Stored()
	return w.Verify(ctx)
}

// needed returns those of the blobs of a pack that are kept.
func (p *Plan) needed(id crypto.ID, blobs []pack.Blob) []pack.Blob {
	var needed []pack.Blob
	for _, b := range blobs {
		if p.keeps(index.Location{Pack: id, Blob: b}) {
			needed = append(needed, b)
		}
	}
	return needed
}

// repackOne copies blobs of one pack. Uploads go on when the group's context has ended, so they are given the other one.
func (a *apply) repackOne(groupCtx, ctx context.Context, w *repo.Writer, s *packState, blobs []pack.Blob) error {
	err := a.repo.LoadEncoded(groupCtx, s.id, blobs, func(_ pack.Blob, e repo.Encoded, err error) error {
		if err == nil {
			_, err = w.Save(ctx, e)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("repack data/%s: %w", s.id.Short(), err)
	}
	a.opt.Progress.Send(progress.Event{Kind: progress.Advanced, Item: repo.Packs.Name(s.id), Bytes: s.size})
	return nil
}

// doomed returns the packs to be removed in the end.
func (p *Plan) doomed() []repo.FileInfo {
	var packs []repo.FileInfo
	for _, s := range p.packs {
		if s.fate != keep && s.size != notListed {
			packs = append(packs, repo.FileInfo{ID: s.id, Size: s.size})
		}
	}
	return packs
}

// removePacks removes packs, several at once. That one can't be removed is reported and not an error, too many packs harm
// nobody; that the lock is not held is.
func (a *apply) removePacks(ctx context.Context, packs []repo.FileInfo) error {
	var group errgroup.Group
	group.SetLimit(a.repo.Options().Connections)
	for _, info := range packs {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return a.removePack(ctx, info) })
	}
	return errors.Join(group.Wait(), context.Cause(ctx))
}

func (a *apply) removePack(ctx context.Context, info repo.FileInfo) error {
	name := repo.Packs.Name(info.ID)
	err := a.repo.RemoveFile(ctx, repo.Packs, info.ID)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case errors.Is(err, repo.ErrNotLocked) || errors.Is(err, repo.ErrLockLost):
		return err
	case err != nil:
		a.result.Left.add(info.Size)
		a.opt.Progress.Send(progress.Event{Kind: progress.Failed, Item: name, Err: err})
	default:
		a.result.Removed.add(info.Size)
		a.opt.Progress.Send(progress.Event{Kind: progress.Finished, Item: name, Bytes: info.Size})
	}
	return nil
}
