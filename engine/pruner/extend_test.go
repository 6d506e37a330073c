package pruner_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/quickrepo"
)

const (
	day    = 24 * time.Hour
	period = 30 * day
)

// calendar is a clock that stands still between the days.
type calendar struct {
	quickrepo.Still
	days atomic.Int64
}

func (c *calendar) Now() time.Time { return c.Still.Now().Add(time.Duration(c.days.Load()) * day) }

// vault is a world whose storage has object lock.
type vault struct {
	*world
	clock *calendar
	kept  *storagetest.Kept
}

func newVault(t *testing.T) vault {
	files, clock := mem.New(), new(calendar)
	kept := storagetest.NewKept(files, period, clock)
	w := &world{socket: &socket{kept}, files: files, kept: map[crypto.ID]quickrepo.Content{}}
	w.repo, w.master = quickrepo.Init(t, w.socket, 2, quickrepo.Polynomial, repo.Options{PackSize: 4 << 20, Clock: clock})
	return vault{w, clock, kept}
}

// extend extends for the snapshots that a policy keeps, which are the last few: what is kept for less than half the period is kept for a
// whole one.
func (v vault) extend(t *testing.T, ctx context.Context, ids []crypto.ID, last int) {
	t.Helper()
	opt := pruner.Options{MaxUnused: pruner.Bytes(0), Without: make(map[crypto.ID]bool)}
	for _, id := range ids[:max(0, len(ids)-last)] {
		opt.Without[id] = true
	}
	err := v.locked(ctx, repo.Shared, func(ctx context.Context) error {
		p, err := pruner.Prepare(ctx, v.repo, opt)
		if err != nil {
			return err
		}
		_, err = p.Extend(ctx, v.clock.Now().Add(period/2), v.clock.Now().Add(period))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for id := range v.world.kept {
		if !opt.Without[id] {
			v.keeps(t, ctx, id, v.clock.Now().Add(period/2))
		}
	}
}

// forgetOld removes all snapshots but the last few, as far as object lock lets it, and returns those that are left.
func (v vault) forgetOld(t *testing.T, ctx context.Context, ids []crypto.ID, last int) []crypto.ID {
	t.Helper()
	var left []crypto.ID
	for i, id := range ids {
		until, err := v.kept.Retained(ctx, repo.Snapshots.Name(id))
		if err != nil {
			t.Fatal(err)
		}
		if i >= len(ids)-last || until.After(v.clock.Now()) {
			left = append(left, id)
			continue
		}
		v.forget(t, ctx, id)
	}
	return left
}

// keeps fails the test unless all that a snapshot needs is kept for so long, index files that name it included.
func (v vault) keeps(t *testing.T, ctx context.Context, id crypto.ID, soonest time.Time) {
	t.Helper()
	until := func(name string) time.Time {
		until, err := v.kept.Retained(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		return until
	}
	if err := v.repo.LoadIndex(ctx); err != nil {
		t.Fatal(err)
	}
	named := make(map[crypto.ID]bool) // packs, by an index file that is kept
	for _, file := range v.repo.IndexFiles() {
		for _, id := range v.repo.IndexedBy(file) {
			named[id] = named[id] || !until(repo.Index.Name(file)).Before(soonest)
		}
	}
	for _, name := range append(v.names(t, ctx, repo.Keys), repo.Snapshots.Name(id), "config") {
		if until(name).Before(soonest) {
			t.Errorf("%s is kept until %v, want %v at least", name, until(name), soonest)
		}
	}
	s, err := snapshot.Load(ctx, v.repo, id)
	if err != nil {
		t.Fatal(err)
	}
	needed := []pack.Handle{{Type: pack.Tree, ID: s.Tree}}
	for _, chunks := range v.world.kept[id] {
		for _, chunk := range chunks {
			needed = append(needed, pack.Handle{Type: pack.Data, ID: chunk})
		}
	}
	for _, h := range needed {
		safe := false
		for _, l := range v.repo.Index().Lookup(h) {
			safe = safe || named[l.Pack] && !until(repo.Packs.Name(l.Pack)).Before(soonest)
		}
		if !safe {
			t.Errorf("%s is in no pack that is kept until %v and named by an index file that is", h, soonest)
		}
	}
}

func TestWhatThePolicyKeepsIsLockedAndTheRestRunsOut(t *testing.T) {
	ctx, v := t.Context(), newVault(t)
	var ids []crypto.ID
	held := 0
	for i := range 15 {
		v.clock.days.Add(7)
		ids = append(ids, v.backup(t, ctx, false, [][]int{{i, i + 1}, {i + 2}}, [][]int{{100, 101, i % 3}, {200 + i/4}}, [][]int{{300 + i}}))
		v.extend(t, ctx, ids, 3)
		ids = v.forgetOld(t, ctx, ids, 3)
		held += v.mustPrune(t, ctx, pruner.Options{MaxUnused: pruner.Bytes(0)}).Held.Files
	}
	if len(ids) > 8 || held == 0 {
		t.Errorf("%d snapshots are left, %d times a pack was held, want at most 8, and some", len(ids), held)
	}
	for range 10 {
		v.clock.days.Add(7)
		v.extend(t, ctx, ids, 1)
		ids = v.forgetOld(t, ctx, ids, 1)
		v.mustPrune(t, ctx, pruner.Options{MaxUnused: pruner.Bytes(0)})
	}
	if f := v.mustPrune(t, ctx, pruner.Options{MaxUnused: pruner.Bytes(0)}); len(ids) != 1 || f.Unused != 0 || f.Held.Files != 0 {
		t.Errorf("in the end %d snapshots are left, %d bytes are unused and %d packs held, want one and nothing else", len(ids), f.Unused, f.Held.Files)
	}
}

func TestPruneLeavesWhatObjectLockKeeps(t *testing.T) {
	ctx, v := t.Context(), newVault(t)
	first := v.backup(t, ctx, false, [][]int{{1, 2}, {3}})
	v.clock.days.Add(31)
	v.backup(t, ctx, false, [][]int{{4, 5}, {6}})
	v.forget(t, ctx, first)
	second := v.backup(t, ctx, false, [][]int{{7, 8}})
	v.clock.days.Add(1)
	delete(v.world.kept, second)
	if err := v.files.Remove(ctx, repo.Snapshots.Name(second)); err != nil { // not to be had through the lock
		t.Fatal(err)
	}
	before := len(v.names(t, ctx, repo.Packs))
	f := v.mustPrune(t, ctx, pruner.Options{MaxUnused: pruner.Bytes(0)})
	if f.Held.Files == 0 || f.Delete.Files == 0 {
		t.Errorf("prune deletes %d packs and leaves %d held ones, want both: the old ones go, the new ones can't", f.Delete.Files, f.Held.Files)
	}
	if after := len(v.names(t, ctx, repo.Packs)); before-after != f.Delete.Files {
		t.Errorf("%d packs are gone, the plan said %d", before-after, f.Delete.Files)
	}
	v.clock.days.Add(31)
	if f := v.mustPrune(t, ctx, pruner.Options{MaxUnused: pruner.Bytes(0)}); f.Held.Files != 0 || f.Unused != 0 {
		t.Errorf("after the lock ran out %d packs are still held, %d bytes unused", f.Held.Files, f.Unused)
	}
}

func TestAPackThatObjectLockHoldsLongerThanItsIndexStays(t *testing.T) {
	ctx, v := t.Context(), newVault(t)
	first := v.backup(t, ctx, false, [][]int{{1, 2}, {3}})
	v.backup(t, ctx, false, [][]int{{4, 5}, {6}})
	packs := v.names(t, ctx, repo.Packs)
	stray := repo.Packs.Name(crypto.ID{1})
	if err := v.kept.Save(ctx, stray, storage.Bytes([]byte("of a backup that was killed"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range append(packs, stray) {
		if err := v.kept.Retain(ctx, name, v.clock.Now().Add(2*period)); err != nil {
			t.Fatal(err)
		}
	}
	v.clock.days.Add(31)
	v.forget(t, ctx, first)
	if f := v.mustPrune(t, ctx, pruner.Options{MaxUnused: pruner.Bytes(0)}); f.Held.Files < 2 || f.Delete.Files+f.Unindexed.Files > 0 {
		t.Errorf("prune deletes %d packs and %d that are in no index, and leaves %d held ones, want all left", f.Delete.Files, f.Unindexed.Files, f.Held.Files)
	}
	v.clock.days.Add(31)
	if f := v.mustPrune(t, ctx, pruner.Options{MaxUnused: pruner.Bytes(0)}); f.Held.Files > 0 || f.Delete.Files == 0 || f.Unindexed.Files != 1 {
		t.Errorf("a month later prune deletes %d packs and %d that are in no index, and leaves %d held ones", f.Delete.Files, f.Unindexed.Files, f.Held.Files)
	}
}

func TestWithoutObjectLockThereIsNothingToExtend(t *testing.T) {
	ctx, w := t.Context(), newWorld(t)
	w.rounds(t, ctx, 1)
	err := w.locked(ctx, repo.Shared, func(ctx context.Context) error {
		p, err := pruner.Prepare(ctx, w.repo, pruner.Options{})
		if err != nil {
			return err
		}
		_, err = p.Extend(ctx, time.Time{}, time.Time{})
		return err
	})
	if !errors.Is(err, repo.ErrNoObjectLock) {
		t.Errorf("Extend = %v, want ErrNoObjectLock", err)
	}
}
