package rclone

import (
	"context"
	"sync"
)

// maxSessions bounds the connections to a server whose sessions are used by one call at a time: as many as a backup saves at once.
const maxSessions = 8

// sessions are the opened backends of rclone. One that knows contexts is opened once and serves all calls. One that doesn't serves a
// single call at a time: when the context of that ends its connections are cut, and it is given up.
type sessions struct {
	open      func(context.Context) (*opened, error)
	exclusive bool

	mu    sync.Mutex
	slots chan struct{} // guarded by mu until it is made; holds a token for each call that may go on
	idle  []*opened     // guarded by mu
}

// take returns a session, which is opened if there is none, and what gives it back. It returns when the context ends; the opening may
// go on then, for the next call.
func (s *sessions) take(ctx context.Context) (o *opened, giveBack func(), err error) {
	slots := s.tokens()
	select {
	case <-slots:
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	if o = s.pop(); o == nil {
		if o, err = s.begin(ctx, slots); err != nil {
			return nil, nil, err
		}
	}
	if !s.exclusive {
		s.push(o)
		slots <- struct{}{}
		return o, func() {}, nil
	}
	stop := context.AfterFunc(ctx, o.tunnel.close)
	return o, func() {
		if stop() {
			s.push(o)
		}
		slots <- struct{}{}
	}, nil
}

// begin opens a session. The token is given back after an error.
func (s *sessions) begin(ctx context.Context, slots chan<- struct{}) (*opened, error) {
	type result struct {
		o   *opened
		err error
	}
	done := make(chan result)
	go func() {
		o, err := s.open(context.WithoutCancel(ctx))
		select {
		case done <- result{o, err}:
		case <-ctx.Done():
			if err == nil {
				s.push(o)
			}
			slots <- struct{}{}
		}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			slots <- struct{}{}
		}
		return r.o, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s *sessions) tokens() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.slots == nil {
		n := 1
		if s.exclusive {
			n = maxSessions
		}
		s.slots = make(chan struct{}, n)
		for range n {
			s.slots <- struct{}{}
		}
	}
	return s.slots
}

func (s *sessions) pop() *opened {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) == 0 {
		return nil
	}
	o := s.idle[len(s.idle)-1]
	s.idle = s.idle[:len(s.idle)-1]
	return o
}

func (s *sessions) push(o *opened) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, o)
}
