package rest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/rest"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// at opens the storage at a location, with settings beside it.
func at(t testing.TB, location string, beside settings.Values) storage.Backend {
	t.Helper()
	return of(t, rest.Provider, strings.TrimPrefix(location, "rest:"), beside)
}

func of(t testing.TB, p storage.Provider, location string, beside settings.Values) storage.Backend {
	t.Helper()
	v, err := p.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range beside {
		v[name] = value
	}
	if v, err = settings.Check(p.Fields, v); err != nil {
		t.Fatal(err)
	}
	b, err := p.Open(v, storage.Env{Clock: clock.System, Dial: loopback})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if b.(interface{ CloseIdle() }).CloseIdle(); p.Kind == rest.Rclone.Kind {
			closeIdle(t, b)
		}
	})
	return b
}

// loopback makes connections within this machine only.
func loopback(ctx context.Context, network, address string) (net.Conn, error) {
	if network == "tcp" && !strings.HasPrefix(address, "127.0.0.1:") {
		return nil, fmt.Errorf("a test asks for %s", address)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

// made starts a server with an empty repository, and opens it.
func made(t testing.TB, opt servers.RESTOptions) (storage.Backend, *servers.REST) {
	t.Helper()
	s := servers.StartREST(t, opt)
	for _, dir := range []string{"data", "keys", "locks", "snapshots", "index"} {
		if err := os.Mkdir(filepath.Join(s.Dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return at(t, s.Location, nil), s
}

const (
	anID     = "ab00000000000000000000000000000000000000000000000000000000000000"
	packName = "data/ab/" + anID
)

func save(t testing.TB, b storage.Backend, name string, content []byte) {
	t.Helper()
	if err := b.Save(t.Context(), name, storage.Bytes(content)); err != nil {
		t.Fatal(err)
	}
}

func list(ctx context.Context, b storage.Backend, dir string) (infos []storage.Info, err error) {
	for info, err := range b.List(ctx, dir) {
		if err != nil {
			return infos, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

func TestBackendKeepsThePromises(t *testing.T) {
	for name, opt := range map[string]servers.RESTOptions{"version 2": {}, "version 1": {Version1: true}, "socket": {Unix: true}} {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, func(t *testing.T) storage.Backend {
				b, _ := made(t, opt)
				return b
			}, rest.Provider.Lacks...)
		})
	}
}

func TestTheFirstSaveMakesTheRepository(t *testing.T) {
	s := servers.StartREST(t, servers.RESTOptions{})
	b := at(t, s.Location+"some/where", nil)
	if _, err := list(t.Context(), b, "snapshots"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("List where no repository is = %v, want ErrNotFound", err)
	}
	save(t, b, "keys/"+anID, []byte("key"))
	if p, err := os.ReadFile(filepath.Join(s.Dir, "some/where/keys", anID)); err != nil || string(p) != "key" {
		t.Errorf("the file in the folder of the server = %q, %v", p, err)
	}
	if got, err := list(t.Context(), b, "snapshots"); err != nil || len(got) != 0 {
		t.Errorf("List of an empty folder = %v, %v", got, err)
	}
}

func TestAFolderThatACopyHasLostIsMadeAnew(t *testing.T) {
	b, s := made(t, servers.RESTOptions{})
	save(t, b, "config", []byte("x"))
	if err := os.Remove(filepath.Join(s.Dir, "locks")); err != nil {
		t.Fatal(err)
	}
	if got, err := list(t.Context(), b, "locks"); err != nil || len(got) != 0 {
		t.Errorf("List = %v, %v, want an empty listing", got, err)
	}
}

func TestNamesThatNoRepositoryHasAreRefusedUnasked(t *testing.T) {
	b := at(t, "rest:http://127.0.0.1:1/", nil)
	for _, name := range []string{"config-next", "keys/a", "data/ab/cd", "data/ab/" + strings.Repeat("0", 64), "locks/" + strings.ToUpper(anID)} {
		if err := b.Save(t.Context(), name, storage.Bytes(nil)); !errors.Is(err, storage.ErrPermanent) {
			t.Errorf("Save(%q) = %v, want ErrPermanent", name, err)
		}
		if _, err := b.Stat(t.Context(), name); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Stat(%q) = %v, want ErrNotFound", name, err)
		}
		if err := b.Remove(t.Context(), name); err != nil {
			t.Errorf("Remove(%q) = %v, want nil", name, err)
		}
	}
	if _, err := list(t.Context(), b, "keysx"); !errors.Is(err, storage.ErrPermanent) {
		t.Errorf("List of a folder that the protocol hasn't = %v, want ErrPermanent", err)
	}
}

// answering opens a repository at a server that answers each request in one way.
func answering(t *testing.T, handler http.HandlerFunc) storage.Backend {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return at(t, "rest:"+server.URL+"/", nil)
}

func TestOnlyAWholeListingIsOne(t *testing.T) {
	const v1, v2 = "application/vnd.x.restic.rest.v1", "application/vnd.x.restic.rest.v2"
	file := `{"name":"` + anID + `","size":3}`
	for _, tt := range []struct {
		says, kind, body string
		status, want     int // want: files; -1: an error
	}{
		{"one file", v2, "[" + file + "]", 200, 1},
		{"white space", v2, " [ " + file + " ] \n", 200, 1},
		{"no file", v2, "[]", 200, 0},
		{"no file in the words of rest-server", v2, "null\n", 200, 0},
		{"a temporary file of the server", v2, `[{"name":"` + anID + `.rest-server-temp1","size":3}]`, 200, 0},
		{"a key that isn't known yet", v2, `[{"name":"` + anID + `","size":3,"more":{}}]`, 200, 1},
		{"cut after a file", v2, "[" + file, 200, -1},
		{"cut after a comma", v2, "[" + file + ",", 200, -1},
		{"cut in a file", v2, `[{"name":"`, 200, -1},
		{"nothing", v2, "", 200, -1},
		{"more after the end", v2, "[]" + file, 200, -1},
		{"an object", v2, file, 200, -1},
		{"a text", v2, `"` + anID + `"`, 200, -1},
		{"a negative size", v2, `[{"name":"` + anID + `","size":-1}]`, 200, -1},
		{"a size that is no whole number", v2, `[{"name":"` + anID + `","size":1.5}]`, 200, -1},
		{"no size", v2, `[{"name":"` + anID + `"}]`, 200, -1},
		{"no name", v2, `[{"size":3}]`, 200, -1},
		{"null for a file", v2, `[null]`, 200, -1},
		{"an endless name", v2, `[{"name":"` + strings.Repeat("x", 1<<20), 200, -1},
		{"version 1 in version 2", v2, `["` + anID + `"]`, 200, -1},
		{"version 2 in version 1", v1, "[" + file + "]", 200, -1},
		{"a page", "text/html; charset=utf-8", "[]", 200, -1},
		{"no content type that we know", "application/octet-stream", "[]", 200, -1},
		{"not found", "text/plain", "404 page not found", 404, -1},
		{"nothing to say", v2, "", 204, -1},
		{"a trouble", v2, "[]", 500, -1},
		{"an address elsewhere", v2, "[]", 302, -1},
	} {
		b := answering(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead || r.Method == http.MethodPost {
				w.Header().Set("Content-Length", "0")
				return // the config is there
			}
			w.Header().Set("Content-Type", tt.kind)
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		})
		got, err := list(t.Context(), b, "snapshots")
		if (err != nil) != (tt.want < 0) || err == nil && len(got) != tt.want {
			t.Errorf("%s: List = %v, %v, want %d files (-1: an error)", tt.says, got, err, tt.want)
		}
		if errors.Is(err, storage.ErrNotFound) {
			t.Errorf("%s: List = %v, which isn't a try to be repeated", tt.says, err)
		}
	}
}

func TestAnAnswerTellsWhatCanBeDone(t *testing.T) {
	for _, tt := range []struct {
		status int
		want   error
		says   string
	}{
		{401, storage.ErrLogin, "password"}, {403, storage.ErrPermanent, "may not"}, {404, storage.ErrNotFound, "404"},
		{413, storage.ErrPermanent, "space"}, {507, storage.ErrFull, "space"}, {405, storage.ErrPermanent, "address"},
		{301, storage.ErrPermanent, "address"}, {416, storage.ErrShort, "416"}, {500, nil, "500"}, {502, nil, "502"},
	} {
		b := answering(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(tt.status) })
		err := b.Load(t.Context(), packName, make([]byte, 1), 0)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("Load where the server answers %d = %v, want %v that says %q", tt.status, err, tt.want, tt.says)
		}
		if tt.want == nil && (errors.Is(err, storage.ErrPermanent) || errors.Is(err, storage.ErrNotFound)) {
			t.Errorf("Load where the server answers %d = %v, want an error that passes", tt.status, err)
		}
	}
}

func TestABusyServerNamesItsTime(t *testing.T) {
	for header, want := range map[string]time.Duration{"7": 7 * time.Second, "": 0, "later": 0, "Thu, 01 Jan 1970 00:00:00 GMT": 0} {
		b := answering(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		var busy *storage.BusyError
		if _, err := b.Stat(t.Context(), "config"); !errors.As(err, &busy) || busy.After != want {
			t.Errorf("Stat with Retry-After %q = %v, want a BusyError after %v", header, err, want)
		}
	}
}

func TestARangeIsNeverOtherBytes(t *testing.T) {
	content := []byte("0123456789")
	for _, tt := range []struct {
		says, header string
		status       int
		body         string
		want         string // "": an error
	}{
		{"the range", "bytes 2-5/10", 206, "2345", "2345"},
		{"the range of a file of unknown size", "bytes 2-5/*", 206, "2345", "2345"},
		{"the whole file", "", 200, "0123456789", "2345"},
		{"another range", "bytes 0-3/10", 206, "0123", ""},
		{"a longer range", "bytes 2-9/10", 206, "23456789", ""},
		{"less than it says", "bytes 2-5/10", 206, "23", ""},
		{"no range", "", 206, "2345", ""},
		{"a file that is shorter", "bytes 2-3/4", 206, "23", ""},
	} {
		b := answering(t, func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Range"); got != "bytes=2-5" {
				t.Errorf("the range asked for is %q", got)
			}
			w.Header().Set("Content-Range", tt.header)
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		})
		p := make([]byte, 4)
		err := b.Load(t.Context(), packName, p, 2)
		if (err == nil) != (tt.want != "") || err == nil && !bytes.Equal(p, content[2:6]) {
			t.Errorf("%s: Load = %q, %v, want %q", tt.says, p, err, tt.want)
		}
		if short := errors.Is(err, storage.ErrShort); short != (tt.says == "a file that is shorter") {
			t.Errorf("%s: Load = %v, ErrShort: %t", tt.says, err, short)
		}
	}
}

