package rclone

import (
	"context"
	"sync"
)

// session is the opened backend of rclone. It is opened once, when it is first used, and serves all calls.
type session struct {
	open func(context.Context) (*opened, error)

	mu      sync.Mutex
	opening chan struct{} // guarded by mu; closed when an opening has ended; nil: none goes on
	opened  *opened       // guarded by mu; nil: not yet
	failed  error         // guarded by mu: what came of the last opening
}

// get returns the session. It returns when the context ends; the opening goes on then, for the next call.
func (s *session) get(ctx context.Context) (*opened, error) {
	s.mu.Lock()
	if s.opened != nil {
		defer s.mu.Unlock()
		return s.opened, nil
	}
	if s.opening == nil {
		s.opening = make(chan struct{})
		go s.begin(context.WithoutCancel(ctx), s.opening)
	}
	done := s.opening
	s.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened, s.failed
}

func (s *session) begin(ctx context.Context, done chan struct{}) {
	o, err := s.open(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened, s.failed, s.opening = o, err, nil
	close(done)
}
