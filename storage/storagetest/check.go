package storagetest

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/backstay/backstay/storage"
)

// Result is what came of the test of one promise.
type Result struct {
	Promise    string   `json:"promise"`
	Lack       string   `json:"lack,omitempty"`       // why this kind of storage can't keep it
	Complaints []string `json:"complaints,omitempty"` // none: it was kept
}

// Broken reports whether the promise was broken that this kind of storage should keep.
func (r Result) Broken() bool { return len(r.Complaints) > 0 && r.Lack == "" }

// Check tests each promise on an empty backend outside of go test, one after the other, and tells report of each. What a test saved is
// removed after it; an error means that this failed, or that the context has ended.
func Check(ctx context.Context, b storage.Backend, lacks []storage.Lack, report func(Result)) error {
	for _, promise := range promises {
		probe, seen := newProbe(ctx), &recorder{Backend: b}
		probe.run(func() { promise.test(probe, seen) })
		if err := seen.clean(ctx); err != nil {
			return fmt.Errorf("clean up after testing that %s: %w", promise.says, err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		why, _ := missing(lacks, promise.says)
		report(Result{Promise: promise.says, Lack: why, Complaints: probe.complaints})
	}
	return nil
}

// recorder is a Backend that remembers what was to be saved.
type recorder struct {
	storage.Backend

	mu    sync.Mutex
	names []string // guarded by mu
}

func (r *recorder) Save(ctx context.Context, name string, body storage.Body) error {
	r.mu.Lock()
	r.names = append(r.names, name)
	r.mu.Unlock()
	return r.Backend.Save(ctx, name, body)
}

// clean removes all that was saved, also when ctx has ended: what a cancelled test leaves needs no hand.
func (r *recorder) clean(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	r.mu.Lock()
	names := slices.DeleteFunc(r.names, func(name string) bool { return storage.CheckName(name) != nil })
	r.mu.Unlock()
	slices.Sort(names)
	return each(slices.Compact(names), 8, func(name string) error { return r.Remove(ctx, name) })
}

// each calls fn for all items, some at once, and returns the first error.
func each[T any](items []T, atOnce int, fn func(T) error) error {
	var group sync.WaitGroup
	var once sync.Once
	var first error
	queue := make(chan T)
	for range atOnce {
		group.Go(func() {
			for item := range queue {
				if err := fn(item); err != nil {
					once.Do(func() { first = err })
				}
			}
		})
	}
	for _, item := range items {
		queue <- item
	}
	close(queue)
	group.Wait()
	return first
}
