package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
)

// allKinds is a snapshot with something of all that a file system may not be able to hold.
func allKinds() *stored {
	s := newStored()
	owned := func(e *entry.Entry) { e.UID, e.GID = 1234, 1235 }
	acl := []byte{2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 5, 0, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255,
		16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 4, 0, 255, 255, 255, 255}
	linked := func(e *entry.Entry) { e.Links, e.Inode, e.DeviceID = 2, 7, 1 }
	at := func(when time.Time) func(*entry.Entry) { return func(e *entry.Entry) { e.ModTime = when } }
	s.add("d", entry.Dir, "", owned)
	s.add("d/Upper", entry.File, "first", owned)
	s.add("d/acl", entry.File, "x", func(e *entry.Entry) {
		e.Mode, e.Attributes = 0o644, []entry.Attribute{{Name: "system.posix_acl_access", Value: acl}}
	})
	s.add("d/attribute", entry.File, "x", func(e *entry.Entry) {
		e.Attributes = []entry.Attribute{{Name: "user.x", Value: []byte("1")}}
	})
	s.add("d/colon:", entry.File, "x")
	s.add("d/early", entry.File, "x", at(time.Date(1975, 1, 1, 0, 0, 0, 0, time.UTC)))
	s.add("d/end.", entry.File, "x")
	s.add("d/fifo", entry.Fifo, "")
	s.add("d/hard1", entry.File, "both", linked)
	s.add("d/hard2", entry.File, "both", linked)
	s.add("d/link", entry.Symlink, "Upper")
	s.add("d/null", entry.CharDev, "", func(e *entry.Entry) { e.Mode, e.Device = fs.ModeDevice|fs.ModeCharDevice|0o666, unix.Mkdev(1, 3) })
	s.add("d/odd", entry.File, "x", at(time.Unix(1577836801, 0)))
	s.add("d/sparse", entry.File, strings.Repeat("\x00", 1<<20)+"end")
	s.add("d/upper", entry.File, "second")
	s.add("d/upper.d", entry.Dir, "")
	s.add("d/Äpfel", entry.File, "x")
	slices.SortFunc(s.entries, func(a, b entry.Entry) int { return atCompare(a.Path, b.Path) })
	for p, content := range map[string]string{"d/hard1": "both", "d/hard2": "both"} {
		s.bytes[p] = []byte(content)
	}
	return s
}

// linux are the file systems that hold everything.
var linux = []struct{ name, kind, mkfs, mount string }{
	{"ext4", "ext4", "mkfs.ext4 -q", "mount -t ext4"},
	{"XFS", "XFS", "mkfs.xfs -q", "mount -t xfs"},
	{"Btrfs", "Btrfs", "mkfs.btrfs -q", "mount -t btrfs"},
}

func Test_a_file_system_that_holds_everything_is_restored_to_without_loss(t *testing.T) {
	for _, c := range linux {
		t.Run(c.name, func(t *testing.T) {
			dir, _ := mounted(t, c.mkfs, c.mount)
			if got := systemAt(t, dir).Name; got != c.kind {
				t.Errorf("the file system is taken for %q", got)
			}
			if _, things, err := NewTarget(dir, TargetOptions{}).Unsure(); len(things) > 0 || err != nil {
				t.Errorf("Unsure = %q, %v", things, err)
			}
			target := NewTarget(filepath.Join(dir, "made"), TargetOptions{Delete: func(string) bool { return true }})
			for path, c := range restoreAll(t, target, allKinds()) {
				if c.Without != 0 {
					t.Errorf("%q is without %v", path, c.Without)
				}
			}
			for _, c := range planOf(t, target, allKinds()) {
				if c.Action != entry.Unchanged {
					t.Errorf("second plan: %s %q (%s)", c.Action, c.Path, c.Reason)
				}
			}
		})
	}
}

func Test_exFAT_holds_what_the_table_says(t *testing.T) {
	dir, _ := mounted(t, "mkfs.exfat", "mount.exfat-fuse")
	likeFAT(t, dir, "exFAT by exfat-fuse")
}

// likeFAT tests a mounted file system of the family, and that the plan says just what comes.
func likeFAT(t *testing.T, dir, name string) {
	if got := systemAt(t, dir).Name; got != name {
		t.Fatalf("the file system is taken for %q, not %q", got, name)
	}
	t.Run("the plan tells what is lost, and that comes true", func(t *testing.T) { losesAsPlanned(t, filepath.Join(dir, "all"), name) })
	t.Run("of two names that are one the first is restored", func(t *testing.T) { oneOfTwo(t, filepath.Join(dir, "two")) })
	t.Run("a name in other letters is not deleted after it was restored", func(t *testing.T) { keepsOther(t, filepath.Join(dir, "other")) })
	t.Run("what is there already tells whether names are one", func(t *testing.T) {
		if !systemAt(t, filepath.Join(dir, "two")).Fold {
			t.Error("the letters count")
		}
	})
}

