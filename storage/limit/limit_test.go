package limit_test

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/limit"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
)

func TestBackendKeepsThePromises(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Backend {
		return limit.New(mem.New(), limit.Options{Upload: limit.PerSecond(1 << 30), Download: limit.PerSecond(1 << 30), Calls: 2})
	})
}

func TestTheBackendWithoutLimitsKeepsThePromises(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Backend { return limit.New(mem.New(), limit.Options{}) })
}

func TestRatesHoldForAllCallsTogether(t *testing.T) {
	const size, files = 1 << 20, 6
	for what, opt := range map[string]limit.Options{"upload": {Upload: limit.PerSecond(size)}, "download": {Download: limit.PerSecond(size)}} {
		synctest.Test(t, func(t *testing.T) {
			b, start := limit.New(mem.New(), opt), time.Now()
			var wg sync.WaitGroup
			for i := range files {
				wg.Go(func() {
					name := string(rune('a' + i))
					if err := b.Save(t.Context(), name, storage.Bytes(make([]byte, size))); err != nil {
						t.Errorf("Save: %v", err)
					}
					if _, err := storage.LoadAll(t.Context(), b, name); err != nil {
						t.Errorf("LoadAll: %v", err)
					}
				})
			}
			wg.Wait()
			if took := time.Since(start).Round(time.Second); took != (files-1)*time.Second { // the first second's bytes are there at once
				t.Errorf("%s of %d s worth of bytes takes %v, want %v", what, files, took, (files-1)*time.Second)
			}
		})
	}
}

func TestWaitingForARateEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := mem.New()
		b, start := limit.New(inner, limit.Options{Upload: limit.PerSecond(10), Download: limit.PerSecond(10)}), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := b.Save(ctx, "config", storage.Bytes(make([]byte, 1000))); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Save that takes longer than its context = %v, want its cause", err)
		}
		if err := b.Load(ctx, "config", make([]byte, 1000), 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Load that takes longer than its context = %v, want its cause", err)
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("they end after %v, want 3s", took)
		}
		if _, err := inner.Stat(t.Context(), "config"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Stat after a cancelled Save = %v, want ErrNotFound", err)
		}
	})
}

// slow counts the calls under way, each of which takes a second.
type slow struct {
	storage.Backend
	now, most atomic.Int32
}

func (s *slow) wait() {
	now := s.now.Add(1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); most = s.most.Load() {
	}
	time.Sleep(time.Second)
	s.now.Add(-1)
}

func (s *slow) Save(ctx context.Context, name string, body storage.Body) error {
	s.wait()
	return s.Backend.Save(ctx, name, body)
}

func (s *slow) Load(ctx context.Context, name string, p []byte, offset int64) error {
	s.wait()
	return s.Backend.Load(ctx, name, p, offset)
}

func (s *slow) Stat(ctx context.Context, name string) (storage.Info, error) {
	s.wait()
	return s.Backend.Stat(ctx, name)
}

func (s *slow) Remove(ctx context.Context, name string) error {
	s.wait()
	return s.Backend.Remove(ctx, name)
}

func (s *slow) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	s.wait()
	return s.Backend.List(ctx, dir)
}

func TestCallsAtOnceAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &slow{Backend: mem.New()}
		b := limit.New(inner, limit.Options{Calls: 2})
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				name := "keys/" + string(rune('a'+i))
				err := b.Save(t.Context(), name, storage.Bytes([]byte("x")))
				_, statErr := b.Stat(t.Context(), name)
				err = errors.Join(err, statErr, b.Load(t.Context(), name, make([]byte, 1), 0))
				for info, listErr := range b.List(t.Context(), "keys") {
					if err = errors.Join(err, listErr); info.Name == name {
						err = errors.Join(err, b.Remove(t.Context(), name))
					}
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most := inner.most.Load(); most != 2 {
			t.Errorf("%d calls were under way at once, want 2", most)
		}
	})
}

func TestWaitingForAPlaceEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := limit.New(&slow{Backend: mem.New()}, limit.Options{Calls: 1})
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { _, _ = b.Stat(t.Context(), "config") }) // holds the only place for a second
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for what, err := range map[string]error{
			"Save":   b.Save(ctx, "config", storage.Bytes(nil)),
			"Load":   b.Load(ctx, "config", nil, 0),
			"Remove": b.Remove(ctx, "config"),
		} {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s while no place is free = %v, want the context's cause", what, err)
			}
		}
		for _, err := range b.List(ctx, "keys") {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("List while no place is free yields %v, want the context's cause", err)
			}
		}
	})
}
