package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/retry"
	"github.com/backstay/backstay/storage/s3"
	"github.com/backstay/backstay/test/servers"
)

// faulty is a backend behind a proxy with faults, and one of the same folder beside it.
type faulty struct {
	through, direct *s3.Backend
	proxy           *servers.FaultProxy

	mu   sync.Mutex
	next func(*http.Request) servers.Fault // guarded by mu
}

// do has the proxy ask next from now on.
func (f *faulty) do(next func(*http.Request) servers.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = next
}

func (f *faulty) fault(r *http.Request) servers.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next(r)
}

func newFaulty(t *testing.T) *faulty {
	s := servers.StartS3(t)
	f := &faulty{next: func(*http.Request) servers.Fault { return servers.Fault{} }}
	f.proxy = servers.StartFaultProxy(t, s.Address, f.fault)
	v := with(owner(s), "region", s.Region) // else there would be a question for it
	f.direct = open(t, location(s.Address, "repo"), v)
	f.through = open(t, location(f.proxy.Address, "repo"), v)
	if err := f.direct.Save(t.Context(), "config", storage.Bytes([]byte("config"))); err != nil {
		t.Fatal(err)
	}
	return f
}

// content returns n bytes that no other file has.
func content(n, seed int) []byte {
	p := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), 1})
	_, _ = r.Read(p)
	return p
}

// everyFault are faults of all kinds in a transfer of so many bytes.
func everyFault(size int64) []servers.Fault {
	all := []servers.Fault{{Kind: servers.Drip}}
	for _, kind := range []servers.FaultKind{servers.ResetRequest, servers.LostAnswer, servers.ResetAnswer, servers.ShortAnswer, servers.CutAnswer} {
		for _, after := range []int64{0, 1000, size - 1} {
			all = append(all, servers.Fault{Kind: kind, After: after})
		}
	}
	for _, status := range []int{429, 500, 502, 503} {
		all = append(all, servers.Fault{Kind: servers.Refuse, Status: status})
	}
	return all
}

func TestAfterAFaultAFileIsThereWholeOrNotAtAll(t *testing.T) {
	f := newFaulty(t)
	p := content(3<<20, 0)
	for i, fault := range everyFault(int64(len(p))) {
		for _, method := range []string{http.MethodHead, http.MethodPut} {
			name := fmt.Sprintf("data/%s-%d", method, i)
			f.do(func(r *http.Request) servers.Fault {
				if r.Method == method {
					return fault
				}
				return servers.Fault{}
			})
			err := f.through.Save(t.Context(), name, storage.Bytes(p))
			got, loadErr := storage.LoadAll(t.Context(), f.direct, name)
			switch whole := loadErr == nil && bytes.Equal(got, p); {
			case loadErr != nil && !errors.Is(loadErr, storage.ErrNotFound), loadErr == nil && !whole:
				t.Errorf("after %+v in %s there are %d bytes of %d, %v", fault, method, len(got), len(p), loadErr)
			case err == nil && !whole:
				t.Errorf("Save with %+v in %s = nil, but the file isn't there", fault, method)
			case errors.Is(err, storage.ErrPermanent), errors.Is(err, storage.ErrExists), errors.Is(err, storage.ErrNotFound):
				t.Errorf("Save with %+v in %s = %v, which nobody would try again", fault, method, err)
			}
		}
	}
	for info, err := range f.direct.List(t.Context(), "data") { // nothing came late
		if err != nil || info.Size != int64(len(p)) {
			t.Errorf("in the end there is %v, %v, want nothing but whole files", info, err)
		}
	}
	t.Logf("faults: %v", f.proxy.Counts())
}

func TestWithAFaultARangeIsRightOrAnError(t *testing.T) {
	f := newFaulty(t)
	p := content(3<<20, 0)
	if err := f.direct.Save(t.Context(), "data/x", storage.Bytes(p)); err != nil {
		t.Fatal(err)
	}
	for _, fault := range everyFault(1 << 20) {
		f.do(func(*http.Request) servers.Fault { return fault })
		got := make([]byte, 1<<20)
		err := f.through.Load(t.Context(), "data/x", got, 12345)
		if err == nil && !bytes.Equal(got, p[12345:][:len(got)]) {
			t.Errorf("Load with %+v = nil, but the bytes are wrong", fault)
		}
		if (err == nil) != (fault.Kind == servers.Drip) || errors.Is(err, storage.ErrShort) || errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrPermanent) {
			t.Errorf("Load with %+v = %v, want an error that is tried again, but for Drip", fault, err)
		}
		info, err := f.through.Stat(t.Context(), "data/x")
		if err == nil && info.Size != int64(len(p)) || errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrPermanent) {
			t.Errorf("Stat with %+v = %v, %v", fault, info, err)
		}
	}
}

