package rclone_test

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/servers"
)

// asked counts the requests that a second save into a folder, and a load, take.
func asked(t *testing.T, b storage.Backend, requests func() int) (save, load int) {
	t.Helper()
	for _, name := range []string{"data/ab/first", "data/ab/second"} {
		before := requests()
		if err := b.Save(t.Context(), name, storage.Bytes(random(100_000))); err != nil {
			t.Fatal(err)
		}
		save = requests() - before
	}
	before := requests()
	if err := b.Load(t.Context(), "data/ab/second", make([]byte, 1000), 7); err != nil {
		t.Fatal(err)
	}
	return save, requests() - before
}

func TestACallAsksForNoMoreThanRcloneDoesByItself(t *testing.T) {
	t.Parallel()
	want := map[string][2]int{ // of a save, of a load
		"azure":    {2, 1}, // put, look
		"gs":       {1, 1},
		"b2":       {2, 1}, // look, since B2 refuses no name; put
		"dropbox":  {2, 1}, // put, rename
		"onedrive": {4, 2}, // put, set its time, rename, set its time; a load is sent to another address
		"drive":    {4, 1}, // look, put, rename, look whether another took the name meanwhile
	}
	for _, kind := range httpKinds {
		b := breakable(t, kind)
		var count atomic.Int64
		b.let(func(*http.Request) servers.Fault { count.Add(1); return servers.Fault{} })
		if save, load := asked(t, b.broken, func() int { return int(count.Load()) }); [2]int{save, load} != want[kind] {
			t.Errorf("%s: a save asks %d times and a load %d, want %d", kind, save, load, want[kind])
		}
	}
	for _, kind := range imitations(t) {
		b := begun(t, kind.Provider, kind.values, kind)
		if save, load := asked(t, b, func() int { return len(kind.Calls()) }); [2]int{save, load} != want[kind.Kind] {
			t.Errorf("%s: a save asks %d times and a load %d, want %d", kind.Kind, save, load, want[kind.Kind])
			for _, call := range kind.Calls()[max(0, len(kind.Calls())-save-load):] {
				t.Log(call)
			}
		}
	}
}
