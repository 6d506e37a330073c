package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/engine/differ"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/catalog"
)

func seeds(n uint64) uint64 {
	if os.Getenv("BACKSTAY_SOAK") == "1" {
		return 20 * n
	}
	return n
}

// world is some repositories and a catalogue of them, which is asked the same as the snapshots themselves.
type world struct {
	*testing.T
	rand   *rand.Rand
	c      *catalog.Catalog
	places []*place
	now    map[string]files // by source
	late   bool             // snapshots came that are older than others
	all    map[string]bool  // paths that were ever there
}

var sources = []string{"host-a", "host-b", "host-c"}

func newWorld(t *testing.T, url string, seed uint64, repositories int) *world {
	w := &world{T: t, rand: rand.New(rand.NewPCG(seed, 1)), c: open(t, url), now: make(map[string]files), all: make(map[string]bool)}
	for i := range repositories {
		w.places = append(w.places, newPlace(t, fmt.Sprintf("repo-%d", i)))
	}
	for _, s := range sources {
		w.now[s] = make(files)
	}
	return w
}

// step does one thing at random to a repository.
func (w *world) step(late bool) {
	p := w.places[w.rand.IntN(len(w.places))]
	switch w.rand.IntN(10) {
	default:
		source := sources[w.rand.IntN(len(sources))]
		change(w.rand, w.now[source])
		for path := range w.now[source] {
			w.all[path] = true
		}
		p.moved = p.moved.Add(time.Duration(1+w.rand.IntN(5000)) * time.Millisecond)
		at := p.moved
		if late && w.rand.IntN(3) == 0 {
			w.late = true
			at = at.Add(-time.Duration(w.rand.IntN(20000)) * time.Millisecond)
		}
		p.take(source, at, w.now[source])
	case 0, 1, 2:
		for id := range p.made {
			if w.rand.IntN(4) == 0 {
				p.forget(id)
			}
		}
	case 3, 4:
		p.fill(w.c)
	case 5:
		w.interrupt(p)
	}
}

// interrupt adds one snapshot that is missing, and breaks off after some changes.
func (w *world) interrupt(p *place) {
	if err := p.repo.LoadIndex(w.Context()); err != nil {
		w.Fatal(err)
	}
	lag, err := w.c.Lag(w.Context(), p.name, p.refs())
	if err != nil {
		w.Fatal(err)
	}
	if len(lag.Missing) == 0 || len(lag.Gone) > 0 { // a base that is gone has a tree that is there all the same, but Fill never asks for that
		return
	}
	s := lag.Missing[0]
	base, err := w.c.Base(w.Context(), s)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(w.Context())
	defer cancel(nil)
	var old catalog.Snapshot
	if base != nil {
		old = *base
	}
	err = w.c.Add(ctx, s, base, stopAfter(w.rand.IntN(12), cancel, differ.Diff(w.Context(), p.repo, old.Tree, s.Tree, differ.Options{})))
	if err != nil && !errors.Is(err, errStop) && !errors.Is(err, context.Canceled) {
		w.Fatalf("Add that is cancelled = %v", err)
	}
}

func (p *place) refs() (all []catalog.Snapshot) {
	for _, r := range p.made {
		all = append(all, p.ref(r))
	}
	slices.SortFunc(all, func(a, b catalog.Snapshot) int { return a.Time.Compare(b.Time) })
	return all
}

func (p *place) ref(r *record) catalog.Snapshot {
	return catalog.Snapshot{Repository: p.name, Source: r.source, ID: r.snapshot.ID, Tree: r.snapshot.Tree, Time: r.snapshot.Time.UTC()}
}

// chains returns the snapshots of a source, oldest first, for each repository.
func (w *world) chains(source string) (chains [][]*record) {
	for _, p := range w.places {
		var chain []*record
		for _, r := range p.made {
			if r.source == source {
				chain = append(chain, r)
			}
		}
		slices.SortFunc(chain, func(a, b *record) int { return snapshot.Compare(a.snapshot, b.snapshot) })
		chains = append(chains, chain)
	}
	return chains
}

// compareHistories looks at every path of sources.
func (w *world) compareHistories(sources ...string) {
	w.Helper()
	for _, source := range sources {
		for path := range w.all {
			stays, err := w.c.History(w.Context(), catalog.Scope{Source: source}, path)
			if err != nil {
				w.Fatal(err)
			}
			want := w.history(source, path)
			if got := lines(stays); !slices.Equal(got, want) {
				w.Fatalf("History of %q in %s (-want +got):\n%s", path, source, cmp.Diff(want, got))
			}
			if !w.late {
				w.compareStays(source, path, stays)
			}
		}
	}
}

// history says what a path was in each snapshot.
func (w *world) history(source, path string) (want []string) {
	for i, chain := range w.chains(source) {
		for _, r := range chain {
			if n := r.files[path]; n != nil {
				want = append(want, fmt.Sprint(w.places[i].name, " ", r.snapshot.ID.Short(), " ", catalog.VersionOf(n)))
			}
		}
	}
	slices.Sort(want)
	return want
}

func lines(stays []catalog.Stay) (got []string) {
	for _, stay := range stays {
		for _, s := range stay.Snapshots {
			got = append(got, fmt.Sprint(stay.Repository, " ", s.ID.Short(), " ", stay.Version))
		}
	}
	slices.Sort(got)
	return got
}

// compareStays: a version that stays is one, however many snapshots between were removed.
func (w *world) compareStays(source, path string, stays []catalog.Stay) {
	w.Helper()
	want := 0
	for _, chain := range w.chains(source) {
		var last *catalog.Version
		for _, r := range chain {
			var v *catalog.Version
			if n := r.files[path]; n != nil {
				one := catalog.VersionOf(n)
				v = &one
			}
			if v != nil && (last == nil || *last != *v) {
				want++
			}
			last = v
		}
	}
	if len(stays) != want {
		w.Fatalf("History of %q in %s has %d stays, want %d: %v", path, source, len(stays), want, stays)
	}
}

