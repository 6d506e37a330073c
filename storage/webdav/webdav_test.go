package webdav_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/storage/webdav"
	"github.com/backstay/backstay/test/servers"
)

// env is that of a program without a guard.
func env() storage.Env {
	return storage.Env{Clock: clock.System, Rand: rand.Reader, Dial: new(net.Dialer).DialContext}
}

func at(s *servers.WebDAV, folder string) settings.Values {
	return settings.Values{"url": s.URL + folder, "user": s.User, "password": s.Password}
}

func tryOpen(v settings.Values, e storage.Env) (storage.Backend, error) {
	v, err := settings.Check(webdav.Provider.Fields, v)
	if err != nil {
		return nil, err
	}
	return webdav.Provider.Open(v, e)
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
	for name, start := range map[string]func(t testing.TB) *servers.WebDAV{
		"Go":     func(t testing.TB) *servers.WebDAV { return servers.StartWebDAV(t, nil) },
		"Apache": servers.StartApache,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, n := start(t), new(atomic.Int64)
			storagetest.Run(t, func(t *testing.T) storage.Backend {
				folder := fmt.Sprintf("the repository ä %d/ü", n.Add(1))
				servers.Folder(t, s.Dir, folder)
				return open(t, at(s, "/"+(&url.URL{Path: folder}).EscapedPath()), env())
			}, webdav.Provider.Lacks...)
		})
	}
}

func TestASaveTakesThreeRequests(t *testing.T) {
	s := servers.StartWebDAV(t, nil)
	b := open(t, at(s, "/a/repo"), env())
	save(t, b, "data/ab/first", nil)
	for what, tt := range map[string]struct {
		call func() error
		want int64
	}{
		"Save": {func() error { return b.Save(t.Context(), "data/ab/x", storage.Bytes(make([]byte, 1<<20))) }, 3}, // put, look, rename
		"Load": {func() error { return b.Load(t.Context(), "data/ab/first", nil, 0) }, 1},
		"Stat": {func() error { _, err := b.Stat(t.Context(), "data/ab/first"); return err }, 1},
	} {
		before := s.Requests.Load()
		if err := tt.call(); err != nil {
			t.Fatal(err)
		}
		if got := s.Requests.Load() - before; got != tt.want {
			t.Errorf("%s takes %d requests, want %d", what, got, tt.want)
		}
	}
}

func TestEveryConnectionIsMadeByTheDialOfTheEnvironment(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	s := servers.StartWebDAV(t, nil)
	refused := errors.New("addresses like this are not allowed")
	e := env()
	e.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, refused }
	if err := open(t, at(s, "/repo"), e).Save(t.Context(), "config", storage.Bytes([]byte("x"))); !errors.Is(err, refused) {
		t.Errorf("Save with a dial that refuses = %v, want its error", err)
	}
	var dialed atomic.Int64
	e.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialed.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	b := open(t, at(s, "/repo"), e)
	for i := range 20 {
		save(t, b, fmt.Sprint("data/", i), []byte("x"))
	}
	if dialed.Load() != 1 {
		t.Errorf("20 saves one after the other made %d connections, want 1", dialed.Load())
	}
}

func TestWrongCredentialsArePermanentAndNoSecretIsShown(t *testing.T) {
	s := servers.StartWebDAV(t, nil)
	v := at(s, "/repo")
	v["password"] = "wrong-secret"
	b := open(t, v, env())
	_, statErr := b.Stat(t.Context(), "config")
	for what, err := range map[string]error{
		"Save": b.Save(t.Context(), "config", storage.Bytes([]byte("x"))), "Stat": statErr, "List": listing(t, b, "data"),
		"Load": b.Load(t.Context(), "config", make([]byte, 1), 0), "Remove": b.Remove(t.Context(), "config"),
	} {
		if !errors.Is(err, storage.ErrLogin) || !strings.Contains(err.Error(), "credentials") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s with wrong credentials = %v, want ErrLogin that tells to check them and shows no secret", what, err)
		}
	}
}

