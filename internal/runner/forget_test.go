package runner_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/retention"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/quickrepo"
)

// history is a repository with snapshots of consecutive days, the first the oldest.
type history struct {
	ctx       context.Context // with an exclusive lock
	repo      *repo.Repo
	files     storage.Backend
	snapshots []*snapshot.Snapshot
}

// newHistory makes a snapshot of each host given.
func newHistory(t *testing.T, b storage.Backend, hosts ...string) *history {
	t.Helper()
	h := &history{repo: newRepo(t, b), files: b}
	ctx, unlock, err := h.repo.Lock(t.Context(), repo.Exclusive, repo.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unlock(); err != nil {
			t.Errorf("unlock: %v", err)
		}
	})
	h.ctx = ctx
	for i, host := range hosts {
		s := &snapshot.Snapshot{Time: now.AddDate(0, 0, i-len(hosts)), Tree: crypto.Hash([]byte("tree")), Hostname: host, Paths: []string{"/"}}
		h.save(t, s)
	}
	return h
}

func (h *history) save(t *testing.T, s *snapshot.Snapshot) {
	t.Helper()
	if err := snapshot.Save(h.ctx, h.repo, s); err != nil {
		t.Fatal(err)
	}
	h.snapshots = append(h.snapshots, s)
}

// left returns which of the snapshots are there still.
func (h *history) left(t *testing.T) (left []int) {
	t.Helper()
	there := names(t, h.files, "snapshots")
	for i, s := range h.snapshots {
		if slices.Contains(there, repo.Snapshots.Name(s.ID)) {
			left = append(left, i)
		}
	}
	return left
}

func TestAPolicyIsAppliedToEachGroup(t *testing.T) {
	h := newHistory(t, mem.New(), "a", "b", "a", "b", "a")
	var removed []crypto.ID
	groups, left, err := runner.Forget(h.ctx, h.repo, runner.ForgetOptions{
		GroupBy: snapshot.GroupBy{Host: true}, Policy: retention.Policy{Last: 1}, Removed: func(id crypto.ID) { removed = append(removed, id) },
	})
	if err != nil || left != 2 || len(groups) != 2 || len(removed) != 3 {
		t.Fatalf("Forget = %+v, %d, %v, removed %v", groups, left, err, removed)
	}
	if diff := cmp.Diff([]int{3, 4}, h.left(t)); diff != "" {
		t.Errorf("left (-want +got)\n%s", diff)
	}
	a := groups[0]
	if len(a.Keep) != 1 || a.Keep[0].ID != h.snapshots[4].ID || len(a.Remove) != 2 || a.Remove[0].ID != h.snapshots[2].ID || len(a.Reasons[a.Keep[0].ID]) != 1 {
		t.Errorf("the group of a is %+v", a)
	}
}

func TestAPolicyIsAppliedToWhatIsSelected(t *testing.T) {
	h := newHistory(t, mem.New(), "a", "a", "b", "b")
	_, left, err := runner.Forget(h.ctx, h.repo, runner.ForgetOptions{Filter: snapshot.Filter{Hosts: []string{"b"}}, Policy: retention.Policy{Last: 1}})
	if diff := cmp.Diff([]int{0, 1, 3}, h.left(t)); diff != "" || err != nil || left != 3 {
		t.Errorf("Forget leaves %d, %v (-want +got)\n%s", left, err, diff)
	}
}

func TestAnEmptyPolicyKeepsAll(t *testing.T) {
	h := newHistory(t, mem.New(), "a", "a")
	if _, left, err := runner.Forget(h.ctx, h.repo, runner.ForgetOptions{}); err != nil || left != 2 || len(h.left(t)) != 2 {
		t.Errorf("Forget leaves %d, %v", left, err)
	}
}

func TestNamedSnapshotsAreRemoved(t *testing.T) {
	h := newHistory(t, mem.New(), "a", "a", "a")
	groups, left, err := runner.Forget(h.ctx, h.repo, runner.ForgetOptions{IDs: []crypto.ID{h.snapshots[0].ID, h.snapshots[2].ID}})
	if diff := cmp.Diff([]int{1}, h.left(t)); diff != "" || err != nil || left != 1 {
		t.Fatalf("Forget leaves %d, %v (-want +got)\n%s", left, err, diff)
	}
	if r := groups[0].Remove; len(r) != 2 || r[0].ID != h.snapshots[2].ID {
		t.Errorf("removed are %+v", r)
	}
}

func TestANamedSnapshotThatIsNotThereIsAnError(t *testing.T) {
	h := newHistory(t, mem.New(), "a")
	_, _, err := runner.Forget(h.ctx, h.repo, runner.ForgetOptions{IDs: []crypto.ID{h.snapshots[0].ID, crypto.Hash([]byte("none"))}})
	if !errors.Is(err, storage.ErrNotFound) || len(h.left(t)) != 1 {
		t.Errorf("Forget = %v, left %v", err, h.left(t))
	}
}

