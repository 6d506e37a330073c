package pruner

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
)

// indexFile is one of those that the index was made from.
type indexFile struct {
	id    crypto.ID
	packs []crypto.ID
	blobs int // in those packs
	stays bool
}

// replaceIndex makes the index files name the packs that stay, each in one file, and no others. What is to be named is known from what was
// loaded and written; nothing is listed for it.
func (p *Plan) replaceIndex(ctx context.Context) error {
	p.takeInNew()
	files, err := p.indexFilesBySize()
	if err != nil {
		return err
	}
	if err := p.chooseFiles(ctx, files); err != nil {
		return err
	}
	if err := p.writeIndex(ctx); err != nil {
		return err
	}
	if err := p.prove(); err != nil {
		return err
	}
	for _, f := range files {
		if f.stays {
			continue
		}
		if err := p.repo.RemoveFile(ctx, repo.Index, f.id); err != nil {
			return err
		}
	}
	return nil
}

// takeInNew makes the new packs known to the plan. They stay.
func (p *Plan) takeInNew() {
	n := 0
	for id, blobs := range p.index.EachPack() {
		if n == len(p.packs) {
			p.packs = append(p.packs, packState{id: id, size: notListed, blobs: uint32(len(blobs)), files: 1})
			p.number[id] = uint32(n)
		}
		n++
	}
}

// indexFilesBySize returns all index files, the largest first.
func (p *Plan) indexFilesBySize() ([]indexFile, error) {
	var files []indexFile
	for _, id := range p.repo.IndexFiles() {
		f := indexFile{id: id, packs: p.repo.IndexedBy(id)}
		for _, id := range f.packs {
			n, known := p.number[id]
			if !known {
				return nil, unknownPack(id)
			}
			f.blobs += int(p.packs[n].blobs)
		}
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b indexFile) int {
		return cmp.Or(cmp.Compare(b.blobs, a.blobs), bytes.Compare(a.id[:], b.id[:]))
	})
	return files, nil
}

// chooseFiles finds out which index files stay. The largest are asked first: those that a killed run wrote hold all of
// the small ones that they were to replace, so that run's work is kept and not done again.
func (p *Plan) chooseFiles(ctx context.Context, files []indexFile) error {
	for i := range files {
		f := &files[i]
		var err error
		if f.stays, err = p.right(ctx, f); err != nil {
			return err
		}
		if f.stays {
			p.name(f, true)
		}
		f.stays = f.stays || p.held[f.id]
	}
	var small []*indexFile
	for i := range files {
		if f := &files[i]; f.stays && !p.held[f.id] && 2*f.blobs < p.opt.indexBlobs {
			small = append(small, f)
		}
	}
	if len(small) < 2 && !slices.ContainsFunc(p.packs, func(s packState) bool { return s.unnamed() }) {
		return nil
	}
	for _, f := range small {
		f.stays = false
		p.name(f, false)
	}
	return nil
}

// right reports whether an index file names only packs that stay, all of them completely, and none that is named already.
func (p *Plan) right(ctx context.Context, f *indexFile) (bool, error) {
	alone := true
	for _, id := range f.packs {
		s := &p.packs[p.number[id]]
		if s.fate != keep || s.named {
			return false, nil
		}
		alone = alone && s.files == 1
	}
	if alone { // all that the index knows of these packs is from here
		return len(f.packs) > 0, nil
	}
	return p.complete(ctx, f.id)
}

// complete reads an index file and reports whether it names each of its packs once and completely.
func (p *Plan) complete(ctx context.Context, file crypto.ID) (bool, error) {
	plain, err := p.repo.LoadFile(ctx, repo.Index, file)
	if err != nil {
		return false, err
	}
	right, seen := true, make(map[crypto.ID]bool)
	err = index.Decode(plain, func(id crypto.ID, blobs []pack.Blob) error {
		right = right && !seen[id] && p.lists(id, blobs) == nil
		seen[id] = true
		return nil
	})
	return right, err
}

// name notes whether the packs of an index file are named.
func (p *Plan) name(f *indexFile, named bool) {
	for _, id := range f.packs {
		p.packs[p.number[id]].named = named
	}
}

// unnamed reports whether the pack has to go into a new index file.
func (s *packState) unnamed() bool { return s.fate == keep && !s.named }
