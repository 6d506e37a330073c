package mount

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/backstay/backstay/engine/crypto"
)

// cache keeps what was used last, up to a number of bytes, and loads what it lacks. What several ask for at once is loaded
// once. Errors are not kept. It is safe for concurrent use.
type cache[V any] struct {
	load  func(id crypto.ID) (value V, size int, err error)
	limit int
	turns chan struct{} // bounds the loads at once, and so what is in memory besides limit

	mu    sync.Mutex // guards what follows
	slots map[crypto.ID]*slot[V]
	order list.List // of loaded slots, the one used last at the front
	used  int       // bytes of them

	loads sync.WaitGroup
}

// slot is a value that is there or about to be. Value, size and err don't change once done is closed.
type slot[V any] struct {
	id    crypto.ID
	done  chan struct{}
	value V
	size  int
	err   error
	at    *list.Element // nil while it is loaded
}

func newCache[V any](limit, loads int, load func(id crypto.ID) (V, int, error)) *cache[V] {
	return &cache[V]{load: load, limit: limit, turns: make(chan struct{}, loads), slots: make(map[crypto.ID]*slot[V])}
}

// patience is how long an interrupted reader waits all the same. Any signal interrupts, and programs in Go send themselves
// some all the time: most calls that are interrupted by those are not tried again, and would fail for no reason.
const patience = time.Second

// get returns the value. The load goes on if ctx ends, for others may wait for it too.
func (c *cache[V]) get(ctx context.Context, id crypto.ID) (value V, err error) {
	s := c.ask(id)
	select {
	case <-s.done:
		return s.value, s.err
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	select {
	case <-s.done:
		return s.value, s.err
	case <-late.Done():
		return value, context.Cause(ctx)
	}
}

// ask makes sure that the value is there soon.
func (c *cache[V]) ask(id crypto.ID) *slot[V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.slots[id]
	if s == nil {
		s = &slot[V]{id: id, done: make(chan struct{})}
		c.slots[id] = s
		c.loads.Go(func() { c.fill(s) })
	} else if s.at != nil {
		c.order.MoveToFront(s.at)
	}
	return s
}

func (c *cache[V]) fill(s *slot[V]) {
	c.turns <- struct{}{}
	s.value, s.size, s.err = c.load(s.id)
	<-c.turns
	c.mu.Lock()
	defer c.mu.Unlock()
	close(s.done)
	if s.err != nil {
		delete(c.slots, s.id)
		return
	}
	s.at = c.order.PushFront(s)
	c.used += s.size
	for c.used > c.limit && c.order.Len() > 1 { // one larger than the limit is kept until the next
		c.drop(c.order.Back())
	}
}

func (c *cache[V]) drop(e *list.Element) {
	s := c.order.Remove(e).(*slot[V])
	delete(c.slots, s.id)
	c.used -= s.size
}

// wait returns once no load is under way. Nothing may be asked for any more.
func (c *cache[V]) wait() { c.loads.Wait() }
