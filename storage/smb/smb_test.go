package smb_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/smb"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/servers"
)

// env is that of a program without a guard.
func env() storage.Env {
	return storage.Env{Clock: clock.System, Rand: rand.Reader, Dial: new(net.Dialer).DialContext}
}

func at(s *servers.SMB, folder string) settings.Values {
	return settings.Values{"host": s.Host, "port": s.Port, "share": s.Share, "user": s.User, "password": s.Password, "path": folder}
}

func tryOpen(v settings.Values, e storage.Env) (storage.Backend, error) {
	v, err := settings.Check(smb.Provider.Fields, v)
	if err != nil {
		return nil, err
	}
	return smb.Provider.Open(v, e)
}

// open opens a storage whose connections are closed when the test ends.
func open(t testing.TB, v settings.Values, e storage.Env) storage.Backend {
	t.Helper()
	b, err := tryOpen(v, e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.(interface{ CloseIdle() }).CloseIdle)
	return b
}

func save(t testing.TB, b storage.Backend, name string, content []byte) {
	t.Helper()
	if err := b.Save(t.Context(), name, storage.Bytes(content)); err != nil {
		t.Fatal(err)
	}
}

// listing returns the error that a listing ends with.
func listing(t testing.TB, b storage.Backend, dir string) (last error) {
	for _, err := range b.List(t.Context(), dir) {
		last = err
	}
	return last
}

func TestItKeepsThePromises(t *testing.T) {
	t.Parallel()
	s, n := servers.StartSMB(t), new(atomic.Int64)
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		folder := fmt.Sprintf("the repository ä %d/ü", n.Add(1))
		servers.Folder(t, s.Dir, folder)
		return open(t, at(s, folder), env())
	}, smb.Provider.Lacks...)
}

func TestEveryConnectionIsMadeByTheDialOfTheEnvironment(t *testing.T) {
	s := servers.StartSMB(t)
	refused := errors.New("addresses like this are not allowed")
	e := env()
	e.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, refused }
	if err := open(t, at(s, "repo"), e).Save(t.Context(), "config", storage.Bytes([]byte("x"))); !errors.Is(err, refused) {
		t.Errorf("Save with a dial that refuses = %v, want its error", err)
	}
	var dialed atomic.Int64
	e.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialed.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	b := open(t, at(s, "repo"), e)
	for i := range 20 {
		save(t, b, fmt.Sprint("data/", i), []byte("x"))
	}
	if dialed.Load() != 1 {
		t.Errorf("20 saves one after the other made %d connections, want 1", dialed.Load())
	}
}

// counting counts what is written to a connection: the client writes a head and a body for each request.
type counting struct {
	net.Conn
	writes *atomic.Int64
}

func (c counting) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func TestACallAsksForNoMoreThanItNeeds(t *testing.T) {
	var writes atomic.Int64
	e := env()
	e.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		return counting{c, &writes}, err
	}
	b := open(t, at(servers.StartSMB(t), ""), e)
	save(t, b, "data/ab/first", nil)
	content := make([]byte, 3<<20)
	for _, tt := range []struct {
		what string
		call func() error
		want int64
	}{
		{"Save: create, write three times, flush, close, look whether the name is free, and to rename open, rename, close",
			func() error { return b.Save(t.Context(), "data/ab/x", storage.Bytes(content)) }, 10},
		{"Load: open, read three times, close", func() error { return b.Load(t.Context(), "data/ab/x", content, 0) }, 5},
		{"Stat: open, close", func() error { _, err := b.Stat(t.Context(), "data/ab/x"); return err }, 2},
		{"Remove: open, mark, close", func() error { return b.Remove(t.Context(), "data/ab/x") }, 3},
	} {
		before := writes.Load()
		if err := tt.call(); err != nil {
			t.Fatal(err)
		}
		if got := (writes.Load() - before) / 2; got != tt.want {
			t.Errorf("%d requests, want %d for %s", got, tt.want, tt.what)
		}
	}
}

func TestWrongCredentialsArePermanentAndNoSecretIsShown(t *testing.T) {
	s := servers.StartSMB(t)
	v := at(s, "repo")
	v["password"] = "wrong-secret"
	wantPermanent(t, open(t, v, env()), storage.ErrLogin, "credentials")
}

func TestAShareThatIsNotThereIsNotAnEmptyOne(t *testing.T) {
	s := servers.StartSMB(t)
	v := at(s, "repo")
	v["share"] = "none"
	wantPermanent(t, open(t, v, env()), storage.ErrPermanent, "no share of that name")
	if err := listing(t, open(t, at(s, "none"), env()), "data"); err == nil {
		t.Error("List in a folder that isn't there = nil error")
	}
}

