// Package retry repeats the calls of a storage that failed for a passing reason.
//
// A call is made of tries. Between two tries there is a wait, which doubles from one to the next and is spread at random
// so that many clients don't come back at once. An error that no second try can mend ends the call: ErrPermanent,
// ErrNotFound, ErrExists, ErrMismatch, a body that can't be read, and the end of the caller's context. A file that is too short is asked for once
// more, since a transfer may have been cut. A try that makes no progress for a while is given up (it stalls) and counts as
// failed.
//
// The invariant: a call that returned has nothing under way any more, as far as the backend keeps its own promise.
package retry

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
)

// Options sets how long a Backend keeps on trying. The zero value is ready for use.
type Options struct {
	// Total is how long a call is repeated: no try begins later. It is the sum of the waits and of the failed tries,
	// each counted for no longer than it takes to find a stall. So neither a long upload nor a suspended machine uses
	// it up. Default 15 minutes: a restart of a server or a router passes, and nobody waits all night to be told.
	Total time.Duration
	// Stall is how long a try may go on without progress. Default 2 minutes; negative: for ever, which a simulation
	// needs whose clock goes on by itself at each Sleep. The far end is given one second more for each 64 KiB of a
	// Load, whose progress can't be seen.
	Stall time.Duration
	// Report is told of each failed try that will be repeated, from the goroutine of the call. It may be nil.
	Report func(Event)

	Clock clock.Clock // default clock.System
	Rand  io.Reader   // spreads the waits; used by several goroutines at once; default crypto/rand.Reader
}

func (o Options) withDefaults() Options {
	if o.Total == 0 {
		o.Total = 15 * time.Minute
	}
	if o.Stall == 0 {
		o.Stall = 2 * time.Minute
	}
	if o.Report == nil {
		o.Report = func(Event) {}
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return o
}

// Event is a failed try that will be repeated.
type Event struct {
	What string        // "save", "load", "list", "stat" or "remove"
	Name string        // of the file, or the folder of a listing
	Try  int           // the number of tries so far, from 1
	Wait time.Duration // until the next
	Err  error         // of this try
}

// The waits: the first is long enough for a dropped connection to be made anew, the longest short enough to notice soon
// that a storage is back.
const (
	firstWait   = 500 * time.Millisecond
	longestWait = time.Minute
	longestBusy = 5 * time.Minute // that a storage may ask for
)

// loadRate is how many bytes of a Load may be expected in a second of a slow line.
const loadRate = 64 << 10

// hashChunk is how much of a file is held at once to compare it.
const hashChunk = 4 << 20

// Backend is a storage.Backend that repeats.
type Backend struct {
	next storage.Backend
	opt  Options
}

// New returns a Backend that repeats the calls of next. It is a storage.Retainer if next is one.
func New(next storage.Backend, opt Options) storage.Backend {
	b := &Backend{next, opt.withDefaults()}
	if retainer, ok := storage.As[storage.Retainer](next); ok {
		return keeper{b, retainer}
	}
	return b
}

// Unwrap returns the Backend that is wrapped.
func (b *Backend) Unwrap() storage.Backend { return b.next }

// Save implements storage.Backend. When a try failed and the next one finds the name taken, the answer of the earlier one
// may have been lost: if what is there has the announced size, and the hash if that is known, it is what was to be saved.
func (b *Backend) Save(ctx context.Context, name string, body storage.Body) error {
	first := true
	return b.repeat(ctx, "save", name, b.opt.Stall, func(ctx context.Context, w *watch) error {
		watched := body
		watched.Open = func() io.Reader { return &reader{body.Open(), w} }
		err := b.next.Save(ctx, name, watched)
		if !first && errors.Is(err, storage.ErrExists) {
			return b.compare(ctx, w, name, body, err)
		}
		first = false
		return err
	})
}

// compare returns nil if the file is what body announced, taken for its own, or else why not.
func (b *Backend) compare(ctx context.Context, w *watch, name string, body storage.Body, taken error) error {
	info, err := b.next.Stat(ctx, name)
	w.progress()
	if err != nil {
		return fmt.Errorf("see whether it was stored: %w", err)
	}
	if info.Size != body.Size {
		return fmt.Errorf("%w, with %d bytes instead of %d", taken, info.Size, body.Size)
	}
	if body.SHA256 == [32]byte{} {
		return nil
	}
	hash, p := sha256.New(), make([]byte, min(body.Size, hashChunk))
	for done := int64(0); done < body.Size; done += int64(len(p)) {
		p = p[:min(int64(len(p)), body.Size-done)]
		if err := b.next.Load(ctx, name, p, done); err != nil {
			return fmt.Errorf("see whether it was stored: %w", err)
		}
		w.progress()
		hash.Write(p)
	}
	if [32]byte(hash.Sum(nil)) != body.SHA256 {
		return fmt.Errorf("%w, with another content", taken)
	}
	return nil
}

// Load implements storage.Backend.
func (b *Backend) Load(ctx context.Context, name string, p []byte, offset int64) error {
	return b.load(ctx, name, p, offset, b.next.Load)
}

func (b *Backend) load(ctx context.Context, name string, p []byte, offset int64, load func(context.Context, string, []byte, int64) error) error {
	stall := b.opt.Stall
	if stall > 0 {
		stall += time.Duration(len(p)) * time.Second / loadRate
	}
	short := false
	return b.repeat(ctx, "load", name, stall, func(ctx context.Context, _ *watch) error {
		err := load(ctx, name, p, offset)
		if errors.Is(err, storage.ErrShort) && short {
			return storage.Mark(err, errFinal)
		}
		short = errors.Is(err, storage.ErrShort)
		return err
	})
}

// Stat implements storage.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (info storage.Info, err error) {
	err = b.repeat(ctx, "stat", name, b.opt.Stall, func(ctx context.Context, _ *watch) (err error) {
		info, err = b.next.Stat(ctx, name)
		return err
	})
	return info, err
}

