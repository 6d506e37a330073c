// Package metrics counts what is asked of a storage.
//
// Put around a backend it changes nothing. Inside the retry wrapper it counts each try, outside of it each call.
package metrics

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
)

// Count is what was asked of one operation.
type Count struct {
	Calls  int64         // those that ended
	Errors int64         // calls that returned an error, ErrNotFound and the like included
	Bytes  int64         // of content, in calls without an error; 0 for all but Save and Load
	Time   time.Duration // sum over all calls; of List without the caller's loop body
}

// Snapshot is what was asked since New.
type Snapshot struct {
	Save, Load, List, Stat, Remove Count
}

// Backend is a storage.Backend that counts.
type Backend struct {
	next  storage.Backend
	clock clock.Clock

	mu   sync.Mutex
	seen Snapshot // guarded by mu
}

// New returns a Backend that passes everything on to next.
func New(next storage.Backend, c clock.Clock) *Backend { return &Backend{next: next, clock: c} }

// Unwrap returns the Backend that is wrapped.
func (b *Backend) Unwrap() storage.Backend { return b.next }

// Snapshot returns the counts as they are now. It may be called at any time.
func (b *Backend) Snapshot() Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen
}

func (b *Backend) count(c *Count, bytes int64, took time.Duration, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.Calls++
	c.Time += took
	if err != nil {
		c.Errors++
	} else {
		c.Bytes += bytes
	}
}

func (b *Backend) since(start time.Time) time.Duration { return b.clock.Now().Sub(start) }

// Save implements storage.Backend.
func (b *Backend) Save(ctx context.Context, name string, body storage.Body) error {
	start := b.clock.Now()
	err := b.next.Save(ctx, name, body)
	b.count(&b.seen.Save, body.Size, b.since(start), err)
	return err
}

// Load implements storage.Backend.
func (b *Backend) Load(ctx context.Context, name string, p []byte, offset int64) error {
	start := b.clock.Now()
	err := b.next.Load(ctx, name, p, offset)
	b.count(&b.seen.Load, int64(len(p)), b.since(start), err)
	return err
}

// List implements storage.Backend.
func (b *Backend) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		var took time.Duration
		var last error
		start := b.clock.Now()
		defer func() { b.count(&b.seen.List, 0, took, last) }()
		for info, err := range b.next.List(ctx, dir) {
			took += b.since(start)
			last = err
			if !yield(info, err) {
				return
			}
			start = b.clock.Now()
		}
		took += b.since(start)
	}
}

// Stat implements storage.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (storage.Info, error) {
	start := b.clock.Now()
	info, err := b.next.Stat(ctx, name)
	b.count(&b.seen.Stat, 0, b.since(start), err)
	return info, err
}

// Remove implements storage.Backend.
func (b *Backend) Remove(ctx context.Context, name string) error {
	start := b.clock.Now()
	err := b.next.Remove(ctx, name)
	b.count(&b.seen.Remove, 0, b.since(start), err)
	return err
}
