package pruner_test

import (
	"context"
	"errors"
	"math"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/test/quickrepo"
)

func TestAllThatIsUnusedGoesWhereNothingUnusedMayStay(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	ids := w.rounds(t, ctx, 4)
	for _, id := range ids[:3] {
		w.forget(t, ctx, id)
	}
	f := w.mustPrune(t, ctx, pruner.Options{MaxUnused: pruner.Bytes(0)})
	if f.Unused != 0 || f.Delete.Files == 0 || f.Repack.Files == 0 {
		t.Errorf("prune = %+v, want packs removed and replaced, and nothing unused", f)
	}
	again := w.mustPrune(t, ctx, pruner.Options{MaxUnused: pruner.Bytes(0)})
	if again.Freed() != 0 || again.Keep != again.Total {
		t.Errorf("a second prune = %+v, want nothing to do", again)
	}
	if again.Used != f.Used {
		t.Errorf("%d bytes are used after, %d before", again.Used, f.Used)
	}
}

func TestTheFiguresOfAPlanComeTrue(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	ids := w.rounds(t, ctx, 4)
	w.forget(t, ctx, ids[0])
	w.forget(t, ctx, ids[2])
	before := w.packBytes(t, ctx)
	f, result, err := w.prune(ctx, pruner.Options{MaxUnused: pruner.Bytes(0)})
	if err != nil {
		t.Fatal(err)
	}
	if f.Total.Bytes != before || f.Total.Files != f.Keep.Files+f.Delete.Files+f.Repack.Files+f.Unindexed.Files {
		t.Errorf("of %d bytes the plan says %+v", before, f)
	}
	const frame = 36 // of each pack
	if got, want := w.packBytes(t, ctx), f.Remaining()+frame*result.Added.Packs; got != want || result.Added.Packs == 0 {
		t.Errorf("%d bytes remain with %d new packs, want %d", got, result.Added.Packs, want)
	}
	if removed := (pruner.Amount{Files: f.Delete.Files + f.Repack.Files, Bytes: f.Delete.Bytes + f.Repack.Bytes}); result.Removed != removed {
		t.Errorf("removed %+v, want %+v", result.Removed, removed)
	}
}

func TestAPlanThatIsNotAppliedChangesNothing(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.forget(t, ctx, w.rounds(t, ctx, 3)[0])
	before := w.packBytes(t, ctx)
	if _, err := pruner.Prepare(ctx, w.repo, pruner.Options{}); err != nil {
		t.Fatal(err)
	}
	if got := w.packBytes(t, ctx); got != before {
		t.Errorf("%d bytes after a plan, %d before", got, before)
	}
}

func TestNothingIsReplacedWhereUnusedDataMayStay(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.forget(t, ctx, w.rounds(t, ctx, 4)[0])
	for name, opt := range map[string]pruner.Options{"unlimited": {MaxUnused: pruner.Unlimited}, "no repack": {MaxUnused: pruner.Bytes(0), MaxRepack: 1}} {
		f := w.fork().mustPrune(t, ctx, opt)
		if f.Repack.Files != 0 || f.Copied != 0 || f.Unused == 0 || f.Delete.Files == 0 {
			t.Errorf("%s: prune = %+v, want packs removed only, and something unused left", name, f)
		}
	}
}

func TestOfCopiesOneStays(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.backup(t, ctx, false, [][]int{{1, 2, 3}, {4}}, [][]int{{5}})
	alone := w.packBytes(t, ctx)
	w.backup(t, ctx, true, [][]int{{1, 2, 3}, {4}}, [][]int{{5}})
	f := w.mustPrune(t, ctx, pruner.Options{MaxUnused: pruner.Bytes(0)})
	if got := w.packBytes(t, ctx); got != alone || f.Repack.Files != 0 {
		t.Errorf("%d bytes remain, %d before the copies, %+v", got, alone, f)
	}
}