func TestAProtectedSnapshotStays(t *testing.T) {
	h := newHistory(t, mem.New(), "a", "a")
	h.save(t, &snapshot.Snapshot{Time: now.Add(-time.Hour * 1000), Tree: crypto.Hash([]byte("tree")), Hostname: "a", Paths: []string{"/"}, Tags: []string{retention.Protected}})
	_, _, err := runner.Forget(h.ctx, h.repo, runner.ForgetOptions{IDs: []crypto.ID{h.snapshots[0].ID, h.snapshots[2].ID}})
	if !errors.Is(err, runner.ErrProtected) || len(h.left(t)) != 3 {
		t.Errorf("by its ID: Forget = %v, left %v", err, h.left(t))
	}
	_, _, err = runner.Forget(h.ctx, h.repo, runner.ForgetOptions{Policy: retention.Policy{Last: 1}})
	if diff := cmp.Diff([]int{1, 2}, h.left(t)); diff != "" || err != nil {
		t.Errorf("by a policy: Forget = %v, left (-want +got)\n%s", err, diff)
	}
}

func TestWhileASnapshotCannotBeReadNothingIsRemoved(t *testing.T) {
	b := mem.New()
	h := newHistory(t, b, "a", "a")
	if err := b.Save(t.Context(), repo.Snapshots.Name(crypto.Hash([]byte("x"))), storage.Bytes([]byte("broken"))); err != nil {
		t.Fatal(err)
	}
	for name, opt := range map[string]runner.ForgetOptions{"policy": {Policy: retention.Policy{Last: 1}}, "ids": {IDs: []crypto.ID{h.snapshots[0].ID}}} {
		if _, _, err := runner.Forget(h.ctx, h.repo, opt); !errors.Is(err, runner.ErrUnread) || len(h.left(t)) != 2 {
			t.Errorf("%s: Forget = %v, left %v", name, err, h.left(t))
		}
	}
}

// cut is a storage whose listing of snapshots breaks off.
type cut struct{ storage.Backend }

func (c cut) List(ctx context.Context, dir string) iter.Seq2[storage.Info, error] {
	if dir != "snapshots" {
		return c.Backend.List(ctx, dir)
	}
	return func(yield func(storage.Info, error) bool) {
		for info, err := range c.Backend.List(ctx, dir) {
			if yield(info, err) {
				yield(storage.Info{}, errCut)
			}
			return
		}
	}
}

var errCut = errors.New("the listing broke off")

func TestAListingThatBreaksOffRemovesNothing(t *testing.T) {
	b := mem.New()
	h := newHistory(t, cut{b}, "a", "a")
	h.files = b
	for name, opt := range map[string]runner.ForgetOptions{"policy": {Policy: retention.Policy{Last: 1}}, "ids": {IDs: []crypto.ID{h.snapshots[0].ID}}} {
		if _, _, err := runner.Forget(h.ctx, h.repo, opt); !errors.Is(err, errCut) || len(h.left(t)) != 2 {
			t.Errorf("%s: Forget = %v, left %v", name, err, h.left(t))
		}
	}
}

func TestADryRunOfForgetRemovesNothing(t *testing.T) {
	h := newHistory(t, mem.New(), "a", "a", "a")
	opt := runner.ForgetOptions{Policy: retention.Policy{Last: 1}, DryRun: true, Removed: func(crypto.ID) { t.Error("a snapshot was removed") }}
	groups, left, err := runner.Forget(h.ctx, h.repo, opt)
	if err != nil || left != 1 || len(groups[0].Remove) != 2 || len(h.left(t)) != 3 {
		t.Errorf("Forget = %+v, %d, %v", groups, left, err)
	}
}

func TestForgetTakesAnExclusiveLock(t *testing.T) {
	h := newHistory(t, mem.New(), "a", "a")
	if _, _, err := runner.Forget(t.Context(), h.repo, runner.ForgetOptions{Policy: retention.Policy{Last: 1}}); !errors.Is(err, repo.ErrNotLocked) || len(h.left(t)) != 2 {
		t.Errorf("Forget = %v, left %v", err, h.left(t))
	}
}

func TestSnapshotsThatObjectLockKeepsStayForALaterRun(t *testing.T) {
	h := newHistory(t, storagetest.NewKept(mem.New(), 48*time.Hour, quickrepo.Still{}), "a", "a", "a")
	policy := retention.Policy{Last: 1}
	for _, dry := range []bool{true, false} {
		groups, left, err := runner.Forget(h.ctx, h.repo, runner.ForgetOptions{Policy: policy, DryRun: dry})
		if err != nil || left != 3 || len(groups) != 1 || len(groups[0].Held) != 2 || !groups[0].Held[h.snapshots[0].ID].Equal(now.Add(48*time.Hour)) {
			t.Errorf("Forget = %+v, %d left, %v, want two snapshots held for two days", groups, left, err)
		}
	}
	_, left, err := runner.Forget(h.ctx, h.repo, runner.ForgetOptions{IDs: []crypto.ID{h.snapshots[0].ID}})
	if !errors.Is(err, storage.ErrRetained) || left != 3 {
		t.Errorf("Forget of one by its id = %d left, %v, want ErrRetained", left, err)
	}
	if got := h.left(t); len(got) != 3 {
		t.Errorf("the snapshots %v are left, want all three", got)
	}
}
