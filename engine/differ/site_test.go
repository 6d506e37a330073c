package differ_test

import (
	"context"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/differ"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage/mem"
)

// folder is what a test puts into a repository: by name a folder, a file or a link.
type folder map[string]any

type file struct {
	content string // each line is a blob
	mode    fs.FileMode
}

type link string

// site is a repository that folders are put into. All tests share one, since making one takes a second.
type site struct {
	ctx     context.Context
	repo    *repo.Repo
	writer  *repo.Writer                // nil: nothing is saved
	lost    map[crypto.ID]bool          // blobs that are not saved
	reached map[crypto.ID][]pack.Handle // from each tree
}

var sharedRepo = sync.OnceValues(func() (*repo.Repo, error) {
	return repo.Init(context.Background(), mem.New(), "password", repo.Options{}, repo.InitOptions{KDF: crypto.KDF{N: 1 << 15, R: 8, P: 1}})
})

func newSite(t testing.TB) *site {
	t.Helper()
	r, err := sharedRepo()
	if err != nil {
		t.Fatal(err)
	}
	ctx, unlock, err := r.Lock(t.Context(), repo.Shared, repo.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	})
	w := r.NewWriter()
	t.Cleanup(w.Close)
	return &site{ctx: ctx, repo: r, writer: w, lost: make(map[crypto.ID]bool), reached: make(map[crypto.ID][]pack.Handle)}
}

// lose makes the tree of a folder one that is never saved.
func (s *site) lose(t fataler, f folder) {
	nowhere := &site{reached: make(map[crypto.ID][]pack.Handle)}
	s.lost[nowhere.plant(t, f)] = true
}

func (s *site) flush(t testing.TB) {
	t.Helper()
	if err := s.writer.Flush(s.ctx); err != nil {
		t.Fatal(err)
	}
}

type fataler interface{ Fatal(...any) }

func (s *site) save(t fataler, kind pack.Type, p []byte) crypto.ID {
	h := pack.Handle{ID: crypto.Hash(p), Type: kind}
	if s.writer == nil || s.lost[h.ID] {
		return h.ID
	}
	if _, err := s.writer.SaveBlob(s.ctx, h, p); err != nil {
		t.Fatal(err)
	}
	return h.ID
}

// plant saves a folder and remembers which blobs can be reached from its tree.
func (s *site) plant(t fataler, f folder) crypto.ID {
	var b tree.Builder
	var reached []pack.Handle
	for _, name := range slices.Sorted(maps.Keys(f)) {
		n := tree.Node{Meta: entry.Meta{Name: name, Type: entry.File}}
		switch v := f[name].(type) {
		case folder:
			n.Type, n.Subtree = entry.Dir, s.plant(t, v)
			reached = append(reached, s.reached[n.Subtree]...)
		case link:
			n.Type, n.LinkTarget = entry.Symlink, string(v)
		case file:
			n.Mode, n.Size = v.mode, uint64(len(v.content))
			for line := range strings.Lines(v.content) {
				id := s.save(t, pack.Data, []byte(line))
				n.Content = append(n.Content, id)
				reached = append(reached, pack.Handle{ID: id, Type: pack.Data})
			}
		}
		if err := b.Append(&n); err != nil {
			t.Fatal(err)
		}
	}
	p := b.Finish()
	id := s.save(t, pack.Tree, p)
	s.reached[id] = append(reached, pack.Handle{ID: id, Type: pack.Tree})
	return id
}

// diff returns the changes and the errors as lines "kind path" and "lost path".
func (s *site) diff(a, b crypto.ID, opt differ.Options) (lines []string, errs []error) {
	for c, err := range differ.Diff(s.ctx, s.repo, a, b, opt) {
		if err != nil {
			path := "?"
			if e, ok := err.(*entry.Error); ok {
				path = e.Path
			}
			lines = append(lines, "lost "+path)
			errs = append(errs, err)
			continue
		}
		lines = append(lines, string(c.Kind)+" "+c.Path)
	}
	return lines, errs
}
