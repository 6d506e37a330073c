package pruner

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
)

// findHeld asks for the object lock of what might go. A pack that is held stays as it is, and so does one that an index file names which
// is held: that file would name a pack that is gone.
func (p *Plan) findHeld(ctx context.Context) error {
	p.held = make(map[crypto.ID]bool)
	if _, ok := p.repo.Retainer(); !ok {
		return nil
	}
	var ask asking
	for id := range p.indexFiles {
		ask.about(repo.Index, id, func() {
			p.held[id] = true
			for _, id := range p.repo.IndexedBy(id) {
				p.packs[p.number[id]].held = true
			}
		})
	}
	for i := range p.packs {
		if s := &p.packs[i]; s.size != notListed && (s.wasted() > 0 || s.mixed || p.small(s)) {
			ask.about(repo.Packs, s.id, func() { s.held = true })
		}
	}
	kept := make(map[crypto.ID]bool)
	for _, info := range p.unindexed {
		ask.about(repo.Packs, info.ID, func() { kept[info.ID] = true })
	}
	if err := ask.all(ctx, p.repo); err != nil {
		return err
	}
	p.leave(kept)
	return nil
}

// leave takes held packs out of those that no index names and that go.
func (p *Plan) leave(held map[crypto.ID]bool) {
	var rest []repo.FileInfo
	p.Figures.Unindexed = Amount{}
	for _, info := range p.unindexed {
		if held[info.ID] {
			p.Figures.Held.add(info.Size)
			p.Figures.Keep.add(info.Size)
			continue
		}
		rest = append(rest, info)
		p.Figures.Unindexed.add(info.Size)
	}
	p.unindexed = rest
}

// asking is questions about the object lock of files, to be asked several at once.
type asking []question

type question struct {
	file repo.FileType
	id   crypto.ID
	held func() // called if it is
}

func (a *asking) about(t repo.FileType, id crypto.ID, held func()) {
	*a = append(*a, question{t, id, held})
}

// all asks, and calls held of those that are, one at a time.
func (a asking) all(ctx context.Context, r *repo.Repo) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.Options().Connections)
	var mu sync.Mutex
	for _, q := range a {
		group.Go(func() error {
			until, err := r.Held(ctx, q.file, q.id)
			if err != nil || until.IsZero() {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			q.held()
			return nil
		})
	}
	return group.Wait()
}
