package tree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
)

// Visitor is told what Reach comes across. Its methods are called from many goroutines at once; an error ends the whole.
type Visitor interface {
	// Blob is called for each place where a tree names a blob, and reports whether that, if it is a tree, is to be entered.
	// Who wants each tree once says so the first time only. Parent is null for the roots.
	Blob(parent crypto.ID, h pack.Handle) (enter bool, err error)
	// Broken is called for an entered tree that can't be read, or of which some node can't: it may name blobs that nobody is told of.
	Broken(tree crypto.ID, err error) error
}

const (
	reachBatch = 4096 // trees that are looked for together, so that those of one pack are read together
	reachTask  = 256  // trees of one pack that are decoded in one go
)

// Reach finds all blobs that the trees below the roots name, in no order. Unlike Walk it knows no paths, and reads trees in the order
// in which packs hold them, which is much faster where each read costs a round trip. Memory holds the IDs of the trees to
// be entered.
func Reach(ctx context.Context, r *repo.Repo, roots []crypto.ID, v Visitor) error {
	w := reach{repo: r, visitor: v}
	for _, id := range roots {
		if err := w.blob(crypto.ID{}, pack.Handle{ID: id, Type: pack.Tree}); err != nil {
			return err
		}
	}
	for len(w.waiting) > 0 {
		from := max(0, len(w.waiting)-reachBatch)
		batch := slices.Clone(w.waiting[from:])
		w.waiting = w.waiting[:from]
		if err := w.enter(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

type reach struct {
	repo    *repo.Repo
	visitor Visitor

	mu      sync.Mutex
	waiting []crypto.ID // guarded by mu: trees to be entered, the last first
}

func (w *reach) blob(parent crypto.ID, h pack.Handle) error {
	enter, err := w.visitor.Blob(parent, h)
	if err != nil || !enter || h.Type != pack.Tree {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = append(w.waiting, h.ID)
	return nil
}

// enter loads some trees, pack by pack.
func (w *reach) enter(ctx context.Context, trees []crypto.ID) error {
	packs := make(map[crypto.ID][]pack.Blob)
	for _, id := range trees {
		h := pack.Handle{ID: id, Type: pack.Tree}
		l, ok := w.repo.Index().First(h)
		if !ok {
			if err := w.visitor.Broken(id, fmt.Errorf("tree %s: %w", id.Short(), repo.ErrUnknownBlob)); err != nil {
				return err
			}
			continue
		}
		packs[l.Pack] = append(packs[l.Pack], l.Blob)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(w.repo.Options().Connections, runtime.GOMAXPROCS(0)))
	for id, blobs := range packs {
		slices.SortFunc(blobs, func(a, b pack.Blob) int { return cmp.Compare(a.Offset, b.Offset) })
		for some := range slices.Chunk(blobs, reachTask) {
			group.Go(func() error { return w.load(ctx, id, some) })
		}
	}
	return group.Wait()
}

func (w *reach) load(ctx context.Context, id crypto.ID, blobs []pack.Blob) error {
	var d Decoder
	return w.repo.LoadPack(ctx, id, blobs, func(b pack.Blob, plain []byte, err error) error {
		if err == nil {
			d.Reset(plain)
			return w.decode(b.ID, &d)
		}
		return w.visitor.Broken(b.ID, fmt.Errorf("tree %s: %w", b.ID.Short(), err))
	})
}

// decode hands over the blobs of a tree. Nodes with bad names or out of order name their blobs all the same.
func (w *reach) decode(tree crypto.ID, d *Decoder) error {
	for {
		var n Node
		err := d.Next(&n)
		if err == io.EOF {
			return nil
		}
		var problem *ProblemError
		if errors.As(err, &problem) && (problem.Kind == Malformed || problem.Kind == BadValue) {
			err = w.visitor.Broken(tree, fmt.Errorf("tree %s: %w", tree.Short(), problem))
		} else {
			err = w.node(tree, &n)
		}
		if err != nil {
			return err
		}
	}
}

func (w *reach) node(tree crypto.ID, n *Node) error {
	if !n.Subtree.IsNull() {
		if err := w.blob(tree, pack.Handle{ID: n.Subtree, Type: pack.Tree}); err != nil {
			return err
		}
	}
	for _, id := range n.Content {
		if err := w.blob(tree, pack.Handle{ID: id, Type: pack.Data}); err != nil {
			return err
		}
	}
	return nil
}
