package runner_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/test/treegen"
)

func TestARestoredTreeEqualsItsSource(t *testing.T) {
	for seed := range uint64(3) {
		plant(t)
		r := newRepo(t, mem.New())
		if err := treegen.Generate("root", treegen.Random(seed)); err != nil {
			t.Fatal(err)
		}
		for n := range 2 { // as it is new, and after a day of work
			s := backup(t, options(n), r)
			to := filepath.Join(t.TempDir(), "restored")
			restore(t, r, s, files.NewTarget(to, files.TargetOptions{}), runner.RestoreOptions{})
			found, err := treegen.Compare("root", filepath.Join(to, "root"), treegen.Options{IgnoreSockets: true})
			if err != nil || len(found) > 0 {
				t.Errorf("seed %d, backup %d: %v, %v", seed, n, found, err)
			}
			if err := treegen.Mutate("root", seed); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestASecondRestoreFindsAllUnchanged(t *testing.T) {
	plant(t, "a=1", "d/b=2")
	r := newRepo(t, mem.New())
	s := backup(t, options(0), r)
	to := files.NewTarget(t.TempDir(), files.TargetOptions{})
	want := []string{"root create", "root/a create", "root/d create", "root/d/b create"}
	if diff := cmp.Diff(want, restore(t, r, s, to, runner.RestoreOptions{})); diff != "" {
		t.Errorf("the first restore (-want +got)\n%s", diff)
	}
	want = []string{"root unchanged", "root/a unchanged", "root/d unchanged", "root/d/b unchanged"}
	if diff := cmp.Diff(want, restore(t, r, s, to, runner.RestoreOptions{})); diff != "" {
		t.Errorf("the second restore (-want +got)\n%s", diff)
	}
}

func TestADryRunOfARestoreOnlyTells(t *testing.T) {
	plant(t, "a=1")
	r := newRepo(t, mem.New())
	s := backup(t, options(0), r)
	dir := t.TempDir()
	got := restore(t, r, s, files.NewTarget(dir, files.TargetOptions{}), runner.RestoreOptions{DryRun: true})
	if diff := cmp.Diff([]string{"root create", "root/a create"}, got); diff != "" {
		t.Errorf("the plan (-want +got)\n%s", diff)
	}
	if there, err := os.ReadDir(dir); err != nil || len(there) > 0 {
		t.Errorf("there is %v, %v", there, err)
	}
}

func TestWhatIsDecidedIsDone(t *testing.T) {
	plant(t, "a=1", "b=2")
	r := newRepo(t, mem.New())
	s := backup(t, options(0), r)
	dir := t.TempDir()
	var totals entry.Totals
	got := restore(t, r, s, files.NewTarget(dir, files.TargetOptions{}), runner.RestoreOptions{
		Decide: func(c entry.Change) (entry.Change, error) {
			if c.Path == "root/a" {
				c.Action = entry.Skip
			}
			return c, nil
		},
		Planned: func(t entry.Totals) { totals = t },
	})
	if diff := cmp.Diff([]string{"root create", "root/a skip", "root/b create"}, got); diff != "" {
		t.Errorf("reported (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(entry.Totals{entry.Create: {Count: 2, Bytes: 1}, entry.Skip: {Count: 1, Bytes: 1}}, totals); diff != "" {
		t.Errorf("planned (-want +got)\n%s", diff)
	}
	if _, err := os.Lstat(dir + "/root/a"); !os.IsNotExist(err) {
		t.Errorf("what was to be skipped: %v", err)
	}
}

func TestAnErrorOfWhoDecidesChangesNothing(t *testing.T) {
	plant(t, "a=1")
	b := mem.New()
	r := newRepo(t, b)
	s := backup(t, options(0), r)
	dir, why := t.TempDir(), errors.New("the person went away")
	err := runner.Restore(t.Context(), r, s, files.NewTarget(dir, files.TargetOptions{}), runner.RestoreOptions{
		Decide: func(c entry.Change) (entry.Change, error) { return c, why },
		Report: func(c entry.Change) { t.Errorf("%s was reported", c.Path) },
	})
	if there, readErr := os.ReadDir(dir); !errors.Is(err, why) || readErr != nil || len(there) > 0 {
		t.Errorf("Restore = %v, there is %v, %v", err, there, readErr)
	}
	if got := names(t, b, "locks"); len(got) > 0 {
		t.Errorf("there are %q", got)
	}
}

func TestAPartIsRestored(t *testing.T) {
	plant(t, "a=1", "d/b=2")
	r := newRepo(t, mem.New())
	s := backup(t, options(0), r)
	opt := runner.RestoreOptions{Entries: restorer.Options{Sub: "root/d"}}
	if diff := cmp.Diff([]string{"b create"}, restore(t, r, s, files.NewTarget(t.TempDir(), files.TargetOptions{}), opt)); diff != "" {
		t.Errorf("reported (-want +got)\n%s", diff)
	}
}

// lose takes the pack with a blob out of the storage.
func lose(t *testing.T, b *mem.Backend, r *repo.Repo, h pack.Handle) {
	t.Helper()
	l, ok := r.Index().First(h)
	if !ok {
		t.Fatalf("no index names %s", h)
	}
	if err := b.Remove(t.Context(), repo.Packs.Name(l.Pack)); err != nil {
		t.Fatal(err)
	}
}

func TestAMissingBlobCostsItsFileOnly(t *testing.T) {
	plant(t, "a=1")
	b := mem.New()
	r := newRepo(t, b)
	backup(t, options(0), r)
	write(t, "b", "2") // in a pack of its own
	s := backup(t, options(1), r)
	lose(t, b, r, pack.Handle{ID: crypto.Hash([]byte("2")), Type: pack.Data})
	dir := t.TempDir()
	got := restore(t, r, s, files.NewTarget(dir, files.TargetOptions{}), runner.RestoreOptions{})
	if diff := cmp.Diff([]string{"root create", "root/a create", "root/b failed"}, got); diff != "" {
		t.Errorf("reported (-want +got)\n%s", diff)
	}
	if p, err := os.ReadFile(dir + "/root/a"); string(p) != "1" || err != nil {
		t.Errorf("the other file is %q, %v", p, err)
	}
}

func TestNothingIsDeletedWhereTheSnapshotIsDamaged(t *testing.T) {
	plant(t, "d/b=2")
	b := mem.New()
	r := newRepo(t, b)
	backup(t, options(0), r)
	write(t, "e/c", "3") // so that the trees to be lost and to be kept are in different packs
	s := backup(t, options(1), r)
	dir := t.TempDir()
	to := files.NewTarget(dir, files.TargetOptions{Delete: func(string) bool { return true }})
	restore(t, r, s, to, runner.RestoreOptions{})
	if err := os.WriteFile(dir+"/root/more", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	lose(t, b, r, pack.Handle{ID: subtree(t, r, s, "root", "d"), Type: pack.Tree})
	got := restore(t, r, s, to, runner.RestoreOptions{})
	want := []string{"root update", "root/d failed", "root/d unchanged", "root/e unchanged", "root/e/c unchanged", "root/more delete"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reported (-want +got)\n%s", diff)
	}
	if p, err := os.ReadFile(dir + "/root/d/b"); string(p) != "2" || err != nil {
		t.Errorf("a file that the damaged directory had is %q, %v", p, err)
	}
}

// subtree returns the tree of a directory in a snapshot.
func subtree(t *testing.T, r *repo.Repo, s *snapshot.Snapshot, path ...string) crypto.ID {
	t.Helper()
	id := s.Tree
	for _, name := range path {
		nodes, err := tree.Load(t.Context(), r, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range nodes {
			if n.Name == name {
				id = n.Subtree
			}
		}
	}
	return id
}

func TestALockedRepositoryIsNotRestoredFrom(t *testing.T) {
	plant(t, "a=1")
	r := newRepo(t, mem.New())
	s := backup(t, options(0), r)
	_, unlock, err := r.Lock(t.Context(), repo.Exclusive, repo.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := runner.Restore(t.Context(), r, s, files.NewTarget(t.TempDir(), files.TargetOptions{}), runner.RestoreOptions{}); !errors.Is(err, repo.ErrLocked) {
		t.Errorf("Restore = %v", err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

func TestASubfolderThatIsNotThereIsAnError(t *testing.T) {
	plant(t, "a=1")
	r := newRepo(t, mem.New())
	s := backup(t, options(0), r)
	opt := runner.RestoreOptions{Entries: restorer.Options{Sub: "none"}}
	if err := runner.Restore(t.Context(), r, s, files.NewTarget(t.TempDir(), files.TargetOptions{}), opt); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Restore = %v", err)
	}
}
