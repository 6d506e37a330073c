package checker

import (
	"context"
	"io"
	"iter"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/tree"
)

// maxSealed is how large a sealed blob may be: larger ones are refused when they are opened, so they need not be read.
const maxSealed = 1<<30 + crypto.Overhead

// reader is what a goroutine needs to read blobs and trees, one after the other.
type reader struct {
	c       *check
	sealed  []byte
	plain   []byte
	decoder tree.Decoder
}

// load returns a blob, valid until the next load, from the first place where it is whole. It blames the packs where it is
// not, and returns nil if it is nowhere.
func (rd *reader) load(ctx context.Context, h pack.Handle) []byte {
	for _, l := range rd.c.index.Lookup(h) {
		var plain []byte
		var kind Kind
		err := twice(ctx, func() (err error) {
			plain, kind, err = rd.loadAt(ctx, l)
			return err
		})
		if err == nil {
			rd.plain = plain
			return plain
		}
		if ctx.Err() != nil {
			return nil
		}
		rd.c.blame(l.Pack, kind, err, []pack.Handle{h})
	}
	return nil
}

func (rd *reader) loadAt(ctx context.Context, l index.Location) ([]byte, Kind, error) {
	rd.sealed = grow(rd.sealed, int(min(l.Length, maxSealed)))
	if err := rd.c.r.Backend().Load(ctx, repo.Packs.Name(l.Pack), rd.sealed, int64(l.Offset)); err != nil {
		return nil, kindOf(err), err
	}
	plain, err := rd.c.r.OpenBlob(rd.sealed, l.Blob, rd.plain)
	return plain, PackDamaged, err
}

// grow returns a slice of n bytes, p if that is large enough.
func grow(p []byte, n int) []byte {
	if cap(p) < n {
		return make([]byte, n)
	}
	return p[:n]
}

// walk visits each distinct tree that the snapshots need, once, with several goroutines. Visit returns the trees below; a
// tree that no index names is left to whoever named it. Those that can't be read are passed over: their packs are blamed.
func (c *check) walk(ctx context.Context, seen bitmap, visit func(rd *reader, id crypto.ID, plain []byte) (below []crypto.ID)) error {
	q := &queue{}
	q.wake.L = &q.mu
	var roots []crypto.ID
	for _, s := range c.snapshots {
		roots = append(roots, s.Tree)
	}
	q.push(c.claim(seen, roots))
	var group errgroup.Group
	for range c.workers {
		group.Go(func() error {
			rd := &reader{c: c}
			for id, ok := q.pop(); ok; id, ok = q.pop() {
				var below []crypto.ID
				if ctx.Err() == nil {
					if plain := rd.load(ctx, pack.Handle{ID: id, Type: pack.Tree}); plain != nil {
						below = c.claim(seen, visit(rd, id, plain))
					}
				}
				q.done(below)
			}
			return nil
		})
	}
	_ = group.Wait() // no goroutine has an error
	return context.Cause(ctx)
}

// claim returns those of the trees that nobody has claimed before.
func (c *check) claim(seen bitmap, ids []crypto.ID) []crypto.ID {
	claimed := ids[:0]
	for _, id := range ids {
		if n, ok := c.index.Number(pack.Handle{ID: id, Type: pack.Tree}); ok && seen.add(n) {
			claimed = append(claimed, id)
		}
	}
	return claimed
}

// queue hands out trees, the latest first, so that it stays short.
type queue struct {
	mu    sync.Mutex // guards what follows
	wake  sync.Cond
	trees []crypto.ID
	busy  int // trees that are handed out
}

func (q *queue) push(ids []crypto.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.trees = append(q.trees, ids...)
}

// pop waits for a tree; ok is false once there will be none any more.
func (q *queue) pop() (id crypto.ID, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.trees) == 0 && q.busy > 0 {
		q.wake.Wait()
	}
	n := len(q.trees)
	if n == 0 {
		return crypto.ID{}, false
	}
	id = q.trees[n-1]
	q.trees = q.trees[:n-1]
	q.busy++
	return id, true
}

// done gives back a tree, with those that it led to.
func (q *queue) done(ids []crypto.ID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.trees = append(q.trees, ids...)
	q.busy--
	q.wake.Broadcast()
}

// nodes yields what can be read of the nodes of a tree. A node is valid until the next.
func (rd *reader) nodes(plain []byte) iter.Seq[*tree.Node] {
	return func(yield func(*tree.Node) bool) {
		rd.decoder.Reset(plain)
		var n tree.Node
		for {
			if err := rd.decoder.Next(&n); err == io.EOF || !yield(&n) {
				return
			}
		}
	}
}
