package sftp

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/pkg/sftp"

	"github.com/backstay/backstay/clock"
)

const (
	// connections is how many SSH connections are kept at most. One is encrypted by one core on either side, and holds no more in
	// flight than its window, so that a few are faster; servers refuse more than ten new ones at a time, or ten of one account.
	connections = 4
	// beat is how often a connection is looked after. One that nobody used from one beat to the next is closed.
	beat = 30 * time.Second
	// quiet is after how many beats without a sign of the other side a connection is given up.
	quiet = 4
	// grace is how long a cancelled call may take to end by itself. After that its connection is closed under it; others that use it
	// fail too, and are repeated.
	grace = 2 * time.Second
)

// dialer makes a connection.
type dialer = func(ctx context.Context) (*conn, error)

// pool keeps connections, each of which several calls use at once.
type pool struct {
	clock clock.Clock
	dial  dialer

	mu    sync.Mutex
	slots [connections]slot
}

// slot is the place of one connection.
type slot struct {
	turn  chan struct{} // holds one element while somebody makes the connection
	users int           // guarded by pool.mu, as are the others
	used  bool          // since the last beat
	conn  *conn         // nil: none yet, or it is lost
}

func newPool(c clock.Clock, dial dialer) *pool {
	p := &pool{clock: c, dial: dial}
	for i := range p.slots {
		p.slots[i].turn = make(chan struct{}, 1)
	}
	return p
}

// with calls fn with a connection. When the context ends fn has a moment to end too. Then its error is the context's cause.
func (p *pool) with(ctx context.Context, fn func(*conn) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s := p.choose()
	defer p.release(s)
	c, err := p.connect(ctx, s)
	if err == nil {
		err = p.call(ctx, c, fn)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (p *pool) call(ctx context.Context, c *conn, fn func(*conn) error) error {
	done, end := context.WithCancel(context.Background())
	defer end()
	defer context.AfterFunc(ctx, func() {
		if p.clock.Sleep(done, grace) == nil {
			c.hangUp()
		}
	})()
	err := fn(c)
	if errors.Is(err, sftp.ErrSSHFxConnectionLost) || errors.Is(err, io.EOF) {
		c.hangUp() // so that nobody takes it any more
	}
	return err
}

// choose returns the slot with the fewest users; among several one that has a connection.
func (p *pool) choose() *slot {
	p.mu.Lock()
	defer p.mu.Unlock()
	best := &p.slots[0]
	for i := range p.slots {
		s := &p.slots[i]
		if s.users < best.users || s.users == best.users && best.conn == nil && s.conn != nil {
			best = s
		}
	}
	best.users++
	best.used = true
	return best
}

func (p *pool) release(s *slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.users--
	s.used = true
}

// connect returns the connection of a slot, which it makes if there is none.
func (p *pool) connect(ctx context.Context, s *slot) (*conn, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if c := p.current(s); c != nil {
		return c, nil
	}
	c, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	s.conn = c
	p.mu.Unlock()
	go p.tend(s, c)
	return c, nil
}

// current returns the connection of a slot, or nil where there is none or it is lost.
func (p *pool) current(s *slot) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.conn != nil && s.conn.ctx.Err() != nil {
		s.conn = nil
	}
	return s.conn
}

// tend looks after a connection until it ends, which it does when nobody uses it or nothing is heard of the other side.
func (p *pool) tend(s *slot, c *conn) {
	for silent := 0; p.clock.Sleep(c.ctx, beat) == nil; {
		if p.idle(s) {
			break
		}
		if silent++; c.heard() {
			silent = 0
		}
		if silent > quiet {
			break
		}
		c.knock()
	}
	p.mu.Lock()
	if s.conn == c {
		s.conn = nil
	}
	p.mu.Unlock()
	c.hangUp()
}

// idle reports whether nobody uses a slot or has used it since it was last asked. Then its connection isn't given out any more.
func (p *pool) idle(s *slot) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := s.users == 0 && !s.used
	s.used = false
	if idle {
		s.conn = nil
	}
	return idle
}

func (p *pool) closeIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.slots {
		if s := &p.slots[i]; s.users == 0 && s.conn != nil {
			s.conn.hangUp()
			s.conn = nil
		}
	}
}
