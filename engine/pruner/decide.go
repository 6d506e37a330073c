package pruner

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
)

// fate is what becomes of a pack.
type fate uint8

const (
	keep   fate = iota
	remove      // nothing in it is needed, or not this copy of it
	repack      // its needed blobs go into new packs
)

// notListed is the size of a pack that the listing doesn't have.
const notListed = -1

// frame is how much larger than its blobs a pack is.
var frame = int64(pack.HeaderSize(nil))

// packState is what is known of a pack that the index names.
type packState struct {
	id     crypto.ID
	size   int64 // as listed
	used   int64 // bytes of blobs that are needed
	unused int64 // bytes of the others
	spare  int64 // those of used that are kept elsewhere
	blobs  uint32
	files  uint32    // how many index files name it
	kind   pack.Type // of its first blob
	fate   fate
	mixed  bool // it holds both types of blobs
	good   bool // it is listed, with the size that it must have
	held   bool // it can't go for now
	named  bool // in an index file that stays, or a new one
}

// needed is the bytes for whose sake the pack is there.
func (s *packState) needed() int64 { return s.used - s.spare }

// wasted is the other bytes.
func (s *packState) wasted() int64 { return s.unused + s.spare }

// footprint is the number of bytes a blob takes in a pack.
func footprint(b pack.Blob) int64 {
	return int64(b.Length) + int64(pack.HeaderSize([]pack.Blob{b})) - frame
}

// survey measures the packs, and proves that each needed blob is in one that is good.
func (p *Plan) survey() error {
	found := p.index.NewSet()
	p.shared = p.index.NewSet()
	n := 0
	for _, blobs := range p.index.EachPack() {
		p.packs[n].measure(blobs, p.used)
		for _, b := range blobs {
			if !p.packs[n].good || !p.used.Has(b.Handle) {
				continue
			}
			if added, _ := found.Add(b.Handle); !added {
				p.shared.Add(b.Handle)
			}
		}
		n++
	}
	n = 0
	for id, blobs := range p.index.EachPack() {
		s := &p.packs[n]
		n++
		for _, b := range blobs {
			switch {
			case !p.used.Has(b.Handle):
			case !found.Has(b.Handle):
				return missing(fmt.Errorf("%s is in data/%s, which should have %d bytes and %s", b.Handle, id.Short(), s.right(), s.listed()))
			case !s.good || !p.keeps(index.Location{Pack: id, Blob: b}):
				s.spare += footprint(b)
			}
		}
	}
	return nil
}

// measure adds up the blobs of the pack. If they don't make up a pack of the listed size it is none to rely on.
func (s *packState) measure(blobs []pack.Blob, used *index.Set) {
	if len(blobs) > 0 {
		s.blobs, s.kind = uint32(len(blobs)), blobs[0].Type
	}
	for _, b := range blobs {
		s.mixed = s.mixed || b.Type != s.kind
		if used.Has(b.Handle) {
			s.used += footprint(b)
		} else {
			s.unused += footprint(b)
		}
	}
	s.good = s.size == s.right()
}

// right is the size the pack must have.
func (s *packState) right() int64 { return s.used + s.unused + frame }

func (s *packState) listed() string {
	if s.size == notListed {
		return "is not listed"
	}
	return fmt.Sprintf("is listed with %d", s.size)
}

// keeps reports whether this is the copy of a needed blob that is kept. It asks for nothing but what the index said of the packs when
// the plan was made.
func (p *Plan) keeps(here index.Location) bool {
	if !p.used.Has(here.Handle) {
		return false
	}
	if !p.shared.Has(here.Handle) {
		return true
	}
	for _, l := range p.index.Lookup(here.Handle) {
		if p.better(l, here) {
			return false
		}
	}
	return true
}

// better orders the copies of a blob: first those in packs with the least unused bytes, which are those that stay.
func (p *Plan) better(a, b index.Location) bool {
	i, known := p.number[a.Pack]
	if !known || !p.packs[i].good {
		return false
	}
	x, y := &p.packs[i], &p.packs[p.number[b.Pack]]
	if x.mixed != y.mixed {
		return y.mixed
	}
	return cmp.Or(cmp.Compare(x.unused, y.unused), bytes.Compare(x.id[:], y.id[:]), cmp.Compare(a.Offset, b.Offset)) < 0
}

// decide chooses the fate of each pack.
func (p *Plan) decide() {
	var partly, small []*packState
	f := &p.Figures
	for i := range p.packs {
		s := &p.packs[i]
		f.Used += s.needed()
		switch {
		case s.held:
			f.Unused += s.wasted()
			if s.needed() == 0 {
				f.Held.add(s.size)
			}
		case s.needed() == 0:
			s.fate = remove
		case s.mixed || s.wasted() > 0:
			f.Unused += s.wasted()
			partly = append(partly, s)
		case p.small(s):
			small = append(small, s)
		}
	}
	p.choosePartly(partly)
	p.chooseSmall(small)
	for i := range p.packs {
		p.count(&p.packs[i])
	}
}

// small reports whether the pack is to be joined with others.
func (p *Plan) small(s *packState) bool {
	return p.opt.RepackSmall && s.size < int64(p.repo.Options().PackSize)/2
}

// choosePartly takes partly needed packs, those first that free the most bytes for each that is copied, until few enough unused
// ones are left. Packs of both types are taken in any case: nobody should have to look for trees among the data.
func (p *Plan) choosePartly(packs []*packState) {
	slices.SortFunc(packs, func(a, b *packState) int {
		gain := cmp.Compare(float64(b.wasted())/float64(b.needed()), float64(a.wasted())/float64(a.needed()))
		return cmp.Or(gain, bytes.Compare(a.id[:], b.id[:]))
	})
	limit := p.opt.MaxUnused(p.Figures.Used)
	for _, s := range packs {
		if (s.mixed || p.Figures.Unused > limit) && p.repack(s) {
			p.Figures.Unused -= s.wasted()
		}
	}
}

// chooseSmall takes the packs that are far from full, if those of a type make fewer when put together. The smallest come first: of
// them the most fit into a bound.
func (p *Plan) chooseSmall(packs []*packState) {
	slices.SortFunc(packs, func(a, b *packState) int {
		return cmp.Or(cmp.Compare(a.size, b.size), bytes.Compare(a.id[:], b.id[:]))
	})
	target := int64(p.repo.Options().PackSize)
	var byType [2][]*packState
	for _, s := range packs {
		byType[s.kind] = append(byType[s.kind], s)
	}
	for _, some := range byType {
		total := int64(0)
		for _, s := range some {
			total += s.needed()
		}
		if int64(len(some)) <= total/target+2 { // a writer may leave two that are not full
			continue
		}
		for _, s := range some {
			p.repack(s)
		}
	}
}

// repack takes a pack, unless that were too much.
func (p *Plan) repack(s *packState) bool {
	f := &p.Figures
	if p.opt.MaxRepack > 0 && f.Repack.Bytes+s.size > p.opt.MaxRepack {
		return false
	}
	s.fate = repack
	f.Repack.add(s.size)
	f.Copied += s.needed()
	return true
}

// count adds the pack to the figures.
func (p *Plan) count(s *packState) {
	if s.fate != keep {
		p.removed += int(s.blobs)
	}
	switch {
	case s.size == notListed:
	case s.fate == keep:
		p.Figures.Keep.add(s.size)
	case s.fate == remove:
		p.Figures.Delete.add(s.size)
	}
}
