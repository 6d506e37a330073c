package repairer_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repairer"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/test/corrupt"
)

// lock returns a context with an exclusive lock.
func lock(t *testing.T, r *repo.Repo) context.Context {
	t.Helper()
	if _, err := r.Unlock(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	ctx, unlock, err := r.Lock(t.Context(), repo.Exclusive, repo.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unlock(); err != nil {
			t.Errorf("unlock: %v", err)
		}
	})
	return ctx
}

// restorable returns the hash of each file and directory that can be restored, by snapshot and path.
func restorable(t *testing.T, r *repo.Repo) map[string]string {
	t.Helper()
	if err := r.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for s, err := range snapshot.List(t.Context(), r, snapshot.Filter{}) {
		if err != nil {
			continue
		}
		for item, err := range tree.Walk(t.Context(), r, s.Tree, nil) {
			key := s.Identity().Short() + "/" + item.Path
			if err != nil || item.Node == nil || all[key] != "" {
				continue
			}
			if hash, err := content(t.Context(), r, item.Node); err == nil {
				all[key] = hash
			}
		}
	}
	return all
}

func content(ctx context.Context, r *repo.Repo, n *tree.Node) (string, error) {
	if n.Type == entry.Dir { // it can be restored if there is something in it, if only to be told
		_, err := r.LoadBlob(ctx, pack.Handle{ID: n.Subtree, Type: pack.Tree}, nil)
		return string(n.Type), err
	}
	h := sha256.New()
	for _, id := range n.Content {
		p, err := r.LoadBlob(ctx, pack.Handle{ID: id, Type: pack.Data}, nil)
		if err != nil {
			return "", err
		}
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ideal returns what could be restored of the Lab if all packs that are there were rightly indexed.
func ideal(t *testing.T, l *corrupt.Lab) map[string]string {
	t.Helper()
	kept := l.Store
	defer func() { l.Store = kept }()
	l.Store = kept.Clone()
	for info, err := range l.Store.List(t.Context(), "index") {
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Store.Remove(t.Context(), info.Name); err != nil {
			t.Fatal(err)
		}
	}
	for name, id := range l.Packs {
		if _, err := l.Store.Stat(t.Context(), repo.Packs.Name(id)); err == nil {
			l.IndexFile(name, l.Entry(name))
		}
	}
	return restorable(t, l.Open(t))
}

// check returns the errors that a check of all data finds.
func check(t *testing.T, r *repo.Repo) []checker.Finding {
	t.Helper()
	var found []checker.Finding
	_, err := checker.Check(t.Context(), r, checker.Options{ReadData: true, Found: func(f checker.Finding) {
		if f.Severity == checker.Error {
			found = append(found, f)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// predicted runs a repair dry and then in earnest, and fails the test if the results differ.
func predicted[T any](t *testing.T, what string, run func(dry bool) (T, error), blind func(*T)) T {
	t.Helper()
	want, err := run(true)
	if err != nil {
		t.Fatalf("%s, dry: %v", what, err)
	}
	got, err := run(false)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	plain := got
	if blind != nil {
		blind(&got)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: the dry run differs (-dry +real):\n%s", what, diff)
	}
	return plain
}

// repair does what the remedies say, and returns the snapshots of which nothing is left.
func repair(t *testing.T, r *repo.Repo) (gone []crypto.ID) {
	t.Helper()
	ctx := lock(t, r)
	predicted(t, "Index", func(dry bool) (repairer.IndexResult, error) {
		return repairer.Index(ctx, r, repairer.IndexOptions{ReadAllPacks: true, DryRun: dry})
	}, nil)
	var packs []crypto.ID
	for _, f := range check(t, r) {
		if f.Object.Type == "pack" {
			packs = append(packs, f.Object.ID)
		}
	}
	predicted(t, "Packs", func(dry bool) ([]repairer.PackResult, error) {
		return repairer.Packs(ctx, r, packs, repairer.PackOptions{DryRun: dry})
	}, nil)
	results := predicted(t, "Snapshots", func(dry bool) ([]repairer.SnapshotResult, error) {
		return repairer.Snapshots(ctx, r, repairer.SnapshotOptions{Forget: true, DryRun: dry})
	}, func(results *[]repairer.SnapshotResult) {
		*results = slices.Clone(*results)
		for i := range *results {
			(*results)[i].New = crypto.ID{}
		}
	})
	for _, result := range results {
		if result.Tree.IsNull() {
			gone = append(gone, result.Old)
		}
	}
	return gone
}

func TestRepairLosesNothingAndLeavesNothingWrong(t *testing.T) {
	t.Parallel()
	for _, v := range corrupt.Variants() {
		t.Run(v.Name, func(t *testing.T) {
			l := corrupt.New(t)
			v.Damage(l)
			before := ideal(t, l)
			r := l.Open(t)
			gone := repair(t, r)
			after := restorable(t, r)
			for key, hash := range before {
				if after[key] != hash {
					t.Errorf("%s could be restored before, after the repair it is %q instead of %q", key, after[key], hash)
				}
			}
			for _, f := range check(t, r) {
				file := f.Kind == checker.SnapshotUnreadable || f.Kind == checker.WrongKind || f.Kind == checker.KeyDamaged
				lost := slices.ContainsFunc(f.Snapshots, func(id crypto.ID) bool { return slices.Contains(gone, id) })
				if !file && !lost {
					t.Errorf("after the repair: %s in %s: %s", f.Kind, f.Object, f.Message)
				}
			}
		})
	}
}
