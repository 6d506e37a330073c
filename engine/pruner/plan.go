package pruner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/repo"
)

// Plan says what is to be done to free space. It holds until the repository changes.
type Plan struct {
	Figures Figures

	repo       *repo.Repo
	opt        Options
	snapshots  map[crypto.ID]bool // all that were listed
	indexFiles map[crypto.ID]bool // those that index was made from
	index      *index.Index
	used       *index.Set // needed blobs
	shared     *index.Set // needed blobs of which there are several copies

	packs     []packState // those that the index names
	number    map[crypto.ID]uint32
	unindexed []repo.FileInfo
	held      map[crypto.ID]bool // index files that object lock keeps
	removed   int                // blobs and copies in packs that don't stay

	newIndexes int // index files that were written
}

// Figures are what a Plan comes to. The bytes of a blob are those of its box and of its entry in the pack's header; so each pack is
// 36 bytes larger than its blobs.
type Figures struct {
	Snapshots int
	Total     Amount // packs that are there
	Unindexed Amount // packs that no index names; they go
	Delete    Amount // other packs that go as they are
	Repack    Amount // packs that go after their needed blobs were put into new ones
	Keep      Amount // packs that stay
	Held      Amount // those of them that would go, were they not kept by object lock for now

	Used   int64 // bytes of needed blobs, one copy of each
	Copied int64 // those of them that go from old packs into new ones
	Unused int64 // bytes of unused blobs that stay
}

// Amount is a number of files and their bytes.
type Amount struct {
	Files int
	Bytes int64
}

func (a *Amount) add(size int64) {
	a.Files++
	a.Bytes += size
}

// Freed is how many bytes less there will be.
func (f Figures) Freed() int64 { return f.Unindexed.Bytes + f.Delete.Bytes + f.Repack.Bytes - f.Copied }

// Remaining is how many bytes of packs there will be.
func (f Figures) Remaining() int64 { return f.Total.Bytes - f.Freed() }

// Prepare makes a Plan and changes nothing. It takes some time: it reads all snapshots, index files and trees. The error is a
// *RefusedError where there would be no safe way to remove anything. A plan that is to be applied should be made
// under the same exclusive lock, lest it be outdated by then.
func Prepare(ctx context.Context, r *repo.Repo, opt Options) (*Plan, error) {
	p := &Plan{repo: r, opt: opt.withDefaults(), number: make(map[crypto.ID]uint32)}
	roots, err := p.loadSnapshots(ctx)
	if err != nil {
		return nil, fmt.Errorf("plan prune: %w", err)
	}
	if err := p.loadIndex(ctx); err != nil {
		return nil, fmt.Errorf("plan prune: %w", err)
	}
	if err := p.listPacks(ctx); err != nil {
		return nil, fmt.Errorf("plan prune: %w", err)
	}
	if err := p.checkSnapshots(); err != nil {
		return nil, fmt.Errorf("plan prune: %w", err)
	}
	if err := p.findUsed(ctx, roots); err != nil {
		return nil, fmt.Errorf("plan prune: %w", err)
	}
	if err := p.survey(); err != nil {
		return nil, fmt.Errorf("plan prune: %w", err)
	}
	if err := p.findHeld(ctx); err != nil {
		return nil, fmt.Errorf("plan prune: %w", err)
	}
	p.decide()
	return p, nil
}

// loadIndex loads the index, after the snapshots were listed: so it knows all that they need.
func (p *Plan) loadIndex(ctx context.Context) error {
	if err := p.repo.LoadIndex(ctx); err != nil {
		if errors.Is(err, repo.ErrDamaged) {
			return &RefusedError{Hint: "Rebuild the index first.", Err: err}
		}
		return err
	}
	p.index = p.repo.Index()
	p.indexFiles = make(map[crypto.ID]bool)
	for _, id := range p.repo.IndexFiles() {
		p.indexFiles[id] = true
	}
	for i, id := range p.index.Packs() {
		p.packs = append(p.packs, packState{id: id, size: notListed})
		p.number[id] = uint32(i)
	}
	for file := range p.indexFiles {
		for _, id := range p.repo.IndexedBy(file) {
			p.packs[p.number[id]].files++
		}
	}
	return nil
}

func (p *Plan) listPacks(ctx context.Context) error {
	for info, err := range p.repo.List(ctx, repo.Packs) {
		if err != nil {
			return err
		}
		p.Figures.Total.add(info.Size)
		if i, ok := p.number[info.ID]; ok {
			p.packs[i].size = info.Size
		} else {
			p.unindexed = append(p.unindexed, info)
			p.Figures.Unindexed.add(info.Size)
		}
	}
	return nil
}

// checkSnapshots refuses to take an empty or short listing of snapshots for the truth.
func (p *Plan) checkSnapshots() error {
	const hint = "Look whether the storage lists all files. If the snapshots were removed on purpose, say so."
	seen := p.Figures.Snapshots
	if want := p.opt.MinSnapshots; seen < want {
		return &RefusedError{Hint: hint, Err: fmt.Errorf("%w: %d instead of %d", ErrNoSnapshots, seen, want)}
	}
	if seen == 0 && !p.opt.AllowEmpty && (len(p.packs) > 0 || len(p.unindexed) > 0) {
		return &RefusedError{Hint: hint, Err: fmt.Errorf("%w: none, and yet there is data", ErrNoSnapshots)}
	}
	return nil
}

// unchanged lists snapshots and index files once more: what a listing did not show the first time, or what somebody added in spite
// of the lock, would be lost.
func (p *Plan) unchanged(ctx context.Context) error {
	known := map[repo.FileType]map[crypto.ID]bool{repo.Snapshots: p.snapshots, repo.Index: p.indexFiles}
	for _, t := range []repo.FileType{repo.Snapshots, repo.Index} {
		seen := make(map[crypto.ID]bool, len(known[t]))
		for info, err := range p.repo.List(ctx, t) {
			if err != nil {
				return err
			}
			seen[info.ID] = true
		}
		if !maps.Equal(seen, known[t]) {
			return &RefusedError{Hint: "Make a new plan.", Err: fmt.Errorf("%w: other files in %s", ErrChanged, t)}
		}
	}
	return nil
}

// newIndex reports whether index files have to be replaced: they name a pack that doesn't stay, or one pack several times, as a
// prune leaves it that was killed before it removed the old ones.
func (p *Plan) newIndex() bool {
	return slices.ContainsFunc(p.packs, func(s packState) bool { return s.fate != keep || s.files != 1 })
}
