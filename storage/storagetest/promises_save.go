package storagetest

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/backstay/backstay/storage"
)

func savedIsThere(t T, b storage.Backend) {
	for _, name := range []string{"config", "keys/" + pad("a"), name(1)} {
		content := []byte("content of " + name)
		save(t, b, name, content)
		wantContent(t, b, name, content)
		info, err := b.Stat(t.Context(), name)
		if want := (storage.Info{Name: name, Size: int64(len(content))}); err != nil || info != want {
			t.Errorf("Stat(%q) = %v, %v, want %v", name, info, err, want)
		}
	}
	if got := list(t, b, "data"); len(got) != 1 || got[0].Name != name(1) {
		t.Errorf("List(data) after one Save = %v, want %q alone", got, name(1))
	}
}

// pad returns a name of 64 digits.
func pad(s string) string { return s + string(bytes.Repeat([]byte("0"), 64-len(s))) }

func emptyFile(t T, b storage.Backend) {
	save(t, b, name(0), nil)
	wantContent(t, b, name(0), nil)
	if got := list(t, b, "data"); len(got) != 1 || got[0].Size != 0 {
		t.Errorf("List = %v, want one empty file", got)
	}
}

func bigBody(t T, b storage.Backend) {
	content := pattern(1, 20<<20+17)
	save(t, b, name(0), content)
	wantContent(t, b, name(0), content)
}

// segments is a reader of several buffers, as the body of a pack is.
type segments struct{ io.Reader }

func (s segments) WriteTo(w io.Writer) (int64, error) {
	var sum int64
	for buf := make([]byte, 3000); ; {
		n, err := s.Read(buf)
		m, writeErr := w.Write(buf[:n])
		sum += int64(m)
		if writeErr != nil || err == io.EOF {
			return sum, writeErr
		}
		if err != nil {
			return sum, err
		}
	}
}

func bodyThatWritesItself(t T, b storage.Backend) {
	content := pattern(2, 100_000)
	body := storage.Bytes(content)
	body.Open = func() io.Reader { return segments{bytes.NewReader(content)} }
	if err := b.Save(t.Context(), name(0), body); err != nil {
		t.Fatalf("Save: %v", err)
	}
	wantContent(t, b, name(0), content)
}

func shortBody(t T, b storage.Backend) {
	for _, have := range []int{0, 1, 99_999} {
		body := bodyOf(100_000, func() io.Reader { return bytes.NewReader(make([]byte, have)) })
		if err := b.Save(t.Context(), name(0), body); !errors.Is(err, storage.ErrMismatch) {
			t.Errorf("Save of %d bytes announced as 100,000 = %v, want ErrMismatch", have, err)
		}
		wantNothing(t, b, name(0))
	}
}

func longBody(t T, b storage.Backend) {
	for _, announced := range []int64{0, 1, 99_999} {
		body := bodyOf(announced, func() io.Reader { return bytes.NewReader(make([]byte, 100_000)) })
		if err := b.Save(t.Context(), name(0), body); !errors.Is(err, storage.ErrMismatch) {
			t.Errorf("Save of 100,000 bytes announced as %d = %v, want ErrMismatch", announced, err)
		}
		wantNothing(t, b, name(0))
	}
}

func brokenBody(t T, b storage.Backend) {
	broken := errors.New("source broke")
	for _, after := range []int{0, 1, 50_000, 100_000} {
		body := bodyOf(100_000, func() io.Reader {
			return io.MultiReader(bytes.NewReader(make([]byte, after)), readerFunc(func([]byte) (int, error) { return 0, broken }))
		})
		if err := b.Save(t.Context(), name(0), body); !errors.Is(err, broken) {
			t.Errorf("Save of a body that breaks after %d bytes = %v, want the body's error", after, err)
		}
		wantNothing(t, b, name(0))
	}
}

func noOverwrite(t T, b storage.Backend) {
	first := []byte("the first")
	save(t, b, "config", first)
	for _, second := range []string{"the other", "longer than the first", ""} {
		if err := b.Save(t.Context(), "config", storage.Bytes([]byte(second))); !errors.Is(err, storage.ErrExists) {
			t.Errorf("Save of a name that is taken = %v, want ErrExists", err)
		}
		wantContent(t, b, "config", first)
	}
}

func badNames(t T, b storage.Backend) {
	for _, name := range []string{"", ".", "/etc/x", "../x", "data/../../x", "data//x", "data/", "data/./x"} {
		if err := b.Save(t.Context(), name, storage.Bytes([]byte("x"))); !errors.Is(err, storage.ErrPermanent) {
			t.Errorf("Save(%q) = %v, want ErrPermanent", name, err)
		}
	}
}

func saveAfterCancel(t T, b storage.Backend) {
	if err := b.Save(gone(t), name(0), storage.Bytes([]byte("x"))); !errors.Is(err, errGone) {
		t.Errorf("Save with an ended context = %v, want its cause", err)
	}
	wantNothing(t, b, name(0))
}

func saveCancelledHalfWay(t T, b storage.Backend) {
	ctx, cancel := context.WithCancelCause(t.Context())
	const size = 8 << 20
	var given int
	body := bodyOf(size, func() io.Reader {
		return readerFunc(func(p []byte) (int, error) {
			if given += len(p); given > size/2 {
				cancel(errGone)
			}
			return len(p), nil
		})
	})
	if err := b.Save(ctx, name(0), body); !errors.Is(err, errGone) {
		t.Errorf("Save cancelled half way = %v, want the context's cause", err)
	}
	wantNothing(t, b, name(0))
	save(t, b, name(1), []byte("a later call"))
	wantNothing(t, b, name(0))
}

func failedSaveRepeated(t T, b storage.Backend) {
	content := pattern(3, 5000)
	if err := b.Save(t.Context(), name(0), bodyOf(5001, func() io.Reader { return bytes.NewReader(content) })); err == nil {
		t.Fatal("Save of a body that is too short = nil error")
	}
	save(t, b, name(0), content)
	wantContent(t, b, name(0), content)
}
