package files

import (
	"container/list"
	"context"
	"sync"
)

// viewWorkers is how many goroutines read directories ahead of the reader. A local disk is as fast with four as with
// more; more would help a distant server, but take turns on the processors otherwise.
const viewWorkers = 4

// viewWalk reads directories ahead of the one who ranges over the entries. The work is cut into parts, which are kept in
// tree order: a part that is read is replaced by the parts it led to. Workers take the first that nobody has taken, as
// long as there are not too many entries waiting. The reader takes the part that it needs next itself if no worker has,
// so the limit never holds it up.
type viewWalk struct {
	ctx  context.Context
	view *view
	root *viewPart
	left bool // the reader broke off

	unwatch func() bool
	workers sync.WaitGroup

	mu      sync.Mutex
	work    sync.Cond // there may be something for a worker
	ready   sync.Cond // a part is read
	pending list.List // of *viewPart that are not read yet
	ahead   int       // entries in parts that the reader has not begun
	stopped bool
}

// viewPart is a piece of the walk: some names of one directory, or the paths of the source in one directory.
type viewPart struct {
	dir     *viewDir
	names   []string // that are to be read; filled by the first part of a directory
	listed  bool     // names is filled
	tags    []string // see filter.tagged
	targets []*viewTarget

	// Guarded by the walk's mutex until the part is read.
	taken, read bool
	elem        *list.Element

	items []viewItem
	rest  *viewPart // the names after these
	err   error     // the directory could not be read
}

func newViewWalk(ctx context.Context, v *view) *viewWalk {
	w := &viewWalk{ctx: ctx, view: v, root: &viewPart{targets: v.targets}}
	w.work.L, w.ready.L = &w.mu, &w.mu
	w.root.elem = w.pending.PushBack(w.root)
	w.unwatch = context.AfterFunc(ctx, w.halt)
	for range viewWorkers {
		w.workers.Go(w.loop)
	}
	return w
}

// stop ends the workers and waits for them.
func (w *viewWalk) stop() {
	w.unwatch()
	w.halt()
	w.workers.Wait()
}

func (w *viewWalk) halt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.work.Broadcast()
	w.ready.Broadcast()
}

// loop is the loop of a worker.
func (w *viewWalk) loop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.stopped {
		p := w.next()
		if p == nil {
			w.work.Wait()
			continue
		}
		w.do(p)
	}
}

// next returns the part that a worker should read, nil for none now. Only parts that others are reading stand before it.
func (w *viewWalk) next() *viewPart {
	if w.ahead >= w.view.ahead {
		return nil
	}
	for e := w.pending.Front(); e != nil; e = e.Next() {
		if p := e.Value.(*viewPart); !p.taken {
			return p
		}
	}
	return nil
}

// do reads p. The mutex is held before and after.
func (w *viewWalk) do(p *viewPart) {
	p.taken = true
	w.mu.Unlock()
	p.run(w.ctx, w.view)
	w.mu.Lock()
	after := p.elem
	for i := range p.items {
		after = w.insert(p.items[i].part, after)
	}
	w.insert(p.rest, after)
	w.pending.Remove(p.elem)
	w.ahead += len(p.items)
	p.read = true
	w.ready.Broadcast()
	w.work.Broadcast()
}

func (w *viewWalk) insert(p *viewPart, after *list.Element) *list.Element {
	if p == nil {
		return after
	}
	p.elem = w.pending.InsertAfter(p, after)
	return p.elem
}

// await returns when p is read, false if the context ended.
func (w *viewWalk) await(p *viewPart) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !p.read && !w.stopped {
		if p.taken {
			w.ready.Wait()
		} else {
			w.do(p)
		}
	}
	return p.read && w.ctx.Err() == nil // or p may have been broken off
}

// began takes the entries of p out of those that wait.
func (w *viewWalk) began(p *viewPart) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ahead -= len(p.items)
	w.work.Signal()
}