func TestAListingIsWholeOrEndsWithAnError(t *testing.T) {
	f := newFaulty(t)
	const files = 1050 // two pages
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := worker; i < files; i += 8 {
				if err := f.direct.Save(t.Context(), fmt.Sprintf("data/%04d", i), storage.Bytes([]byte("x"))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for page := range 2 {
		for _, fault := range everyFault(200_000) {
			asked := 0
			f.do(func(*http.Request) servers.Fault {
				if asked++; asked == page+1 {
					return fault
				}
				return servers.Fault{}
			})
			n, last := 0, error(nil)
			for _, err := range f.through.List(t.Context(), "data") {
				if last = err; err == nil {
					n++
				}
			}
			if last == nil && n != files || errors.Is(last, storage.ErrNotFound) || errors.Is(last, storage.ErrPermanent) {
				t.Errorf("List with %+v in page %d yields %d files of %d and then %v", fault, page+1, n, files, last)
			}
		}
	}
}

func TestRetryAfterIsPassedOn(t *testing.T) {
	f := newFaulty(t)
	f.do(func(*http.Request) servers.Fault {
		return servers.Fault{Kind: servers.Refuse, Status: 503, RetryAfter: 7}
	})
	var busy *storage.BusyError
	if err := f.through.Save(t.Context(), "data/x", storage.Bytes(nil)); !errors.As(err, &busy) || busy.After != 7*time.Second {
		t.Errorf("Save with Retry-After: 7 = %v, want a BusyError of 7 seconds", err)
	}
}

// hurried waits a hundredth of the time.
type hurried struct{ clock.Clock }

func (h hurried) Sleep(ctx context.Context, d time.Duration) error { return h.Clock.Sleep(ctx, d/100) }

func TestInBadWeatherNothingIsLostOrWrong(t *testing.T) {
	f := newFaulty(t)
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			f.do(servers.Weather(seed, 4))
			b := retry.New(f.through, retry.Options{Clock: hurried{clock.System}, Stall: -1})
			var wg sync.WaitGroup
			for worker := range 4 {
				wg.Go(func() {
					for i := range 15 {
						workInBadWeather(t, b, f.direct, fmt.Sprintf("data/%d/%d-%d", seed, worker, i), content(1<<(10+i), i+worker*100+int(seed)*1000), i%3 == 0)
					}
				})
			}
			wg.Wait()
			n := 0
			for _, err := range b.List(t.Context(), fmt.Sprintf("data/%d", seed)) {
				if err != nil {
					t.Fatalf("List: %v", err)
				}
				n++
			}
			if n != 40 {
				t.Errorf("List yields %d files, want 40", n)
			}
		})
	}
	t.Logf("faults: %v", f.proxy.Counts())
}

// workInBadWeather saves a file, reads it back and removes it or lets it be. What each call said is compared with what is there.
func workInBadWeather(t *testing.T, b, direct storage.Backend, name string, p []byte, remove bool) {
	if err := b.Save(t.Context(), name, storage.Bytes(p)); err != nil {
		t.Errorf("Save: %v", err)
	}
	if got, err := storage.LoadAll(t.Context(), direct, name); err != nil || !bytes.Equal(got, p) {
		t.Errorf("a saved file has %d bytes of %d, %v", len(got), len(p), err)
	}
	if got, err := storage.LoadAll(t.Context(), b, name); err != nil || !bytes.Equal(got, p) {
		t.Errorf("LoadAll = %d bytes of %d, %v", len(got), len(p), err)
	}
	if !remove {
		return
	}
	if err := b.Remove(t.Context(), name); err != nil {
		t.Errorf("Remove: %v", err)
	}
	if _, err := direct.Stat(t.Context(), name); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Stat of a removed file = %v, want ErrNotFound", err)
	}
}