func TestAPlaceThatIsNotThereIsMadeByASaveAndNotEmptyBefore(t *testing.T) {
	for name, s := range map[string]*servers.WebDAV{"Go": servers.StartWebDAV(t, nil), "Apache": servers.StartApache(t)} {
		b := open(t, at(s, "/a/b/c"), env())
		if err := listing(t, b, "data"); err == nil {
			t.Errorf("%s: List in a place that isn't there = nil error", name)
		}
		save(t, b, "config", []byte("x"))
		if err := listing(t, b, "data"); err != nil {
			t.Errorf("%s: List after the first file: %v", name, err)
		}
		if err := b.Remove(t.Context(), "config"); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(filepath.Join(s.Dir, "a")); err != nil {
			t.Fatal(err)
		}
		if err := b.Save(t.Context(), "config", storage.Bytes([]byte("x"))); err == nil || errors.Is(err, storage.ErrPermanent) {
			t.Errorf("%s: Save after the folder went = %v, want an error that passes", name, err)
		}
		save(t, b, "config", []byte("x"))
	}
}

func TestAServerThatIsDownIsAPassingError(t *testing.T) {
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := dead.Addr().String()
	_ = dead.Close()
	b := open(t, settings.Values{"url": "http://" + address}, env())
	_, statErr := b.Stat(t.Context(), "config")
	for what, err := range map[string]error{"Stat": statErr, "List": listing(t, b, "data"), "Save": b.Save(t.Context(), "x", storage.Bytes(nil))} {
		if err == nil || errors.Is(err, storage.ErrPermanent) || errors.Is(err, storage.ErrNotFound) || !strings.Contains(err.Error(), "refused") {
			t.Errorf("%s with no server = %v, want a passing error that says so", what, err)
		}
	}
}

func TestRemovingAFolderRemovesNothing(t *testing.T) {
	b := open(t, at(servers.StartWebDAV(t, nil), "/repo"), env())
	save(t, b, "data/ab/x", []byte("x"))
	if err := b.Remove(t.Context(), "data"); err != nil {
		t.Error(err)
	}
	if _, err := b.Stat(t.Context(), "data/ab/x"); err != nil {
		t.Errorf("Stat of a file whose folder was to be removed: %v", err)
	}
	if _, err := b.Stat(t.Context(), "data"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Stat of a folder = %v, want ErrNotFound", err)
	}
}

// files are those in a folder and below.
func files(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Base(filepath.Dir(path)) != ".DAV" { // that is where Apache keeps properties
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
	for name, s := range map[string]*servers.WebDAV{"Go": servers.StartWebDAV(t, nil), "Apache": servers.StartApache(t)} {
		b := open(t, at(s, ""), env())
		for after := range 8 {
			ctx, cancel := context.WithCancel(t.Context())
			given := 0
			body := storage.Body{Size: 8 << 20, Open: func() io.Reader {
				return reader(func(p []byte) (int, error) {
					if given += len(p); given > after<<20 {
						cancel()
					}
					return len(p), nil
				})
			}}
			if err := b.Save(ctx, "data/ab/x", body); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: Save that was cancelled = %v", name, err)
			}
			cancel()
		}
		broken := errors.New("source broke")
		body := storage.Body{Size: 1000, Open: func() io.Reader { return reader(func([]byte) (int, error) { return 0, broken }) }}
		if err := b.Save(t.Context(), "data/ab/x", body); !errors.Is(err, broken) {
			t.Errorf("%s: Save of a body that broke = %v", name, err)
		}
		if left := files(t, s.Dir); left != nil {
			t.Errorf("%s: failed saves leave %q", name, left)
		}
	}
}

func TestSweepTakesOldTemporaryFilesOnly(t *testing.T) {
	for server, s := range map[string]*servers.WebDAV{"Go": servers.StartWebDAV(t, nil), "Apache": servers.StartApache(t)} {
		b := open(t, at(s, ""), env())
		save(t, b, "data/ab/x", []byte("content"))
		for name, age := range map[string]time.Duration{".backstay-tmp-old": 48 * time.Hour, ".backstay-tmp-young": time.Hour, "file": 48 * time.Hour} {
			path := filepath.Join(s.Dir, "data", "ab", name)
			if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, 0o666), os.Chtimes(path, time.Time{}, time.Now().Add(-age))); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.(storage.Sweeper).Sweep(t.Context()); err != nil {
			t.Error(err)
		}
		got := files(t, s.Dir)
		slices.Sort(got)
		if want := []string{"data/ab/.backstay-tmp-young", "data/ab/file", "data/ab/x"}; !slices.Equal(got, want) {
			t.Errorf("%s: after Sweep there are %q, want %q", server, got, want)
		}
	}
}

