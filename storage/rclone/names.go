package rclone

import (
	"context"
	"sync"
)

// names are those that are being saved.
type names struct {
	mu   sync.Mutex
	busy map[string]chan struct{} // guarded by mu; closed when the name is free
}

// lock waits until the name is free and takes it.
func (n *names) lock(ctx context.Context, name string) (unlock func(), err error) {
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
