package repo_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/quickrepo"
)

// cached is a repository with trees, whose calls are traced.
type cached struct {
	files  *mem.Backend
	folder string
	trees  map[crypto.ID][]byte
	id     crypto.ID // a file of the type snapshots
}

func newCached(t *testing.T) *cached {
	t.Helper()
	c := &cached{files: mem.New(), folder: t.TempDir(), trees: make(map[crypto.ID][]byte)}
	r, _ := quickrepo.Init(t, c.files, 2, quickrepo.Polynomial, repo.Options{})
	err := quickrepo.Locked(t.Context(), r, repo.Shared, func(ctx context.Context) (err error) {
		w := r.NewWriter()
		defer w.Close()
		for i := range 20 {
			plain := fmt.Appendf(nil, `{"nodes":[],"n":%d}`, i)
			id := crypto.Hash(plain)
			c.trees[id] = plain
			if _, err := w.SaveBlob(ctx, pack.Handle{Type: pack.Tree, ID: id}, plain); err != nil {
				return err
			}
		}
		if err := w.Flush(ctx); err != nil {
			return err
		}
		c.id, err = r.SaveFile(ctx, repo.Snapshots, []byte(`{"a":"snapshot"}`))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// use opens the repository, reads everything and returns what the storage was asked to load beside config and keys.
func (c *cached) use(t *testing.T, opt repo.Options) (loads []string) {
	t.Helper()
	traced := storagetest.NewFaulty(c.files, storagetest.Faults{})
	opt.CacheDir, opt.Clock = c.folder, quickrepo.Still{}
	r, err := repo.Open(t.Context(), traced, "password", opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	for info, err := range r.List(t.Context(), repo.Snapshots) {
		if err == nil {
			_, err = r.LoadFile(t.Context(), repo.Snapshots, info.ID)
		}
		if err != nil {
			t.Errorf("snapshot: %v", err)
		}
	}
	var readers sync.WaitGroup
	for id, want := range c.trees {
		readers.Go(func() {
			if got, err := r.LoadBlob(t.Context(), pack.Handle{Type: pack.Tree, ID: id}, nil); err != nil || !bytes.Equal(got, want) {
				t.Errorf("tree %s = %q, %v, want %q", id.Short(), got, err, want)
			}
		})
	}
	readers.Wait()
	for _, call := range traced.Trace() {
		folder, _, _ := strings.Cut(call.Name, "/")
		if (call.Op == storagetest.Load || call.Op == storagetest.Stat) && folder != "config" && folder != "keys" && folder != "config-next" {
			loads = append(loads, fmt.Sprint(call.Op, " ", folder))
		}
	}
	return loads
}

// copies returns the paths of all copies of a folder.
func (c *cached) copies(t *testing.T, folder string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(c.folder, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && strings.Contains(path, "/"+folder+"/") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestWhatIsSmallIsLoadedOnce(t *testing.T) {
	c := newCached(t)
	if first := c.use(t, repo.Options{}); len(first) != 4 { // an index file, a snapshot, and a pack, whose size has to be asked for
		t.Errorf("the first time the storage is asked for %q, want each file once, as a whole", first)
	}
	if second := c.use(t, repo.Options{}); len(second) > 0 {
		t.Errorf("the second time the storage is asked for %q, want nothing", second)
	}
}

func TestACopyThatIsDamagedIsLoadedAgain(t *testing.T) {
	c := newCached(t)
	c.use(t, repo.Options{})
	for _, folder := range []string{"index", "snapshots", "data"} {
		for _, damage := range []func(p []byte) []byte{
			func(p []byte) []byte { return p[:len(p)/2] },
			func(p []byte) []byte { return bytes.Repeat([]byte{0}, len(p)) },
			func([]byte) []byte { return nil },
		} {
			copies := c.copies(t, folder)
			if len(copies) != 1 {
				t.Fatalf("there are %d copies of %s, want one", len(copies), folder)
			}
			p, err := os.ReadFile(copies[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(copies[0], damage(p), 0o600); err != nil {
				t.Fatal(err)
			}
			if loads := c.use(t, repo.Options{}); len(loads) == 0 || !strings.HasSuffix(loads[0], folder) {
				t.Errorf("with a damaged copy of %s the storage is asked for %q", folder, loads)
			}
			if loads := c.use(t, repo.Options{}); len(loads) > 0 {
				t.Errorf("after a damaged copy of %s the storage is asked for %q once more", folder, loads)
			}
		}
	}
}

func TestCopiesOfWhatIsGoneGo(t *testing.T) {
	c := newCached(t)
	c.use(t, repo.Options{})
	if err := c.files.Remove(t.Context(), repo.Snapshots.Name(c.id)); err != nil {
		t.Fatal(err)
	}
	c.use(t, repo.Options{})
	if left := c.copies(t, "snapshots"); len(left) > 0 {
		t.Errorf("left are %q of snapshots that are gone", left)
	}
	indexes, err := quickrepo.Names(t.Context(), c.files, "index")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range indexes {
		if err := c.files.Remove(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	c.trees = nil
	c.use(t, repo.Options{})
	if left := append(c.copies(t, "index"), c.copies(t, "data")...); len(left) > 0 {
		t.Errorf("left are %q, of which the repository knows nothing any more", left)
	}
}

func TestWithoutAUsableCacheEverythingWorks(t *testing.T) {
	c := newCached(t)
	c.folder = filepath.Join(t.TempDir(), "a file")
	if err := os.WriteFile(c.folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	notices := 0
	c.use(t, repo.Options{Progress: func(e progress.Event) {
		if e.Kind == progress.Notice && strings.Contains(e.Text, "cache can't be used") {
			notices++
		}
	}})
	if notices != 1 {
		t.Errorf("it is told %d times that there is no cache, want once", notices)
	}
}

func TestWhatIsSavedIsCopiedAtOnce(t *testing.T) {
	files, folder := mem.New(), t.TempDir()
	r, _ := quickrepo.Init(t, files, 2, quickrepo.Polynomial, repo.Options{CacheDir: folder})
	err := quickrepo.Locked(t.Context(), r, repo.Shared, func(ctx context.Context) error {
		w := r.NewWriter()
		defer w.Close()
		for i, kind := range []pack.Type{pack.Tree, pack.Data} {
			plain := fmt.Appendf(nil, "blob %d", i)
			if _, err := w.SaveBlob(ctx, pack.Handle{Type: kind, ID: crypto.Hash(plain)}, plain); err != nil {
				return err
			}
		}
		if err := w.Flush(ctx); err != nil {
			return err
		}
		_, err := r.SaveFile(ctx, repo.Snapshots, []byte(`{}`))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &cached{files: files, folder: folder}
	for folder, want := range map[string]int{"index": 1, "snapshots": 1, "data": 1, "locks": 0, "keys": 0} {
		if got := len(c.copies(t, folder)); got != want {
			t.Errorf("there are %d copies of %s, want %d: of packs only those of trees", got, folder, want)
		}
	}
}
