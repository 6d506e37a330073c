package repairer

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
)

// IndexOptions say how to repair the index. The zero value is useful.
type IndexOptions struct {
	ReadAllPacks bool // read the header of every pack, not only where the index can't be right
	DryRun       bool
}

// IndexResult is what became of the index. The lists are in the order of the IDs.
type IndexResult struct {
	Kept    []crypto.ID // index files that are right
	Removed []crypto.ID // index files that are not, or name nothing that others don't
	Saved   int         // new index files
	Added   []crypto.ID // packs that no index named
	Changed []crypto.ID // packs that were listed wrongly, or in several index files that differed
	Dropped []crypto.ID // packs that the index named and that are not there
	Unread  []crypto.ID // packs that no index names and whose header is damaged: what is in them is not known
}

// Index makes the index what the packs say. Packs that are not indexed, or not rightly, are listed as their headers do;
// where a header is damaged, what the index says of the pack stays. Packs that are not there are dropped, once the storage was asked
// for each of them. Index files that are wholly right are kept; the others are removed after new ones were saved and
// read again. Then the repository's index is loaded anew.
func Index(ctx context.Context, r *repo.Repo, opt IndexOptions) (IndexResult, error) {
	result, err := rebuild(ctx, r, opt, nil)
	if err != nil {
		return result, fmt.Errorf("repair index: %w", err)
	}
	return result, nil
}

// rebuild is Index; the packs of without are treated as if they were not there.
func rebuild(ctx context.Context, r *repo.Repo, opt IndexOptions, without map[crypto.ID]bool) (IndexResult, error) {
	b := &builder{r: r, opt: opt, without: without, seed: maphash.MakeSeed(), index: index.New(),
		files: make(map[crypto.ID][]listing), packs: make(map[crypto.ID]*state)}
	for _, step := range []func(context.Context) error{b.readIndex, b.listPacks, b.judgePacks} {
		if err := step(ctx); err != nil {
			return IndexResult{}, err
		}
	}
	b.judgeFiles()
	if err := b.save(ctx); err != nil || opt.DryRun {
		return b.result, err
	}
	return b.result, r.LoadIndex(ctx)
}

// builder makes a new index.
type builder struct {
	r       *repo.Repo
	opt     IndexOptions
	without map[crypto.ID]bool
	seed    maphash.Seed
	index   *index.Index            // what all index files say
	files   map[crypto.ID][]listing // of index files; nil for one that can't be read
	packs   map[crypto.ID]*state
	result  IndexResult
	file    index.File // being filled
	names   []crypto.ID
}

// listing is what an index file says of a pack.
type listing struct {
	pack   crypto.ID
	digest uint64
}

// state is what is known of a pack.
type state struct {
	size     int64
	there    bool
	listed   bool        // in an index file
	conflict bool        // in two, differently
	digest   uint64      // of what the index says; once judged, of what is right
	header   []pack.Blob // what is right, if that is not what the index says
	covered  bool        // by an index file that is kept or saved
}

// digest tells lists of blobs apart; their order is of no meaning.
func (b *builder) digest(blobs []pack.Blob) (sum uint64) {
	for _, blob := range blobs {
		sum += maphash.Comparable(b.seed, blob)
	}
	return sum
}

func (b *builder) pack(id crypto.ID) *state {
	s := b.packs[id]
	if s == nil {
		s = new(state)
		b.packs[id] = s
	}
	return s
}

// readIndex reads each index file by itself. One that is damaged or no index is to be removed: what it named is found in the
// headers of the packs.
func (b *builder) readIndex(ctx context.Context) error {
	files, err := list(ctx, b.r, repo.Index)
	if err != nil {
		return err
	}
	for _, id := range sorted(files) {
		listings, err := b.readFile(ctx, id)
		if err != nil && !errors.Is(err, repo.ErrDamaged) && !errors.Is(err, index.ErrFormat) {
			return err
		}
		if err != nil {
			listings = nil
		}
		b.files[id] = listings
	}
	return nil
}

func (b *builder) readFile(ctx context.Context, id crypto.ID) (listings []listing, err error) {
	plain, err := b.r.LoadFile(ctx, repo.Index, id)
	if err != nil {
		return nil, err
	}
	err = index.Decode(plain, func(id crypto.ID, blobs []pack.Blob) error {
		l := listing{id, b.digest(blobs)}
		listings = append(listings, l)
		b.index.Add(id, blobs)
		s := b.pack(id)
		s.conflict = s.conflict || s.listed && s.digest != l.digest
		s.listed, s.digest = true, l.digest
		return nil
	})
	return listings, err
}

