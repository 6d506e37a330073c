package pruner_test

import (
	"context"
	"errors"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/quickrepo"
)

// lists is which listing of a prune is of which folder; the first ones are those of the lock.
func lists(t *testing.T, w *world, folder repo.FileType) (numbers []int) {
	t.Helper()
	f := w.fork()
	faulty := storagetest.NewFaulty(f.files, storagetest.Faults{})
	f.plug(faulty)
	f.mustPrune(t, t.Context(), pruner.Options{MaxUnused: pruner.Bytes(0)})
	n := 0
	for _, c := range faulty.Trace() {
		if c.Op != storagetest.List {
			continue
		}
		n++
		if c.Name == string(folder) {
			numbers = append(numbers, n)
		}
	}
	return numbers[:len(numbers)-1] // the last one is of mustPrune
}

func TestALyingListingRemovesNothing(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	ids := w.rounds(t, ctx, 4)
	w.forget(t, ctx, ids[0])
	for _, folder := range []repo.FileType{repo.Snapshots, repo.Index, repo.Packs} {
		for i, n := range lists(t, w, folder) {
			if folder == repo.Packs && i > 0 {
				continue // that is of the new packs, and its subject is another test
			}
			for _, fault := range []storagetest.Fault{storagetest.EmptyList, storagetest.SilentCut, storagetest.CutList, storagetest.Refuse} {
				f := w.fork()
				faulty := storagetest.NewFaulty(f.files, storagetest.Faults{At: []storagetest.At{{N: n, Op: storagetest.List, Fault: fault}}})
				f.plug(faulty)
				_, _, err := f.prune(ctx, pruner.Options{MaxUnused: pruner.Bytes(0)})
				if err == nil {
					t.Errorf("prune with listing %d of %s answered by %q = nil", i, folder, fault)
				}
				if removed := removals(faulty.Trace()); len(removed) > 0 {
					t.Errorf("prune with listing %d of %s answered by %q removes %q", i, folder, fault, removed)
				}
				var refused *pruner.RefusedError
				if lies := fault == storagetest.EmptyList || fault == storagetest.SilentCut; lies && (!errors.As(err, &refused) || refused.Hint == "") {
					t.Errorf("prune with listing %d of %s answered by %q = %v, want a *RefusedError with a hint", i, folder, fault, err)
				}
				f.plug(f.files)
				f.intact(t, ctx)
			}
		}
	}
}

func TestAStoreThatHidesAllSnapshotsForGoodKeepsItsData(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	for _, id := range w.rounds(t, ctx, 2) {
		w.forget(t, ctx, id)
	}
	_, _, err := w.prune(ctx, pruner.Options{})
	if !errors.Is(err, pruner.ErrNoSnapshots) {
		t.Errorf("prune without snapshots = %v, want ErrNoSnapshots", err)
	}
	w.mustPrune(t, ctx, pruner.Options{AllowEmpty: true})
	if n := len(w.names(t, ctx, repo.Packs)) + len(w.names(t, ctx, repo.Index)); n != 0 {
		t.Errorf("%d packs and index files are left of nothing", n)
	}
	w.mustPrune(t, ctx, pruner.Options{}) // an empty repository is no reason to refuse
}

func TestFewerSnapshotsThanExpectedAreRefused(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.rounds(t, ctx, 3)
	if _, _, err := w.prune(ctx, pruner.Options{MinSnapshots: 4, AllowEmpty: true}); !errors.Is(err, pruner.ErrNoSnapshots) {
		t.Errorf("prune with 3 snapshots of 4 = %v, want ErrNoSnapshots", err)
	}
	w.mustPrune(t, ctx, pruner.Options{MinSnapshots: 3})
}

// refuses prunes and wants that refused, without a removal.
func (w *world) refuses(t *testing.T, what string, reason error) {
	t.Helper()
	faulty := storagetest.NewFaulty(w.files, storagetest.Faults{})
	w.plug(faulty)
	_, _, err := w.prune(t.Context(), pruner.Options{MaxUnused: pruner.Bytes(0)})
	var refused *pruner.RefusedError
	if !errors.As(err, &refused) || refused.Hint == "" || reason != nil && !errors.Is(err, reason) {
		t.Errorf("prune with %s = %v, want a *RefusedError of %v", what, err, reason)
	}
	if removed := removals(faulty.Trace()); len(removed) > 0 {
		t.Errorf("prune with %s removes %q", what, removed)
	}
}

