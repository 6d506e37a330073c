package pruner

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
)

// errProof means that this program made an index that lacks something. It is found before anything is removed.
var errProof = errors.New("the new index is not what it should be, which is a bug of this program; nothing that is needed was removed")

func unknownPack(id crypto.ID) error {
	return fmt.Errorf("%w: data/%s is not known", errProof, id.Short())
}

// writeIndex saves index files of the packs that have to be named, whole packs each.
func (p *Plan) writeIndex(ctx context.Context) error {
	var f index.File
	n := 0
	for id, blobs := range p.index.EachPack() {
		s := &p.packs[n]
		n++
		if !s.unnamed() {
			continue
		}
		f.Add(id, blobs)
		if f.Blobs() < p.opt.indexBlobs {
			continue
		}
		if err := p.saveIndex(ctx, &f); err != nil {
			return err
		}
	}
	if f.Blobs() == 0 {
		return nil
	}
	return p.saveIndex(ctx, &f)
}

// saveIndex reads what is to be saved, compares it with the index, and saves it.
func (p *Plan) saveIndex(ctx context.Context, f *index.File) error {
	file := f.JSON()
	err := index.Decode(file, func(id crypto.ID, blobs []pack.Blob) error {
		if err := p.lists(id, blobs); err != nil {
			return err
		}
		s := &p.packs[p.number[id]]
		if !s.unnamed() {
			return fmt.Errorf("%w: it names data/%s", errProof, id.Short())
		}
		s.named = true
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := p.repo.SaveFile(ctx, repo.Index, file); err != nil {
		return err
	}
	p.newIndexes++
	return nil
}

// lists returns an error if the blobs are not all that the index knows of the pack. It sorts them.
func (p *Plan) lists(id crypto.ID, blobs []pack.Blob) error {
	n, known := p.number[id]
	if !known {
		return unknownPack(id)
	}
	for _, b := range blobs {
		if !slices.Contains(p.index.Lookup(b.Handle), index.Location{Pack: id, Blob: b}) {
			return fmt.Errorf("%w: it has %s elsewhere in data/%s", errProof, b.Handle, id.Short())
		}
	}
	slices.SortFunc(blobs, compareBlobs)
	if got, want := len(slices.Compact(blobs)), int(p.packs[n].blobs); got != want || len(blobs) != want {
		return fmt.Errorf("%w: it names %d blobs of data/%s instead of %d", errProof, got, id.Short(), want)
	}
	return nil
}

func compareBlobs(a, b pack.Blob) int {
	return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Length, b.Length), cmp.Compare(a.Type, b.Type),
		cmp.Compare(a.UncompressedLength, b.UncompressedLength), bytes.Compare(a.ID[:], b.ID[:]))
}

// prove compares the index files that will be left with those that were there: they name the packs that stay and no others, just as many
// places of blobs as before, less what was in packs that go, and each needed blob.
func (p *Plan) prove() error {
	rows := 0
	for _, s := range p.packs {
		if s.named != (s.fate == keep) {
			return fmt.Errorf("%w: whether it names data/%s is %t", errProof, s.id.Short(), s.named)
		}
		if s.named {
			rows += int(s.blobs)
		}
	}
	if want := p.index.Count(pack.Data) + p.index.Count(pack.Tree) - p.removed; rows != want {
		return fmt.Errorf("%w: it names %d places of blobs instead of %d", errProof, rows, want)
	}
	left := p.index.NewSet()
	for _, t := range []pack.Type{pack.Data, pack.Tree} {
		for l := range p.index.Blobs(t) {
			if p.packs[p.number[l.Pack]].named {
				left.Add(l.Handle)
			}
		}
		for l := range p.index.Blobs(t) {
			if p.used.Has(l.Handle) && !left.Has(l.Handle) {
				return fmt.Errorf("%w: it lacks %s", errProof, l.Handle)
			}
		}
	}
	return nil
}
