package repairer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
)

// rewriter makes trees of what is left of others, each distinct one once.
type rewriter struct {
	r        *repo.Repo
	writer   *repo.Writer // nil in a dry run
	changed  func(Change)
	snapshot crypto.ID
	done     map[crypto.ID]rewritten
	hidden   map[pack.Handle]bool // blobs in packs that no index names; nil until it is asked for
}

// rewritten is what became of a tree. It may be itself.
type rewritten struct {
	id    crypto.ID
	lost  bool // there is none
	short bool // a part of it could not be read
}

func newRewriter(r *repo.Repo, opt SnapshotOptions) *rewriter {
	w := &rewriter{r: r, changed: opt.Changed, done: make(map[crypto.ID]rewritten)}
	if !opt.DryRun {
		w.writer = r.NewWriter()
	}
	return w
}

func (w *rewriter) close() {
	if w.writer != nil {
		w.writer.Close()
	}
}

func (w *rewriter) note(path string, what What) {
	if w.changed != nil {
		w.changed(Change{Snapshot: w.snapshot, Path: path, What: what})
	}
}

// tree rewrites the tree of the directory path.
func (w *rewriter) tree(ctx context.Context, path string, id crypto.ID) (rewritten, error) {
	if t, ok := w.done[id]; ok {
		return t, nil
	}
	plain, err := w.r.LoadBlob(ctx, pack.Handle{ID: id, Type: pack.Tree}, nil)
	var t rewritten
	switch {
	case err == nil:
		t, err = w.rewrite(ctx, path, id, plain)
	case lost(err):
		t.lost = true
		err = w.mustBeLost(ctx, pack.Handle{ID: id, Type: pack.Tree})
	}
	if err != nil {
		return t, err
	}
	w.done[id] = t
	return t, nil
}

// mustBeLost returns an error if the blob is there, though no index names it.
func (w *rewriter) mustBeLost(ctx context.Context, h pack.Handle) error {
	if w.hidden == nil {
		w.hidden = make(map[pack.Handle]bool)
		packs, err := list(ctx, w.r, repo.Packs)
		if err != nil {
			return err
		}
		for id, size := range packs {
			if w.r.Index().HasPack(id) {
				continue
			}
			blobs, err := w.r.PackBlobs(ctx, id, size)
			if err != nil && !errors.Is(err, repo.ErrDamaged) {
				return err
			}
			for _, b := range blobs {
				w.hidden[b.Handle] = true
			}
		}
	}
	if w.hidden[h] {
		return fmt.Errorf("blob %s: %w", h, ErrIndexFirst)
	}
	return nil
}

// rewrite makes a tree of what is right in plain; the same if all is.
func (w *rewriter) rewrite(ctx context.Context, path string, id crypto.ID, plain []byte) (rewritten, error) {
	t := rewritten{id: id}
	var d directory
	var decoder tree.Decoder
	changed := false
	for decoder.Reset(plain); ; {
		var n tree.Node
		err := decoder.Next(&n)
		if err == io.EOF {
			break
		}
		var problem *tree.ProblemError
		if errors.As(err, &problem) && problem.Kind == tree.Malformed {
			t.short, changed = true, true
			break
		}
		before := n.Subtree
		what, err := w.node(ctx, join(path, n.Name), &n, problem)
		if err != nil {
			return t, err
		}
		if what != "" {
			w.note(join(path, n.Name), what)
		}
		changed = changed || what != "" || n.Subtree != before
		d.add(n, what)
	}
	if !changed {
		return t, nil
	}
	var err error
	t.id, err = w.save(ctx, path, &d)
	return t, err
}

// save saves a directory as a tree.
func (w *rewriter) save(ctx context.Context, path string, d *directory) (crypto.ID, error) {
	text, err := d.encode()
	if err != nil {
		return crypto.ID{}, fmt.Errorf("make tree of %q: %w", path, err)
	}
	h := pack.Handle{ID: crypto.Hash(text), Type: pack.Tree}
	if w.writer != nil {
		_, err = w.writer.SaveBlob(ctx, h, text)
	}
	return h.ID, err
}

// node mends a node and says what it did; "" if nothing, or only to what is below it.
func (w *rewriter) node(ctx context.Context, path string, n *tree.Node, problem *tree.ProblemError) (own What, err error) {
	if problem != nil {
		if own = mend(n, problem.Kind); own == Dropped {
			return own, nil
		}
	}
	var what What
	switch n.Type {
	case entry.File:
		what, err = w.content(ctx, n)
	case entry.Dir:
		what, err = w.subtree(ctx, path, n)
	}
	if own == "" || own == Sorted && what != "" || what.loses() {
		own = what
	}
	if problem != nil && err == nil && new(tree.Builder).Append(n) != nil { // more is wrong than the first thing that was seen
		own = Dropped
	}
	return own, err
}

// mend does what can be done about a problem of the node itself.
func mend(n *tree.Node, kind tree.Kind) What {
	switch kind {
	case tree.Duplicate, tree.BadName:
		return Renamed
	case tree.UnsafeName:
		n.Name = strings.NewReplacer("/", "_", "\x00", "_").Replace(n.Name)
		if strings.Trim(n.Name, ".") == "" {
			n.Name = "_" + n.Name
		}
		return Renamed
	case tree.Unsorted:
		return Sorted
	case tree.NoContent:
		n.Content = []crypto.ID{}
		if n.Size == 0 { // how some write an empty file
			return Resized
		}
		n.Size = 0
		return Emptied
	case tree.NoSubtree:
		return Emptied
	}
	return Dropped // a value that can't be read, or a type that nobody knows
}

// content takes out of a file what is lost.
func (w *rewriter) content(ctx context.Context, n *tree.Node) (What, error) {
	left := n.Content[:0:0]
	var size uint64
	for _, id := range n.Content {
		h := pack.Handle{ID: id, Type: pack.Data}
		length, ok := w.r.Index().Size(h)
		if !ok {
			if err := w.mustBeLost(ctx, h); err != nil {
				return "", err
			}
			continue
		}
		left = append(left, id)
		size += uint64(length)
	}
	lost := len(n.Content) - len(left)
	resized := size != n.Size
	n.Content, n.Size = left, size
	switch {
	case lost > 0 && len(left) == 0:
		return Dropped, nil
	case lost > 0:
		return Shortened, nil
	case resized:
		return Resized, nil
	}
	return "", nil
}

// subtree puts the rewritten tree into a directory's node; an empty one if there is none.
func (w *rewriter) subtree(ctx context.Context, path string, n *tree.Node) (What, error) {
	t := rewritten{lost: true}
	var err error
	if !n.Subtree.IsNull() {
		t, err = w.tree(ctx, path, n.Subtree)
	}
	if err == nil && t.lost {
		n.Subtree, err = w.save(ctx, path, &directory{})
		return Emptied, err
	}
	if err != nil {
		return "", err
	}
	n.Subtree = t.id
	if t.short {
		return Shortened, nil
	}
	return "", nil
}
