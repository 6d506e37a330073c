package files

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source"
	"github.com/backstay/backstay/source/sourcetest"
)

func TestStreamsKeepTheirPromises(t *testing.T) {
	t.Run("reader", func(t *testing.T) {
		sourcetest.Run(t, sourcetest.Case{
			New: func(*testing.T) source.Source {
				return NewReader("in", clock.System, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("words")), nil })
			},
			Contents: map[string]string{"in": "words"},
		})
	})
	t.Run("command", func(t *testing.T) {
		sourcetest.Run(t, sourcetest.Case{
			New:      func(*testing.T) source.Source { return NewCommand("out", clock.System, "echo", "-n", "words") },
			Contents: map[string]string{"out": "words"},
		})
	})
}

// streamOf opens a view of src and returns it with its only entry.
func streamOf(t *testing.T, src *Stream) (source.View, entry.Entry) {
	t.Helper()
	v, err := src.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range v.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		return v, e
	}
	t.Fatal("no entry")
	return nil, entry.Entry{}
}

func TestACommandThatFailsIsToldByClose(t *testing.T) {
	script := "echo half; for i in 1 2 3 4 5 6 7; do echo line $i >&2; done; exit 3"
	v, e := streamOf(t, NewCommand("dump", clock.System, "sh", "-c", script))
	r, err := e.Content.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p, err := io.ReadAll(r); string(p) != "half\n" || err != nil {
		t.Errorf("read %q, %v", p, err)
	}
	for _, closer := range []io.Closer{r, v, v} {
		err := closer.Close()
		if err == nil || !strings.Contains(err.Error(), "line 3; line 4; line 5; line 6; line 7: exit status 3") || strings.Contains(err.Error(), "line 2") {
			t.Errorf("Close = %v", err)
		}
	}
}

func TestAStreamThatWasNotReadToItsEndIsNoGood(t *testing.T) {
	v, e := streamOf(t, NewCommand("dump", clock.System, "sh", "-c", "echo a; sleep 100"))
	r, err := e.Content.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := r.Close(); err == nil {
		t.Error("Close before the end = nil error")
	}
	if err := v.Close(); err == nil || time.Since(began) > 4*time.Second {
		t.Errorf("Close = %v after %v", err, time.Since(began))
	}
}

func TestAReaderThatFailsIsToldByClose(t *testing.T) {
	broken := errors.New("broken")
	v, e := streamOf(t, NewReader("in", clock.System, func() (io.ReadCloser, error) { return io.NopCloser(iotest.ErrReader(broken)), nil }))
	r, err := e.Content.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, broken) {
		t.Errorf("Read = %v", err)
	}
	if err := errors.Join(r.Close(), v.Close()); !errors.Is(err, broken) {
		t.Errorf("Close = %v", err)
	}
}

func TestACancelKillsTheCommand(t *testing.T) {
	v, e := streamOf(t, NewCommand("dump", clock.System, "sleep", "100"))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	r, err := e.Content.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := io.ReadAll(r); time.Since(began) > 5*time.Second {
		t.Errorf("read ended after %v, %v", time.Since(began), err)
	}
	if err := errors.Join(r.Close(), v.Close()); err == nil {
		t.Error("Close of a killed command = nil error")
	}
}

func TestAStreamThatCanNotStart(t *testing.T) {
	for _, argv := range [][]string{nil, {"/no/such/command"}} {
		v, e := streamOf(t, NewCommand("dump", clock.System, argv...))
		_, openErr := e.Content.Open(t.Context())
		if closeErr := v.Close(); openErr == nil || closeErr == nil {
			t.Errorf("%q: Open = %v, Close = %v", argv, openErr, closeErr)
		}
	}
	for _, name := range []string{"", ".", "..", "a/b", "a\x00"} {
		if _, err := NewCommand(name, clock.System, "true").Open(t.Context()); err == nil {
			t.Errorf("Open of a stream called %q = nil error", name)
		}
	}
}

func TestAStreamIsReadOnce(t *testing.T) {
	v, e := streamOf(t, NewCommand("dump", clock.System, "true"))
	if got := readAll(t, e); got != "" {
		t.Errorf("read %q", got)
	}
	if _, err := e.Content.Open(t.Context()); err == nil {
		t.Error("a second Open = nil error")
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}
