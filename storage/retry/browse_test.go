package retry_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/retry"
)

// flaky is a folder of three files each of whose calls fails the first time, a listing in the middle.
type flaky struct{ calls map[string]int }

var errFlaky = errors.New("not now")

func (f flaky) fails(call string) bool {
	f.calls[call]++
	return f.calls[call] == 1
}

func (f flaky) ReadDir(context.Context, string) iter.Seq2[entry.Meta, error] {
	return func(yield func(entry.Meta, error) bool) {
		if !yield(entry.Meta{Name: "a"}, nil) || !yield(entry.Meta{Name: "b"}, nil) {
			return
		}
		if f.fails("list") {
			yield(entry.Meta{}, errFlaky)
			return
		}
		yield(entry.Meta{Name: "c"}, nil)
	}
}

func (f flaky) Lookup(_ context.Context, name string) (entry.Meta, error) {
	if f.fails("lookup") {
		return entry.Meta{}, errFlaky
	}
	return entry.Meta{Name: name}, nil
}

func (f flaky) Load(_ context.Context, _ string, p []byte, _ int64) error {
	if f.fails("load") {
		return storage.ErrShort
	}
	copy(p, "content")
	return nil
}

func TestAFolderIsListedAndReadInSpiteOfPassingErrors(t *testing.T) {
	b := retry.NewBrowser(flaky{make(map[string]int)}, retry.Options{Clock: &instant{}, Stall: -1})
	var names string
	for m, err := range b.ReadDir(t.Context(), ".") {
		if err != nil {
			t.Errorf("ReadDir: %v", err)
		}
		names += m.Name
	}
	if names != "abc" {
		t.Errorf("ReadDir yields %q, want each of three once", names)
	}
	if m, err := b.Lookup(t.Context(), "a"); m.Name != "a" || err != nil {
		t.Errorf("Lookup = %v, %v", m, err)
	}
	p := make([]byte, 7)
	if err := b.Load(t.Context(), "a", p, 0); err != nil || string(p) != "content" {
		t.Errorf("Load = %q, %v", p, err)
	}
}