func TestASaveThatIsSentElsewhereIsNoSuccess(t *testing.T) {
	var got int
	b := answering(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusFound)
		case r.URL.Path == "/elsewhere":
			got++
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	if err := b.Save(t.Context(), "config", storage.Bytes([]byte("x"))); !errors.Is(err, storage.ErrPermanent) || got != 0 {
		t.Errorf("Save = %v after %d requests elsewhere, want ErrPermanent and none", err, got)
	}
}

func TestAnAppendOnlyServerSaysSo(t *testing.T) {
	b, _ := made(t, servers.RESTOptions{AppendOnly: true})
	for _, name := range []string{packName, "locks/" + anID} {
		save(t, b, name, []byte("x"))
	}
	if err := b.Remove(t.Context(), packName); !errors.Is(err, storage.ErrPermanent) || !strings.Contains(err.Error(), "append-only") {
		t.Errorf("Remove = %v, want ErrPermanent that says append-only", err)
	}
	if err := b.Remove(t.Context(), "locks/"+anID); err != nil {
		t.Errorf("Remove of a lock = %v", err)
	}
	if err := b.Save(t.Context(), packName, storage.Bytes([]byte("other"))); !errors.Is(err, storage.ErrExists) {
		t.Errorf("Save of a name that is taken = %v, want ErrExists", err)
	}
}

