package sftp

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/backstay/backstay/storage"
)

// trip is how long the answer to a request takes.
const trip = time.Second

// late is what comes from r, each piece of it a trip later.
func late(r io.Reader) io.Reader {
	type piece struct {
		due  time.Time
		data []byte
	}
	coming := make(chan piece, 1000)
	go func() {
		defer close(coming)
		for {
			p := make([]byte, 64<<10)
			n, err := r.Read(p)
			if err != nil {
				return
			}
			coming <- piece{time.Now().Add(trip), p[:n]}
		}
	}()
	out, in := io.Pipe()
	go func() {
		defer in.Close()
		for p := range coming {
			time.Sleep(time.Until(p.due))
			if _, err := in.Write(p.data); err != nil {
				return
			}
		}
	}()
	return out
}

func TestFewRoundTripsAreMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := served(t, t.TempDir(), late, func(w io.WriteCloser) io.WriteCloser { return w })
		content := make([]byte, 512<<10)
		takes := func(what string, want int, call func() error) {
			start := time.Now()
			if err := call(); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if got := time.Since(start); got != time.Duration(want)*trip {
				t.Errorf("%s takes %v round trips, want %d", what, got.Seconds(), want)
			}
		}
		saving := func(name string) func() error {
			return func() error { return b.Save(t.Context(), name, storage.Bytes(content)) }
		}
		loading := func() error { return b.Load(t.Context(), "data/2", content, 0) }
		if err := saving("data/1")(); err != nil { // connects and makes the folder
			t.Fatal(err)
		}
		takes("Save", 5, saving("data/2")) // is it free, open; write, lock; close; compare the size; rename
		takes("Load of a file", 2, loading)
		takes("Load of the same file", 1, loading)
		b.CloseIdle()
	})
}
