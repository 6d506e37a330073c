package cache_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/cache"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func open(t *testing.T, folder, id string, at time.Time) *cache.Dir {
	t.Helper()
	d, err := cache.Open(folder, id, at, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestACopyIsReadWholeOrInPart(t *testing.T) {
	d := open(t, t.TempDir(), "ab", now)
	if err := d.Save("data/ab/abc", []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	if p, ok := d.LoadAll("data/ab/abc"); !ok || string(p) != "0123456789" {
		t.Errorf("LoadAll = %q, %t", p, ok)
	}
	p := make([]byte, 4)
	for offset, want := range map[int64]string{0: "0123", 6: "6789", 7: "", 100: ""} {
		if ok := d.Load("data/ab/abc", p, offset); ok != (want != "") || ok && string(p) != want {
			t.Errorf("Load at %d = %q, %t, want %q", offset, p, ok, want)
		}
	}
	if _, ok := d.LoadAll("data/ab/none"); ok || d.Load("data/ab/none", p, 0) {
		t.Error("a file that isn't there is loaded")
	}
	if err := errors.Join(d.Remove("data/ab/abc"), d.Remove("data/ab/abc")); err != nil {
		t.Errorf("Remove twice: %v", err)
	}
	if d.Load("data/ab/abc", p, 0) {
		t.Error("a removed file is loaded")
	}
}

func TestWhatIsNotWantedAnyMoreGoes(t *testing.T) {
	folder := t.TempDir()
	d := open(t, folder, "ab", now)
	for _, name := range []string{"index/a", "index/b", "data/aa/x", "data/bb/y", "snapshots/a"} {
		if err := d.Save(name, []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "ab", "index", ".tmp-killed"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Retain("index", func(base string) bool { return base == "a" }), d.Retain("data", func(base string) bool { return base == "y" }),
		d.Retain("none", func(string) bool { return false })); err != nil {
		t.Fatal(err)
	}
	var left []string
	err := filepath.WalkDir(filepath.Join(folder, "ab"), func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			left = append(left, path[len(folder)+4:])
		}
		return err
	})
	if got, want := strings.Join(left, " "), "data/bb/y index/a snapshots/a"; got != want || err != nil {
		t.Errorf("left are %s, %v, want %s", got, err, want)
	}
}

func TestCopiesOfARepositoryThatNobodyOpensGo(t *testing.T) {
	folder := t.TempDir()
	for id, age := range map[string]int{"aa": 31, "bb": 29} {
		if err := open(t, folder, id, now).Save("index/x", nil); err != nil {
			t.Fatal(err)
		}
		open(t, folder, id, now.AddDate(0, 0, -age)) // the last time
	}
	if err := os.Mkdir(filepath.Join(folder, "somebody else's"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(folder, "somebody else's"), now.AddDate(-1, 0, 0), now.AddDate(-1, 0, 0)); err != nil {
		t.Fatal(err)
	}
	open(t, folder, "cc", now)
	for name, want := range map[string]bool{"aa": false, "bb": true, "cc": true, "somebody else's": true} {
		if _, err := os.Stat(filepath.Join(folder, name)); (err == nil) != want {
			t.Errorf("%q is there: %t, want %t", name, err == nil, want)
		}
	}
}

func TestOthersCanNotReadCopies(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new")
	d := open(t, folder, "ab", now)
	if err := d.Save("index/x", bytes.Repeat([]byte("x"), 10)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(folder, func(path string, e os.DirEntry, err error) error {
		info, infoErr := e.Info()
		if err == nil && infoErr == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %v", path, info.Mode())
		}
		return errors.Join(err, infoErr)
	})
	if err != nil {
		t.Fatal(err)
	}
}