func TestTheCopyInTheFullerPackStays(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	for n := range 6 {
		w.forget(t, ctx, w.backup(t, ctx, false, [][]int{{10 * n, 10*n + 1, 10*n + 2}}))
		w.backup(t, ctx, true, [][]int{{10 * n}})
	}
	if f := w.mustPrune(t, ctx, pruner.Options{MaxUnused: pruner.Bytes(0)}); f.Repack.Files != 0 || f.Delete.Files != 3*6 {
		t.Errorf("prune = %+v, want the packs of the forgotten snapshots removed and none replaced", f)
	}
}

func TestTheIndexForgetsWhatIsGone(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.forget(t, ctx, w.rounds(t, ctx, 3)[0])
	if _, _, err := w.prune(ctx, pruner.Options{}); err != nil {
		t.Fatal(err)
	}
	there := w.names(t, ctx, repo.Packs)
	for _, id := range w.repo.Index().Packs() {
		if !slices.Contains(there, repo.Packs.Name(id)) {
			t.Errorf("the index in memory still names data/%s after it was removed", id.Short())
		}
	}
}

func TestPlansForOneRepositoryAreTheSame(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	ids := w.rounds(t, ctx, 5)
	w.backup(t, ctx, true, [][]int{{1, 12, 3}, {24}}, [][]int{{31}})
	w.forget(t, ctx, ids[1])
	left := map[string]bool{}
	for range 5 {
		f := w.fork()
		f.mustPrune(t, ctx, pruner.Options{MaxRepack: 1})
		left[strings.Join(f.names(t, ctx, repo.Packs), " ")] = true
	}
	if len(left) != 1 {
		t.Errorf("5 prunes of one repository leave %d different sets of packs", len(left))
	}
}

func TestSmallPacksArePutTogetherOnlyIfAskedFor(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.rounds(t, ctx, 4)
	if f := w.mustPrune(t, ctx, pruner.Options{}); f.Repack.Files != 0 {
		t.Errorf("prune = %+v, want nothing to do", f)
	}
	before := len(w.names(t, ctx, repo.Packs))
	w.mustPrune(t, ctx, pruner.Options{RepackSmall: true})
	if after := len(w.names(t, ctx, repo.Packs)); after != 2 {
		t.Errorf("%d packs after, %d before, want one of each type", after, before)
	}
	if f := w.mustPrune(t, ctx, pruner.Options{RepackSmall: true}); f.Repack.Files != 0 {
		t.Errorf("a second prune = %+v, want nothing to do", f)
	}
}

func TestAPackOfBothTypesIsReplaced(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.backup(t, ctx, false, [][]int{{1, 2, 3}, {4}})
	w.mix(t)
	f := w.mustPrune(t, ctx, pruner.Options{})
	if f.Repack.Files != 1 || len(w.names(t, ctx, repo.Packs)) != 2 {
		t.Errorf("prune = %+v and leaves %d packs, want one replaced by two", f, len(w.names(t, ctx, repo.Packs)))
	}
}

func TestAKeptBlobStaysCompressedAsItIs(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	first := w.backup(t, ctx, false, [][]int{{1, 2, 3}, {4}})
	w.backup(t, ctx, false, [][]int{{1, 2}})
	before := map[pack.Handle]uint32{}
	for l := range w.repo.Index().Blobs(pack.Data) {
		before[l.Handle] = l.Length
	}
	w.forget(t, ctx, first)
	if f := w.mustPrune(t, ctx, pruner.Options{MaxUnused: pruner.Bytes(0)}); f.Repack.Files == 0 {
		t.Fatalf("prune = %+v, want a pack replaced", f)
	}
	for l := range w.repo.Index().Blobs(pack.Data) {
		if before[l.Handle] != l.Length {
			t.Errorf("%s has %d bytes, %d before", l.Handle, l.Length, before[l.Handle])
		}
	}
}

