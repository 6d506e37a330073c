package s3_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/servers"
)

func TestABodyThatIsNotWhatItsHashSaysLeavesNoFile(t *testing.T) {
	s := servers.StartS3(t)
	b := ready(t, s.Address, owner(s))
	right := bytes.Repeat([]byte("content"), 1<<20)
	broken := errors.New("source broke")
	for _, first := range []bool{true, false} { // the first Save of a backend sends the signed hash, later ones the checksum alone
		for what, c := range map[string]struct {
			content io.Reader
			want    error
		}{
			"a byte that differs":  {io.MultiReader(bytes.NewReader(right[1:]), bytes.NewReader([]byte{0})), storage.ErrMismatch},
			"half of it":           {bytes.NewReader(right[:len(right)/2]), storage.ErrMismatch},
			"all but a byte":       {bytes.NewReader(right[1:]), storage.ErrMismatch},
			"a byte too many":      {io.MultiReader(bytes.NewReader(right), bytes.NewReader([]byte{0})), storage.ErrMismatch},
			"an error in the half": {io.MultiReader(bytes.NewReader(right[:len(right)/2]), failing{broken}), broken},
			"an error at the end":  {io.MultiReader(bytes.NewReader(right), failing{broken}), broken},
		} {
			if first {
				b = open(t, location(s.Address, "repo"), owner(s))
			}
			body := storage.Bytes(right)
			given, broke := io.ReadAll(c.content)
			body.Open = func() io.Reader { return io.MultiReader(bytes.NewReader(given), failing{broke}) }
			if err := b.Save(t.Context(), "data/x", body); !errors.Is(err, c.want) {
				t.Errorf("Save of %s = %v, want %v", what, err, c.want)
			}
			if info, err := b.Stat(t.Context(), "data/x"); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("after a Save of %s there is %v, %v", what, info, err)
			}
		}
		b = ready(t, s.Address, owner(s))
	}
}

// failing is a reader that fails with an error, or ends where there is none.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err == nil {
		return 0, io.EOF
	}
	return 0, f.err
}

func TestTheHashIsSignedUntilTheStoreIsSeenToCompareTheChecksum(t *testing.T) {
	s := servers.StartS3(t)
	var last atomic.Value
	proxy := servers.StartFaultProxy(t, s.Address, func(r *http.Request) servers.Fault {
		last.Store(r.Header.Get("X-Amz-Content-Sha256"))
		return servers.Fault{}
	})
	b := open(t, location(proxy.Address, "repo"), with(owner(s), "region", s.Region))
	for i, want := range []int{64, len("UNSIGNED-PAYLOAD")} {
		if err := b.Save(t.Context(), fmt.Sprint("keys/", i), storage.Bytes(make([]byte, 100_000))); err != nil {
			t.Fatal(err)
		}
		if got := last.Load().(string); len(got) != want {
			t.Errorf("Save %d is sent with the hash %q, want %d letters", i, got, want)
		}
	}
	address, r := startRecorder(t, nil) // gofakes3 knows no checksums
	b = ready(t, address, anybody)
	for range 2 {
		if err := b.Save(t.Context(), "data/"+rand.Text(), storage.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		if got := r.got[len(r.got)-1].Header.Get("X-Amz-Content-Sha256"); len(got) != 64 {
			t.Errorf("a store that doesn't answer with the checksum gets the hash %q, want it always", got)
		}
	}
}

func TestAFileThatIsTooBigForOneUploadIsRefused(t *testing.T) {
	body := storage.Body{Size: 5<<30 + 1, SHA256: [32]byte{1}, Open: func() io.Reader { return failing{} }}
	b := open(t, "s3:http://127.0.0.1:1/bucket", anybody)
	if err := b.Save(t.Context(), "data/x", body); !errors.Is(err, storage.ErrPermanent) {
		t.Errorf("Save of more than 5 GiB = %v, want ErrPermanent", err)
	}
}

func TestNobodyReadsTheContentAfterSaveReturned(t *testing.T) {
	// The server refuses at once and takes nothing of the content: the client would go on giving it more.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodHead:
			w.WriteHeader(http.StatusNotFound)
		case http.MethodGet:
			_, _ = io.WriteString(w, "<ListBucketResult></ListBucketResult>")
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(server.Close)
	b := open(t, location(server.Listener.Addr().String(), "repo"), with(anybody, "region", "x"))
	for range 20 {
		var returned, late atomic.Bool
		body := storage.Body{Size: 64 << 20, SHA256: [32]byte{1}, Open: func() io.Reader { return &watched{&returned, &late} }}
		if err := b.Save(t.Context(), "data/x", body); err == nil {
			t.Error("Save that the server refuses = nil error")
		}
		returned.Store(true)
		time.Sleep(20 * time.Millisecond)
		if late.Load() {
			t.Fatal("the content was read after Save returned")
		}
	}
}

// watched is a slow, endless reader that knows whether it is read too late.
type watched struct{ returned, late *atomic.Bool }

func (w *watched) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	if w.returned.Load() {
		w.late.Store(true)
	}
	return len(p), nil
}
