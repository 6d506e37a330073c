package local_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/limit"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/storage/metrics"
	"github.com/backstay/backstay/storage/retry"
	"github.com/backstay/backstay/storage/storagetest"
)

const packName = "data/ab/pack"

func TestBackendKeepsThePromises(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		return local.New(local.OS{}, t.TempDir(), local.Options{})
	})
}

func TestTheWrappersAroundItKeepThePromises(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Backend {
		b := local.New(local.OS{}, t.TempDir(), local.Options{})
		return limit.New(retry.New(metrics.New(b, clock.System), retry.Options{Clock: stopped{}, Stall: -1}), limit.Options{Calls: 4})
	})
}

func TestTheFirstSaveMakesTheLocation(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "repo")
	b := local.New(local.OS{}, dir, local.Options{})
	for _, name := range []string{"config", packName} {
		save(t, b, name)
	}
	for path, want := range map[string]fs.FileMode{
		"config": 0o400, packName: 0o400, ".": 0o700 | fs.ModeDir, "data": 0o700 | fs.ModeDir, "data/ab": 0o700 | fs.ModeDir,
	} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("mode of %q = %v, want %v", path, info.Mode(), want)
		}
	}
}

func TestAMissingLocationIsNotAnEmptyOne(t *testing.T) {
	b := local.New(local.OS{}, filepath.Join(t.TempDir(), "repo"), local.Options{})
	if _, err := list(t.Context(), b, "snapshots"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("List in a missing location = %v, want ErrNotFound", err)
	}
	if err := b.Sweep(t.Context()); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Sweep of a missing location = %v, want ErrNotFound", err)
	}
}

func TestALocationThatWentIsNotMadeAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "repo")
	save(t, local.New(local.OS{}, dir, local.Options{}), "config")
	for what, see := range map[string]func(b *local.Backend) error{
		"Load": func(b *local.Backend) error { return b.Load(t.Context(), "config", make([]byte, 1), 0) },
		"Stat": func(b *local.Backend) error { _, err := b.Stat(t.Context(), "config"); return err },
		"List": func(b *local.Backend) error { _, err := list(t.Context(), b, "data"); return err },
	} {
		b := local.New(local.OS{}, dir, local.Options{})
		if err := see(b); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if err := os.Rename(dir, dir+" unmounted"); err != nil {
			t.Fatal(err)
		}
		if err := b.Save(t.Context(), packName, storage.Bytes(nil)); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("Save after %s, into a location that went = %v, want ErrNotFound", what, err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the location was made anew (Stat = %v)", err)
		}
		if err := os.Rename(dir+" unmounted", dir); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAListingDoesNotTakeALocationThatGoesForItsEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "repo")
	b := local.New(local.OS{}, dir, local.Options{})
	for i := range 3 {
		save(t, b, fmt.Sprintf("snapshots/%d", i))
	}
	var files int
	var last error
	for _, err := range b.List(t.Context(), "snapshots") {
		if last = err; err == nil {
			files++
		}
		if files == 1 {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
	if files != 1 || !errors.Is(last, storage.ErrNotFound) {
		t.Errorf("List of a location that goes after one file = %d files, last error %v, want ErrNotFound", files, last)
	}
}

func TestTemporaryFilesAreNoFilesOfTheRepository(t *testing.T) {
	dir := t.TempDir()
	b := local.New(local.OS{}, dir, local.Options{})
	save(t, b, packName)
	if err := os.WriteFile(filepath.Join(dir, "data", "ab", ".backstay-tmp-0"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := list(t.Context(), b, "data"); err != nil || len(got) != 1 {
		t.Errorf("List beside a temporary file = %v, %v, want %q alone", got, err, packName)
	}
	if err := b.Save(t.Context(), "data/ab/.backstay-tmp-1", storage.Bytes(nil)); !errors.Is(err, storage.ErrPermanent) {
		t.Errorf("Save under the name of a temporary file = %v, want ErrPermanent", err)
	}
}

func TestSweepRemovesOldTemporaryFilesOnly(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for path, age := range map[string]time.Duration{
		".backstay-tmp-old":            25 * time.Hour,
		"data/ab/.backstay-tmp-old":    25 * time.Hour,
		"data/ab/.backstay-tmp-recent": 23 * time.Hour,
		packName:                       1000 * time.Hour,
	} {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600), os.Chtimes(path, now, now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	b := local.New(local.OS{}, dir, local.Options{Clock: stopped(now)})
	if err := b.Sweep(t.Context()); err != nil {
		t.Fatalf("Sweep: %v", err)
	}
	if got, want := files(t, dir), "data/ab/.backstay-tmp-recent data/ab/pack"; got != want {
		t.Errorf("after Sweep there are %q, want %q", got, want)
	}
}

func TestFilesKeptOpenAreBounded(t *testing.T) {
	spy := &spyFS{}
	b := local.New(spy, t.TempDir(), local.Options{})
	for i := range 40 {
		save(t, b, fmt.Sprint("data/", i))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 200 {
				if err := b.Load(t.Context(), fmt.Sprint("data/", i%40), make([]byte, 1), 0); err != nil {
					t.Errorf("Load: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if open := spy.open.Load(); open == 0 || open > 16 {
		t.Errorf("%d files are open after many loads, want 1 to 16", open)
	}
	b.CloseIdle()
	if open := spy.open.Load(); open != 0 {
		t.Errorf("%d files are open after CloseIdle, want 0", open)
	}
	if err := b.Load(t.Context(), "data/0", make([]byte, 1), 0); err != nil {
		t.Errorf("Load after CloseIdle: %v", err)
	}
}

func TestErrorsThatNoTryMendsArePermanent(t *testing.T) {
	for _, errno := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES, syscall.EPERM, syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG} {
		spy := &spyFS{before: func(op, path string) error {
			if op == "write" || op == "remove" && strings.HasSuffix(path, packName) || op == "open" || op == "readdir" {
				return &fs.PathError{Op: op, Path: path, Err: errno}
			}
			return nil
		}}
		dir := t.TempDir()
		if err := local.New(local.OS{}, dir, local.Options{}).Save(t.Context(), packName, storage.Bytes([]byte("x"))); err != nil {
			t.Fatal(err)
		}
		b := local.New(spy, dir, local.Options{})
		_, listed := list(t.Context(), b, "data")
		for what, err := range map[string]error{
			"Save": b.Save(t.Context(), "config", storage.Bytes([]byte("x"))), "Load": b.Load(t.Context(), packName, nil, 0),
			"Remove": b.Remove(t.Context(), packName), "List": listed,
		} {
			if full := errno == syscall.ENOSPC || errno == syscall.EDQUOT; errors.Is(err, storage.ErrFull) != full {
				t.Errorf("%s where the system answers %q = %v, want ErrFull: %t", what, errno, err, full)
			}
			if !errors.Is(err, storage.ErrPermanent) || !errors.Is(err, errno) {
				t.Errorf("%s where the system answers %q = %v, want that and ErrPermanent", what, errno, err)
			}
		}
	}
}

func TestRemoveOfWhatIsNotThereIsNoErrorWhereNothingCanBeWritten(t *testing.T) {
	spy := &spyFS{before: func(op, path string) error {
		if op == "remove" {
			return &fs.PathError{Op: op, Path: path, Err: syscall.EROFS}
		}
		return nil
	}}
	if err := local.New(spy, t.TempDir(), local.Options{}).Remove(t.Context(), packName); err != nil {
		t.Errorf("Remove = %v, want nil", err)
	}
}

func save(t *testing.T, b storage.Backend, name string) {
	t.Helper()
	if err := b.Save(t.Context(), name, storage.Bytes([]byte("content of "+name))); err != nil {
		t.Fatal(err)
	}
}

func list(ctx context.Context, b storage.Backend, dir string) (infos []storage.Info, err error) {
	for info, err := range b.List(ctx, dir) {
		if err != nil {
			return infos, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// files returns the paths of all files in dir, in order, with spaces between.
func files(t *testing.T, dir string) string {
	t.Helper()
	var paths []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(paths, " ")
}

// stopped is a clock that stands still.
type stopped time.Time

func (s stopped) Now() time.Time                           { return time.Time(s) }
func (stopped) Sleep(context.Context, time.Duration) error { return nil }
