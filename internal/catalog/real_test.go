//go:build linux

package catalog_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/engine/archiver"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/catalog"
	folders "github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/test/quickrepo"
	"github.com/backstay/backstay/test/treegen"
)

// Folders of awkward names are backed up day by day; the catalogue of the last day is the folder.
func TestWhatWasBackedUpIsFound(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		for seed := range seeds(2) {
			c, p, dir := open(t, url), newPlace(t, "r"), t.TempDir()
			spec := treegen.Random(seed)
			spec.Traits = treegen.Names | treegen.Symlinks | treegen.Times | treegen.Fifos
			must(t, treegen.Generate(dir, spec))
			var last *snapshot.Snapshot
			for day := range 4 {
				if day > 0 {
					must(t, treegen.Mutate(dir, seed+uint64(day)))
				}
				last = p.backUp(dir, p.moved.Add(time.Duration(day)*24*time.Hour))
			}
			p.fill(c)
			want := p.read(last)
			page, err := c.Search(t.Context(), catalog.Query{In: []catalog.Scope{{Source: "folder"}}, Limit: 1_000_000, From: last.Time})
			must(t, err)
			got := make(map[string]catalog.Version)
			for _, h := range page.Hits {
				got[h.Path] = h.Version
			}
			if d := cmp.Diff(want, got); d != "" || page.Next != "" {
				t.Errorf("seed %d: the last snapshot (-want +got):\n%s", seed, d)
			}
			for _, path := range slices.Sorted(maps.Keys(want)) {
				findByName(t, c, path, last.Time)
			}
			must(t, c.Rebuild(t.Context()))
		}
	})
}

// findByName looks for a path by all of its name.
func findByName(t *testing.T, c *catalog.Catalog, path string, at time.Time) {
	t.Helper()
	name := path[1+lastSlash(path):]
	page, err := c.Search(t.Context(), catalog.Query{Text: name, In: []catalog.Scope{{Source: "folder"}}, Limit: 10_000, From: at})
	must(t, err)
	if !slices.ContainsFunc(page.Hits, func(h catalog.Hit) bool { return h.Path == path }) {
		t.Errorf("%q is not found by its name", path)
	}
}

func lastSlash(path string) int {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return i
		}
	}
	return -1
}

func (p *place) backUp(dir string, at time.Time) *snapshot.Snapshot {
	p.t.Helper()
	s := &snapshot.Snapshot{Time: at, Paths: []string{dir}, Hostname: "folder"}
	must(p.t, quickrepo.Locked(p.t.Context(), p.repo, repo.Shared, func(ctx context.Context) error {
		view, err := folders.New([]string{dir}, folders.Options{}).Open(ctx)
		if err != nil {
			return err
		}
		results, err := archiver.Archive(ctx, []archiver.Target{{Repo: p.repo}}, view, archiver.Options{})
		if err != nil {
			return err
		}
		if err := view.Close(); err != nil {
			return err
		}
		s.Tree = results[0].Tree
		return snapshot.Save(ctx, p.repo, s)
	}))
	return s
}

// read reads what a snapshot holds by itself.
func (p *place) read(s *snapshot.Snapshot) map[string]catalog.Version {
	p.t.Helper()
	all := make(map[string]catalog.Version)
	must(p.t, p.repo.LoadIndex(p.t.Context()))
	for item, err := range tree.Walk(p.t.Context(), p.repo, s.Tree, nil) {
		must(p.t, err)
		all[item.Path] = catalog.VersionOf(item.Node)
	}
	if len(all) < 20 || !slices.ContainsFunc(slices.Collect(maps.Values(all)), func(v catalog.Version) bool { return v.Type == entry.Symlink }) {
		p.t.Fatalf("the folder has only %d entries", len(all))
	}
	return all
}
