package archiver_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/backstay/backstay/engine/archiver"
	"github.com/backstay/backstay/engine/chunker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
)

// grove is a forest with content large enough to be cut differently by different polynomials.
func grove() *forest {
	f := plant("a/b=1", "a/c=2", "d/e/f=3", "g=")
	f.file("d/large", randomBytes(5, 2<<20))
	return f
}

func targets(rs ...*repo.Repo) (list []archiver.Target) {
	for _, r := range rs {
		list = append(list, archiver.Target{Repo: r})
	}
	return list
}

func TestSeveralRepositoriesAreWrittenFromOneRead(t *testing.T) {
	f := grove()
	f.alias("h", "d/large")
	pols := []chunker.Pol{pol, pol, otherPol}
	var rs []*repo.Repo
	for _, p := range pols {
		rs = append(rs, newRepo(t, mem.New(), p))
	}
	results, err := archiver.Archive(locked(t, t.Context(), rs...), targets(rs...), f, archiver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if want := f.naive(t, pols[i]); r.Err != nil || r.Tree != want {
			t.Fatalf("repository %d: tree %s, %v, want %s", i, r.Tree.Short(), r.Err, want.Short())
		}
		complete(t, rs[i], r.Tree)
	}
	for name, n := range f.opens {
		if n != 1 {
			t.Errorf("%q was opened %d times", name, n)
		}
	}
}

func TestEachRepositoryHasItsOwnParentAndGetsWhatItLacks(t *testing.T) {
	for _, p := range []chunker.Pol{pol, otherPol} {
		f := grove()
		old, other := newRepo(t, mem.New(), pol), newRepo(t, mem.New(), p)
		ctx := locked(t, t.Context(), old, other)
		first, err := archiver.Archive(ctx, targets(old), f, archiver.Options{})
		if err != nil {
			t.Fatal(err)
		}
		f.file("new", []byte("new"))
		both := targets(other, old)
		both[1].Parent = first[0].Tree
		second, err := archiver.Archive(ctx, both, f, archiver.Options{})
		if err != nil {
			t.Fatal(err)
		}
		complete(t, other, second[0].Tree)
		complete(t, old, second[1].Tree)
		if got := second[1].Stored; got.DataBlobs != 1 || got.TreeBlobs != 1 {
			t.Errorf("polynomial %v: what was there already got %+v", p, got)
		}
		f.opened()
		both[0].Parent, both[1].Parent = second[0].Tree, second[1].Tree
		if _, err := archiver.Archive(ctx, both, f, archiver.Options{}); err != nil {
			t.Fatal(err)
		}
		if opened := f.opened(); len(opened) > 0 {
			t.Errorf("polynomial %v: once both have all, %q are read", p, opened)
		}
	}
}

func TestARepositoryGetsTheDirectoriesThatItLacks(t *testing.T) {
	f := plant("a/", "b/c/")
	old, other := newRepo(t, mem.New(), pol), newRepo(t, mem.New(), pol)
	ctx := locked(t, t.Context(), old, other)
	first, err := archiver.Archive(ctx, targets(old), f, archiver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	both := targets(old, other)
	both[0].Parent = first[0].Tree
	second, err := archiver.Archive(ctx, both, f, archiver.Options{})
	if err != nil || second[1].Tree != first[0].Tree {
		t.Fatalf("Archive = %+v, %v", second, err)
	}
	complete(t, other, second[1].Tree)
}

func TestARepositoryThatFailsDropsOutAndTheOthersFinish(t *testing.T) {
	for _, p := range []chunker.Pol{pol, otherPol} {
		for n := 1; n <= 3; n++ { // the saves that come after those of init and of the lock
			f := grove()
			full := storagetest.NewFaulty(mem.New(), storagetest.Faults{At: []storagetest.At{{N: 3 + n, Op: storagetest.Save, Fault: storagetest.NoSpace}}})
			good, bad := newRepo(t, mem.New(), pol), newRepo(t, full, p)
			results, err := archiver.Archive(locked(t, t.Context(), bad, good), targets(bad, good), f, archiver.Options{})
			if err != nil || results[1].Err != nil || results[1].Tree != f.naive(t, pol) {
				t.Fatalf("save %d fails: Archive = %+v, %v", n, results, err)
			}
			if !errors.Is(results[0].Err, storagetest.ErrInjected) || !results[0].Tree.IsNull() {
				t.Errorf("save %d fails: the result is %v, %v", n, results[0].Tree.Short(), results[0].Err)
			}
			complete(t, good, results[1].Tree)
		}
	}
}

func TestWhenTheLastRepositoryFailsTheRunEnds(t *testing.T) {
	f := plant()
	for i := range 300 {
		f.file(fmt.Sprint(i), randomBytes(uint64(i), 300<<10))
	}
	var rs []*repo.Repo
	for range 2 {
		rs = append(rs, newRepo(t, storagetest.NewFaulty(mem.New(), storagetest.Faults{At: []storagetest.At{{N: 4, Op: storagetest.Save, Fault: storagetest.Refuse}}}), pol))
	}
	results, err := archiver.Archive(locked(t, t.Context(), rs...), targets(rs...), f, archiver.Options{})
	if !errors.Is(err, storagetest.ErrInjected) {
		t.Fatalf("Archive = %+v, %v", results, err)
	}
	for _, r := range results {
		if !errors.Is(r.Err, storagetest.ErrInjected) || !r.Tree.IsNull() {
			t.Errorf("a result is %+v", r)
		}
	}
	if n := len(f.opened()); n == 300 {
		t.Error("all was read, though no repository took it")
	}
}

func TestAPackThatVanishedMakesNoTree(t *testing.T) {
	b := newBench(t, "a=1")
	first := b.archive(crypto.ID{})
	for _, name := range packs(t, b.backend) {
		if err := b.backend.Remove(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	results, err := archiver.Archive(b.ctx, []archiver.Target{{Repo: b.repo, Parent: first.Tree}}, b.forest, b.opt)
	if !errors.Is(err, repo.ErrDamaged) || !results[0].Tree.IsNull() {
		t.Errorf("Archive = %+v, %v", results, err)
	}
}

func TestWithoutALockNothingIsSaved(t *testing.T) {
	f := grove()
	backend := mem.New()
	r := newRepo(t, backend, pol)
	if _, err := archiver.Archive(t.Context(), targets(r), f, archiver.Options{}); !errors.Is(err, repo.ErrNotLocked) {
		t.Errorf("Archive = %v, want %v", err, repo.ErrNotLocked)
	}
	if got := packs(t, backend); len(got) > 0 {
		t.Errorf("there are packs %q", got)
	}
}

func TestWithoutARepositoryThereIsNothingToDo(t *testing.T) {
	if _, err := archiver.Archive(t.Context(), nil, plant("a=1"), archiver.Options{}); err == nil {
		t.Error("Archive = nil error")
	}
}
