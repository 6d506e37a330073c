// Package limit keeps a storage from being asked too much at once.
//
// A rate holds for all calls together. The bytes of an upload are held back as they are read; those of a download before
// it starts, so a single Load comes at full speed and the rate holds over several. A call is one of Save, Load, Stat
// and Remove, or the fetching of a listing's next files: a loop body over List may make calls of its own even where only
// one at once is allowed. Put it around the retry wrapper: the bytes of repeated uploads then count too, a call that waits
// to be repeated keeps its place, and waiting for a place isn't taken for a stall.
package limit

import (
	"context"
	"fmt"
	"io"
	"iter"
	"math"

	"golang.org/x/time/rate"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
)

// Options are the limits. The zero value limits nothing.
type Options struct {
	Upload   Rate
	Download Rate
	Calls    int         // at once; 0: no limit
	Clock    clock.Clock // default clock.System
}

func (o Options) withDefaults() Options {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	return o
}

// Backend is a storage.Backend with limits.
type Backend struct {
	next     storage.Backend
	upload   bucket
	download bucket
	places   chan struct{} // one element for each call under way; nil: no limit
}

// New returns a Backend that passes everything on to next, within limits.
func New(next storage.Backend, opt Options) *Backend {
	opt = opt.withDefaults()
	b := &Backend{next: next, upload: newBucket(opt.Upload, opt.Clock), download: newBucket(opt.Download, opt.Clock)}
	if opt.Calls > 0 {
		b.places = make(chan struct{}, opt.Calls)
	}
	return b
}

// Unwrap returns the Backend that is wrapped.
func (b *Backend) Unwrap() storage.Backend { return b.next }

// Save implements storage.Backend.
func (b *Backend) Save(ctx context.Context, name string, body storage.Body) error {
	if err := b.enter(ctx); err != nil {
		return fmt.Errorf("save %q: %w", name, err)
	}
	defer b.leave()
	if b.upload.limiter != nil {
		open := body.Open
		body.Open = func() io.Reader { return &reader{ctx, open(), b.upload} }
	}
	return b.next.Save(ctx, name, body)
}

// Load implements storage.Backend.
func (b *Backend) Load(ctx context.Context, name string, p []byte, offset int64) error {
	if err := b.enter(ctx); err != nil {
		return fmt.Errorf("load %q: %w", name, err)
	}
	defer b.leave()
	if err := b.download.take(ctx, len(p)); err != nil {
		return fmt.Errorf("load %q: %w", name, err)
	}
	return b.next.Load(ctx, name, p, offset)
}

// List implements storage.Backend.
func (b *Backend) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		if err := b.enter(ctx); err != nil {
			yield(storage.Info{}, fmt.Errorf("list %q: %w", dir, err))
			return
		}
		for info, err := range b.next.List(ctx, dir) {
			b.leave()
			if !yield(info, err) || err != nil {
				return
			}
			if err := b.enter(ctx); err != nil {
				yield(storage.Info{}, fmt.Errorf("list %q: %w", dir, err))
				return
			}
		}
		b.leave()
	}
}

// Stat implements storage.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (storage.Info, error) {
	if err := b.enter(ctx); err != nil {
		return storage.Info{}, fmt.Errorf("stat %q: %w", name, err)
	}
	defer b.leave()
	return b.next.Stat(ctx, name)
}

// Remove implements storage.Backend.
func (b *Backend) Remove(ctx context.Context, name string) error {
	if err := b.enter(ctx); err != nil {
		return fmt.Errorf("remove %q: %w", name, err)
	}
	defer b.leave()
	return b.next.Remove(ctx, name)
}

func (b *Backend) enter(ctx context.Context) error {
	if b.places == nil {
		return nil
	}
	select {
	case b.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (b *Backend) leave() {
	if b.places != nil {
		<-b.places
	}
}

// bucket hands out bytes at a rate. It starts with those of one second.
type bucket struct {
	rate    Rate
	limiter *rate.Limiter // nil: there is never a limit
	clock   clock.Clock
}

func newBucket(r Rate, c clock.Clock) bucket {
	b := bucket{rate: r, clock: c}
	if r.base > 0 || len(r.spans) > 0 {
		b.limiter = rate.NewLimiter(limitOf(r.At(c.Now())))
	}
	return b
}

// limitOf returns what a limiter is told: the rate, and as many bytes at once as pass in a second.
func limitOf(perSecond int64) (rate.Limit, int) {
	return rate.Limit(perSecond), int(min(perSecond, math.MaxInt32))
}

// take waits until n bytes may pass.
func (b bucket) take(ctx context.Context, n int) error {
	for n > 0 && b.limiter != nil {
		now := b.clock.Now()
		perSecond := b.rate.At(now)
		if perSecond == 0 {
			return nil
		}
		limit, burst := limitOf(perSecond)
		if b.limiter.Limit() != limit {
			b.limiter.SetLimitAt(now, limit)
			b.limiter.SetBurstAt(now, burst)
		}
		part := min(n, burst)
		reserved := b.limiter.ReserveN(now, part)
		if !reserved.OK() { // the rate has just become another one
			continue
		}
		if err := b.clock.Sleep(ctx, reserved.DelayFrom(now)); err != nil {
			reserved.CancelAt(b.clock.Now())
			return err
		}
		n -= part
	}
	return nil
}

// reader holds back the bytes of a body.
type reader struct {
	ctx    context.Context
	next   io.Reader
	bucket bucket
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.next.Read(p)
	if waitErr := r.bucket.take(r.ctx, n); waitErr != nil {
		return 0, waitErr
	}
	return n, err
}