// Remove implements storage.Backend.
func (b *Backend) Remove(ctx context.Context, name string) error {
	return b.repeat(ctx, "remove", name, b.opt.Stall, func(ctx context.Context, _ *watch) error {
		return b.next.Remove(ctx, name)
	})
}

// key stands for a name that was yielded: half a SHA-256, which doesn't meet another by accident.
type key [16]byte

// List implements storage.Backend. A listing that fails is begun again; what was yielded before is left out. For this it
// keeps 16 bytes of each name.
func (b *Backend) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return b.list(ctx, "list", dir, b.next.List)
}

// list is List with a listing of another kind.
func (b *Backend) list(ctx context.Context, what, dir string, list func(context.Context, string) iter.Seq2[storage.Info, error]) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		yielded, left := make(map[key]struct{}), false
		err := b.repeat(ctx, what, dir, b.opt.Stall, func(ctx context.Context, w *watch) error {
			for info, err := range list(ctx, dir) {
				if err != nil {
					return err
				}
				hash := sha256.Sum256([]byte(info.Name))
				k := key(hash[:])
				if _, again := yielded[k]; again {
					w.progress()
					continue
				}
				yielded[k] = struct{}{}
				w.pause() // the time of the caller's loop body isn't the storage's
				left = !yield(info, nil)
				w.resume()
				if left {
					return nil
				}
			}
			return nil
		})
		if err != nil && !left {
			yield(storage.Info{}, err)
		}
	}
}

// repeat calls try until it succeeds, can't succeed, or the time is used up.
func (b *Backend) repeat(ctx context.Context, what, name string, stall time.Duration, try func(context.Context, *watch) error) error {
	wait := firstWait
	for n, spent := 1, time.Duration(0); ; n++ {
		start := b.opt.Clock.Now()
		err := b.try(ctx, stall, try)
		if err == nil || final(err) {
			return err
		}
		if ctx.Err() != nil {
			return ended(ctx, what, name, err)
		}
		spread, randErr := b.spread(wait)
		if randErr != nil {
			return fmt.Errorf("%w (not repeated: read random bytes: %w)", err, randErr)
		}
		if busy := (*storage.BusyError)(nil); errors.As(err, &busy) {
			spread = max(spread, min(busy.After, longestBusy))
		}
		spent += max(min(b.opt.Clock.Now().Sub(start), found(stall)), 0) + spread
		if spent > b.opt.Total {
			return fmt.Errorf("gave up after %d tries: %w", n, err)
		}
		b.opt.Report(Event{What: what, Name: name, Try: n, Wait: spread, Err: err})
		if b.opt.Clock.Sleep(ctx, spread) != nil {
			return ended(ctx, what, name, err)
		}
		wait = min(2*wait, longestWait)
	}
}

// ended is the error of a call whose context has ended, after a try that failed with err.
func ended(ctx context.Context, what, name string, err error) error {
	if cause := context.Cause(ctx); !errors.Is(err, cause) {
		return fmt.Errorf("%s %q: %w (the last try: %w)", what, name, cause, err)
	}
	return err
}

// errFinal marks errors that end a call although the storage may be well.
var errFinal = errors.New("final")

func final(err error) bool {
	for _, kind := range []error{errFinal, storage.ErrPermanent, storage.ErrNotFound, storage.ErrExists, storage.ErrMismatch} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// spread returns a time from half of d to one and a half of it.
func (b *Backend) spread(d time.Duration) (time.Duration, error) {
	var p [8]byte
	if _, err := io.ReadFull(b.opt.Rand, p[:]); err != nil {
		return 0, err
	}
	return d/2 + time.Duration(binary.LittleEndian.Uint64(p[:])%uint64(d)), nil
}