// listPacks finds out which packs are there. A listing is no proof that one is gone, and if none is left, the storage is more
// likely to be the wrong one.
func (b *builder) listPacks(ctx context.Context) error {
	packs, err := list(ctx, b.r, repo.Packs)
	if err != nil {
		return err
	}
	for id, size := range packs {
		s := b.pack(id)
		s.size, s.there = size, !b.without[id]
	}
	for _, id := range sorted(b.packs) {
		if _, listed := packs[id]; listed {
			continue
		}
		_, err := b.r.Backend().Stat(ctx, repo.Packs.Name(id))
		switch {
		case err == nil:
			return fmt.Errorf("pack %s is there but not in the list of packs: the list can't be trusted", id.Short())
		case !errors.Is(err, storage.ErrNotFound):
			return err
		}
		b.result.Dropped = append(b.result.Dropped, id)
	}
	if n := len(b.result.Dropped); n > 0 && len(packs) == 0 {
		return fmt.Errorf("none of %d packs is there: this looks like the wrong storage, or one that is not complete", n)
	}
	return nil
}

// judgePacks finds out what is right for each pack: what the index says, or what its header does.
func (b *builder) judgePacks(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(b.r.Options().Connections, runtime.GOMAXPROCS(0)))
	for id, blobs := range b.index.EachPack() {
		s := b.packs[id]
		if s.there && (b.opt.ReadAllPacks || s.conflict || !pack.Fits(blobs, s.size)) {
			blobs = slices.Clone(blobs)
			group.Go(func() error { return b.judge(groupCtx, id, s, blobs) })
		}
	}
	for id, s := range b.packs {
		if s.there && !s.listed {
			group.Go(func() error { return b.judge(groupCtx, id, s, nil) })
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for _, id := range sorted(b.packs) {
		switch s := b.packs[id]; {
		case !s.there || s.listed && s.header == nil && !s.conflict:
		case s.listed:
			b.result.Changed = append(b.result.Changed, id)
		case s.header != nil:
			b.result.Added = append(b.result.Added, id)
		default:
			b.result.Unread = append(b.result.Unread, id)
		}
	}
	return nil
}

// judge reads the header of a pack. What the index says is wrong if that says otherwise, but better than nothing if it can't be read.
func (b *builder) judge(ctx context.Context, id crypto.ID, s *state, blobs []pack.Blob) error {
	header, err := b.r.PackBlobs(ctx, id, s.size)
	switch {
	case err == nil && !slices.Equal(header, blobs):
		s.header = header
	case err != nil && !errors.Is(err, repo.ErrDamaged):
		return err
	}
	if s.header != nil {
		s.digest = b.digest(s.header)
	} else if s.conflict {
		s.digest = b.digest(blobs)
	}
	return nil
}

// judgeFiles keeps the index files that are right in all they say and name something that those before don't.
func (b *builder) judgeFiles() {
	for _, id := range sorted(b.files) {
		listings := b.files[id]
		right := len(listings) > 0
		for _, l := range listings {
			s := b.packs[l.pack]
			right = right && s.there && !s.covered && s.digest == l.digest
		}
		if !right {
			b.result.Removed = append(b.result.Removed, id)
			continue
		}
		b.result.Kept = append(b.result.Kept, id)
		for _, l := range listings {
			b.packs[l.pack].covered = true
		}
	}
}

// save saves index files of the packs that no kept one names, proves that all packs are named, and removes the others.
func (b *builder) save(ctx context.Context) error {
	for id, blobs := range b.index.EachPack() {
		if s := b.packs[id]; s.header == nil {
			if err := b.add(ctx, id, s, blobs); err != nil {
				return err
			}
		}
	}
	for _, id := range sorted(b.packs) {
		if s := b.packs[id]; s.header != nil {
			if err := b.add(ctx, id, s, s.header); err != nil {
				return err
			}
		}
	}
	if err := b.flush(ctx); err != nil || b.opt.DryRun {
		return err
	}
	if err := b.prove(ctx); err != nil {
		return err
	}
	for _, id := range b.result.Removed {
		if err := b.r.RemoveFile(ctx, repo.Index, id); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) add(ctx context.Context, id crypto.ID, s *state, blobs []pack.Blob) error {
	if !s.there || s.covered {
		return nil
	}
	s.covered = true
	b.file.Add(id, blobs)
	if b.file.Blobs() < index.MaxBlobs {
		return nil
	}
	return b.flush(ctx)
}

func (b *builder) flush(ctx context.Context) error {
	if b.file.Blobs() == 0 {
		return nil
	}
	plain := b.file.JSON()
	b.result.Saved++
	if b.opt.DryRun {
		return nil
	}
	id, err := b.r.SaveFile(ctx, repo.Index, plain)
	b.names = append(b.names, id)
	return err
}

// prove reads the index files that will be left, and compares what they say of each pack with what is right.
func (b *builder) prove(ctx context.Context) error {
	named := make(map[crypto.ID]uint64)
	for _, id := range slices.Concat(b.result.Kept, b.names) {
		plain, err := b.r.LoadFile(ctx, repo.Index, id)
		if err != nil {
			return fmt.Errorf("read the new index: %w", err)
		}
		err = index.Decode(plain, func(id crypto.ID, blobs []pack.Blob) error {
			named[id] = b.digest(blobs)
			return nil
		})
		if err != nil {
			return fmt.Errorf("read the new index: %w", err)
		}
	}
	for id, s := range b.packs {
		if s.covered && named[id] != s.digest {
			return fmt.Errorf("the new index lists pack %s wrongly; the old one is still there", id.Short())
		}
	}
	return nil
}
