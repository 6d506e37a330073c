package s3_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/storagetest"
)

// recorder is a server that keeps the requests it has got.
type recorder struct {
	next http.Handler
	mu   sync.Mutex
	got  []*http.Request // guarded by mu
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	r.got = append(r.got, request.Clone(request.Context()))
	r.mu.Unlock()
	r.next.ServeHTTP(w, request)
}

// methods returns those of the requests since the last call.
func (r *recorder) methods() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, request := range r.got {
		all = append(all, request.Method)
	}
	r.got = nil
	return all
}

// startRecorder runs the other implementation behind a recorder, and what changes a request before that.
func startRecorder(t *testing.T, change func(http.ResponseWriter, *http.Request) (goOn bool)) (address string, r *recorder) {
	fake := gofakes3.New(s3mem.New()).Server()
	r = &recorder{next: http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if change == nil || change(w, request) {
			fake.ServeHTTP(w, request)
		}
	})}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), r
}

func ignoring(_ http.ResponseWriter, r *http.Request) bool {
	r.Header.Del("If-None-Match")
	return true
}

func refusing(w http.ResponseWriter, r *http.Request) bool {
	if r.Header.Get("If-None-Match") == "" {
		return true
	}
	w.WriteHeader(http.StatusNotImplemented)
	_, _ = w.Write([]byte("<Error><Code>NotImplemented</Code></Error>"))
	return false
}

func TestAStoreThatIgnoresConditionsKeepsThePromisesButForRivals(t *testing.T) {
	address, _ := startRecorder(t, ignoring)
	storagetest.Run(t, func(t *testing.T) storage.Backend { return ready(t, address, anybody) },
		storage.Lack{Promise: "of several saves of one name one succeeds", Why: "the store replaces what is there"})
}

func TestASaveLooksFirstUntilTheStoreIsKnownToKeepItsObjects(t *testing.T) {
	for _, c := range []struct {
		how    string
		change func(http.ResponseWriter, *http.Request) bool
		looks  bool
	}{{"keeping", nil, false}, {"ignoring", ignoring, true}, {"refusing", refusing, true}} {
		address, r := startRecorder(t, c.change)
		b := ready(t, address, with(anybody, "region", "x")) // with a small object that shows it
		r.methods()
		for i, content := range []string{"first", "second"} {
			if err := b.Save(t.Context(), "data/"+content, storage.Bytes([]byte(content))); err != nil {
				t.Fatal(err)
			}
			got := r.methods()
			if looks := got[0] == http.MethodHead; looks != c.looks || got[len(got)-1] != http.MethodPut || len(got) > 2 {
				t.Errorf("Save %d to a store that is %s makes the requests %v, looks first: want %t", i, c.how, got, c.looks)
			}
		}
		if err := b.Save(t.Context(), "data/first", storage.Bytes([]byte("other"))); !errors.Is(err, storage.ErrExists) {
			t.Errorf("Save of a taken name to a store that is %s = %v, want ErrExists", c.how, err)
		}
	}
}

func TestATakenNameIsFoundOutThoughTheServerHangsUpOnItsContent(t *testing.T) {
	hangUp := false
	address, _ := startRecorder(t, func(w http.ResponseWriter, r *http.Request) bool {
		if hangUp && r.Method == http.MethodPut {
			panic(http.ErrAbortHandler)
		}
		return true
	})
	b := ready(t, address, anybody)
	if err := b.Save(t.Context(), "data/x", storage.Bytes([]byte("x"))); err != nil {
		t.Fatal(err)
	}
	hangUp = true
	if err := b.Save(t.Context(), "data/x", storage.Bytes(make([]byte, 1<<20))); err == nil || errors.Is(err, storage.ErrExists) {
		t.Errorf("Save without an answer = %v, want an error that may pass", err)
	}
	if err := b.Save(t.Context(), "data/x", storage.Bytes(make([]byte, 1<<20))); !errors.Is(err, storage.ErrExists) {
		t.Errorf("Save once more = %v, want ErrExists", err)
	}
}
