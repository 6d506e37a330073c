//go:build linux

package treegen_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstay/backstay/test/treegen"
)

func generate(t *testing.T, spec treegen.Spec) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "tree")
	if err := treegen.Generate(root, spec); err != nil {
		t.Fatal(err)
	}
	return root
}

func compare(t *testing.T, a, b string, opt treegen.Options) []treegen.Difference {
	t.Helper()
	found, err := treegen.Compare(a, b, opt)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func wantEqual(t *testing.T, a, b string, opt treegen.Options) {
	t.Helper()
	for _, d := range compare(t, a, b, opt) {
		t.Error(d)
	}
}

func TestTheSameSeedMakesTheSameTree(t *testing.T) {
	for seed := range uint64(3) {
		spec := treegen.Random(seed)
		wantEqual(t, generate(t, spec), generate(t, spec), treegen.Options{Holes: true})
	}
}

func TestAnotherSeedMakesAnotherTree(t *testing.T) {
	a, b := generate(t, treegen.Random(1)), generate(t, treegen.Random(2))
	if len(compare(t, a, b, treegen.Options{})) == 0 {
		t.Error("trees of seeds 1 and 2 are equal")
	}
}

func TestTheZeroSpecIsAnEmptyFolder(t *testing.T) {
	entries, err := os.ReadDir(generate(t, treegen.Spec{}))
	if err != nil || len(entries) > 0 {
		t.Errorf("ReadDir = %v, %v, want nothing", entries, err)
	}
}

func TestATreeWithAllTraitsHoldsEachOfThem(t *testing.T) {
	root := generate(t, treegen.Spec{Seed: 7, Dirs: 10, Files: 60, Traits: treegen.Everything()})
	has := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		note(has, info)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"symlink", "fifo", "socket", "setuid", "sticky folder", "empty", "512 KiB", "over 8 MiB", "before 1970", "after 2262"}
	if os.Geteuid() == 0 {
		want = append(want, "character device", "block device")
	}
	for _, w := range want {
		if !has[w] {
			t.Errorf("the tree has no entry that is %s", w)
		}
	}
	for _, name := range treegen.AwkwardNames() {
		if _, err := os.Lstat(filepath.Join(root, "names", name)); err != nil {
			t.Errorf("the tree lacks an awkward name: %v", err)
		}
	}
}

func note(has map[string]bool, info fs.FileInfo) {
	mode, regular := info.Mode(), info.Mode().IsRegular()
	for what, is := range map[string]bool{
		"symlink":          mode.Type() == fs.ModeSymlink,
		"fifo":             mode.Type() == fs.ModeNamedPipe,
		"socket":           mode.Type() == fs.ModeSocket,
		"character device": mode.Type() == fs.ModeDevice|fs.ModeCharDevice,
		"block device":     mode.Type() == fs.ModeDevice,
		"setuid":           regular && mode&fs.ModeSetuid != 0,
		"sticky folder":    mode.IsDir() && mode&fs.ModeSticky != 0,
		"empty":            regular && info.Size() == 0,
		"512 KiB":          regular && info.Size() == 512<<10,
		"over 8 MiB":       regular && info.Size() > 8<<20,
		"before 1970":      info.ModTime().Year() < 1970,
		"after 2262":       info.ModTime().Year() > 2262,
	} {
		has[what] = has[what] || is
	}
}

func TestACopyMadeByCpIsEqual(t *testing.T) {
	cp, err := exec.LookPath("cp")
	if err != nil {
		t.Skip("SKIPPED: there is no cp to compare with")
	}
	root := generate(t, treegen.Random(11))
	copied := filepath.Join(t.TempDir(), "copy")
	if out, err := exec.Command(cp, "-a", root, copied).CombinedOutput(); err != nil {
		t.Fatalf("cp -a: %v\n%s", err, out)
	}
	wantEqual(t, root, copied, treegen.Options{Holes: true})
}

func TestWideAndDeepTreesHaveWhatWasAskedFor(t *testing.T) {
	root := generate(t, treegen.Spec{Wide: 1000, Deep: 200})
	entries, err := os.ReadDir(filepath.Join(root, "wide"))
	if err != nil || len(entries) != 1000 {
		t.Errorf("wide folder has %d entries, %v, want 1000", len(entries), err)
	}
	deepest := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		deepest = max(deepest, strings.Count(strings.TrimPrefix(path, root), "/"))
		return err
	})
	if err != nil || deepest != 201 {
		t.Errorf("deepest entry is %d below the root, %v, want 201 (200 folders and a file)", deepest, err)
	}
}

func TestMutateMakesTheSameChangesOfTheSameTree(t *testing.T) {
	a, b, before := generate(t, treegen.Random(5)), generate(t, treegen.Random(5)), generate(t, treegen.Random(5))
	for _, root := range []string{a, b} {
		if err := treegen.Mutate(root, 99); err != nil {
			t.Fatal(err)
		}
	}
	wantEqual(t, a, b, treegen.Options{Holes: true})
	changed := map[treegen.Fact]int{}
	for _, d := range compare(t, before, a, treegen.Options{Limit: 10_000}) {
		changed[d.Fact]++
	}
	for _, fact := range []treegen.Fact{treegen.Presence, treegen.Kind, treegen.Mode, treegen.ModTime, treegen.Bytes} {
		if changed[fact] == 0 {
			t.Errorf("no entry changed its %s; changed: %v", fact, changed)
		}
	}
}

func TestMutateChangesAFileWhoseTimeAndSizeStay(t *testing.T) {
	before, after := generate(t, treegen.Spec{Files: 60}), generate(t, treegen.Spec{Files: 60})
	if err := treegen.Mutate(after, 1); err != nil {
		t.Fatal(err)
	}
	facts := map[string][]treegen.Fact{}
	for _, d := range compare(t, before, after, treegen.Options{}) {
		facts[d.Path] = append(facts[d.Path], d.Fact)
	}
	for _, f := range facts {
		if len(f) == 1 && f[0] == treegen.Bytes {
			return
		}
	}
	t.Errorf("no file differs in content alone: %v", facts)
}

func TestMutateTakesATreeOfNothing(t *testing.T) {
	if err := treegen.Mutate(generate(t, treegen.Spec{}), 1); err != nil {
		t.Error(err)
	}
}
