package files

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/entry"
)

// occupied is a snapshot and a target in which each way to differ occurs once.
func occupied(t *testing.T) (*stored, string) {
	t.Helper()
	s, dir := newStored(), t.TempDir()
	mine := func(e *entry.Entry) { e.UID, e.GID = uint32(os.Geteuid()), uint32(os.Getegid()) }
	s.add("absent", entry.File, "new", mine)
	s.add("bytes", entry.File, "right", mine)
	s.add("dir", entry.Dir, "", mine)
	s.add("dir/file", entry.File, "x", mine)
	s.add("mode", entry.File, "same", mine)
	s.add("newer", entry.File, "older", mine)
	s.add("same", entry.File, "same", mine)
	s.add("size", entry.File, "longer", mine)
	s.add("touched", entry.File, "same", mine)
	s.add("type", entry.Dir, "", mine)
	s.add("type/in", entry.File, "x", mine)
	old, late := testTime.Add(-time.Hour), testTime.Add(time.Hour)
	put(t, dir, "bytes", "wrong", 0o644, testTime)
	put(t, dir, "mode", "same", 0o600, old)
	put(t, dir, "newer", "newer", 0o644, late)
	put(t, dir, "same", "same", 0o644, testTime)
	put(t, dir, "size", "short", 0o644, old)
	put(t, dir, "touched", "same", 0o644, old)
	if err := os.Symlink("/etc", filepath.Join(dir, "type")); err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func put(t *testing.T, dir, name, content string, mode os.FileMode, mod time.Time) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(path, []byte(content), mode), os.Chmod(path, mode), os.Chtimes(path, mod, mod)); err != nil {
		t.Fatal(err)
	}
}

func Test_each_policy_decides_about_what_is_there(t *testing.T) {
	for policy, want := range map[Overwrite]string{
		Always: `create absent
overwrite bytes
create dir
create dir/file
update mode
overwrite newer
unchanged same
overwrite size
update touched
overwrite type
create type/in`,
		IfChanged: `create absent
unchanged bytes
create dir
create dir/file
update mode
overwrite newer
unchanged same
overwrite size
update touched
overwrite type
create type/in`,
		IfNewer: `create absent
skip bytes
create dir
create dir/file
update mode
skip newer
skip same
overwrite size
update touched
skip type
skip type/in`,
		Never: `create absent
skip bytes
create dir
create dir/file
skip mode
skip newer
skip same
skip size
skip touched
skip type
skip type/in`,
		Ask: `create absent
unchanged bytes
create dir
create dir/file
conflict mode
conflict newer
unchanged same
conflict size
conflict touched
conflict type
conflict type/in`,
	} {
		t.Run(string(policy), func(t *testing.T) {
			s, dir := occupied(t)
			target := NewTarget(dir, TargetOptions{Overwrite: policy})
			changes := planOf(t, target, s)
			if diff := cmp.Diff(want, inWords(changes)); diff != "" {
				t.Fatalf("plan (-want +got):\n%s", diff)
			}
			for _, c := range changes {
				if c.Action == entry.Skip && c.Reason == "" {
					t.Errorf("%q is skipped without a reason", c.Path)
				}
			}
			restoreAll(t, target, s)
			for _, c := range changes {
				content := s.bytes[c.Path]
				if content == nil || c.Action != entry.Create && c.Action != entry.Overwrite {
					continue
				}
				if got, err := os.ReadFile(filepath.Join(dir, c.Path)); err != nil || string(got) != string(content) {
					t.Errorf("%q holds %q, %v; want %q", c.Path, got, err, content)
				}
			}
			if policy == Ask || policy == Never {
				if got, err := os.ReadFile(filepath.Join(dir, "newer")); err != nil || string(got) != "newer" {
					t.Errorf("what was to stay holds %q, %v", got, err)
				}
			}
		})
	}
}

func Test_a_conflict_turned_into_an_overwrite_is_done(t *testing.T) {
	s, dir := occupied(t)
	target := NewTarget(dir, TargetOptions{Overwrite: Ask})
	changes := planOf(t, target, s)
	for i := range changes {
		if changes[i].Action == entry.Conflict {
			changes[i].Action = entry.Overwrite
		}
	}
	reports, err := applyPlan(t.Context(), target, s, changes)
	if err != nil || failures(reports) != nil {
		t.Fatalf("Apply = %v, failures %v", err, failures(reports))
	}
	for p, want := range s.bytes {
		if got, err := os.ReadFile(filepath.Join(dir, p)); err != nil || p != "bytes" && string(got) != string(want) {
			t.Errorf("%q holds %q, %v", p, got, err)
		}
	}
	if _, err := os.Lstat("/etc/in"); err == nil {
		t.Error("a file was written through a symbolic link")
	}
}

