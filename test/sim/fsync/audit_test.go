//go:build linux

package fsync

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/test/sim"
)

// traced names the folder for the backup that is watched, in the environment of the process that makes it.
const traced = "BACKSTAY_TRACED"

func TestTheBackupThatIsWatched(t *testing.T) {
	dir := os.Getenv(traced)
	if dir == "" {
		t.Log("it runs in a process of its own, see below")
		return
	}
	b := local.New(local.OS{}, filepath.Join(dir, "repository"), local.Options{})
	if err := sim.Init(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	r, err := sim.Open(t.Context(), b, repo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := sim.Backup(t.Context(), r, sim.Files{"a/b": "one", "c": "two"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.Backup(t.Context(), r, sim.Files{"a/b": "one", "c": "three"}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sim.Forget(t.Context(), r, first), sim.Prune(t.Context(), r, 1)); err != nil {
		t.Fatal(err)
	}
}

// watch runs the backup under strace.
func watch(t *testing.T) record {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed")
	}
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	if out, err := exec.CommandContext(t.Context(), strace, "-f", "-o", log, "true").CombinedOutput(); err != nil {
		t.Skipf("strace can't trace on this machine: %v: %s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-y", "-s", "4096", "-o", log, "-e",
		"trace=fsync,fdatasync,?rename,?renameat,?renameat2,?link,?linkat,?mkdir,?mkdirat,?unlink,?unlinkat",
		os.Args[0], "-test.run", "^TestTheBackupThatIsWatched$")
	cmd.Env = append(os.Environ(), traced+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the backup that is watched: %v: %s", err, out)
	}
	f, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	events, err := parse(f)
	if err != nil {
		t.Fatal(err)
	}
	return record{filepath.Join(dir, "repository"), events}
}

func TestEachFileIsDurableBeforeItHasItsNameAndTheNameBeforeItIsNeeded(t *testing.T) {
	r := watch(t)
	for _, complaint := range r.audit() {
		t.Error(complaint)
	}
	named := r.named()
	err := filepath.WalkDir(r.root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !named[path] {
			t.Errorf("%s got its name in a way that was not seen", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"keys", "locks", "data", "index", "snapshots"} {
		if !slices.ContainsFunc(r.events, func(e event) bool { return strings.HasPrefix(e.to, filepath.Join(r.root, folder)+"/") }) {
			t.Errorf("no file in %s was seen to get its name", folder)
		}
	}
	removals := len(slices.Collect(r.below("unlink")))
	if removals == 0 {
		t.Error("no removal was seen")
	}
	t.Logf("R4: %d files, %d folders, %d removals, 0 out of order", len(named), len(slices.Collect(r.below("mkdir"))), removals)
}

func TestAnFsyncThatIsLeftOutIsFound(t *testing.T) {
	r := watch(t)
	left, found := 0, 0
	for e := range r.below("fsync") {
		without := r
		without.events = slices.DeleteFunc(slices.Clone(r.events), func(f event) bool { return f.call == "fsync" && f.path == e.path })
		left++
		if len(without.audit()) > 0 {
			found++
		} else {
			t.Errorf("nobody misses the fsync of %s", e.path)
		}
	}
	if left == 0 {
		t.Error("there is no fsync to be left out")
	}
	t.Logf("R4 with one path never synced: %d of %d found", found, left)
}