func TestADamagedBlobStopsThePruneBeforeItsPackGoes(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	first := w.backup(t, ctx, false, [][]int{{1, 2, 3, 4, 5}})
	w.backup(t, ctx, false, [][]int{{4, 1}})
	w.forget(t, ctx, first)
	l := w.place(t, quickrepo.Chunk(4))
	flip := func(p []byte) []byte { p[l.Offset+20] ^= 1; return p }
	w.change(t, repo.Packs.Name(l.Pack), flip)
	_, _, err := w.prune(ctx, pruner.Options{MaxUnused: pruner.Bytes(0)})
	var damage *repo.DamageError
	if !errors.As(err, &damage) || damage.ID != l.Pack {
		t.Fatalf("prune of a damaged blob = %v, want a *DamageError about data/%s", err, l.Pack.Short())
	}
	w.change(t, repo.Packs.Name(l.Pack), flip)
	w.mustPrune(t, ctx, pruner.Options{MaxUnused: pruner.Bytes(0)})
}

func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int64 // beside 1900 bytes that are used
	}{
		{"5%", 100}, {"0%", 0}, {"50%", 1900}, {"0", 0}, {"123", 123}, {"2K", 2048}, {"3M", 3 << 20}, {"1G", 1 << 30}, {"2T", 2 << 40},
		{"unlimited", math.MaxInt64},
		{"100%", -1}, {"-1%", -1}, {"NaN%", -1}, {"", -1}, {"M", -1}, {"-5", -1}, {"1.5G", -1}, {"9999999T", -1}, {"5KK", -1},
	} {
		limit, err := pruner.ParseLimit(tt.text)
		switch {
		case (err != nil) != (tt.want < 0):
			t.Errorf("ParseLimit(%q) = %v", tt.text, err)
		case err == nil && limit(1900) != tt.want:
			t.Errorf("limit %q beside 1900 bytes = %d, want %d", tt.text, limit(1900), tt.want)
		}
	}
}

func TestWithoutTheRightLockNothingIsRemoved(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.forget(t, ctx, w.rounds(t, ctx, 2)[0])
	before := w.names(t, ctx, repo.Packs)
	err := w.locked(ctx, repo.Shared, func(ctx context.Context) error {
		p, err := pruner.Prepare(ctx, w.repo, pruner.Options{})
		if err == nil {
			_, err = p.Apply(ctx)
		}
		return err
	})
	if !errors.Is(err, repo.ErrNotLocked) {
		t.Errorf("prune with a shared lock = %v, want ErrNotLocked", err)
	}
	after := w.names(t, ctx, repo.Packs)
	for _, name := range before {
		if !slices.Contains(after, name) {
			t.Errorf("prune with a shared lock removed %s", name)
		}
	}
}

func TestIndexFilesThatNameThePacksTwiceAreReplaced(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	w.rounds(t, ctx, 2)
	old := w.names(t, ctx, repo.Index)
	for _, name := range old { // as a prune leaves them that was killed before it removed the old ones
		id, err := crypto.ParseID(path.Base(name))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := w.repo.LoadFile(ctx, repo.Index, id)
		if err != nil {
			t.Fatal(err)
		}
		w.saveFile(t, repo.Index, plain)
	}
	f := w.mustPrune(t, ctx, pruner.Options{})
	if got := w.names(t, ctx, repo.Index); len(got) != 1 || f.Freed() != 0 {
		t.Errorf("prune left %d index files of %d and freed %d bytes, want one and none", len(got), 2*len(old), f.Freed())
	}
	w.intact(t, ctx)
}

func FuzzParseLimit(f *testing.F) {
	for _, text := range []string{"5%", "unlimited", "500M", "99.99999999999999%", "NaN%", "9223372036854775807", "8T"} {
		f.Add(text, int64(1<<50))
	}
	f.Fuzz(func(t *testing.T, text string, used int64) {
		limit, err := pruner.ParseLimit(text)
		if err != nil || used < 0 {
			return
		}
		if n := limit(used); n < 0 || n < limit(used/2) {
			t.Errorf("%q of %d used bytes is %d unused, of the half %d", text, used, n, limit(used/2))
		}
	})
}