func TestNothingIsRemovedWhereSomethingNeededIsLost(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.forget(t, ctx, w.rounds(t, ctx, 4)[0])
	gone := func(w *world, name string) {
		if err := w.files.Remove(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	flip := func(p []byte) []byte { p[len(p)/2] ^= 1; return p }
	place := w.place(t, quickrepo.Chunk(31))
	data := repo.Packs.Name(place.Pack)

	f := w.fork()
	gone(f, data)
	f.refuses(t, "a needed pack gone", pruner.ErrMissing)
	f = w.fork()
	f.change(t, data, func(p []byte) []byte { return p[:len(p)-1] })
	f.refuses(t, "a needed pack cut", pruner.ErrMissing)
	f = w.fork()
	f.change(t, data, func(p []byte) []byte { return append(p, 0) })
	f.refuses(t, "a needed pack that has grown", pruner.ErrMissing)
	f = w.fork()
	f.change(t, f.names(t, ctx, repo.Snapshots)[1], flip)
	f.refuses(t, "a snapshot damaged", repo.ErrDamaged)
	f = w.fork()
	f.change(t, f.names(t, ctx, repo.Index)[1], flip)
	f.refuses(t, "an index file damaged", repo.ErrDamaged)
	f = w.fork()
	root := f.root(t)
	f.change(t, repo.Packs.Name(root.Pack), func(p []byte) []byte { p[root.Offset+20] ^= 1; return p })
	f.refuses(t, "a tree damaged", repo.ErrDamaged)
}

// root returns where the tree of a kept snapshot lies.
func (w *world) root(t *testing.T) (l struct {
	Pack   crypto.ID
	Offset uint32
}) {
	t.Helper()
	for id := range w.kept {
		s, err := snapshot.Load(t.Context(), w.repo, id)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.repo.LoadIndex(t.Context()); err != nil {
			t.Fatal(err)
		}
		at, _ := w.repo.Index().First(pack.Handle{ID: s.Tree, Type: pack.Tree})
		l.Pack, l.Offset = at.Pack, at.Offset
	}
	return l
}

func TestATreeWhoseNodesCannotAllBeReadIsRefused(t *testing.T) {
	for what, text := range map[string]string{
		"no list of nodes":     `{"something":[]}`,
		"a node of wrong type": `{"nodes":[{"name":"a","type":"file","content":[17]}]}` + "\n",
	} {
		w := newWorld(t)
		w.backup(t, t.Context(), false, [][]int{{1, 2}})
		w.plant(t, text)
		w.refuses(t, "a tree with "+what, nil)
	}
	w := newWorld(t)
	w.backup(t, t.Context(), false, [][]int{{1, 2}})
	w.plant(t, `{"nodes":[{"name":"../evil","type":"file","content":["`+crypto.Hash([]byte("lost")).String()+`"]}]}`+"\n")
	w.refuses(t, "a lost chunk under a bad name", pruner.ErrMissing)
}

// plant saves a snapshot with a tree of the given text.
func (w *world) plant(t *testing.T, text string) {
	t.Helper()
	err := w.locked(t.Context(), repo.Shared, func(ctx context.Context) error {
		writer := w.repo.NewWriter()
		defer writer.Close()
		id := crypto.Hash([]byte(text))
		if _, err := writer.SaveBlob(ctx, pack.Handle{ID: id, Type: pack.Tree}, []byte(text)); err != nil {
			return err
		}
		if err := writer.Flush(ctx); err != nil {
			return err
		}
		return snapshot.Save(ctx, w.repo, &snapshot.Snapshot{Time: quickrepo.Still{}.Now(), Tree: id, Paths: []string{"/"}})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAFileOfAnotherKindAmongTheSnapshotsIsPassedOver(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.forget(t, ctx, w.rounds(t, ctx, 2)[0])
	index := w.names(t, ctx, repo.Index)[0]
	p, err := storage.LoadAll(ctx, w.files, index)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.files.Save(ctx, repo.Snapshots.Name(crypto.Hash(p)), storage.Bytes(p)); err != nil {
		t.Fatal(err)
	}
	notices := 0
	_, _, err = w.prune(ctx, pruner.Options{Progress: func(e progress.Event) {
		if e.Kind == progress.Notice {
			notices++
		}
	}})
	if err != nil || notices != 1 {
		t.Errorf("prune with an index file among the snapshots = %v with %d notices, want nil with one", err, notices)
	}
}

func TestASnapshotWithoutATimeIsNotPassedOver(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.rounds(t, ctx, 2)
	w.saveFile(t, repo.Snapshots, []byte(`{"tree":"`+crypto.Hash(nil).String()+`"}`))
	w.refuses(t, "a snapshot without a time", snapshot.ErrWrongKind)
}

func TestWhatAppearsAfterThePlanStopsIt(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.forget(t, ctx, w.rounds(t, ctx, 3)[0])
	p, err := pruner.Prepare(ctx, w.repo, pruner.Options{MaxUnused: pruner.Bytes(0)})
	if err != nil {
		t.Fatal(err)
	}
	w.backup(t, ctx, true, [][]int{{0, 1, 2}})
	err = w.locked(ctx, repo.Exclusive, func(ctx context.Context) error {
		_, err := p.Apply(ctx)
		return err
	})
	if !errors.Is(err, pruner.ErrChanged) {
		t.Errorf("Apply after a new snapshot = %v, want ErrChanged", err)
	}
	w.intact(t, ctx)
}

func TestAnUnneededPackThatIsGoneIsNoReasonToRefuse(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.forget(t, ctx, w.rounds(t, ctx, 4)[0])
	l := w.place(t, quickrepo.Chunk(0))
	if err := w.files.Remove(ctx, repo.Packs.Name(l.Pack)); err != nil {
		t.Fatal(err)
	}
	w.mustPrune(t, ctx, pruner.Options{})
	if w.repo.Index().HasPack(l.Pack) {
		t.Error("the index still names a pack that is gone")
	}
}
