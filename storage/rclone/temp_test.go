package rclone_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/rclone"
	"github.com/backstay/backstay/test/servers"
)

// renaming are the stores that rename, each with the folder of its repository.
func renaming(t *testing.T) map[string]storage.Backend {
	t.Helper()
	golang, apache := servers.StartWebDAV(t, nil), servers.StartApache(t)
	return map[string]storage.Backend{
		golang.Dir: open(t, rclone.WebDAV, webdavAt(golang, ""), env()),
		apache.Dir: open(t, rclone.WebDAV, webdavAt(apache, ""), env()),
	}
}

// files are those in a folder and below.
func files(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Base(filepath.Dir(path)) != ".DAV" { // that is where Apache keeps properties
			path, err = filepath.Rel(dir, path)
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// cancelling is a body of 8 MiB in whose middle the context is cancelled.
func cancelling(cancel func()) storage.Body {
	given := 0
	return storage.Body{Size: 8 << 20, Open: func() io.Reader {
		return reader(func(p []byte) (int, error) {
			if given += len(p); given > 4<<20 {
				cancel()
			}
			return len(p), nil
		})
	}}
}

type reader func(p []byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

func TestNothingIsLeftOfASaveThatWasCancelledOrBroke(t *testing.T) {
	t.Parallel()
	for dir, b := range renaming(t) {
		ctx, cancel := context.WithCancel(t.Context())
		if err := b.Save(ctx, "data/ab/x", cancelling(cancel)); !errors.Is(err, context.Canceled) {
			t.Errorf("Save that was cancelled = %v", err)
		}
		broken := errors.New("source broke")
		body := storage.Body{Size: 1000, Open: func() io.Reader { return reader(func([]byte) (int, error) { return 0, broken }) }}
		if err := b.Save(t.Context(), "data/ab/x", body); !errors.Is(err, broken) {
			t.Errorf("Save of a body that broke = %v", err)
		}
		if left := files(t, dir); left != nil {
			t.Errorf("failed saves leave %q", left)
		}
	}
}

func TestSweepTakesOldTemporaryFilesOnly(t *testing.T) {
	t.Parallel()
	for dir, b := range renaming(t) {
		save(t, b, "data/ab/x", []byte("content"))
		for name, age := range map[string]time.Duration{".backstay-tmp-old": 48 * time.Hour, ".backstay-tmp-young": time.Hour, "file": 48 * time.Hour} {
			path := filepath.Join(dir, "data", "ab", name)
			if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chtimes(path, time.Time{}, time.Now().Add(-age))); err != nil {
				t.Fatal(err)
			}
		}
		sweeper, ok := b.(storage.Sweeper)
		if !ok {
			t.Fatal("it is no Sweeper")
		}
		if err := sweeper.Sweep(t.Context()); err != nil {
			t.Error(err)
		}
		got := files(t, dir)
		slices.Sort(got)
		if want := []string{"data/ab/.backstay-tmp-young", "data/ab/file", "data/ab/x"}; !slices.Equal(got, want) {
			t.Errorf("after Sweep there are %q, want %q", got, want)
		}
	}
}
