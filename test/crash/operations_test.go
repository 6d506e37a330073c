//go:build linux

package crash

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/backstay/backstay/engine/copier"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/test/treegen"
)

// operation is a command that is killed.
type operation struct {
	name    string
	from    string                      // the repository to start with; "": the lab's own
	prepare func(t *testing.T, r *room) // optional
	args    func(r *room) []string
	forgets bool                 // it removes the oldest snapshot
	partial bool                 // before it the snapshots are not there yet, or not all are whole
	removes func(r *room) string // the file it removes; once that is gone nothing is left to do; optional
	begun   func(r *room) error  // what must hold right after the kill; optional
	done    func(r *room) error  // what must hold in the end; optional
}

// operations returns all of them, and makes the repositories that they start with.
func (l *lab) operations(t *testing.T) []operation {
	plain := func(args ...string) func(*room) []string { return func(*room) []string { return args } }
	second, key := l.withSecondKey(t)
	lossy, lost := l.withLoss(t)
	stillThere := func(r *room) error {
		opened, err := r.open(context.Background())
		if err == nil {
			_, err = findIdentity(context.Background(), opened, lost)
		}
		return err
	}
	return []operation{
		{name: "init", prepare: removeRepository, args: plain("init")},
		{name: "backup", args: func(r *room) []string { return []string{"backup", r.root} }},
		{name: "forget", args: func(r *room) []string { return []string{"forget", r.states[0].id} }, forgets: true,
			removes: func(r *room) string { return "snapshots/" + r.states[0].id }},
		{name: "prune", prepare: forgetOldest, args: plain("prune", "--max-unused", "0"), forgets: true},
		{name: "copy", prepare: moveRepository, args: plain("copy", "--from-repo", "other", "--from-password-file", "password"), partial: true},
		{name: "check", args: plain("check", "--read-data")},
		{name: "restore", args: plain("restore", "latest", "--target", "restored"), begun: restoredFilesWhole, done: restored},
		{name: "restore over", prepare: restoreOldest, args: plain("restore", "latest", "--target", "restored", "--delete"), begun: restoredFilesWhole, done: restored},
		{name: "tag", args: plain("tag", "--add", "x")},
		{name: "key add", args: plain("key", "add", "--new-password-file", "password")},
		{name: "key passwd", args: plain("key", "passwd", "--new-password-file", "password")},
		{name: "key remove", from: second, args: plain("key", "remove", key), removes: func(*room) string { return "keys/" + key }},
		{name: "repair index", prepare: removeIndex, args: plain("repair", "index"), partial: true},
		{name: "repair snapshots", from: lossy, args: plain("repair", "snapshots", "--forget"), partial: true, begun: stillThere, done: stillThere},
		{name: "migrate", from: l.ofVersion1(t), args: plain("migrate"), done: migrated},
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
	newRepository(t, r.at("repository"), 2)
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

// restoreOldest has the tree there as it once was, so that a restore of a newer one replaces, changes and deletes.
func restoreOldest(t *testing.T, r *room) {
	to := filepath.Join(r.at("restored"), r.root)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	copyAll(t, r.states[0].copy, to)
}

// restoredFilesWhole looks that each file at the target is one of the snapshot, or one that was there before.
func restoredFilesWhole(r *room) error {
	known := make(map[string]bool)
	for _, s := range r.states {
		all, err := contents(s.copy)
		if err != nil {
			return err
		}
		for _, content := range all {
			known[content] = true
		}
	}
	all, err := contents(r.at("restored"))
	if err != nil {
		return err
	}
	for path, content := range all {
		if !known[content] && !isTemp(path) {
			return fmt.Errorf("restored file %q is not whole", path)
		}
	}
	return nil
}

// restored looks that the target is what the tree was.
func restored(r *room) error {
	return same(r.states[len(r.states)-1].copy, filepath.Join(r.at("restored"), r.root))
}

func same(want, got string) error {
	differences, err := treegen.Compare(want, got, treegen.Options{})
	if err == nil && len(differences) > 0 {
		err = fmt.Errorf("it restores with differences %v", differences)
	}
	return err
}

func migrated(r *room) error {
	opened, err := r.open(context.Background())
	if err == nil && opened.Config().Version != 2 {
		err = fmt.Errorf("the repository is of version %d", opened.Config().Version)
	}
	if err == nil && exists(r.at("repository/config-next")) {
		err = errors.New("config-next is left")
	}
	return err
}

// withSecondKey makes a repository with one more key, and returns its ID.
func (l *lab) withSecondKey(t *testing.T) (dir, id string) {
	t.Helper()
	r := l.enter(t, operation{})
	if err := os.WriteFile(r.at("second"), []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd, said := r.command(t.Context(), "key", "add", "--new-password-file", "second", "--json")
	var added struct{ ID string }
	if err := errors.Join(cmd.Run(), json.Unmarshal([]byte(said.String()), &added)); err != nil {
		t.Fatalf("add key: %v: %s", err, said)
	}
	return r.at("repository"), added.ID
}

// withLoss makes a repository with one more snapshot, of which the content is lost, and returns its ID.
func (l *lab) withLoss(t *testing.T) (dir, id string) {
	t.Helper()
	r := l.enter(t, operation{})
	before := dataPacks(t, r)
	if err := os.Mkdir(r.at("more"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := os.WriteFile(filepath.Join(r.at("more"), fmt.Sprint(i)), fmt.Append(nil, "to be lost ", i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd, said := r.command(t.Context(), "backup", "--host", "other", "--json", "more")
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	for id := range dataPacks(t, r) {
		if before[id] {
			continue
		}
		if err := os.Remove(filepath.Join(r.at("repository"), id)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.run(t.Context(), "repair", "index"); err != nil {
		t.Fatal(err)
	}
	return r.at("repository"), snapshotID(said.String())
}

// dataPacks returns the names of the packs that hold what files are made of.
func dataPacks(t *testing.T, r *room) map[string]bool {
	t.Helper()
	opened := open(t, r.at("repository"), "")
	if err := opened.LoadIndex(t.Context()); err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for l := range opened.Index().Blobs(pack.Data) {
		names[repo.Packs.Name(l.Pack)] = true
	}
	return names
}

// ofVersion1 makes a repository of the old version with the same snapshots.
func (l *lab) ofVersion1(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "repository")
	newRepository(t, dir, 1)
	from, to := open(t, l.repo, ""), open(t, dir, "")
	ctx, unlock, errs := repo.LockAll(t.Context(), []*repo.Repo{from, to}, repo.Shared, repo.LockOptions{})
	var all []*snapshot.Snapshot
	err := errors.Join(errs...)
	for s, listErr := range snapshot.List(ctx, from, snapshot.Filter{}) {
		err = errors.Join(err, listErr)
		all = append(all, s)
	}
	if err == nil {
		_, err = copier.Copy(ctx, from, to, all, copier.Options{})
	}
	if err := errors.Join(err, unlock()); err != nil {
		t.Fatal(err)
	}
	return dir
}