// wantPermanent fails the test unless each call ends with a kind of ErrPermanent, a hint and no secret.
func wantPermanent(t *testing.T, b storage.Backend, kind error, hint string) {
	t.Helper()
	_, statErr := b.Stat(t.Context(), "config")
	for what, err := range map[string]error{
		"Save": b.Save(t.Context(), "config", storage.Bytes([]byte("x"))), "Stat": statErr, "List": listing(t, b, "data"),
		"Load": b.Load(t.Context(), "config", make([]byte, 1), 0), "Remove": b.Remove(t.Context(), "config"),
	} {
		if !errors.Is(err, storage.ErrPermanent) || !errors.Is(err, kind) || !strings.Contains(err.Error(), hint) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s = %v, want %q that says %q and shows no secret", what, err, kind, hint)
		}
	}
}

func TestAServerThatIsDownIsAPassingError(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(dead.Addr().String())
	_ = dead.Close()
	b := open(t, settings.Values{"host": host, "port": port, "share": "s", "user": "u"}, env())
	_, statErr := b.Stat(t.Context(), "config")
	for what, err := range map[string]error{"Stat": statErr, "List": listing(t, b, "data"), "Save": b.Save(t.Context(), "x", storage.Bytes(nil))} {
		if err == nil || errors.Is(err, storage.ErrPermanent) || errors.Is(err, storage.ErrNotFound) || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s with no server = %v, want a passing error that says so", what, err)
		}
	}
}

func TestNamesThatWindowsHasNotAreMappedOrRefused(t *testing.T) {
	b := open(t, at(servers.StartSMB(t), ""), env())
	for _, name := range []string{`a\b`, "a\x00b"} {
		if err := b.Save(t.Context(), name, storage.Bytes([]byte("x"))); !errors.Is(err, storage.ErrPermanent) {
			t.Errorf("Save(%q) = %v, want ErrPermanent", name, err)
		}
	}
	for _, name := range []string{"config:stream", "a*", "what?", `"x"`, "a<b>", "a|b", "a\x01b", "space ", "dot.", "a./b /c"} {
		save(t, b, "data/"+name, []byte(name))
		if got, err := storage.LoadAll(t.Context(), b, "data/"+name); err != nil || string(got) != name {
			t.Errorf("LoadAll(%q) = %q, %v", name, got, err)
		}
		found := false
		for info, err := range b.List(t.Context(), "data") {
			found = found || err == nil && info.Name == "data/"+name
		}
		if !found {
			t.Errorf("List doesn't yield %q", name)
		}
	}
	if err := b.Save(t.Context(), "data/.backstay-tmp-x", storage.Bytes([]byte("x"))); !errors.Is(err, storage.ErrPermanent) {
		t.Errorf("Save of what would be a temporary file = %v, want ErrPermanent", err)
	}
}

