//go:build linux

package crash

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/test/treegen"
)

// operation is a command that is killed.
type operation struct {
	name    string
	prepare func(t *testing.T, r *room) // optional
	args    func(r *room) []string
	forgets bool // it removes the oldest snapshot
}

func operations() []operation {
	plain := func(args ...string) func(*room) []string { return func(*room) []string { return args } }
	return []operation{
		{name: "init", prepare: removeRepository, args: plain("init")},
		{name: "backup", args: func(r *room) []string { return []string{"backup", r.root} }},
		{name: "forget", args: func(r *room) []string { return []string{"forget", r.states[0].id} }, forgets: true},
		{name: "prune", prepare: forgetOldest, args: plain("prune", "--max-unused", "0"), forgets: true},
		{name: "copy", prepare: moveRepository, args: plain("copy", "--from-repo", "other", "--from-password-file", "password")},
		{name: "check", args: plain("check", "--read-data")},
		{name: "restore", args: plain("restore", "latest", "--target", "restored")},
		{name: "tag", args: plain("tag", "--add", "x")},
		{name: "key add", args: plain("key", "add", "--new-password-file", "password")},
		{name: "key passwd", args: plain("key", "passwd", "--new-password-file", "password")},
		{name: "repair index", prepare: removeIndex, args: plain("repair", "index")},
	}
}

func removeRepository(t *testing.T, r *room) {
	if err := os.RemoveAll(r.at("repository")); err != nil {
		t.Fatal(err)
	}
}

// moveRepository makes the repository another one, and an empty one in its place.
func moveRepository(t *testing.T, r *room) {
	if err := os.Rename(r.at("repository"), r.at("other")); err != nil {
		t.Fatal(err)
	}
	newRepository(t, r.at("repository"))
}

func removeIndex(t *testing.T, r *room) {
	all, err := filepath.Glob(r.at("repository/index/*"))
	if err != nil || len(all) < 2 {
		t.Fatalf("index files: %d, %v", len(all), err)
	}
	if err := os.Remove(all[0]); err != nil {
		t.Fatal(err)
	}
}

func forgetOldest(t *testing.T, r *room) {
	if err := os.Remove(filepath.Join(r.at("repository"), "snapshots", r.states[0].id)); err != nil {
		t.Fatal(err)
	}
}

func TestAKillAtAnyMomentLosesNothing(t *testing.T) {
	l := newLab(t)
	kills := 6
	if os.Getenv("BACKSTAY_SOAK") == "1" {
		kills = 100
	}
	var all, failed atomic.Int64
	t.Cleanup(func() {
		t.Logf("R1: %d kills, seeds 1 to %d of each operation, %d lost", all.Load(), kills, failed.Load())
	})
	for _, op := range operations() {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			c := l.measure(t, op)
			for seed := uint64(1); seed <= uint64(kills); seed++ {
				all.Add(1)
				if !t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { l.killOnce(t, op, seed, c) }) {
					failed.Add(1)
				}
			}
		})
	}
}

// measure runs the operation without a kill.
func (l *lab) measure(t *testing.T, op operation) course {
	t.Helper()
	r := l.enter(t)
	if op.prepare != nil {
		op.prepare(t, r)
	}
	count, stop := watch(t, r.at("repository"), 0, nil)
	start := time.Now()
	if err := r.run(t.Context(), op.args(r)...); err != nil {
		t.Fatal(err)
	}
	takes := time.Since(start)
	stop()
	return course{takes, count.Load()}
}

// killOnce kills the operation at a moment that the seed decides, then looks what is left. If it was done before, another moment is
// tried.
func (l *lab) killOnce(t *testing.T, op operation, seed uint64, c course) {
	rng := rand.New(rand.NewPCG(seed, uint64(crc32.ChecksumIEEE([]byte(op.name)))))
	for {
		r := l.enter(t)
		if op.prepare != nil {
			op.prepare(t, r)
		}
		at := c.moment(rng, seed%3 == 0)
		if !r.kill(t, at, op.args(r)...) {
			continue
		}
		t.Logf("killed at %+v of %+v", at, c)
		if op.name == "init" {
			r.initialised(t, op)
		} else {
			r.recovers(t, op, seed)
		}
		return
	}
}

