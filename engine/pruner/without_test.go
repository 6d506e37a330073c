package pruner_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage/storagetest"
)

func TestAPlanWithoutSnapshotsForetellsWhatAPruneFreesWithoutThem(t *testing.T) {
	t.Parallel()
	base, ctx := newWorld(t), t.Context()
	rapid.Check(t, func(t *rapid.T) {
		w := base.fork()
		for range rapid.IntRange(1, 6).Draw(t, "snapshots") {
			file := rapid.SliceOfN(rapid.IntRange(0, 40), 0, 4)
			dirs := rapid.SliceOfN(rapid.SliceOfN(file, 0, 4), 0, 4).Draw(t, "dirs")
			w.backup(t, ctx, rapid.IntRange(0, 3).Draw(t, "again") == 0, dirs...)
		}
		without := make(map[crypto.ID]bool)
		for _, id := range slices.SortedFunc(maps.Keys(w.kept), func(a, b crypto.ID) int { return bytes.Compare(a[:], b[:]) }) {
			if rapid.Bool().Draw(t, "goes") {
				without[id] = true
			}
		}
		left := len(w.kept) - len(without)
		opt := pruner.Options{MinSnapshots: left, AllowEmpty: left == 0, MaxRepack: rapid.SampledFrom([]int64{0, 1, 2000}).Draw(t, "most"),
			RepackSmall: rapid.Bool().Draw(t, "small"), MaxUnused: pruner.Bytes(rapid.SampledFrom([]int64{0, 1000, 1 << 40}).Draw(t, "unused"))}
		foretold := w.foretell(t, ctx, opt, without)
		for id := range without {
			w.forget(t, ctx, id)
		}
		w.plug(w.files) // as another process would, which loads the index in another order
		before := w.packBytes(t, ctx)
		real := w.mustPrune(t, ctx, opt)
		if diff := cmp.Diff(foretold, real); diff != "" {
			t.Fatalf("figures (-foretold +real)\n%s", diff)
		}
		if freed := before - w.packBytes(t, ctx); real.Repack.Files == 0 && freed != foretold.Freed() {
			t.Fatalf("%d bytes are freed, %d were foretold", freed, foretold.Freed())
		}
	})
}

// foretell plans as if the snapshots were gone.
func (w *world) foretell(t fatal, ctx context.Context, opt pruner.Options, without map[crypto.ID]bool) pruner.Figures {
	t.Helper()
	opt.Without = without
	p, err := pruner.Prepare(ctx, w.repo, opt)
	if err != nil {
		t.Fatal(err)
	}
	return p.Figures
}

func TestAPlanWithoutSnapshotsIsNeverApplied(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	ids := w.rounds(t, ctx, 3)
	p, err := pruner.Prepare(ctx, w.repo, pruner.Options{MaxUnused: pruner.Bytes(0), Without: map[crypto.ID]bool{ids[0]: true}})
	if err != nil {
		t.Fatal(err)
	}
	faulty := storagetest.NewFaulty(w.files, storagetest.Faults{})
	refused := func(when string) {
		t.Helper()
		w.plug(faulty)
		err := w.locked(ctx, repo.Exclusive, func(ctx context.Context) error {
			_, err := p.Apply(ctx)
			return err
		})
		var refused *pruner.RefusedError
		if !errors.Is(err, pruner.ErrWithout) || !errors.As(err, &refused) || refused.Hint == "" {
			t.Errorf("Apply %s = %v, want ErrWithout with a hint", when, err)
		}
		if removed := removals(faulty.Trace()); len(removed) > 0 {
			t.Errorf("Apply %s removes %q", when, removed)
		}
		w.plug(w.files)
		w.intact(t, ctx)
	}
	refused("while the snapshot is there")
	w.forget(t, ctx, ids[0])
	refused("when the snapshot is gone")
}

func TestASnapshotThatCannotBeReadMayBeLeftOut(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	ids := w.rounds(t, ctx, 2)
	w.change(t, repo.Snapshots.Name(ids[0]), func(p []byte) []byte { p[len(p)/2] ^= 1; return p })
	if f := w.foretell(t, ctx, pruner.Options{MinSnapshots: 1}, map[crypto.ID]bool{ids[0]: true}); f.Snapshots != 1 {
		t.Errorf("the plan without a damaged snapshot has %d others, want 1", f.Snapshots)
	}
}
