package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backstay/backstay"
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
	if err := json.Unmarshal(out.Bytes(), &found); err != nil {
		t.Fatalf("find printed %q: %v", out.String(), err)
	}
	for _, u := range found {
		uses = append(uses, fmt.Sprintf("%s %s %s in %s of %s", u.ObjectType, u.ID.Short(), u.Path, u.ParentTree.Short(), u.Snapshot.Short()))
	}
	slices.Sort(uses)
	return uses, aside.String(), err
}

// expect walks each path of the trees and returns the uses as find does, and whether a tree is missing.
func (f *forest) expect(s *snapshot.Snapshot, id, parent crypto.ID, name string, wanted map[pack.Handle]bool) (uses []string, missing bool) {
	use := func(kind string, id, in crypto.ID, name string) {
		uses = append(uses, fmt.Sprintf("%s %s %s in %s of %s", kind, id.Short(), name, in.Short(), s.ID.Short()))
	}
	if wanted[pack.Handle{ID: id, Type: pack.Tree}] {
		use("tree", id, parent, name)
	}
	nodes, ok := f.trees[id]
	for _, n := range nodes {
		at := "/" + clean(name+"/"+n.Name)
		for i, blob := range n.Content {
			if wanted[pack.Handle{ID: blob, Type: pack.Data}] && !slices.Contains(n.Content[:i], blob) {
				use("blob", blob, id, at)
			}
		}
		if n.Type == entry.Dir {
			below, gone := f.expect(s, n.Subtree, id, at, wanted)
			uses, ok = append(uses, below...), ok && !gone
		}
	}
	return uses, !ok
}

func TestEveryUseOfAnObjectIsFound(t *testing.T) {
	f := newForest(t)
	lost := crypto.Hash([]byte("a tree that is lost"))
	rapid.Check(t, func(t *rapid.T) {
		blobs := make([]crypto.ID, 5)
		for i := range blobs {
			blobs[i] = crypto.Hash([]byte{byte(i)})
		}
		trees := []crypto.ID{f.plant(t)}
		if rapid.IntRange(0, 3).Draw(t, "damaged") == 0 {
			trees = append(trees, lost)
		}
		for range rapid.IntRange(1, 8).Draw(t, "trees") {
			var nodes []tree.Node
			for i := range rapid.IntRange(0, 4).Draw(t, "nodes") {
				name := fmt.Sprint(i)
				if rapid.Bool().Draw(t, "folder") {
					nodes = append(nodes, dir(name, rapid.SampledFrom(trees).Draw(t, "tree")))
				} else {
					nodes = append(nodes, file(name, rapid.SliceOfN(rapid.SampledFrom(blobs), 0, 3).Draw(t, "content")...))
				}
			}
			trees = append(trees, f.plant(t, nodes...))
		}
		all := roots(rapid.SliceOfN(rapid.SampledFrom(trees), 1, 5).Draw(t, "roots")...)
		kind, pool, typ := "blob", blobs, pack.Data
		if rapid.Bool().Draw(t, "of trees") {
			kind, pool, typ = "tree", trees, pack.Tree
		}
		var ids []string
		wanted := make(map[pack.Handle]bool)
		for _, id := range rapid.SliceOfN(rapid.SampledFrom(pool), 1, 3).Draw(t, "wanted") {
			ids = append(ids, id.String())
			wanted[pack.Handle{ID: id, Type: typ}] = true
		}
		var want []string
		damaged := make(map[*snapshot.Snapshot]bool)
		for _, s := range all {
			uses, missing := f.expect(s, s.Tree, crypto.ID{}, "/", wanted)
			want, damaged[s] = append(want, uses...), missing
		}
		slices.Sort(want)
		got, said, err := f.find(t, all, kind, ids...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("uses of %s %q (-want +got)\n%s", kind, ids, diff)
		}
		var e *backstay.Error
		for s, missing := range damaged {
			told := strings.Contains(said, "snapshot "+s.ID.Short()) && errors.As(err, &e) && e.Kind == backstay.Damaged
			if told != missing {
				t.Fatalf("find = %v, and says %q; a tree of snapshot %s is missing: %v", err, said, s.ID.Short(), missing)
			}
		}
	})
}

func TestAFolderWithoutAUseIsReadOnce(t *testing.T) {
	f := newForest(t)
	blob := crypto.Hash([]byte("x"))
	used, barren := f.plant(t, file("f", blob)), f.plant(t, file("g", crypto.Hash([]byte("y"))))
	root, other := f.plant(t, dir("a", used), dir("b", barren)), f.plant(t, dir("c", barren))
	skip := len(f.trace.Trace())
	uses, _, err := f.find(t, roots(root, root, other, other), "blob", blob.String())
	if err != nil || len(uses) != 2 {
		t.Errorf("find = %q, %v, want two uses", uses, err)
	}
	reads := make(map[string]int)
	for _, c := range f.trace.Trace()[skip:] {
		if c.Op == storagetest.Load {
			reads[c.Name]++
		}
	}
	want := make(map[string]int)
	for id, n := range map[crypto.ID]int{root: 2, used: 2, barren: 1, other: 1} {
		at, _ := f.repo.Index().First(pack.Handle{ID: id, Type: pack.Tree})
		want[repo.Packs.Name(at.Pack)] = n
	}
	maps.DeleteFunc(reads, func(name string, _ int) bool { return want[name] == 0 })
	if diff := cmp.Diff(want, reads); diff != "" {
		t.Errorf("how often the trees are read (-want +got)\n%s", diff)
	}
}

func TestTheFirstDigitsOfAnIDStandForIt(t *testing.T) {
	f := newForest(t)
	lost := crypto.Hash([]byte("in no index"))
	root := f.plant(t, file("f", lost))
	for _, c := range []struct {
		kind, text string
		uses       int
		known      bool
	}{
		{"blob", lost.Short(), 1, true},
		{"tree", root.String()[:5], 1, true},
		{"blob", root.Short(), 0, false},
		{"blob", crypto.Hash([]byte("nothing")).String(), 0, false},
	} {
		uses, _, err := f.find(t, roots(root), c.kind, c.text)
		var e *backstay.Error
		if unknown := errors.As(err, &e) && e.Kind == backstay.NotFound; len(uses) != c.uses || unknown == c.known {
			t.Errorf("find --%s %s = %q, %v, want %d uses, known %v", c.kind, c.text, uses, err, c.uses, c.known)
		}
	}
}

func TestAPackThatNoIndexNamesIsReadItself(t *testing.T) {
	f := newForest(t)
	blob := f.save(t, pack.Data, []byte("x"))
	at, _ := f.repo.Index().First(pack.Handle{ID: blob, Type: pack.Data})
	for info, err := range f.repo.List(f.ctx, repo.Index) {
		if err := errors.Join(err, f.trace.Remove(f.ctx, repo.Index.Name(info.ID))); err != nil {
			t.Fatal(err)
		}
	}
	root := f.plant(t, file("f", blob))
	uses, said, err := f.find(t, roots(root), "pack", at.Pack.Short())
	if err != nil || len(uses) != 1 || !strings.Contains(said, "repair index") {
		t.Errorf("find --pack %s = %q, %v, and says %q, want a use and what to do", at.Pack.Short(), uses, err, said)
	}
	uses, said, err = f.find(t, roots(f.plant(t)), "pack", at.Pack.String())
	if err != nil || len(uses) > 0 || !strings.HasPrefix(said, "no use of pack") {
		t.Errorf("find --pack %s in an empty snapshot = %q, %v, and says %q", at.Pack, uses, err, said)
	}
}