// initialised looks at what is left of a repository that was being made.
func (r *room) initialised(t *testing.T, op operation) {
	if _, err := os.Stat(r.at("repository/config")); errors.Is(err, os.ErrNotExist) {
		if err := r.run(t.Context(), op.args(r)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.run(t.Context(), "backup", r.root); err != nil {
		t.Fatal(err)
	}
	if err := r.theirs().Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// recovers looks at what is left of the repository.
func (r *room) recovers(t *testing.T, op operation, seed uint64) {
	kept := r.states
	if op.forgets {
		kept = kept[1:]
	}
	opened := open(t, r.at("repository"), r.locks())
	if op.name != "copy" && op.name != "repair index" { // before these the snapshots are not there yet, or not whole
		r.wantWhole(t, opened, kept)
	}
	if err := r.run(t.Context(), op.args(r)...); err != nil {
		t.Fatalf("once more: %v", err)
	}
	if err := r.run(t.Context(), "prune", "--max-unused", "0"); err != nil {
		t.Fatal(err)
	}
	r.wantStates(t, opened, r.root, kept)
	r.wantClean(t, opened)
	if seed%3 == 0 {
		if err := r.theirs().Check(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// check reads everything, under a lock that only goes with no dead one.
func check(t *testing.T, r *repo.Repo) (report checker.Report, found []checker.Finding) {
	t.Helper()
	ctx, unlock, err := r.Lock(t.Context(), repo.Exclusive, repo.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	report, err = checker.Check(ctx, r, checker.Options{ReadData: true, Found: func(f checker.Finding) { found = append(found, f) }})
	if err := errors.Join(err, unlock()); err != nil {
		t.Fatal(err)
	}
	return report, found
}

// wantWhole looks that the snapshots of the states are there, and that all that they need can be read.
func (r *room) wantWhole(t *testing.T, opened *repo.Repo, states []state) {
	t.Helper()
	if report, found := check(t, opened); !report.OK() {
		t.Errorf("after the kill check finds %+v", found)
	}
	for _, s := range states {
		if _, err := findIdentity(t.Context(), opened, s.id); err != nil {
			t.Error(err)
		}
	}
}

// wantStates restores the snapshots of the states and compares them with what the tree at root was then.
func (r *room) wantStates(t *testing.T, opened *repo.Repo, root string, states []state) {
	t.Helper()
	for _, s := range states {
		found, err := findIdentity(t.Context(), opened, s.id)
		if err != nil {
			t.Fatal(err)
		}
		restored := t.TempDir()
		opt := runner.RestoreOptions{Report: func(c entry.Change) {
			if c.Action == entry.Failed {
				t.Errorf("restore of %q: %s", c.Path, c.Reason)
			}
		}}
		if err := runner.Restore(t.Context(), opened, found, files.NewTarget(restored, files.TargetOptions{}), opt); err != nil {
			t.Fatal(err)
		}
		differences, err := treegen.Compare(s.copy, filepath.Join(restored, root), treegen.Options{})
		if err != nil || len(differences) > 0 {
			t.Fatalf("snapshot %s restores with differences %v, %v", found.ID.Short(), differences, err)
		}
	}
}

// findIdentity finds a snapshot, or what it was replaced by or copied as.
func findIdentity(ctx context.Context, r *repo.Repo, id string) (*snapshot.Snapshot, error) {
	for s, err := range snapshot.List(ctx, r, snapshot.Filter{}) {
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(s.Identity().String(), id) { // restic before 0.15 tells only the beginning of an ID
			return s, nil
		}
	}
	return nil, fmt.Errorf("snapshot %s is lost", id)
}

// wantClean looks for anything that is not as it should be after a prune.
func (r *room) wantClean(t *testing.T, opened *repo.Repo) {
	t.Helper()
	report, found := check(t, opened)
	found = slices.DeleteFunc(found, func(f checker.Finding) bool { return f.Kind == checker.ForeignFiles }) // half a file under a temporary name
	if len(found) > 0 || report.UnusedBlobs > 0 {
		t.Errorf("after a prune there are %d unused blobs, and check finds %+v", report.UnusedBlobs, found)
	}
}
