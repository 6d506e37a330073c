package storagetest

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
)

// Kept is a storage.Backend with object lock around one without: what is saved is kept for a period, but for locks. Hide does to a
// file what somebody can do who has the credentials.
type Kept struct {
	storage.Backend
	clock  clock.Clock
	period time.Duration

	mu     sync.Mutex
	until  map[string]time.Time    // guarded by mu
	hidden map[string]storage.Info // guarded by mu
}

// NewKept returns a Backend that keeps the files of next.
func NewKept(next storage.Backend, period time.Duration, clk clock.Clock) *Kept {
	return &Kept{Backend: next, clock: clk, period: period, until: make(map[string]time.Time), hidden: make(map[string]storage.Info)}
}

// Period implements storage.Retainer.
func (k *Kept) Period() time.Duration { return k.period }

// Save implements storage.Backend.
func (k *Kept) Save(ctx context.Context, name string, body storage.Body) error {
	if err := k.Backend.Save(ctx, name, body); err != nil || strings.HasPrefix(name, "locks/") {
		return err
	}
	return k.Retain(ctx, name, k.clock.Now().Add(k.period))
}

// Remove implements storage.Backend.
func (k *Kept) Remove(ctx context.Context, name string) error {
	until, err := k.Retained(ctx, name)
	if err == nil && until.After(k.clock.Now()) {
		err = storage.Mark(storage.ErrRetained, storage.ErrPermanent)
	}
	if err != nil {
		return fmt.Errorf("remove %q: %w", name, err)
	}
	return k.Backend.Remove(ctx, name)
}

// Retained implements storage.Retainer.
func (k *Kept) Retained(_ context.Context, name string) (time.Time, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.until[name], nil
}

// Retain implements storage.Retainer.
func (k *Kept) Retain(_ context.Context, name string, until time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if until.After(k.until[name]) {
		k.until[name] = until
	}
	return nil
}

// Hide takes a file out of all listings, as a delete marker does.
func (k *Kept) Hide(ctx context.Context, name string) error {
	info, err := k.Stat(ctx, name)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hidden[name] = info
	return nil
}

func (k *Kept) hides(name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, hides := k.hidden[name]
	return hides
}

// Hidden implements storage.Retainer.
func (k *Kept) Hidden(_ context.Context, dir string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		k.mu.Lock()
		var infos []storage.Info
		for name, info := range k.hidden {
			if dir == "" || name == dir || strings.HasPrefix(name, dir+"/") {
				infos = append(infos, info)
			}
		}
		k.mu.Unlock()
		for _, info := range infos {
			if !yield(info, nil) {
				return
			}
		}
	}
}

// Unhide implements storage.Retainer.
func (k *Kept) Unhide(_ context.Context, name string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.hidden, name)
	return nil
}

// Load implements storage.Backend.
func (k *Kept) Load(ctx context.Context, name string, p []byte, offset int64) error {
	if k.hides(name) {
		return fmt.Errorf("load %q: %w", name, storage.ErrNotFound)
	}
	return k.Backend.Load(ctx, name, p, offset)
}

// Stat implements storage.Backend.
func (k *Kept) Stat(ctx context.Context, name string) (storage.Info, error) {
	if k.hides(name) {
		return storage.Info{}, fmt.Errorf("stat %q: %w", name, storage.ErrNotFound)
	}
	return k.Backend.Stat(ctx, name)
}

// List implements storage.Backend.
func (k *Kept) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		for info, err := range k.Backend.List(ctx, dir) {
			if err == nil && k.hides(info.Name) {
				continue
			}
			if !yield(info, err) {
				return
			}
		}
	}
}
