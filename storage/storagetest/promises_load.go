package storagetest

import (
	"bytes"
	"errors"

	"github.com/backstay/backstay/storage"
)

func ranges(t T, b storage.Backend) {
	const size = 3<<20 + 5
	content := pattern(4, size)
	save(t, b, name(0), content)
	for _, r := range []struct{ offset, length int }{
		{0, 0}, {0, 1}, {0, size}, {1, size - 1}, {size - 1, 1}, {size, 0}, {12345, 678}, {1<<20 - 1, 2<<20 + 1},
	} {
		p := make([]byte, r.length)
		if err := b.Load(t.Context(), name(0), p, int64(r.offset)); err != nil {
			t.Errorf("Load of %d bytes at %d of %d: %v", r.length, r.offset, size, err)
		} else if !bytes.Equal(p, content[r.offset:][:r.length]) {
			t.Errorf("Load of %d bytes at %d gave other bytes than were saved", r.length, r.offset)
		}
	}
}

func shortRange(t T, b storage.Backend) {
	save(t, b, name(0), make([]byte, 1000))
	save(t, b, name(1), nil)
	for _, r := range []struct {
		name           string
		offset, length int
	}{{name(0), 0, 1001}, {name(0), 999, 2}, {name(0), 1000, 1}, {name(0), 5000, 1}, {name(1), 0, 1}} {
		if err := b.Load(t.Context(), r.name, make([]byte, r.length), int64(r.offset)); !errors.Is(err, storage.ErrShort) {
			t.Errorf("Load(%q) of %d bytes at %d = %v, want ErrShort", r.name, r.length, r.offset, err)
		}
	}
}

func notFound(t T, b storage.Backend) {
	wantNothing(t, b, "config")
	save(t, b, "config", []byte("x"))
	save(t, b, name(1), []byte("x"))
	wantNothing(t, b, name(0))
	wantNothing(t, b, name(257)) // beside a file in the same folder
}

func cancelledCalls(t T, b storage.Backend) {
	save(t, b, "config", []byte("x"))
	if err := b.Load(gone(t), "config", make([]byte, 1), 0); !errors.Is(err, errGone) {
		t.Errorf("Load with an ended context = %v, want its cause", err)
	}
	if _, err := b.Stat(gone(t), "config"); !errors.Is(err, errGone) {
		t.Errorf("Stat with an ended context = %v, want its cause", err)
	}
	if err := b.Remove(gone(t), "config"); !errors.Is(err, errGone) {
		t.Errorf("Remove with an ended context = %v, want its cause", err)
	}
	wantContent(t, b, "config", []byte("x"))
}

func removedIsGone(t T, b storage.Backend) {
	save(t, b, name(0), []byte("one"))
	save(t, b, name(256), []byte("two"))
	wantContent(t, b, name(0), []byte("one")) // a file that was read just before goes all the same
	if err := b.Remove(t.Context(), name(0)); err != nil {
		t.Fatalf("Remove: %v", err)
	}
	wantNothing(t, b, name(0))
	wantContent(t, b, name(256), []byte("two"))
}

func removedTwice(t T, b storage.Backend) {
	save(t, b, "config", []byte("x"))
	for range 2 {
		if err := b.Remove(t.Context(), "config"); err != nil {
			t.Errorf("Remove: %v", err)
		}
	}
	if err := b.Remove(t.Context(), name(0)); err != nil {
		t.Errorf("Remove of a file that never was, in a folder that never was: %v", err)
	}
}

func savedAgain(t T, b storage.Backend) {
	save(t, b, "config", []byte("the first"))
	wantContent(t, b, "config", []byte("the first"))
	if err := b.Remove(t.Context(), "config"); err != nil {
		t.Fatalf("Remove: %v", err)
	}
	save(t, b, "config", []byte("the second"))
	wantContent(t, b, "config", []byte("the second"))
}
