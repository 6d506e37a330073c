package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/cli/live"
	"github.com/backstay/backstay/internal/cli/show"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
)

// still is a clock that stands still, at which locks neither wait nor grow old.
type still struct{}

func (still) Now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func (still) Sleep(ctx context.Context, d time.Duration) error {
	if d == time.Second { // the pulse of those who keep a lock fresh
		<-ctx.Done()
	}
	return context.Cause(ctx)
}

// forest is a repository of trees, and what they are made of.
type forest struct {
	ctx   context.Context // with a lock
	repo  *repo.Repo
	trace *storagetest.Faulty
	trees map[crypto.ID][]tree.Node
}

func newForest(t *testing.T) *forest {
	t.Helper()
	f := &forest{trace: storagetest.NewFaulty(mem.New(), storagetest.Faults{}), trees: make(map[crypto.ID][]tree.Node)}
	var err error
	f.repo, err = repo.Init(t.Context(), f.trace, "password", repo.Options{Clock: still{}}, repo.InitOptions{KDF: crypto.KDF{N: 1 << 15, R: 8, P: 1}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, unlock, err := f.repo.Lock(t.Context(), repo.Shared, repo.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	})
	f.ctx = ctx
	return f
}

// plant saves a tree, in a pack of its own.
func (f *forest) plant(t rapid.TB, nodes ...tree.Node) crypto.ID {
	t.Helper()
	var b tree.Builder
	for i := range nodes {
		if err := b.Append(&nodes[i]); err != nil {
			t.Fatal(err)
		}
	}
	id := f.save(t, pack.Tree, b.Finish())
	f.trees[id] = nodes
	return id
}

func (f *forest) save(t rapid.TB, typ pack.Type, p []byte) crypto.ID {
	t.Helper()
	h := pack.Handle{ID: crypto.Hash(p), Type: typ}
	w := f.repo.NewWriter()
	defer w.Close()
	_, err := w.SaveBlob(f.ctx, h, p)
	if err := errors.Join(err, w.Flush(f.ctx)); err != nil {
		t.Fatal(err)
	}
	return h.ID
}

func file(name string, content ...crypto.ID) tree.Node {
	return tree.Node{Meta: entry.Meta{Name: name, Type: entry.File}, Content: content}
}

func dir(name string, subtree crypto.ID) tree.Node {
	return tree.Node{Meta: entry.Meta{Name: name, Type: entry.Dir}, Subtree: subtree}
}

// roots makes snapshots of trees. They are not saved.
func roots(trees ...crypto.ID) (all []*snapshot.Snapshot) {
	for i, id := range trees {
		all = append(all, &snapshot.Snapshot{ID: crypto.Hash(fmt.Appendf(nil, "snapshot %d", i)), Tree: id, Time: still{}.Now()})
	}
	return all
}

// find runs a search and returns the uses as one line each, and what else it said.
func (f *forest) find(t rapid.TB, all []*snapshot.Snapshot, kind string, ids ...string) (uses []string, said string, err error) {
	t.Helper()
	if err := f.repo.LoadIndex(f.ctx); err != nil {
		t.Fatal(err)
	}
	var out, aside bytes.Buffer
	p := &program{out: bufio.NewWriter(&out), flags: globals{json: true}}
	p.display.Store(live.Start(live.Options{Out: io.Discard, Err: &aside, Name: show.Name}))
	err = p.findUses(f.ctx, f.repo, all, kind, ids, false)
	if err := p.out.Flush(); err != nil {
		t.Fatal(err)
	}
	var found []useJSON
	if err := json.Unmarshal(out.Bytes(), &found); err != nil && out.Len() > 0 {
		t.Fatalf("find printed %q: %v", out.String(), err)
	}
	for _, u := range found {
		uses = append(uses, fmt.Sprintf("%s %s %s in %s of %s", u.ObjectType, u.ID.Short(), u.Path, u.ParentTree.Short(), u.Snapshot.Short()))
	}
	slices.Sort(uses)
	return uses, aside.String(), err
}
