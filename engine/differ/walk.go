package differ

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
)

// walker is one call of Diff.
type walker struct {
	ctx    context.Context
	repo   *repo.Repo
	yield  func(Change, error) bool
	ahead  int     // how many directories of a directory are loaded, or wait to be walked, at once
	census *census // nil if nobody wants to know
	loads  sync.WaitGroup
}

// pair is one name in a directory, as it is on the two sides.
type pair struct {
	name          string
	before, after *tree.Node // nil where there is none
	err           error      // the node of one side, or of both, is damaged
	below         <-chan listing
}

// listing is a directory as both sides have it.
type listing struct {
	pairs []pair
	err   error // why it can't be compared
}

func (w *walker) run(a, b crypto.ID) {
	if a == b || !w.walk("", w.start(a, b)) {
		return
	}
	if w.census != nil {
		w.count()
	}
}

// start loads a directory of both sides in the background.
func (w *walker) start(a, b crypto.ID) <-chan listing {
	if w.census != nil {
		w.census.tree(a, inOld)
		w.census.tree(b, inNew)
	}
	c := make(chan listing, 1)
	w.loads.Go(func() {
		var before, after []tree.Element
		var errBefore, errAfter error
		var both sync.WaitGroup
		both.Go(func() { before, errBefore = w.load(a) })
		after, errAfter = w.load(b)
		both.Wait()
		if err := errors.Join(errBefore, errAfter); err != nil {
			c <- listing{err: err}
			return
		}
		c <- listing{pairs: merge(before, after)}
	})
	return c
}

// load returns the nodes of a directory in the order of their names.
func (w *walker) load(id crypto.ID) ([]tree.Element, error) {
	if id.IsNull() {
		return nil, nil
	}
	p, err := w.repo.LoadBlob(w.ctx, pack.Handle{ID: id, Type: pack.Tree}, nil)
	if err != nil {
		return nil, fmt.Errorf("tree %s: %w", id.Short(), err)
	}
	var d tree.Decoder
	elements, err := d.All(p)
	if err != nil {
		return nil, fmt.Errorf("tree %s: %w", id.Short(), err)
	}
	return elements, nil
}

// merge puts the nodes of equal names together. Both lists are in the order of the names.
func merge(before, after []tree.Element) []pair {
	pairs := make([]pair, 0, max(len(before), len(after)))
	for len(before) > 0 || len(after) > 0 {
		var p pair
		switch {
		case len(after) == 0:
			p.name = before[0].Name
		case len(before) == 0:
			p.name = after[0].Name
		default:
			p.name = min(before[0].Name, after[0].Name)
		}
		var errBefore, errAfter error
		before, p.before, errBefore = take(before, p.name)
		after, p.after, errAfter = take(after, p.name)
		p.err = errors.Join(errBefore, errAfter)
		pairs = append(pairs, p)
	}
	return pairs
}

// take splits off all elements called name, which stand first. There are several in a damaged tree only.
func take(from []tree.Element, name string) (rest []tree.Element, n *tree.Node, err error) {
	for len(from) > 0 && from[0].Name == name {
		n = &from[0].Node
		err = errors.Join(err, from[0].Err)
		from = from[1:]
	}
	return from, n, err
}

// walk yields what differs in the directory dir and below, and reports whether to go on.
func (w *walker) walk(dir string, loading <-chan listing) bool {
	l := <-loading
	if w.ctx.Err() != nil {
		w.yield(Change{}, context.Cause(w.ctx))
		return false
	}
	if l.err != nil {
		return w.lose(dir, l.err) && dir != ""
	}
	next, waiting := 0, 0
	for i := range l.pairs {
		for ; next < len(l.pairs) && waiting < w.ahead; next++ {
			if p := &l.pairs[next]; w.enter(dir, p) {
				waiting++
			}
		}
		p := &l.pairs[i]
		path := join(dir, p.name)
		if !w.report(path, p) {
			return false
		}
		if p.below != nil {
			waiting--
			if !w.walk(path, p.below) {
				return false
			}
		}
		*p = pair{} // or everything below would stay in memory as long as this directory does
	}
	return true
}

// enter starts to load what is below p, if it can differ.
func (w *walker) enter(dir string, p *pair) bool {
	if p.err != nil {
		return false
	}
	before, after := p.subtrees()
	switch {
	case before != after:
		p.below = w.start(before, after)
		return true
	case !before.IsNull() && w.census != nil:
		w.census.equal = append(w.census.equal, subtree{join(dir, p.name), before})
	}
	return false
}

// subtrees returns the IDs of the directories that p is, null where it is none.
func (p *pair) subtrees() (before, after crypto.ID) {
	if p.before != nil && p.before.Type == entry.Dir {
		before = p.before.Subtree
	}
	if p.after != nil && p.after.Type == entry.Dir {
		after = p.after.Subtree
	}
	return before, after
}

func (w *walker) report(path string, p *pair) bool {
	if p.err != nil {
		return w.lose(path, p.err)
	}
	kind := Compare(p.before, p.after)
	c := Change{Path: path, Kind: kind, Old: p.before, New: p.after}
	if w.census != nil {
		w.census.change(c)
	}
	return kind == "" || w.yield(c, nil)
}

// lose yields an error about path; the root has no path.
func (w *walker) lose(path string, err error) bool {
	if path != "" {
		err = &entry.Error{Path: path, Err: err}
	}
	return w.yield(Change{}, err)
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}
