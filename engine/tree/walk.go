package tree

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/entry"
)

// Load reads the tree with the given ID; its nodes come in the order of their names. Where some of them have problems it returns
// the others, together with an error that wraps each *ProblemError.
func Load(ctx context.Context, r *repo.Repo, id crypto.ID) ([]Node, error) {
	var l loader
	elements, err := l.load(ctx, r, id)
	nodes := make([]Node, 0, len(elements))
	for _, e := range elements {
		if e.Err == nil {
			nodes = append(nodes, e.Node)
		} else {
			err = errors.Join(err, e.Err)
		}
	}
	if err != nil {
		err = fmt.Errorf("tree %s: %w", id.Short(), err)
	}
	return nodes, err
}

// Item is a step of a walk.
type Item struct {
	Path string // slash-separated, without a leading slash; "" for the root
	Node *Node  // nil in an error about the directory as a whole
}

// Walk yields all nodes below the tree root: depth first, a directory before what it holds, each directory in the order of
// its names. Some of the directories that come next are loaded ahead, so that memory holds a few trees for each level.
//
// skip is asked for each directory, before it is loaded and perhaps long before it is yielded, whether to leave out what
// it holds; nil leaves out nothing. It is called by the goroutine that ranges over the walk.
//
// An error beside an Item with a Node is a *ProblemError; such a directory is not entered. An error without a Node says that the tree of the directory Path, or its rest, can't be read. The walk goes on
// after both. It ends early only with the context, whose cause is then the last error.
func Walk(ctx context.Context, r *repo.Repo, root crypto.ID, skip func(path string, n *Node) bool) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		w := walker{ctx: ctx, repo: r, skip: skip, yield: yield, ahead: max(r.Options().Connections, runtime.GOMAXPROCS(0))}
		defer w.loads.Wait()
		defer cancel()
		w.walk("", w.start(root))
	}
}

type walker struct {
	ctx     context.Context
	repo    *repo.Repo
	skip    func(path string, n *Node) bool
	yield   func(Item, error) bool
	ahead   int // how many subtrees of a directory are loaded, or wait to be walked, at once
	loads   sync.WaitGroup
	loaders sync.Pool
}

// listing is a tree as it was read.
type listing struct {
	elements []Element
	err      error // why there are no more
}

// start loads a tree in the background.
func (w *walker) start(id crypto.ID) <-chan listing {
	c := make(chan listing, 1)
	w.loads.Go(func() {
		l, ok := w.loaders.Get().(*loader)
		if !ok {
			l = new(loader)
		}
		defer w.loaders.Put(l)
		elements, err := l.load(w.ctx, w.repo, id)
		if err != nil {
			err = fmt.Errorf("tree %s: %w", id.Short(), err)
		}
		c <- listing{elements, err}
	})
	return c
}

// walk reports whether to go on.
func (w *walker) walk(dir string, tree <-chan listing) bool {
	l := <-tree
	if w.ctx.Err() != nil {
		w.yield(Item{Path: dir}, context.Cause(w.ctx))
		return false
	}
	subtrees := make([]<-chan listing, len(l.elements)) // nil where there is nothing to walk
	next, waiting := 0, 0
	for i := range l.elements {
		for ; next < len(l.elements) && waiting < w.ahead; next++ {
			if e := &l.elements[next]; w.enters(dir, e) {
				subtrees[next] = w.start(e.Subtree)
				waiting++
			}
		}
		e := &l.elements[i]
		path := join(dir, e.Name)
		if !w.yield(Item{Path: path, Node: &e.Node}, e.Err) {
			return false
		}
		if subtrees[i] == nil {
			continue
		}
		waiting--
		if !w.walk(path, subtrees[i]) {
			return false
		}
		subtrees[i] = nil // its listing is not needed any more
	}
	return l.err == nil || w.yield(Item{Path: dir}, l.err)
}

func (w *walker) enters(dir string, e *Element) bool {
	return e.Err == nil && e.Type == entry.Dir && (w.skip == nil || !w.skip(join(dir, e.Name), &e.Node))
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// loader loads trees, one after the other.
type loader struct {
	decoder Decoder
	buf     []byte
}

// load returns the nodes of a tree, each with its problem, and why there are no more.
func (l *loader) load(ctx context.Context, r *repo.Repo, id crypto.ID) ([]Element, error) {
	p, err := r.LoadBlob(ctx, pack.Handle{ID: id, Type: pack.Tree}, l.buf)
	if err != nil {
		return nil, err
	}
	l.buf = p
	return l.decoder.All(p)
}
