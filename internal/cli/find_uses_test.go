package cli

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/storage/storagetest"
)

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

func TestWhatCannotBeReadMayHoldUses(t *testing.T) {
	f := newForest(t)
	blob := f.save(t, pack.Data, []byte("x"))
	root := f.plant(t, dir("a", crypto.Hash([]byte("a tree that is lost"))))
	_, said, err := f.find(t, roots(root), "blob", blob.String())
	if err == nil || !strings.Contains(said, "was found in what can be read") || strings.Contains(said, "prune") {
		t.Errorf("find --blob in a damaged snapshot = %v, and says %q", err, said)
	}
}

func TestDigitsOfSeveralIDsAreRefused(t *testing.T) {
	f := newForest(t)
	for i := range 17 { // two of them begin with the same digit
		f.plant(t, file(fmt.Sprint(i)))
	}
	for kind, ids := range map[string][]crypto.ID{"tree": slices.Collect(maps.Keys(f.trees)), "pack": f.repo.Index().Packs()} {
		first := make(map[string]int)
		for _, id := range ids {
			first[id.String()[:1]]++
		}
		for digit, n := range first {
			if _, _, err := f.find(t, nil, kind, digit); errors.Is(err, repo.ErrAmbiguous) != (n > 1) {
				t.Errorf("find --%s %s, with which %d ids begin = %v", kind, digit, n, err)
			}
		}
	}
}