func TestANameThatIsTakenMeanwhileIsFoundOut(t *testing.T) {
	var posted bool
	b := answering(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost && r.URL.RawQuery == "":
			posted = true
			w.WriteHeader(http.StatusForbidden)
		case !posted && r.URL.Path != "/config":
			w.WriteHeader(http.StatusNotFound)
		default:
			w.Header().Set("Content-Length", "1")
		}
	})
	if err := b.Save(t.Context(), packName, storage.Bytes([]byte("x"))); !errors.Is(err, storage.ErrExists) {
		t.Errorf("Save = %v, want ErrExists", err)
	}
}

func TestAnAnswerBeforeTheWholeFileWasReadIsNoSuccess(t *testing.T) {
	b := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	content := make([]byte, 64<<20)
	if err := b.Save(t.Context(), packName, storage.Bytes(content)); err == nil {
		t.Error("Save where the server reads nothing = nil error")
	}
}

func TestOneConnectionServesCallAfterCall(t *testing.T) {
	var connections atomic.Int32
	s := servers.StartREST(t, servers.RESTOptions{})
	v, err := rest.Provider.Parse(strings.TrimPrefix(s.Location, "rest:"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := rest.Provider.Open(v, storage.Env{Clock: clock.System, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		connections.Add(1)
		return loopback(ctx, network, address)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.(interface{ CloseIdle() }).CloseIdle)
	for range 3 {
		save(t, b, packName, []byte("12345"))
		_ = b.Load(t.Context(), "data/00/"+strings.Repeat("0", 64), make([]byte, 1), 0) // is not found
		if err := b.Load(t.Context(), packName, make([]byte, 3), 1); err != nil {
			t.Fatal(err)
		}
		if _, err := list(t.Context(), b, "data"); err != nil {
			t.Fatal(err)
		}
		if err := b.Remove(t.Context(), packName); err != nil {
			t.Fatal(err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("calls one after the other take %d connections, want 1", n)
	}
}

func TestACallEndsAtOnceWhenItIsCancelled(t *testing.T) {
	hang := make(chan struct{})
	b := answering(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Type", "application/vnd.x.restic.rest.v2")
			w.(http.Flusher).Flush()
		}
		select {
		case <-r.Context().Done():
		case <-hang:
		}
	})
	defer close(hang)
	gone := errors.New("gone")
	for what, call := range map[string]func(ctx context.Context) error{
		"Load": func(ctx context.Context) error { return b.Load(ctx, packName, make([]byte, 1), 0) },
		"List": func(ctx context.Context) error { _, err := list(ctx, b, "data"); return err },
		"Save": func(ctx context.Context) error { return b.Save(ctx, packName, storage.Bytes(make([]byte, 8<<20))) },
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		start := time.Now()
		time.AfterFunc(100*time.Millisecond, func() { cancel(gone) })
		if err := call(ctx); !errors.Is(err, gone) || time.Since(start) > 2*time.Second {
			t.Errorf("%s that is cancelled while the server hangs = %v after %v, want the cause at once", what, err, time.Since(start))
		}
	}
}
