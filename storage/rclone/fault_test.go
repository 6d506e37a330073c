package rclone_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/retry"
	"github.com/backstay/backstay/test/servers"
)

// breaking is a store that is reached through a proxy, and straight.
type breaking struct {
	broken, whole storage.Backend

	mu   sync.Mutex
	next func(*http.Request) servers.Fault // guarded by mu
}

func (b *breaking) let(next func(*http.Request) servers.Fault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next = next
}

// breakable returns a store of a kind that speaks HTTP.
func breakable(t testing.TB, kind string) *breaking {
	t.Helper()
	p, v := stores[kind](t)
	b := &breaking{whole: open(t, p, v, env())}
	proxy := servers.StartFaultProxy(t, addressOf(t, v), func(r *http.Request) servers.Fault {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.next == nil {
			return servers.Fault{}
		}
		return b.next(r)
	})
	e := env()
	e.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, proxy.Address)
	}
	b.broken = open(t, p, v, e)
	save(t, b.broken, "config", []byte("x"))
	return b
}

func save(t testing.TB, b storage.Backend, name string, content []byte) {
	t.Helper()
	if err := b.Save(t.Context(), name, storage.Bytes(content)); err != nil {
		t.Fatal(err)
	}
}

// nth lets the n-th request fail and reports whether there was one.
func nth(n int64, f servers.Fault) (next func(*http.Request) servers.Fault, met *atomic.Bool) {
	var count atomic.Int64
	met = new(atomic.Bool)
	return func(*http.Request) servers.Fault {
		if count.Add(1) == n {
			met.Store(true)
			return f
		}
		return servers.Fault{}
	}, met
}

var faults = []servers.Fault{
	{Kind: servers.Refuse, Status: 500},
	{Kind: servers.Refuse, Status: 503, RetryAfter: 1},
	{Kind: servers.ResetRequest, After: 100_000},
	{Kind: servers.LostAnswer},
	{Kind: servers.ResetAnswer, After: 10},
	{Kind: servers.ShortAnswer, After: 10},
	{Kind: servers.CutAnswer, After: 10},
}

var httpKinds = []string{"azure", "gs"}

func TestASaveThatFailsAtAnyRequestLeavesNoPartOfAFile(t *testing.T) {
	content := bytes.Repeat([]byte("content"), 5<<20/7) // two blocks of Azure
	for _, kind := range httpKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := breakable(t, kind)
			for _, fault := range faults {
				for n := int64(1); ; n++ {
					name := fmt.Sprintf("data/ab/%s-%d-%d", strings.ReplaceAll(string(fault.Kind), " ", "-"), fault.Status, n)
					next, met := nth(n, fault)
					b.let(next)
					saved := b.broken.Save(t.Context(), name, storage.Bytes(content))
					b.let(nil)
					if !met.Load() {
						if saved != nil {
							t.Errorf("Save without a fault = %v", saved)
						}
						break
					}
					got, err := storage.LoadAll(t.Context(), b.whole, name)
					if whole := err == nil && bytes.Equal(got, content); !whole && (saved == nil || !errors.Is(err, storage.ErrNotFound)) {
						t.Errorf("Save with %q at request %d = %v, then there are %d bytes of %d, %v", fault.Kind, n, saved, len(got), len(content), err)
					}
				}
			}
		})
	}
}

func TestAListingThatIsCutIsAnError(t *testing.T) {
	for _, kind := range httpKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := breakable(t, kind)
			for i := range 20 {
				save(t, b.whole, fmt.Sprintf("data/%02d/%064d", i%3, i), nil)
			}
			for _, fault := range faults {
				if fault.Kind == servers.ResetRequest {
					continue // a listing has no body there
				}
				fault.After *= 30 // into the first files
				for n := int64(1); ; n++ {
					next, met := nth(n, fault)
					b.let(next)
					count, err := 0, error(nil)
					for _, err = range b.broken.List(t.Context(), "data") {
						count++
					}
					b.let(nil)
					if err == nil && count != 20 {
						t.Errorf("List with %q at request %d ends after %d files of 20 in silence", fault.Kind, n, count)
					}
					if !met.Load() {
						break
					}
				}
			}
		})
	}
}

func TestALoadThatIsCutIsAnErrorOrRight(t *testing.T) {
	content := bytes.Repeat([]byte("content"), 100_000)
	for _, kind := range httpKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := breakable(t, kind)
			save(t, b.broken, "data/ab/x", content)
			for _, fault := range faults {
				next, met := nth(1, fault)
				b.let(next)
				p := make([]byte, 300_000)
				err := b.broken.Load(t.Context(), "data/ab/x", p, 7)
				b.let(nil)
				if err == nil && !bytes.Equal(p, content[7:][:len(p)]) {
					t.Errorf("Load with %q gives other bytes than were saved", fault.Kind)
				}
				again := fault.Kind == servers.ResetRequest || fault.Kind == servers.LostAnswer // net/http asks once more if a kept connection breaks at once
				if err == nil && !again || errors.Is(err, storage.ErrNotFound) || errors.Is(err, storage.ErrPermanent) {
					t.Errorf("Load with %q = %v, want an error that passes", fault.Kind, err)
				}
				if !met.Load() {
					t.Error("Load made no request")
				}
				if err := b.broken.Load(t.Context(), "data/ab/x", p, 7); err != nil || !bytes.Equal(p, content[7:][:len(p)]) {
					t.Errorf("Load after %q = %v, want what was saved", fault.Kind, err)
				}
			}
		})
	}
}

