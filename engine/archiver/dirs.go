package archiver

import (
	"fmt"
	"sync"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
)

// done says that one thing in d is finished. Who finishes the last one makes the tree of d, and so on upwards.
func (a *archive) done(d *dir) {
	for d != nil && d.pending.Add(-1) == 0 {
		if a.ctx.Err() != nil {
			return
		}
		for i, g := range a.groups {
			if err := g.finish(d, &d.sides[i]); err != nil {
				a.cancel(err)
				return
			}
		}
		a.countDir(d)
		d = d.up
	}
}

// finish makes the tree of a directory for one group, or keeps the parent's.
func (g *group) finish(d *dir, s *side) error {
	id := s.old
	if id.IsNull() || s.fresh.Load() || !g.known(pack.Tree, id) {
		s.fresh.Store(true)
		var err error
		if id, err = g.saveTree(d, s); err != nil {
			return err
		}
	}
	s.node.Subtree = id
	if d.up == nil {
		g.root = id
	} else if id != s.old {
		d.up.sides[g.number].fresh.Store(true)
	}
	s.children, s.parent, s.ahead = nil, nil, prefetch{}
	return nil
}

func (g *group) saveTree(d *dir, s *side) (crypto.ID, error) {
	b := builders.Get().(*tree.Builder)
	for _, n := range s.children {
		if n.Type == "" {
			continue
		}
		if err := b.Append(n); err != nil { // b, with half a tree in it, is not used again
			return crypto.ID{}, fmt.Errorf("tree of %q: %w", d.path, err)
		}
	}
	defer builders.Put(b)
	plain := b.Finish()
	h := pack.Handle{ID: crypto.Hash(plain), Type: pack.Tree}
	return h.ID, g.save(h, plain)
}

var builders = sync.Pool{New: func() any { return new(tree.Builder) }}

func (a *archive) countDir(d *dir) {
	if d.up == nil {
		return
	}
	switch s := &d.sides[0]; {
	case s.old.IsNull():
		a.counts.dirsNew.Add(1)
	case s.fresh.Load():
		a.counts.dirsChanged.Add(1)
	default:
		a.counts.dirsUnmodified.Add(1)
	}
}

const treesAhead = 4 // directories of the parent loaded before the walker reaches them

// prefetch loads the directories in a directory of the parent, a few ahead of the walker.
type prefetch struct {
	group *group
	dirs  []crypto.ID // not yet started
	trees []crypto.ID // started
	ahead []chan *listing
}

func newPrefetch(g *group, nodes []tree.Node) prefetch {
	p := prefetch{group: g}
	for i := range nodes {
		if nodes[i].Type == entry.Dir {
			p.dirs = append(p.dirs, nodes[i].Subtree)
		}
	}
	for range treesAhead {
		p.start()
	}
	return p
}

func (p *prefetch) start() {
	if len(p.dirs) == 0 {
		return
	}
	id, g, loaded := p.dirs[0], p.group, make(chan *listing, 1)
	p.dirs = p.dirs[1:]
	p.trees, p.ahead = append(p.trees, id), append(p.ahead, loaded)
	g.archive.loads.Go(func() { loaded <- g.loadTree(id) })
}

// take returns a directory, nil if it can't be read. They are taken in the order of the parent's nodes; those between are
// passed over.
func (p *prefetch) take(id crypto.ID) *listing {
	for len(p.ahead) > 0 {
		at, loaded := p.trees[0], p.ahead[0]
		p.trees, p.ahead = p.trees[1:], p.ahead[1:]
		p.start()
		if at == id {
			return <-loaded
		}
	}
	return nil
}