func losesAsPlanned(t *testing.T, dir, name string) {
	dot := name == "FAT"
	want := map[string]string{
		"d": "create owner, mode", "d/Upper": "create owner, mode", "d/acl": "create mode, access list", "d/attribute": "create mode, attributes",
		"d/colon:": "failed ", "d/early": "create mode, time", "d/end.": "create mode", "d/fifo": "failed ", "d/hard1": "create mode",
		"d/hard2": "create mode, hard link", "d/link": "failed ", "d/null": "failed ", "d/odd": "create mode", "d/sparse": "create mode",
		"d/upper": "failed ", "d/upper.d": "create mode", "d/Äpfel": "create mode",
	}
	if dot {
		want["d/end."], want["d/odd"] = "failed ", "create mode, time"
	}
	target, s := NewTarget(dir, TargetOptions{}), allKinds()
	for i, e := range s.entries { // whole seconds, even ones: what is finer is in other tests
		if e.ModTime.Equal(testTime) {
			s.entries[i].ModTime = testTime.Truncate(2 * time.Second)
		}
	}
	plan := planOf(t, target, s)
	for _, c := range plan {
		if got := string(c.Action) + " " + c.Without.String(); got != want[c.Path] {
			t.Errorf("plan of %q: %q (%s), want %q", c.Path, got, c.Reason, want[c.Path])
		}
		delete(want, c.Path)
	}
	if len(want) > 0 {
		t.Errorf("not planned: %v", want)
	}
	reports, err := applyPlan(t.Context(), target, s, plan)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range plan {
		if r := reports[c.Path]; r.Action != c.Action || r.Without != c.Without {
			t.Errorf("%q: planned %s without %q, done %s (%s) without %q", c.Path, c.Action, c.Without, r.Action, r.Reason, r.Without)
		}
		if got, err := os.ReadFile(filepath.Join(dir, c.Path)); c.Type == entry.File && c.Action == entry.Create && (err != nil || string(got) != string(s.bytes[c.Path])) {
			t.Errorf("%q has %d bytes, %v", c.Path, len(got), err)
		}
	}
	noTemps(t, dir)
	for _, overwrite := range []Overwrite{Always, IfChanged, IfNewer} {
		for _, c := range planOf(t, NewTarget(dir, TargetOptions{Overwrite: overwrite}), s) {
			if restorePuts(c.Action) {
				t.Errorf("second plan, %s: %s %q (%s)", overwrite, c.Action, c.Path, c.Reason)
			}
		}
	}
}

func oneOfTwo(t *testing.T, dir string) {
	s := newStored()
	s.add("A", entry.Dir, "")
	s.add("A/one", entry.File, "1")
	s.add("F", entry.File, "first")
	s.add("X", entry.Symlink, "nowhere") // gives way, since it can't be there
	s.add("a", entry.Dir, "")
	s.add("a/two", entry.File, "2")
	s.add("f", entry.File, "second")
	s.add("x", entry.File, "x")
	target := NewTarget(dir, TargetOptions{Delete: func(string) bool { return true }})
	for range 2 {
		reports, err := applyPlan(t.Context(), target, s, planOf(t, target, s))
		if err != nil {
			t.Fatal(err)
		}
		if got := failures(reports); !slices.Equal(got, []string{"X", "a", "a/two", "f"}) {
			t.Errorf("failed: %q", got)
		}
		if !strings.Contains(reports["f"].Reason, `"F"`) {
			t.Errorf("the reason does not name the other: %s", reports["f"].Reason)
		}
		for name, want := range map[string]string{"F": "first", "x": "x", "A/one": "1"} {
			if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
				t.Errorf("%q = %q, %v", name, got, err)
			}
		}
	}
}

func keepsOther(t *testing.T, dir string) {
	err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "LOWER"), []byte("same"), 0o600),
		os.WriteFile(filepath.Join(dir, "upper"), []byte("old"), 0o600), os.WriteFile(filepath.Join(dir, "m-extra"), nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	s := newStored()
	s.add("UPPER", entry.File, "new")
	s.add("lower", entry.File, "same")
	target := NewTarget(dir, TargetOptions{Delete: func(string) bool { return true }})
	reports := restoreAll(t, target, s)
	if reports["m-extra"].Action != entry.Delete || len(reports) != 3 {
		t.Errorf("reports: %v", reports)
	}
	for name, want := range map[string]string{"UPPER": "new", "lower": "same"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%q = %q, %v", name, got, err)
		}
	}
}

func Test_what_a_file_system_forgets_is_told_and_no_failure(t *testing.T) {
	dir, _ := mounted(t, "mkfs.ntfs -Q -F", "ntfs-3g")
	s := allKinds()
	reports := restoreAll(t, NewTarget(dir, TargetOptions{}), s)
	if got := reports["d/Upper"].Without; got != entry.LossOwner|entry.LossMode {
		t.Errorf("a file is said to be without %q", got)
	}
	if got := reports["d/acl"].Without; got&entry.LossACL == 0 {
		t.Errorf("a file with an access list is said to be without %q", got)
	}
}

func Test_what_a_file_system_keeps_although_others_of_its_kind_do_not_is_kept(t *testing.T) {
	dir, _ := mounted(t, "mkfs.ntfs -Q -F", "ntfs-3g -o permissions")
	target, s := NewTarget(dir, TargetOptions{}), newStored()
	s.add("f", entry.File, "x", func(e *entry.Entry) { e.UID, e.GID = 1234, 1235 })
	if c := restoreAll(t, target, s)["f"]; c.Without != 0 {
		t.Errorf("it is said to be without %q", c.Without)
	}
	if got := inWords(planOf(t, target, s)); got != "unchanged f" {
		t.Errorf("second plan: %s", got)
	}
}

func Test_without_rights_to_owners_none_is_lost(t *testing.T) {
	dir, _ := mounted(t, "mkfs.exfat", "mount.exfat-fuse")
	s := newStored()
	s.add("f", entry.File, "x", func(e *entry.Entry) { e.UID = 1234 })
	if c := planOf(t, NewTarget(dir, TargetOptions{NoOwner: true}), s)[0]; c.Without&entry.LossOwner != 0 {
		t.Errorf("with NoOwner the plan is without %q", c.Without)
	}
}
