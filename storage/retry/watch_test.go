package retry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/retry"
)

// hanging is a backend whose first calls go on until their context ends.
type hanging struct {
	storage.Backend
	times int
}

func (h *hanging) hang(ctx context.Context) error {
	if h.times--; h.times < 0 {
		return nil
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func (h *hanging) Stat(ctx context.Context, name string) (storage.Info, error) {
	if err := h.hang(ctx); err != nil {
		return storage.Info{}, err
	}
	return h.Backend.Stat(ctx, name)
}

func (h *hanging) Load(ctx context.Context, name string, p []byte, offset int64) error {
	if err := h.hang(ctx); err != nil {
		return err
	}
	return h.Backend.Load(ctx, name, p, offset)
}

func TestATryWithoutProgressIsGivenUpAndRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below := mem.New()
		if err := below.Save(t.Context(), "config", storage.Bytes(make([]byte, 64<<10))); err != nil {
			t.Fatal(err)
		}
		for what, call := range map[string]func(b storage.Backend) error{
			"Stat": func(b storage.Backend) error { _, err := b.Stat(t.Context(), "config"); return err },
			"Load": func(b storage.Backend) error { return b.Load(t.Context(), "config", make([]byte, 64<<10), 0) },
		} {
			var reported error
			b := retry.New(&hanging{Backend: below, times: 1}, retry.Options{Report: func(e retry.Event) { reported = e.Err }})
			start := time.Now()
			if err := call(b); err != nil || reported == nil {
				t.Errorf("%s that hangs once = %v, reported %v", what, err, reported)
			}
			if took := time.Since(start); took < 2*time.Minute || took > 3*time.Minute {
				t.Errorf("%s that hangs once takes %v, want 2 to 3 minutes", what, took)
			}
		}
	})
}

func TestAStorageThatHangsForEverUsesUpTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := retry.New(&hanging{Backend: mem.New(), times: 1000}, retry.Options{})
		start := time.Now()
		_, err := b.Stat(t.Context(), "config")
		if took := time.Since(start); err == nil || took < 12*time.Minute || took > 18*time.Minute { // the last try may begin just in time
			t.Errorf("Stat that always hangs = %v after %v", err, took)
		}
	})
}

func TestACallEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("caller is gone")
		for what, b := range map[string]storage.Backend{
			"in a try": &hanging{Backend: mem.New(), times: 1000}, "in a wait": refusing{mem.New()},
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(10*time.Second, func() { cancel(gone) })
			start := time.Now()
			if _, err := retry.New(b, retry.Options{}).Stat(ctx, "config"); !errors.Is(err, gone) {
				t.Errorf("Stat cancelled %s = %v, want the context's cause", what, err)
			}
			if took := time.Since(start); took != 10*time.Second {
				t.Errorf("Stat cancelled %s after 10 s returns after %v", what, took)
			}
		}
	})
}

type refusing struct{ storage.Backend }

func (refusing) Stat(context.Context, string) (storage.Info, error) {
	return storage.Info{}, errors.New("refused")
}

// slow takes a minute for each part of a body and for each file of a listing.
type slow struct{ *mem.Backend }

func (s slow) Save(ctx context.Context, name string, body storage.Body) error {
	var got bytes.Buffer
	for r := body.Open(); ; time.Sleep(time.Minute) {
		_, err := io.CopyN(&got, r, 10)
		if err == io.EOF {
			return s.Backend.Save(ctx, name, storage.Bytes(got.Bytes()))
		}
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
	}
}

func (s slow) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	return func(yield func(storage.Info, error) bool) {
		for info, err := range s.Backend.List(ctx, dir) {
			if time.Sleep(time.Minute); !yield(info, err) {
				return
			}
		}
	}
}

func TestSlowIsNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tried := func(e retry.Event) { t.Errorf("%s is taken for stalled: %v", e.What, e.Err) }
		b := retry.New(slow{mem.New()}, retry.Options{Report: tried})
		for _, name := range []string{"keys/a", "keys/b", "keys/c"} {
			if err := b.Save(t.Context(), name, storage.Bytes(make([]byte, 95))); err != nil {
				t.Errorf("Save over ten minutes: %v", err)
			}
		}
		for _, err := range b.List(t.Context(), "keys") {
			if err != nil {
				t.Errorf("List: %v", err)
			}
			time.Sleep(10 * time.Minute) // the caller's own time
		}
	})
}

// copying has the body write itself.
type copying struct{ *mem.Backend }

func (c copying) Save(ctx context.Context, name string, body storage.Body) error {
	var got bytes.Buffer
	if _, err := io.Copy(&got, body.Open()); err != nil {
		return err
	}
	return c.Backend.Save(ctx, name, storage.Bytes(got.Bytes()))
}

func TestABodyThatIsSlowToReadIsNotStalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := storage.Body{Size: 3, Open: func() io.Reader { return io.LimitReader(sleeper{}, 3) }}
		for what, below := range map[string]storage.Backend{"read": mem.New(), "that writes itself": copying{mem.New()}} {
			b := retry.New(below, retry.Options{Report: func(e retry.Event) { t.Errorf("a body %s is taken for stalled: %v", what, e.Err) }})
			if err := b.Save(t.Context(), "config", body); err != nil {
				t.Errorf("Save of a slow body %s: %v", what, err)
			}
		}
	})
}

// sleeper takes ten minutes for a byte.
type sleeper struct{}

func (sleeper) Read(p []byte) (int, error) {
	time.Sleep(10 * time.Minute)
	return copy(p, "x"), nil
}

func TestABodyThatCannotBeReadIsNotRepeated(t *testing.T) {
	body := storage.Body{Size: 3, Open: func() io.Reader { return io.MultiReader(bytes.NewReader([]byte("x")), brokenReader{}) }}
	for what, below := range map[string]storage.Backend{"read": mem.New(), "that writes itself": copying{mem.New()}} {
		b := retry.New(below, retry.Options{Report: func(e retry.Event) { t.Errorf("a body %s is tried again after %v", what, e.Err) }})
		if err := b.Save(t.Context(), "config", body); !errors.Is(err, errBroken) {
			t.Errorf("Save of a body %s that breaks = %v, want its error", what, err)
		}
	}
}
