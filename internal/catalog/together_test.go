package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/catalog"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/test/servers"
)

// Whoever reads while somebody writes sees whole snapshots only.
func TestReadersSeeWholeSnapshotsOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		c, p := open(t, url), newPlace(t, "r")
		c.Tiny()
		for i := range 6 { // all files of a snapshot have one time
			all := make(files)
			for j := range 10 {
				all[fmt.Sprintf("file%d", (i+j)%12)] = plain(int64(i))
			}
			p.take("s", p.moved.Add(time.Duration(i)*time.Hour), all)
		}
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for range 2 {
			wg.Go(func() {
				for {
					readWhole(t, c, p)
					select {
					case <-stop:
						return
					default:
					}
				}
			})
		}
		p.fill(c)
		for _, r := range p.made {
			p.forget(r.snapshot.ID)
			p.fill(c)
		}
		close(stop)
		wg.Wait()
	})
}

func readWhole(t *testing.T, c *catalog.Catalog, p *place) {
	for i := range 12 {
		stays, err := c.History(t.Context(), catalog.Scope{Source: "s"}, fmt.Sprintf("file%d", i))
		if err != nil {
			t.Error(err)
			return
		}
		for _, stay := range stays {
			for _, s := range stay.Snapshots {
				if hours := int64(s.Time.Sub(p.moved) / time.Hour); stay.ModTime.Unix() != hours {
					t.Errorf("file%d of %d is said to be in the snapshot of %d", i, stay.ModTime.Unix(), hours)
				}
			}
		}
	}
}

func TestSeveralProcessesOpenANewDatabaseAtOnce(t *testing.T) {
	url := servers.Postgres(t)
	var wg sync.WaitGroup
	var anew atomic.Int32
	for range 4 {
		wg.Go(func() {
			c, err := catalog.Open(t.Context(), url)
			if err != nil {
				t.Error(err)
				return
			}
			if c.Anew() != "" {
				anew.Add(1)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if wg.Wait(); anew.Load() != 1 {
		t.Errorf("%d of them made the catalogue, want one", anew.Load())
	}
}

func TestNobodyElseCanReadTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.db")
	fillFew(t, newPlace(t, "r"), path, "there was none")
	c := open(t, path)
	answers(t, c, "host-a")
	files, err := filepath.Glob(path + "*")
	if must(t, err); len(files) < 2 {
		t.Errorf("files %q, want a WAL too", files)
	}
	for _, file := range files {
		info, err := os.Stat(file)
		if must(t, err); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", file, info.Mode())
		}
	}
}

// Rebuild comes in the middle of everything.
func TestRebuildWaitsForOthers(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		p := newPlace(t, "r")
		want := fillFew(t, p, url, "there was none")
		c := open(t, url)
		must(t, p.repo.LoadIndex(t.Context()))
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for range 5 {
					if _, err := c.Search(t.Context(), catalog.Query{In: []catalog.Scope{{Source: "host-a"}}}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Go(func() {
			if err := catalog.Fill(t.Context(), c, p.repo, p.options()); err != nil && !errors.Is(err, catalog.ErrBase) {
				t.Error(err) // what it compared with may be gone by then
			}
		})
		for range 5 {
			must(t, c.Rebuild(t.Context()))
		}
		wg.Wait()
		p.fill(c)
		if got := answers(t, c, "host-a"); got != want {
			t.Errorf("it answers\n%s\nwant\n%s", got, want)
		}
	})
}

func TestACancelledFillKeepsWhatIsInAndGoesOnLater(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		p := newPlace(t, "r")
		want := fillFew(t, p, filepath.Join(t.TempDir(), "other.db"), "there was none")
		c := open(t, url)
		ctx, cancel := context.WithCancelCause(t.Context())
		opt := p.options()
		opt.Progress = func(e progress.Event) {
			if e.Kind == progress.Finished {
				cancel(errStop)
			}
		}
		must(t, p.repo.LoadIndex(t.Context()))
		if err := catalog.Fill(ctx, c, p.repo, opt); !errors.Is(err, errStop) && !errors.Is(err, context.Canceled) {
			t.Errorf("Fill that is cancelled = %v", err)
		}
		known, err := c.Snapshots(t.Context(), "r")
		if must(t, err); len(known) != 1 {
			t.Errorf("%d snapshots are in, want the one that was finished", len(known))
		}
		p.fill(c)
		if got := answers(t, c, "host-a"); got != want {
			t.Errorf("it answers\n%s\nwant\n%s", got, want)
		}
	})
}

func TestTwoProcessesFillOneDatabaseAtOnce(t *testing.T) {
	url := servers.Postgres(t)
	p := newPlace(t, "r")
	want := fillFew(t, p, filepath.Join(t.TempDir(), "c.db"), "there was none")
	must(t, p.repo.LoadIndex(t.Context()))
	var wg sync.WaitGroup
	for range 3 {
		c := open(t, url)
		c.Tiny()
		wg.Go(func() {
			if err := catalog.Fill(t.Context(), c, p.repo, p.options()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := answers(t, open(t, url), "host-a"); got != want {
		t.Errorf("it answers\n%s\nwant\n%s", got, want)
	}
}
