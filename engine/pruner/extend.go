package pruner

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/progress"
)

// Extended is what Extend has done.
type Extended struct {
	Files    int         // that are needed
	Extended int         // those of them whose object lock was made longer
	Added    repo.Stored // new packs
	Indexes  int         // index files that were written beside those of the new packs
}

// Extend sees to it that all that the snapshots of the plan need is kept from deletion until soonest at least: what is kept for a shorter
// time is kept until then. What nothing needs is left to run out, so that a later prune can free it. So the needed blobs of a pack
// that prune would replace are put into a new one, and of an index file that also names what is left to run out a new one is written.
// The context must hold a lock, a shared one is enough. After an error some locks are longer and others not yet.
func (p *Plan) Extend(ctx context.Context, soonest, until time.Time) (Extended, error) {
	e := extend{apply: apply{Plan: p}, soonest: soonest, until: until}
	err := e.run(ctx)
	if err != nil {
		err = fmt.Errorf("extend object lock: %w", err)
	}
	return e.done, err
}

type extend struct {
	apply
	soonest, until time.Time
	done           Extended
}

// keptFile is a file that is needed.
type keptFile struct {
	file repo.FileType
	id   crypto.ID
}

func (e *extend) run(ctx context.Context) error {
	if _, ok := e.repo.Retainer(); !ok {
		return repo.ErrNoObjectLock
	}
	defer e.repo.ForgetIndex()
	if err := e.repackDue(ctx); err != nil {
		return err
	}
	files := []keptFile{{file: repo.Config}}
	for info, err := range e.repo.List(ctx, repo.Keys) {
		if err != nil {
			return err
		}
		files = append(files, keptFile{repo.Keys, info.ID})
	}
	for id := range e.snapshots {
		files = append(files, keptFile{repo.Snapshots, id})
	}
	for i := range e.packs {
		if s := &e.packs[i]; s.fate == keep {
			files = append(files, keptFile{repo.Packs, s.id})
		}
	}
	pure, mixed := e.indexFilesByUse()
	files = append(files, pure...)
	if err := e.all(ctx, files); err != nil {
		return err
	}
	err := e.rewriteMixed(ctx, mixed)
	e.done.Indexes = e.newIndexes
	return err
}

// repackDue decides what stays as if nothing were held, and puts the needed blobs of those packs into new ones that were to be replaced
// and whose lock runs out too soon.
func (e *extend) repackDue(ctx context.Context) error {
	e.Figures = Figures{}
	for i := range e.packs {
		e.packs[i].held = false
	}
	e.decide()
	e.Figures.Repack = Amount{}
	for i := range e.packs {
		s := &e.packs[i]
		if s.fate != repack {
			continue
		}
		held, err := e.repo.Held(ctx, repo.Packs, s.id)
		if err != nil {
			return err
		}
		if !held.Before(e.soonest) {
			s.fate = keep
			continue
		}
		e.Figures.Repack.add(s.size)
	}
	if err := e.repackAll(ctx); err != nil {
		return err
	}
	e.done.Added = e.result.Added
	e.takeInNew()
	return nil
}

// all extends what is to be, several at once.
func (e *extend) all(ctx context.Context, files []keptFile) error {
	e.opt.Progress.Send(progress.Event{Kind: progress.Total, Files: int64(len(files))})
	e.done.Files = len(files)
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(e.repo.Options().Connections)
	for _, f := range files {
		if groupCtx.Err() != nil {
			break
		}
		group.Go(func() error { return e.one(groupCtx, f) })
	}
	return cmp.Or(group.Wait(), context.Cause(ctx))
}

// one extends the lock of a file if it has to be.
func (e *extend) one(ctx context.Context, f keptFile) error {
	held, err := e.repo.Held(ctx, f.file, f.id)
	if err != nil {
		return err
	}
	if held.Before(e.soonest) {
		if err := e.repo.Retain(ctx, f.file, f.id, e.until); err != nil {
			return err
		}
		e.mu.Lock()
		e.done.Extended++
		e.mu.Unlock()
	}
	e.opt.Progress.Send(progress.Event{Kind: progress.Finished, Item: f.file.Name(f.id)})
	return nil
}

// indexFilesByUse parts the index files: pure are those that name packs that stay and no others. These packs are named.
func (e *extend) indexFilesByUse() (pure []keptFile, mixed []crypto.ID) {
	for _, file := range e.repo.IndexFiles() {
		useful, useless := false, false
		for _, id := range e.repo.IndexedBy(file) {
			stays := e.packs[e.number[id]].fate == keep
			useful, useless = useful || stays, useless || !stays
		}
		switch {
		case !useful:
		case useless:
			mixed = append(mixed, file)
		default:
			pure = append(pure, keptFile{repo.Index, file})
			for _, id := range e.repo.IndexedBy(file) {
				s := &e.packs[e.number[id]]
				s.named = s.named || s.files == 1 // else this file may have a part of it
			}
		}
	}
	return pure, mixed
}

// rewriteMixed writes index files of the packs that stay and that only mixed files name, if the lock of those runs out too soon.
func (e *extend) rewriteMixed(ctx context.Context, mixed []crypto.ID) error {
	due := make(map[crypto.ID]bool) // packs
	for _, file := range mixed {
		held, err := e.repo.Held(ctx, repo.Index, file)
		if err != nil {
			return err
		}
		for _, id := range e.repo.IndexedBy(file) {
			due[id] = due[id] || held.Before(e.soonest)
		}
	}
	for i := range e.packs {
		s := &e.packs[i]
		s.named = s.named || !due[s.id]
	}
	return e.writeIndex(ctx)
}
