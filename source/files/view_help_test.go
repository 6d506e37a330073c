package files

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstay/backstay/entry"
)

// plant makes files, and of names that end in a slash directories, below dir. A name may have content after "=".
func plant(t testing.TB, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		name, content, _ := strings.Cut(name, "=")
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if err == nil && strings.HasSuffix(name, "/") {
			err = os.MkdirAll(path, 0o755)
		} else if err == nil {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// walk returns the entries of a source, and the paths that were lost.
func walk(t testing.TB, src *Source) (entries []entry.Entry, lost []string) {
	t.Helper()
	v, err := src.Open(context.Background())
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	for e, err := range v.Entries(context.Background()) {
		var one *entry.Error
		switch {
		case err == nil:
			entries = append(entries, e)
		case errors.As(err, &one):
			lost = append(lost, one.Path)
		default:
			t.Fatalf("Entries yields %v", err)
		}
	}
	return entries, lost
}

// walkPaths returns the paths of the entries of a source, none of which may be lost, directories with a slash at the end.
func walkPaths(t testing.TB, src *Source) (paths []string) {
	t.Helper()
	entries, lost := walk(t, src)
	if len(lost) > 0 {
		t.Errorf("lost %q", lost)
	}
	for _, e := range entries {
		if e.Type == entry.Dir {
			e.Path += "/"
		}
		paths = append(paths, e.Path)
	}
	return paths
}

// find returns the one entry called name.
func find(t testing.TB, entries []entry.Entry, name string) entry.Entry {
	t.Helper()
	var found []entry.Entry
	for _, e := range entries {
		if e.Name == name {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d entries are called %q", len(found), name)
	}
	return found[0]
}
