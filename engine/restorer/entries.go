// Package restorer reads the entries of a snapshot, and their contents, for a source to restore.
//
// Entries walks the snapshot's tree in tree order; Contents hands out the bytes of files in the order in which they lie in
// the packs, each chunk read and opened once. What is lost costs only the entries it belongs to: an unreadable directory
// is an *entry.Error in the one, a lost chunk an error in Sink.Done in the other. This package writes nothing and knows no
// target.
package restorer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage"
)

// Options say which entries are wanted. The zero value wants all.
type Options struct {
	// Sub is a path in the snapshot: only what is in that directory is yielded, with paths that begin there. Of a file
	// only the file itself is.
	Sub string
	// Select says for a path whether it is taken, and for a directory also whether it is looked into. The directories
	// above something taken are yielded too. Nil takes everything.
	Select func(path string, dir bool) (take, descend bool)
}

// Entries yields the entries of the tree root in tree order. The repository's index must be loaded. What can't be read, or
// must not be restored because its name is unsafe or a duplicate, is yielded as an *entry.Error; that of a directory's inside
// comes after the directory and what could be read of it. Any other error is the last element.
func Entries(ctx context.Context, r *repo.Repo, root crypto.ID, opt Options) iter.Seq2[entry.Entry, error] {
	return func(yield func(entry.Entry, error) bool) {
		if opt.Select == nil {
			opt.Select = func(string, bool) (bool, bool) { return true, true }
		}
		root, file, err := find(ctx, r, root, opt.Sub)
		if err != nil {
			yield(entry.Entry{}, err)
			return
		}
		if file != nil {
			yield(newEntry(r, file.Name, file), nil)
			return
		}
		w := walk{r: r, opt: opt, yield: yield}
		skip := func(path string, _ *tree.Node) bool {
			_, descend := opt.Select(path, true)
			return !descend
		}
		for item, err := range tree.Walk(ctx, r, root, skip) {
			if context.Cause(ctx) != nil {
				yield(entry.Entry{}, context.Cause(ctx))
				return
			}
			if !w.item(item, err) {
				return
			}
		}
	}
}

// Folder returns the tree of the directory sub of the tree root; "" is root itself. The error wraps storage.ErrNotFound if there
// is no such directory.
func Folder(ctx context.Context, r *repo.Repo, root crypto.ID, sub string) (crypto.ID, error) {
	id, other, err := find(ctx, r, root, sub)
	if err == nil && other != nil {
		err = fmt.Errorf("find %q in the snapshot: it is no directory: %w", sub, storage.ErrNotFound)
	}
	return id, err
}

// Find returns the node at the path sub of the tree root; of root itself one that has nothing but its subtree. The error wraps
// storage.ErrNotFound if there is none.
func Find(ctx context.Context, r *repo.Repo, root crypto.ID, sub string) (*tree.Node, error) {
	id, n, err := find(ctx, r, root, sub)
	if err == nil && n == nil {
		n = &tree.Node{Meta: entry.Meta{Type: entry.Dir}, Subtree: id}
	}
	return n, err
}

// find follows the path sub from root. It returns the tree of a directory, or the node of anything else.
func find(ctx context.Context, r *repo.Repo, root crypto.ID, sub string) (crypto.ID, *tree.Node, error) {
	parts := strings.FieldsFunc(sub, func(c rune) bool { return c == '/' })
	for i, part := range parts {
		nodes, err := tree.Load(ctx, r, root)
		n := named(nodes, part)
		if n == nil {
			return root, nil, errors.Join(fmt.Errorf("find %q in the snapshot: %w", strings.Join(parts[:i+1], "/"), storage.ErrNotFound), err)
		}
		if n.Type != entry.Dir {
			if i < len(parts)-1 {
				return root, nil, fmt.Errorf("find %q in the snapshot: %q is no directory: %w", sub, strings.Join(parts[:i+1], "/"), storage.ErrNotFound)
			}
			return root, n, nil
		}
		root = n.Subtree
	}
	return root, nil, nil
}

func named(nodes []tree.Node, name string) *tree.Node {
	for i := range nodes {
		if nodes[i].Name == name {
			return &nodes[i]
		}
	}
	return nil
}

// walk turns the items of a tree.Walk into entries.
type walk struct {
	r     *repo.Repo
	opt   Options
	yield func(entry.Entry, error) bool
	above []entry.Entry // directories that are yielded only if something in them is taken
	lost  string        // directory that was given up: what is in it is passed over
}

// item reports whether to go on.
func (w *walk) item(item tree.Item, err error) bool {
	if w.lost != "" && inside(item.Path, w.lost) {
		return true
	}
	if err != nil {
		return w.problem(item, err)
	}
	dir := item.Node.Type == entry.Dir
	for n := len(w.above); n > 0 && !inside(item.Path, w.above[n-1].Path); n-- {
		w.above = w.above[:n-1]
	}
	take, descend := w.opt.Select(item.Path, dir)
	e := newEntry(w.r, item.Path, item.Node)
	if !take {
		if dir && descend {
			w.above = append(w.above, e)
		}
		return true
	}
	for _, d := range w.above {
		if !w.yield(d, nil) {
			return false
		}
	}
	w.above = w.above[:0]
	return w.yield(e, nil)
}

// problem yields a loss. Without a node it is that of the directory, or of what has not yet been yielded of it; that of the
// root ends the whole.
func (w *walk) problem(item tree.Item, err error) bool {
	if item.Node == nil && item.Path == "" {
		w.yield(entry.Entry{}, err)
		return false
	}
	if item.Node != nil {
		w.lost = item.Path
		dir := item.Node.Type == entry.Dir
		if take, descend := w.opt.Select(item.Path, dir); !take && !(dir && descend) {
			return true // nobody misses it
		}
	}
	return w.yield(entry.Entry{}, &entry.Error{Path: item.Path, Err: err})
}

func inside(name, dir string) bool {
	return len(name) > len(dir) && name[len(dir)] == '/' && strings.HasPrefix(name, dir)
}

// node is the Content of an entry of a snapshot.
type node struct {
	*tree.Node
	r *repo.Repo
}

func newEntry(r *repo.Repo, path string, n *tree.Node) entry.Entry {
	return entry.Entry{Path: path, Meta: n.Meta, Content: &node{n, r}}
}

// Open returns the bytes of a file in order.
func (n *node) Open(ctx context.Context) (io.ReadCloser, error) {
	if n.Type != entry.File {
		return nil, ErrForeign
	}
	return newStream(ctx, n.r, n.Content), nil
}

// LinkTarget returns where a link points.
func (n *node) LinkTarget() (string, error) { return n.Node.LinkTarget, nil }

// Attributes returns the extended attributes.
func (n *node) Attributes() ([]entry.Attribute, error) { return n.Node.Attributes, nil }