// oddly answers as a server might.
func oddly(t *testing.T, answer http.HandlerFunc) storage.Backend {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return open(t, settings.Values{"url": server.URL + "/repo", "user": "me", "password": "secret"}, env())
}

func TestAServerThatKnowsNoRangesIsFoundOut(t *testing.T) {
	content := bytes.Repeat([]byte("content"), 1000)
	b := oddly(t, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(content) })
	if err := b.Load(t.Context(), "config", make([]byte, 10), 5); !errors.Is(err, storage.ErrPermanent) || !strings.Contains(err.Error(), "whole files") {
		t.Errorf("Load of a part = %v, want ErrPermanent", err)
	}
	if err := b.Load(t.Context(), "config", make([]byte, 10), 0); !errors.Is(err, storage.ErrPermanent) {
		t.Errorf("Load of the beginning = %v, want ErrPermanent", err)
	}
	p := make([]byte, len(content))
	if err := b.Load(t.Context(), "config", p, 0); err != nil || !bytes.Equal(p, content) {
		t.Errorf("Load of all = %v", err)
	}
}

func TestWhatIsNoWebDAVIsNotEmpty(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"a page":  func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "<html>log in here</html>") },
		"nothing": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusMultiStatus) },
		"other XML": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(207)
			_, _ = io.WriteString(w, "<html></html>")
		},
		"an empty multistatus": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(207)
			_, _ = io.WriteString(w, `<d:multistatus xmlns:d="DAV:"/>`)
		},
		"files of somewhere else": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(207); _, _ = io.WriteString(w, elsewhere) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/login?token=secret", http.StatusFound)
		},
	} {
		err := listing(t, oddly(t, answer), "data")
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("List of %s = %v, want an error without a secret", name, err)
		}
	}
}

const elsewhere = `<d:multistatus xmlns:d="DAV:"><d:response><d:href>/other/data/x</d:href><d:propstat><d:prop><d:getcontentlength>1</d:getcontentlength></d:prop>
<d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>`

// nextcloud answers as the documentation of Nextcloud shows it: checksums go in a header and come as a property.
type nextcloud struct {
	file, sum string
	content   []byte
}

func (n *nextcloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPut:
		n.file, n.sum = r.URL.Path, r.Header.Get("OC-Checksum")
		n.content, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusCreated)
	case "PROPFIND":
		w.WriteHeader(http.StatusMultiStatus)
		fmt.Fprintf(w, `<?xml version="1.0"?><d:multistatus xmlns:d="DAV:" xmlns:s="http://sabredav.org/ns" xmlns:oc="http://owncloud.org/ns"><d:response><d:href>%s</d:href><d:propstat>
			<d:prop><d:getlastmodified>Fri, 27 Nov 2026 10:00:00 GMT</d:getlastmodified><d:getcontentlength>%d</d:getcontentlength><d:resourcetype/>
			<oc:checksums><oc:checksum>%s MD5:00</oc:checksum></oc:checksums></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response></d:multistatus>`,
			(&url.URL{Path: n.file}).EscapedPath(), len(n.content), n.sum)
	default:
		w.WriteHeader(http.StatusCreated)
	}
}

func TestChecksumsAreSentAndCompared(t *testing.T) {
	n := new(nextcloud)
	wrong := false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.ServeHTTP(w, r); wrong && r.Method == http.MethodPut {
			n.sum = "SHA1:0000000000000000000000000000000000000000"
		}
	}))
	defer server.Close()
	b := open(t, settings.Values{"url": server.URL + "/remote.php/dav/files/me", "user": "me", "password": "x", "vendor": "nextcloud"}, env())
	save(t, b, "config", []byte("abc"))
	if want := "SHA1:a9993e364706816aba3e25717850c26c9cd0d89d"; n.sum != want {
		t.Errorf("the checksum that is sent is %q, want %q", n.sum, want)
	}
	wrong = true
	if err := b.Save(t.Context(), "config", storage.Bytes([]byte("abc"))); err == nil || !strings.Contains(err.Error(), "SHA-1") {
		t.Errorf("Save where the server has another content = %v, want an error", err)
	}
}
