package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/differ"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/catalog"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/test/quickrepo"
	"github.com/backstay/backstay/test/servers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onBoth runs a test on both databases.
func onBoth(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("SQLite", func(t *testing.T) { test(t, filepath.Join(t.TempDir(), "a catalogue?#%.db")) })
	t.Run("PostgreSQL", func(t *testing.T) { test(t, servers.Postgres(t)) })
}

func open(t testing.TB, url string) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

type node = tree.Node

// files is what a snapshot holds: nodes by their paths. Their directories are there too.
type files map[string]*tree.Node

// place is a repository that snapshots are made in, and what the test knows of them.
type place struct {
	t     *testing.T
	name  string
	repo  *repo.Repo
	made  map[crypto.ID]*record // by ID of the snapshot
	gone  map[crypto.ID]*record // those that were forgotten
	moved time.Time             // of the last snapshot
	lost  map[string]bool       // directories whose trees are not saved
}

type record struct {
	snapshot *snapshot.Snapshot
	source   string
	files    files
}

func newPlace(t *testing.T, name string) *place { return newPlaceIn(t, name, mem.New()) }

func newPlaceIn(t *testing.T, name string, b storage.Backend) *place {
	r, _ := quickrepo.Init(t, b, 2, quickrepo.Polynomial, repo.Options{})
	return &place{t: t, name: name, repo: r, made: make(map[crypto.ID]*record), gone: make(map[crypto.ID]*record), moved: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// take makes a snapshot of a source.
func (p *place) take(source string, at time.Time, all files) *record {
	p.t.Helper()
	s := &snapshot.Snapshot{Time: at, Paths: []string{"/"}, Hostname: source}
	err := quickrepo.Locked(p.t.Context(), p.repo, repo.Shared, func(ctx context.Context) error {
		w := p.repo.NewWriter()
		defer w.Close()
		var err error
		if s.Tree, err = p.plant(ctx, w, "", all); err != nil {
			return err
		}
		if err := w.Flush(ctx); err != nil {
			return err
		}
		return snapshot.Save(ctx, p.repo, s)
	})
	if err != nil {
		p.t.Fatal(err)
	}
	r := &record{snapshot: s, source: source, files: maps.Clone(all)}
	p.made[s.ID] = r
	return r
}

// plant saves the directory of the files whose paths begin with prefix.
func (p *place) plant(ctx context.Context, w *repo.Writer, prefix string, all files) (crypto.ID, error) {
	var b tree.Builder
	for _, path := range slices.Sorted(maps.Keys(all)) {
		rest, ok := strings.CutPrefix(path, prefix)
		if !ok || strings.Contains(rest, "/") {
			continue
		}
		n := *all[path]
		n.Name = rest
		if n.Type == entry.Dir {
			var err error
			if n.Subtree, err = p.plant(ctx, w, path+"/", all); err != nil {
				return crypto.ID{}, err
			}
		}
		if err := b.Append(&n); err != nil {
			return crypto.ID{}, err
		}
	}
	bytes := b.Finish()
	h := pack.Handle{ID: crypto.Hash(bytes), Type: pack.Tree}
	if p.lost[strings.TrimSuffix(prefix, "/")] {
		return h.ID, nil
	}
	_, err := w.SaveBlob(ctx, h, bytes)
	return h.ID, err
}

// forget removes a snapshot from the repository.
func (p *place) forget(id crypto.ID) {
	p.t.Helper()
	err := quickrepo.Locked(p.t.Context(), p.repo, repo.Exclusive, func(ctx context.Context) error {
		return p.repo.RemoveFile(ctx, repo.Snapshots, id)
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.gone[id] = p.made[id]
	delete(p.made, id)
}

func (p *place) options() catalog.FillOptions {
	return catalog.FillOptions{Repository: p.name, Source: func(s *snapshot.Snapshot) string { return s.Hostname }}
}

func (p *place) fill(c *catalog.Catalog) {
	p.t.Helper()
	if err := p.repo.LoadIndex(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	if err := catalog.Fill(p.t.Context(), c, p.repo, p.options()); err != nil {
		p.t.Fatal(err)
	}
}

var errStop = errors.New("stop")

// stopAfter ends a context when so many changes were read.
func stopAfter(n int, cancel context.CancelCauseFunc, changes iter.Seq2[differ.Change, error]) iter.Seq2[differ.Change, error] {
	return func(yield func(differ.Change, error) bool) {
		for c, err := range changes {
			if n--; n < 0 {
				cancel(errStop)
			}
			if !yield(c, err) {
				return
			}
		}
	}
}

// names that random trees are made of; pairs differ in little.
var names = []string{"a", "A", "ab", "IMG_1.jpg", "img_1.JPG", "IMG_2.jpg", "Übung", "U\u0308bung", "übung.txt", "日本語", "日本", "🐟 fish", "bad\xff\xfe",
	"bad\xff", "bad\ufffd", "line\nbreak", "100%_sure", "100x_sure", `back\slash`, `quo"te'd`, strings.Repeat("x", 255), "letters", "\x02\x02ab", "straße", "Σίσυφος"}

// change changes some of the files at random.
func change(r *rand.Rand, all files) {
	for range 1 + r.IntN(6) {
		dir := ""
		for path, n := range ordered(all) {
			if n.Type == entry.Dir && strings.Count(path, "/") < 3 && r.IntN(3) == 0 {
				dir = path + "/"
			}
		}
		path := dir + names[r.IntN(len(names))]
		if r.IntN(3) == 0 {
			remove(all, path)
			continue
		}
		n := randomNode(r)
		if n.Type != entry.Dir || all[path] == nil || all[path].Type != entry.Dir {
			remove(all, path)
		}
		all[path] = n
	}
}

func ordered(all files) iter.Seq2[string, *tree.Node] {
	return func(yield func(string, *tree.Node) bool) {
		for _, path := range slices.Sorted(maps.Keys(all)) {
			if !yield(path, all[path]) {
				return
			}
		}
	}
}

func remove(all files, path string) {
	maps.DeleteFunc(all, func(p string, _ *tree.Node) bool { return catalog.Below(path, p) })
}

func randomNode(r *rand.Rand) *tree.Node {
	n := &tree.Node{Meta: entry.Meta{Type: entry.File, Mode: 0o644, ModTime: time.Unix(int64(r.IntN(3)), 5e6)}, Content: []crypto.ID{}}
	switch r.IntN(5) {
	case 0, 1:
		n.Type, n.Content = entry.Dir, nil
	case 2:
		n.Type, n.Content, n.LinkTarget = entry.Symlink, nil, fmt.Sprint(r.IntN(2))
	default:
		n.Size = uint64(r.IntN(2))
		n.Content = append(n.Content, crypto.Hash([]byte{byte(n.Size)}))
		n.UID = uint32(r.IntN(2)) // what a version doesn't have
	}
	return n
}