// files are those in a folder and below.
func files(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			path, err = filepath.Rel(dir, path)
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

type reader func(p []byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

func TestNothingIsLeftOfASaveThatWasCancelledOrBroke(t *testing.T) {
	s := servers.StartSMB(t)
	b := open(t, at(s, ""), env())
	for after := int64(0); after < 8; after++ {
		ctx, cancel := context.WithCancel(t.Context())
		given := int64(0)
		body := storage.Body{Size: 8 << 20, Open: func() io.Reader {
			return reader(func(p []byte) (int, error) {
				if given += int64(len(p)); given > after<<20 {
					cancel()
				}
				return len(p), nil
			})
		}}
		if err := b.Save(ctx, "data/ab/x", body); !errors.Is(err, context.Canceled) {
			t.Errorf("Save that was cancelled after %d MiB = %v", after, err)
		}
		cancel()
	}
	broken := errors.New("source broke")
	body := storage.Body{Size: 1000, Open: func() io.Reader { return reader(func([]byte) (int, error) { return 0, broken }) }}
	if err := b.Save(t.Context(), "data/ab/x", body); !errors.Is(err, broken) {
		t.Errorf("Save of a body that broke = %v", err)
	}
	if left := files(t, s.Dir); left != nil {
		t.Errorf("failed saves leave %q", left)
	}
}

func TestSweepTakesOldTemporaryFilesOnly(t *testing.T) {
	s := servers.StartSMB(t)
	b := open(t, at(s, ""), env())
	save(t, b, "data/ab/x", []byte("content"))
	for name, age := range map[string]time.Duration{".backstay-tmp-old": 48 * time.Hour, ".backstay-tmp-young": time.Hour, "file": 48 * time.Hour} {
		path := filepath.Join(s.Dir, "data", "ab", name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, time.Time{}, time.Now().Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.(storage.Sweeper).Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	got := files(t, s.Dir)
	slices.Sort(got)
	if want := []string{"data/ab/.backstay-tmp-young", "data/ab/file", "data/ab/x"}; !slices.Equal(got, want) {
		t.Errorf("after Sweep there are %q, want %q", got, want)
	}
}

// A connection breaks after each of many numbers of bytes: in the login, in a request, between two.
func TestAConnectionThatBreaksAnywhereLeavesNoPartOfAFile(t *testing.T) {
	t.Parallel()
	s := servers.StartSMB(t)
	proxy := servers.StartCutProxy(t, net.JoinHostPort(s.Host, s.Port), 1, 4<<20)
	e := env()
	e.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, proxy.Address)
	}
	broken, whole := open(t, at(s, "repo"), e), open(t, at(s, "repo"), env())
	content := bytes.Repeat([]byte("content"), 200_000) // two parts
	save(t, whole, "data/there", content)
	saved, failed := 0, 0
	for i := range 40 {
		name := fmt.Sprint("data/", i)
		err := broken.Save(t.Context(), name, storage.Bytes(content))
		if errors.Is(err, storage.ErrPermanent) || errors.Is(err, storage.ErrExists) {
			t.Errorf("Save over a connection that breaks = %v, want an error that passes", err)
		}
		got, loadErr := storage.LoadAll(t.Context(), whole, name)
		if !(loadErr == nil && bytes.Equal(got, content)) && (err == nil || !errors.Is(loadErr, storage.ErrNotFound)) {
			t.Errorf("Save = %v, then there are %d bytes of %d, %v", err, len(got), len(content), loadErr)
		}
		if err == nil {
			saved++
		} else {
			failed++
		}
		p := make([]byte, len(content))
		err = broken.Load(t.Context(), "data/there", p, 0)
		if err == nil && !bytes.Equal(p, content) || errors.Is(err, storage.ErrShort) || errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Load over a connection that breaks = %v", err)
		}
		count := 0
		for _, err = range broken.List(t.Context(), "data") {
			if err == nil {
				count++
			}
		}
		if err == nil && count < saved {
			t.Errorf("List over a connection that breaks ends after %d files in silence", count)
		}
	}
	if saved == 0 || failed == 0 || proxy.Cuts() == 0 {
		t.Errorf("%d saves succeeded, %d failed, with %d cuts: this test is of no use", saved, failed, proxy.Cuts())
	}
}

func TestConnectionsThatTheServerClosedAreNotUsedAgain(t *testing.T) {
	s := servers.StartSMB(t)
	e, mu, conns := env(), new(sync.Mutex), []net.Conn(nil)
	e.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		mu.Lock()
		defer mu.Unlock()
		conns = append(conns, c)
		return c, err
	}
	b := open(t, at(s, ""), e)
	save(t, b, "config", []byte("x"))
	mu.Lock()
	_ = conns[0].(*net.TCPConn).CloseRead() // as if the server had gone
	mu.Unlock()
	time.Sleep(50 * time.Millisecond)
	if _, err := b.Stat(t.Context(), "config"); err != nil {
		t.Errorf("Stat after the connection was lost while idle: %v", err)
	}
}

func TestACallOfAServerThatHangsReturnsWhenItIsCancelled(t *testing.T) {
	s := servers.StartSMB(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	hang := make(chan struct{})
	e := env()
	e.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		return &hanging{Conn: c, hang: hang, closed: make(chan struct{})}, err
	}
	b := open(t, at(s, ""), e)
	save(t, b, "config", []byte("x"))
	close(hang)
	gone := errors.New("nobody waits any more")
	for what, call := range map[string]func(ctx context.Context) error{
		"Load":   func(ctx context.Context) error { return b.Load(ctx, "config", make([]byte, 1), 0) },
		"Stat":   func(ctx context.Context) error { _, err := b.Stat(ctx, "config"); return err },
		"Save":   func(ctx context.Context) error { return b.Save(ctx, "data/x", storage.Bytes(make([]byte, 9<<20))) },
		"Remove": func(ctx context.Context) error { return b.Remove(ctx, "config") },
		"List": func(ctx context.Context) (last error) {
			for _, last = range b.List(ctx, "data") {
			}
			return last
		},
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
	b.(interface{ CloseIdle() }).CloseIdle()
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
