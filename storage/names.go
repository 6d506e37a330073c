package storage

import (
	"context"
	"sync"
)

// Names are those that one call at a time uses: an adapter whose store doesn't refuse a name that is taken saves it under the lock of
// the name. The zero value is ready; it may be used from any goroutine.
type Names struct {
	mu   sync.Mutex
	busy map[string]chan struct{} // guarded by mu; closed when the name is free
}

// Lock waits until the name is free and takes it.
func (n *Names) Lock(ctx context.Context, name string) (unlock func(), err error) {
	for {
		n.mu.Lock()
		busy, taken := n.busy[name]
		if !taken {
			defer n.mu.Unlock()
			if n.busy == nil {
				n.busy = make(map[string]chan struct{})
			}
			mine := make(chan struct{})
			n.busy[name] = mine
			return func() {
				n.mu.Lock()
				defer n.mu.Unlock()
				delete(n.busy, name)
				close(mine)
			}, nil
		}
		n.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
