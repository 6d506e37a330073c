package differ

import (
	"context"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
)

// Stats count a comparison. Paths of another type count as removed and added. Where something could not be read, the
// numbers lack it, and a blob of it may count for one side only.
type Stats struct {
	Added, Removed Counts
	Modified       int64 // files with other content
	Metadata       int64 // paths whose metadata alone differs
}

// Counts are what only one side has.
type Counts struct {
	Files, Dirs, Others  int64
	DataBlobs, TreeBlobs int64
	Bytes                int64 // of these blobs, uncompressed
	Unknown              int64 // blobs that no index names: their Bytes are missing
}

func (c *Counts) node(n *tree.Node) {
	switch n.Type {
	case entry.File:
		c.Files++
	case entry.Dir:
		c.Dirs++
	default:
		c.Others++
	}
}

func (c *Counts) blob(r *repo.Repo, h pack.Handle) {
	if h.Type == pack.Data {
		c.DataBlobs++
	} else {
		c.TreeBlobs++
	}
	size, ok := r.Index().Size(h)
	if !ok {
		c.Unknown++
	}
	c.Bytes += int64(size)
}

// sides tell where a blob is.
type sides uint8

const (
	inOld sides = 1 << iota
	inNew
	inBoth = inOld | inNew
)

// census finds out which blobs only one side has. It remembers the blobs of directories that differ, and where the equal
// ones are; what these hold is looked up among the former at the end, and not remembered.
type census struct {
	stats *Stats
	equal []subtree

	mu    sync.Mutex // guards what follows while several goroutines look into equal directories
	blobs map[pack.Handle]sides
	seen  map[crypto.ID]bool // equal directories that were looked into
}

// subtree is a directory that is equal on both sides.
type subtree struct {
	path string
	id   crypto.ID
}

func newCensus(s *Stats) *census {
	return &census{stats: s, blobs: make(map[pack.Handle]sides), seen: make(map[crypto.ID]bool)}
}

func (c *census) tree(id crypto.ID, at sides) {
	if !id.IsNull() {
		c.blobs[pack.Handle{ID: id, Type: pack.Tree}] |= at
	}
}

// change takes in a pair of nodes, equal ones too.
func (c *census) change(d Change) {
	switch d.Kind {
	case Added, Removed, Retyped:
		if d.Old != nil {
			c.stats.Removed.node(d.Old)
		}
		if d.New != nil {
			c.stats.Added.node(d.New)
		}
	case Modified:
		if d.New.Type == entry.File {
			c.stats.Modified++
		}
	case Metadata:
		c.stats.Metadata++
	}
	c.content(d.Old, inOld)
	c.content(d.New, inNew)
}

func (c *census) content(n *tree.Node, at sides) {
	if n == nil {
		return
	}
	for _, id := range n.Content {
		c.blobs[pack.Handle{ID: id, Type: pack.Data}] |= at
	}
}

// count fills in the numbers of blobs, once everything that differs is known.
func (w *walker) count() {
	for _, err := range w.visitEqual() {
		if !w.yield(Change{}, err) {
			return
		}
	}
	if w.ctx.Err() != nil {
		w.yield(Change{}, context.Cause(w.ctx))
		return
	}
	for h, at := range w.census.blobs {
		switch at {
		case inOld:
			w.census.stats.Removed.blob(w.repo, h)
		case inNew:
			w.census.stats.Added.blob(w.repo, h)
		}
	}
}

// visitEqual looks into the equal directories for blobs that seem to be on one side only. It returns what it could not
// read.
func (w *walker) visitEqual() (lost []error) {
	var mu sync.Mutex // guards lost
	var group errgroup.Group
	group.SetLimit(w.ahead)
	for _, s := range w.census.equal {
		if !w.census.enter(s.id) {
			continue
		}
		group.Go(func() error {
			skip := func(_ string, n *tree.Node) bool { return !w.census.enter(n.Subtree) }
			for item, err := range tree.Walk(w.ctx, w.repo, s.id, skip) {
				switch {
				case w.ctx.Err() != nil:
					return nil
				case err != nil:
					mu.Lock()
					lost = append(lost, &entry.Error{Path: strings.TrimSuffix(s.path+"/"+item.Path, "/"), Err: err})
					mu.Unlock()
				default:
					w.census.visit(item.Node)
				}
			}
			return nil
		})
	}
	_ = group.Wait() // never an error: they are in lost
	return lost
}

// enter says that both sides have the tree, and reports whether that is news.
func (c *census) enter(id crypto.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.seen[id]
	c.seen[id] = true
	c.both(pack.Handle{ID: id, Type: pack.Tree})
	return !known
}

// visit says that both sides have the content of n.
func (c *census) visit(n *tree.Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range n.Content {
		c.both(pack.Handle{ID: id, Type: pack.Data})
	}
}

// both takes note only of blobs that are known: the others are not on one side alone.
func (c *census) both(h pack.Handle) {
	if _, ok := c.blobs[h]; ok {
		c.blobs[h] = inBoth
	}
}
