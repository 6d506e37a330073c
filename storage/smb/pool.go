package smb

import (
	"context"
	"sync"
	"time"

	"github.com/cloudsoda/go-smb2"

	"github.com/backstay/backstay/clock"
)

const (
	// connections is how many are made at most: as many as a backup saves at once. Servers have a process or a few threads for each.
	connections = 8
	// beat is how often is looked whether a connection is used. One that wasn't from one beat to the next is closed.
	beat = 30 * time.Second
)

// pool keeps connections, each of which one call at a time uses.
type pool struct {
	clock   clock.Clock
	connect func(ctx context.Context) (*conn, error)
	turns   chan struct{} // holds an element for each call

	mu   sync.Mutex
	idle []*conn // guarded by mu; what was used last is last
}

func newPool(c clock.Clock, connect func(ctx context.Context) (*conn, error)) *pool {
	return &pool{clock: c, connect: connect, turns: make(chan struct{}, connections)}
}

// with calls fn with a share that nobody else uses by this connection. When the context ends the connection is cut, and the error is
// the context's cause: a request that the client has given up would be answered all the same.
func (p *pool) with(ctx context.Context, fn func(*smb2.Share) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case p.turns <- struct{}{}:
		defer func() { <-p.turns }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	c := p.take()
	if c == nil {
		var err error
		if c, err = p.connect(ctx); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		go p.tend(c)
	}
	stop := context.AfterFunc(ctx, c.hangUp)
	err := fn(c.share.WithContext(ctx))
	whole := stop()
	switch {
	case err != nil && ctx.Err() != nil:
		err = context.Cause(ctx)
		c.hangUp()
	case err != nil && !settled(err):
		c.hangUp()
	case whole:
		p.giveBack(c)
	}
	return err
}

// take returns an idle connection that isn't lost, or nil.
func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		c := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if c.ctx.Err() == nil {
			c.used = true
			return c
		}
	}
	return nil
}

func (p *pool) giveBack(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, c)
}

// tend closes a connection once it isn't used any more.
func (p *pool) tend(c *conn) {
	for p.clock.Sleep(c.ctx, beat) == nil {
		if p.unused(c) {
			c.hangUp()
		}
	}
}

// unused takes a connection out if it was idle since it was last asked for.
func (p *pool) unused(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.idle {
		if other != c {
			continue
		}
		if c.used {
			c.used = false
			return false
		}
		p.idle = append(p.idle[:i:i], p.idle[i+1:]...)
		return true
	}
	return false // in use
}

// closeIdle closes the connections that are not in use.
func (p *pool) closeIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		c.hangUp()
	}
	p.idle = nil
}