func TestNothingIsRepeatedByTheAdapterAndAStormIsOverByTheWrapper(t *testing.T) {
	for _, kind := range httpKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := breakable(t, kind)
			for _, status := range []int{429, 500, 503} {
				var requests atomic.Int64
				b.let(func(*http.Request) servers.Fault {
					requests.Add(1)
					return servers.Fault{Kind: servers.Refuse, Status: status, RetryAfter: 3}
				})
				_, err := b.broken.Stat(t.Context(), "config")
				if err == nil || errors.Is(err, storage.ErrPermanent) || requests.Load() != 1 {
					t.Errorf("Stat of a server that answers %d = %v after %d requests, want a passing error after 1", status, err, requests.Load())
				}
				if busy := (*storage.BusyError)(nil); !errors.As(err, &busy) || busy.After != 3*time.Second {
					t.Errorf("Stat of a server that wants to be asked again in 3 seconds = %#v, want a BusyError that says so", err)
				}
				requests.Store(0)
				err = b.broken.Save(t.Context(), fmt.Sprint("data/ab/", status), storage.Bytes(make([]byte, 5<<20)))
				if err == nil || errors.Is(err, storage.ErrPermanent) || requests.Load() > 2 {
					t.Errorf("Save to a server that answers %d = %v after %d requests", status, err, requests.Load())
				}
			}
			var requests atomic.Int64
			b.let(func(*http.Request) servers.Fault {
				if n := requests.Add(1); n < 10 && n%2 == 1 {
					return servers.Fault{Kind: servers.Refuse, Status: 503}
				}
				return servers.Fault{}
			})
			again := retry.New(b.broken, retry.Options{Clock: quick{}, Stall: -1})
			save(t, again, "data/ab/storm", bytes.Repeat([]byte("content"), 100_000))
			b.let(nil)
		})
	}
}

// quick is a clock on which no time passes while somebody sleeps.
type quick struct{}

func (quick) Now() time.Time { return time.Now() }

func (quick) Sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func TestACallOfAServerThatHangsReturnsWhenItIsCancelled(t *testing.T) {
	for kind, start := range stores {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p, v := start(t)
			hang := make(chan struct{})
			e := env()
			e.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, address)
				return &hanging{Conn: c, hang: hang, closed: make(chan struct{})}, err
			}
			b := open(t, p, v, e)
			save(t, b, "config", []byte("content"))
			close(hang)
			gone := errors.New("the caller is gone")
			for what, call := range map[string]func(ctx context.Context) error{
				"Load": func(ctx context.Context) error { return b.Load(ctx, "config", make([]byte, 7), 0) },
				"Stat": func(ctx context.Context) error { _, err := b.Stat(ctx, "config"); return err },
				"List": func(ctx context.Context) (last error) {
					for _, err := range b.List(ctx, "data") {
						last = err
					}
					return last
				},
				"Save": func(ctx context.Context) error { return b.Save(ctx, "data/x", storage.Bytes(make([]byte, 1<<20))) },
			} {
				ctx, cancel := context.WithCancelCause(t.Context())
				stop := time.AfterFunc(100*time.Millisecond, func() { cancel(gone) })
				began := time.Now()
				if err := call(ctx); !errors.Is(err, gone) {
					t.Errorf("%s that was cancelled = %v, want the cause", what, err)
				}
				stop.Stop()
				if took := time.Since(began); took > 8*time.Second {
					t.Errorf("%s returned %v after it was cancelled", what, took)
				}
			}
		})
	}
}

// hanging is a connection on which nothing comes any more after a time.
type hanging struct {
	net.Conn
	hang   <-chan struct{}
	once   sync.Once
	closed chan struct{}
}

func (h *hanging) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	select {
	case <-h.hang:
		<-h.closed
		return 0, io.ErrClosedPipe
	default:
		return n, err
	}
}

func (h *hanging) Close() error {
	h.once.Do(func() { close(h.closed) })
	return h.Conn.Close()
}

func TestASlowServerIsNoError(t *testing.T) {
	for _, kind := range httpKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := breakable(t, kind)
			b.let(func(*http.Request) servers.Fault { return servers.Fault{Kind: servers.Drip} })
			content := bytes.Repeat([]byte("content"), 100_000)
			save(t, b.broken, "data/ab/slow", content)
			got, err := storage.LoadAll(t.Context(), b.broken, "data/ab/slow")
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("LoadAll = %d bytes, %v", len(got), err)
			}
		})
	}
}

// settingsError is the error of opening with settings.
func settingsError(p storage.Provider, v settings.Values) error {
	v, err := settings.Check(p.Fields, v)
	if err == nil {
		_, err = p.Open(v, env())
	}
	return err
}
