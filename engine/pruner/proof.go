package pruner

import (
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

// stays reports whether a pack is there in the end: one that is kept, or a new one.
func (p *Plan) stays(id crypto.ID) bool {
	n, known := p.number[id]
	return !known || p.packs[n].fate == keep
}

// writeIndex saves index files that name all packs that stay, whole packs each, and proves them. What stays is known from what
// was loaded and written; nothing is listed for it.
func (p *Plan) writeIndex(ctx context.Context) error {
	proof := proof{Plan: p, left: p.index.NewSet()}
	var f index.File
	for id, blobs := range p.index.EachPack() {
		if !p.stays(id) {
			continue
		}
		if f.Blobs() > 0 && f.Blobs()+len(blobs) > index.MaxBlobs {
			if err := proof.save(ctx, &f); err != nil {
				return err
			}
		}
		f.Add(id, blobs)
	}
	if f.Blobs() > 0 {
		if err := proof.save(ctx, &f); err != nil {
			return err
		}
	}
	return proof.complete()
}

// proof is what the new index files name, as read from them.
type proof struct {
	*Plan
	left *index.Set
	rows int
}

// save saves an index file, and takes note of what is in it.
func (p *proof) save(ctx context.Context, f *index.File) error {
	file := f.JSON()
	err := index.Decode(file, func(id crypto.ID, blobs []pack.Blob) error {
		if !p.stays(id) {
			return fmt.Errorf("%w: it names data/%s", errProof, id.Short())
		}
		for _, b := range blobs {
			if !slices.Contains(p.index.Lookup(b.Handle), index.Location{Pack: id, Blob: b}) {
				return fmt.Errorf("%w: it has %s elsewhere in data/%s", errProof, b.Handle, id.Short())
			}
			p.left.Add(b.Handle)
			p.rows++
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = p.repo.SaveFile(ctx, repo.Index, file)
	return err
}

// complete compares the new index files with the old ones: they name just as many places as those, less what was in packs that go, and
// each needed blob.
func (p *proof) complete() error {
	if want := p.index.Count(pack.Data) + p.index.Count(pack.Tree) - p.removed; p.rows != want {
		return fmt.Errorf("%w: it names %d places of blobs instead of %d", errProof, p.rows, want)
	}
	for _, t := range []pack.Type{pack.Data, pack.Tree} {
		for l := range p.index.Blobs(t) {
			if p.used.Has(l.Handle) && !p.left.Has(l.Handle) {
				return fmt.Errorf("%w: it lacks %s", errProof, l.Handle)
			}
		}
	}
	return nil
}