// query makes up a question.
func (w *world) query() catalog.Query {
	texts := []string{"", "a", "jpg", "JPG", "img_", "übung", "u", "ÜB", "日本", "日本語", "🐟", "bad", "\xff", "k\nb", "0%", "0%_", `k\s`, `o"t`, "xxx", "a/",
		"/a", "letters/", "rs/img", "a/ab", "/img", "ab/a", "\x02", "\x00", "σίς", "ß", "nothing like it"}
	q := catalog.Query{Text: texts[w.rand.IntN(len(texts))], Limit: 1 + w.rand.IntN(7)}
	q.Type = []entry.Type{"", "", entry.File, entry.Dir, entry.Symlink}[w.rand.IntN(5)]
	if w.rand.IntN(3) == 0 {
		q.From = w.places[0].moved.Add(-time.Duration(w.rand.IntN(60)) * time.Second)
	}
	if w.rand.IntN(3) == 0 {
		q.To = w.places[0].moved.Add(-time.Duration(w.rand.IntN(60)) * time.Second)
	}
	for _, source := range append(sources, "unknown", sources[0]) {
		if w.rand.IntN(3) == 0 {
			continue
		}
		s := catalog.Scope{Source: source}
		for range max(0, w.rand.IntN(4)-1) {
			s.Prefixes = append(s.Prefixes, []string{"a", "ab", "/letters/", "a/ab", "IMG_1.jpg", "bad\xff", "no"}[w.rand.IntN(7)])
		}
		q.In = append(q.In, s)
	}
	return q
}

func allowed(q catalog.Query, source, path string) bool {
	for _, s := range q.In {
		if s.Source == source && (len(s.Prefixes) == 0 || slices.ContainsFunc(s.Prefixes, func(p string) bool { return catalog.Below(p, path) })) {
			return true
		}
	}
	return false
}

// candidates returns, for each path that is to be found, the versions of it that may be the hit.
func (w *world) candidates(q catalog.Query) map[string][]catalog.Version {
	want := make(map[string][]catalog.Version)
	for _, source := range sources {
		for _, chain := range w.chains(source) {
			for path := range w.all {
				if !allowed(q, source, path) || !catalog.Matches(q.Text, path) || strings.Contains(q.Text, "\x00") {
					continue
				}
				for i := len(chain) - 1; i >= 0; i-- {
					n, at := chain[i].files[path], chain[i].snapshot.Time
					if n == nil || q.Type != "" && n.Type != q.Type || !q.From.IsZero() && at.Before(q.From) || !q.To.IsZero() && at.After(q.To) {
						continue
					}
					want[source+" "+path] = append(want[source+" "+path], catalog.VersionOf(n))
					if !w.late {
						break // the newest
					}
				}
			}
		}
	}
	return want
}

func (w *world) compareSearch(q catalog.Query) {
	w.Helper()
	want := w.candidates(q)
	for _, h := range w.search(q) {
		if !allowed(q, h.Source, h.Path) {
			w.Fatalf("Search %+v found %q of %s, which is not allowed", q, h.Path, h.Source)
		}
		id := h.Source + " " + h.Path
		if !slices.Contains(want[id], h.Version) {
			w.Fatalf("Search %+v found %q once too often, or as %v, want one of %v", q, id, h.Version, want[id])
		}
		delete(want, id)
		if h.First.Time.After(h.Last.Time) || h.Repository != h.First.Repository || h.Source != h.Last.Source {
			w.Fatalf("hit %+v", h)
		}
	}
	if len(want) > 0 {
		w.Fatalf("Search %+v did not find %v", q, want)
	}
}

// search follows the pages to the end.
func (w *world) search(q catalog.Query) (hits []catalog.Hit) {
	w.Helper()
	for range 10_000 {
		page, err := w.c.Search(w.Context(), q)
		if err != nil {
			w.Fatal(err)
		}
		if len(page.Hits) > q.Limit {
			w.Fatalf("Search %+v: %d hits", q, len(page.Hits))
		}
		hits = append(hits, page.Hits...)
		if q.Cursor = page.Next; q.Cursor == "" {
			return hits
		}
	}
	w.Fatalf("Search %+v does not end", q)
	return nil
}

func TestTheCatalogueAnswersAsTheSnapshotsDo(t *testing.T) {
	for _, c := range []struct {
		name         string
		repositories int
		late         bool
	}{{"one repository", 1, false}, {"two repositories", 2, false}, {"late snapshots", 2, true}} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range seeds(5) {
				t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
					onBoth(t, func(t *testing.T, url string) {
						w := newWorld(t, url, seed, c.repositories)
						if seed%2 == 0 {
							w.c.Tiny()
						}
						for range 4 {
							for range 12 {
								w.step(c.late)
							}
							for _, p := range w.places {
								p.fill(w.c)
							}
							w.compareHistories(sources...)
							for range 30 {
								w.compareSearch(w.query())
							}
						}
						w.empty()
					})
				})
			}
		})
	}
}

// empty removes all snapshots: nothing is left but sources.
func (w *world) empty() {
	w.Helper()
	for _, p := range w.places {
		for id := range p.made {
			p.forget(id)
		}
		p.fill(w.c)
	}
	for _, table := range catalog.Tables {
		if n, err := w.c.Rows(table); err != nil || n != 0 {
			w.Errorf("%d rows are left in %s, %v", n, table, err)
		}
	}
}
