package storagetest

import (
	"errors"
	"sync"

	"github.com/backstay/backstay/storage"
)

// wantListed fails the test unless the listing holds these names with these sizes, each once.
func wantListed(t T, b storage.Backend, dir string, want map[string]int64) {
	t.Helper()
	got := make(map[string]int64)
	for _, info := range list(t, b, dir) {
		if _, twice := got[info.Name]; twice {
			t.Errorf("List(%q) yields %q twice", dir, info.Name)
		}
		got[info.Name] = info.Size
		if size, ok := want[info.Name]; !ok || size != info.Size {
			t.Errorf("List(%q) yields %q of %d bytes, want %d bytes, there: %t", dir, info.Name, info.Size, size, ok)
		}
	}
	if len(got) != len(want) {
		t.Errorf("List(%q) yields %d files, want %d", dir, len(got), len(want))
	}
}

// Seeder is a Backend under test that puts a file into the store past itself, where saving thousands takes minutes: the listing of many files
// is of a few that were saved, and of others.
type Seeder interface {
	Seed(name string, content []byte)
}

func longListing(t T, b storage.Backend) {
	const files, folders = 2500, 3
	want := make(map[string]int64)
	for i := range files {
		want[shelf(i, folders)] = int64(i % 10)
	}
	saved := files
	seeder, seeds := b.(Seeder)
	if seeds {
		saved = 100
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := worker; i < saved; i += 8 {
				if err := b.Save(t.Context(), shelf(i, folders), storage.Bytes(make([]byte, i%10))); err != nil {
					t.Errorf("Save: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for i := saved; i < files; i++ {
		seeder.Seed(shelf(i, folders), make([]byte, i%10))
	}
	wantListed(t, b, "data", want)
}

// shelf puts the i-th name into one of a few folders, so that there is one with more files than a page of a listing.
func shelf(i, folders int) string { return pack(i%folders/2, i) }

func foldersApart(t T, b storage.Backend) {
	key, snapshot := "keys/"+pad("a"), "snapshots/"+pad("b")
	for _, name := range []string{"config", key, snapshot, name(1), name(257), name(2)} {
		save(t, b, name, []byte("1"))
	}
	wantListed(t, b, "keys", map[string]int64{key: 1})
	wantListed(t, b, "snapshots", map[string]int64{snapshot: 1})
	wantListed(t, b, "data", map[string]int64{name(1): 1, name(257): 1, name(2): 1})
	wantListed(t, b, "data/01", map[string]int64{name(1): 1, name(257): 1})
}

func freeNames(t T, b storage.Backend) {
	for _, name := range []string{"config-next", "keys/a", "key", "keysx/b", "data/ab/c", "data/abc/d", "data/x"} {
		save(t, b, name, []byte("1"))
		wantContent(t, b, name, []byte("1"))
	}
	wantListed(t, b, "keys", map[string]int64{"keys/a": 1})
	wantListed(t, b, "keysx", map[string]int64{"keysx/b": 1})
	wantListed(t, b, "data/ab", map[string]int64{"data/ab/c": 1})
	wantListed(t, b, "data", map[string]int64{"data/ab/c": 1, "data/abc/d": 1, "data/x": 1})
}

func emptyListing(t T, b storage.Backend) {
	save(t, b, "config", []byte("x"))
	wantListed(t, b, "snapshots", nil)
	wantListed(t, b, "data/ab", nil)
}

func nestedListing(t T, b storage.Backend) {
	want := make(map[string]int64)
	for i := range 20 {
		want[name(i)] = int64(i)
		save(t, b, name(i), make([]byte, i))
	}
	wantListed(t, b, "data", want)
}

func listingLeftEarly(t T, b storage.Backend) {
	want := map[string]int64{name(0): 1, name(1): 1, name(256): 1}
	for name := range want {
		save(t, b, name, []byte("x"))
	}
	listing := b.List(t.Context(), "data")
	for range 2 {
		for _, err := range listing {
			if err != nil {
				t.Fatalf("List: %v", err)
			}
			break
		}
	}
	wantListed(t, b, "data", want)
}

func listingCancelled(t T, b storage.Backend) {
	save(t, b, name(0), []byte("x"))
	var last error
	for info, err := range b.List(gone(t), "data") {
		if err == nil {
			t.Errorf("List with an ended context yields %q", info.Name)
		}
		last = err
	}
	if !errors.Is(last, errGone) {
		t.Errorf("List with an ended context ends with %v, want the context's cause", last)
	}
}

func removeWhileListing(t T, b storage.Backend) {
	for i := range 20 {
		save(t, b, name(i*256), []byte("x"))
	}
	for info, err := range b.List(t.Context(), "data") {
		if err != nil {
			t.Fatalf("List: %v", err)
		}
		if err := b.Remove(t.Context(), info.Name); err != nil {
			t.Fatalf("Remove: %v", err)
		}
	}
	wantListed(t, b, "data", nil)
}