func Test_a_create_fails_where_something_appeared_since_the_plan(t *testing.T) {
	s := newStored()
	s.add("f", entry.File, "from the snapshot")
	s.add("l", entry.Symlink, "x")
	dir := t.TempDir()
	target := NewTarget(dir, TargetOptions{})
	changes := planOf(t, target, s)
	put(t, dir, "f", "from elsewhere", 0o644, testTime)
	put(t, dir, "l", "from elsewhere", 0o644, testTime)
	reports, err := applyPlan(t.Context(), target, s, changes)
	if err != nil || !slices.Equal(failures(reports), []string{"f", "l"}) {
		t.Errorf("Apply = %v, failures %v; want both", err, failures(reports))
	}
	if got, err := os.ReadFile(filepath.Join(dir, "f")); err != nil || string(got) != "from elsewhere" {
		t.Errorf("file holds %q, %v", got, err)
	}
	noTemps(t, dir)
}

func Test_what_the_snapshot_does_not_have_is_deleted_bottom_up(t *testing.T) {
	s := newStored()
	s.add("dir", entry.Dir, "")
	s.add("dir/b", entry.File, "x")
	s.add("file", entry.File, "x")
	dir := t.TempDir()
	for _, name := range []string{"a", "dir/a", "dir/c/d/e", "dir/c/keep/f", "dir/z/y", "file/was/a dir", "other/x", restoreTemp(&s.entries[1])} {
		put(t, dir, name, "old", 0o644, testTime)
	}
	put(t, dir, "dir/z/"+restoreTemp(&s.entries[1]), "", 0o600, testTime)
	target := NewTarget(dir, TargetOptions{Delete: func(path string) bool {
		return !strings.HasPrefix(path, "other") && !strings.HasSuffix(path, "keep")
	}})
	want := `delete a
overwrite dir
delete dir/a
create dir/b
delete dir/c/d/e
delete dir/c/d
delete dir/z/` + restoreTemp(&s.entries[1]) + `
delete dir/z/y
delete dir/z
delete file/was/a dir
delete file/was
overwrite file`
	changes := planOf(t, target, s)
	want = strings.Replace(want, "overwrite dir\n", "update dir\n", 1)
	if diff := cmp.Diff(want, inWords(changes)); diff != "" {
		t.Fatalf("plan (-want +got):\n%s", diff)
	}
	restoreAll(t, target, s)
	for _, name := range []string{"a", "dir/a", "dir/c/d", "dir/z", "file/was"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%q is still there", name)
		}
	}
	for _, name := range []string{"dir/b", "dir/c/keep/f", "file", "other/x"} {
		if st := lstat(t, filepath.Join(dir, name)); st.Mode&unix.S_IFMT != unix.S_IFREG {
			t.Errorf("%q is no file", name)
		}
	}
}

func Test_a_directory_that_is_not_to_be_deleted_is_a_conflict(t *testing.T) {
	s := newStored()
	s.add("file", entry.File, "x")
	dir := t.TempDir()
	put(t, dir, "file/precious", "old", 0o644, testTime)
	target := NewTarget(dir, TargetOptions{})
	if got := inWords(planOf(t, target, s)); got != "conflict file" {
		t.Errorf("plan = %q, want a conflict", got)
	}
	reports, err := applyPlan(t.Context(), target, s, []entry.Change{{Path: "file", Type: entry.File, Action: entry.Overwrite}})
	if err != nil || !slices.Equal(failures(reports), []string{"file"}) {
		t.Errorf("Apply = %v, failures %v", err, failures(reports))
	}
	if _, err := os.ReadFile(filepath.Join(dir, "file/precious")); err != nil {
		t.Error(err)
	}
	noTemps(t, dir)
}

