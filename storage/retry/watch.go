package retry

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/backstay/backstay/storage"
)

// looks is how often a watch looks in the time of a stall: one is found a quarter late at most.
const looks = 4

// found is when a stall is found at the latest.
func found(stall time.Duration) time.Duration { return stall + stall/looks }

// watch sees to it that a try goes on. The time while it is paused doesn't count.
type watch struct {
	mu     sync.Mutex
	idle   int // guarded by mu: looks since the last progress
	paused int // guarded by mu: above 0 while someone else's time passes
}

func (w *watch) progress() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idle = 0
}

func (w *watch) pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paused++
}

func (w *watch) resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paused--
	w.idle = 0
}

// stalled counts a look, and reports whether it is one too many.
func (w *watch) stalled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.paused == 0 {
		w.idle++
	}
	return w.idle > looks
}

// try calls fn once, with a context that ends when there is no progress for the time of a stall.
func (b *Backend) try(ctx context.Context, stall time.Duration, fn func(context.Context, *watch) error) error {
	w := new(watch)
	if stall < 0 {
		return fn(ctx, w)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		for b.opt.Clock.Sleep(ctx, stall/looks) == nil {
			if w.stalled() {
				cancel(fmt.Errorf("no progress for %v", stall))
			}
		}
	})
	defer watching.Wait()
	defer cancel(nil)
	return fn(ctx, w)
}

// reader is a body under watch. The time it takes to read is the caller's own; that of writing it is the far end's. An
// error of the body itself is final: the content can't be had, and the storage isn't to blame.
type reader struct {
	next  io.Reader
	watch *watch
}

func (r *reader) Read(p []byte) (int, error) {
	r.watch.pause()
	defer r.watch.resume()
	n, err := r.next.Read(p)
	if err != nil && err != io.EOF {
		err = storage.Mark(err, errFinal)
	}
	return n, err
}

// WriteTo lets a body of several buffers hand them on as they are.
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	r.watch.pause()
	defer r.watch.resume()
	far := &writer{next: w, watch: r.watch}
	n, err := io.Copy(far, r.next)
	if err != nil && far.err == nil {
		err = storage.Mark(err, errFinal)
	}
	return n, err
}

type writer struct {
	next  io.Writer
	watch *watch
	err   error // of the last Write
}

func (w *writer) Write(p []byte) (int, error) {
	w.watch.resume()
	defer w.watch.pause()
	n, err := w.next.Write(p)
	w.err = err
	return n, err
}