func Test_nothing_is_deleted_where_entries_could_not_be_read(t *testing.T) {
	s := newStored()
	s.add("a", entry.Dir, "")
	s.add("b", entry.Dir, "")
	s.add("b/x", entry.File, "x")
	dir := t.TempDir()
	put(t, dir, "a/unknown", "", 0o644, testTime)
	put(t, dir, "b/extra", "", 0o644, testTime)
	put(t, dir, "c/extra", "", 0o644, testTime)
	target := NewTarget(dir, TargetOptions{Delete: func(string) bool { return true }})
	lossy := func(yield func(entry.Entry, error) bool) {
		for _, e := range s.entries {
			if !yield(e, nil) || e.Path == "a" && !yield(entry.Entry{}, &entry.Error{Path: "a", Err: errors.New("tree is lost")}) {
				return
			}
		}
	}
	var changes []entry.Change
	for c, err := range target.Plan(t.Context(), lossy, s) {
		if err != nil {
			t.Fatal(err)
		}
		changes = append(changes, c)
	}
	want := "update a\nfailed a\nupdate b\ndelete b/extra\ncreate b/x\ndelete c/extra\ndelete c"
	if got := inWords(changes); got != want {
		t.Errorf("plan:\n%s\nwant:\n%s", got, want)
	}
	var reported []entry.Change
	err := target.Apply(t.Context(), seq(changes), lossy, s, func(c entry.Change) { reported = append(reported, c) })
	if err != nil || len(reported) != len(changes) {
		t.Errorf("Apply = %v, %d reports", err, len(reported))
	}
	for _, name := range []string{"a/unknown", "b/x"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func Test_nothing_below_a_mount_point_is_deleted(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	disk := filepath.Join(dir, "mnt")
	if err := os.Mkdir(disk, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("SKIPPED: can't mount a small tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	put(t, dir, "mnt/precious", "", 0o644, testTime)
	target := NewTarget(dir, TargetOptions{Delete: func(string) bool { return true }})
	s := newStored()
	if got := inWords(planOf(t, target, s)); got != "skip mnt" {
		t.Errorf("plan of an empty snapshot:\n%s", got)
	}
	s.add("mnt", entry.Dir, "")
	if got := inWords(planOf(t, target, s)); got != "update mnt\nskip mnt/precious" {
		t.Errorf("plan with the mount point:\n%s", got)
	}
}

func Test_a_plan_that_does_not_fit_loses_what_it_lacks_and_nothing_else(t *testing.T) {
	s := newStored()
	for _, name := range []string{"a", "b", "c"} {
		s.add(name, entry.File, name)
	}
	dir := t.TempDir()
	create := func(path string) entry.Change {
		return entry.Change{Path: path, Type: entry.File, Action: entry.Create}
	}
	evil := entry.Change{Path: "../outside", Type: entry.File, Action: entry.Delete}
	put(t, filepath.Dir(dir), "outside", "", 0o644, testTime)
	t.Cleanup(func() {
		if err := os.Remove(filepath.Join(filepath.Dir(dir), "outside")); err != nil {
			t.Error(err)
		}
	})
	reports, err := applyPlan(t.Context(), NewTarget(dir, TargetOptions{}), s, []entry.Change{evil, create("a"), create("a/none"), create("c"), create("d")})
	if err != nil {
		t.Fatal(err)
	}
	if got := failures(reports); !slices.Equal(got, []string{"../outside", "a/none", "b", "d"}) {
		t.Errorf("failures = %v", got)
	}
	for _, name := range []string{"a", "c"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != name {
			t.Errorf("%q holds %q, %v", name, got, err)
		}
	}
}

func Test_selected_entries_without_their_parents_are_restored(t *testing.T) {
	s := newStored()
	s.add("home/u/docs", entry.Dir, "")
	s.add("home/u/docs/x", entry.File, "x")
	s.add("home/v/y", entry.File, "y")
	dir := t.TempDir()
	restoreAll(t, NewTarget(filepath.Join(dir, "not/there/yet"), TargetOptions{}), s)
	if got, err := os.ReadFile(filepath.Join(dir, "not/there/yet/home/v/y")); err != nil || string(got) != "y" {
		t.Errorf("file holds %q, %v", got, err)
	}
	if st := lstat(t, filepath.Join(dir, "not/there/yet/home")); st.Mode&0o777 != 0o700 {
		t.Errorf("a parent that is no entry has mode %o", st.Mode&0o777)
	}
}

func Test_an_error_of_the_entries_ends_plan_and_apply(t *testing.T) {
	broken := func(yield func(entry.Entry, error) bool) { yield(entry.Entry{}, errors.New("storage is gone")) }
	s, dir := newStored(), t.TempDir()
	put(t, dir, "stays", "", 0o644, testTime)
	target := NewTarget(dir, TargetOptions{Delete: func(string) bool { return true }})
	var got []string
	for c, err := range target.Plan(t.Context(), iter.Seq2[entry.Entry, error](broken), s) {
		got = append(got, fmt.Sprint(c.Action, err))
	}
	if !slices.Equal(got, []string{"storage is gone"}) {
		t.Errorf("Plan yields %v, want only the error", got)
	}
	err := target.Apply(t.Context(), seq(nil), broken, s, func(entry.Change) {})
	if err == nil || !strings.Contains(err.Error(), "storage is gone") {
		t.Errorf("Apply = %v", err)
	}
}

func Test_an_unknown_policy_is_refused(t *testing.T) {
	s := newStored()
	target := NewTarget(t.TempDir(), TargetOptions{Overwrite: "sometimes"})
	for _, err := range target.Plan(t.Context(), s.all(), s) {
		if err == nil || !strings.Contains(err.Error(), `"sometimes"`) {
			t.Errorf("Plan = %v", err)
		}
	}
}

func Test_paths_compare_in_tree_order(t *testing.T) {
	order := []string{"a", "a/b", "a/b/c", "a/b!", "a!", "a!/x", "ab", "b"}
	for i, a := range order {
		for j, b := range order {
			if got := atCompare(a, b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("atCompare(%q, %q) = %d", a, b, got)
			}
		}
	}
}
