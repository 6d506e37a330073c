package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root")
	}
}

func lstat(t *testing.T, path string) unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatalf("lstat %q: %v", path, err)
	}
	return st
}

// noTemps fails where a temporary file is left.
func noTemps(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && restoreIsTemp(d.Name()) {
			t.Errorf("temporary file is left: %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func Test_everything_of_a_tree_comes_back(t *testing.T) {
	needRoot(t)
	acl := []byte{2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 42, 0, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255,
		16, 0, 6, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255}
	s := newStored()
	owned := func(mode fs.FileMode) func(*entry.Entry) {
		return func(e *entry.Entry) { e.UID, e.GID, e.Mode = 1234, 4321, e.Mode&fs.ModeType|mode }
	}
	s.add("a", entry.Dir, "", owned(0o500|fs.ModeSetgid|fs.ModeSticky))
	s.add("a/acl", entry.File, "guarded", owned(0o660), func(e *entry.Entry) {
		e.Attributes = []entry.Attribute{{Name: "system.posix_acl_access", Value: acl}, {Name: "user.x", Value: []byte("1\x00\xff")}}
	})
	s.add("a/big", entry.File, strings.Repeat("0123456789", 100_000), owned(0o400))
	s.add("a/empty", entry.File, "", owned(0o000))
	s.add("a/fifo", entry.Fifo, "", owned(0o622))
	s.add("a/future", entry.File, "x", func(e *entry.Entry) { e.ModTime = time.Date(2400, 1, 1, 0, 0, 0, 5, time.UTC) })
	s.add("a/link", entry.Symlink, "/nowhere/\xff", owned(0o777))
	s.add("a/null", entry.CharDev, "", owned(0o666), func(e *entry.Entry) { e.Device = unix.Mkdev(1, 3); e.Mode |= fs.ModeDevice | fs.ModeCharDevice })
	s.add("a/past", entry.File, "x", func(e *entry.Entry) { e.ModTime = time.Date(1903, 1, 1, 0, 0, 0, 7, time.UTC) })
	s.add("a/sock", entry.Socket, "")
	s.add("a/suid", entry.File, "x", owned(0o755|fs.ModeSetuid|fs.ModeSetgid))
	s.add("b\n\xfe\\ \"<&>", entry.File, "odd name", owned(0o644))

	dir := t.TempDir()
	target := NewTarget(dir, TargetOptions{AccessTime: true})
	reports := restoreAll(t, target, s)
	if c := reports["a/sock"]; c.Action != entry.Skip || c.Reason == "" {
		t.Errorf("report of a socket = %+v, want a skip with its reason", c)
	}
	for _, e := range s.entries {
		if e.Type == entry.Socket {
			continue
		}
		st := lstat(t, filepath.Join(dir, e.Path))
		if atType(&st) != e.Type || st.Uid != e.UID || st.Gid != e.GID || !modTime(&st).Equal(e.ModTime) || st.Atim != atTime(e.AccessTime) {
			t.Errorf("%q: got type %s, owner %d:%d, times %v %v", e.Path, atType(&st), st.Uid, st.Gid, st.Mtim, st.Atim)
		}
		if e.Type != entry.Symlink && st.Mode&0o7777 != atMode(e.Mode) {
			t.Errorf("%q: mode %o, want %o", e.Path, st.Mode&0o7777, atMode(e.Mode))
		}
		if e.Type == entry.File {
			if got, err := os.ReadFile(filepath.Join(dir, e.Path)); err != nil || !bytes.Equal(got, s.bytes[e.Path]) {
				t.Errorf("%q: content differs (%d bytes, %v)", e.Path, len(got), err)
			}
		}
	}
	if got, err := os.Readlink(filepath.Join(dir, "a/link")); err != nil || got != "/nowhere/\xff" {
		t.Errorf("link points to %q, %v", got, err)
	}
	if st := lstat(t, filepath.Join(dir, "a/null")); st.Rdev != unix.Mkdev(1, 3) {
		t.Errorf("device number = %x", st.Rdev)
	}
	buf := make([]byte, 100)
	if n, err := unix.Getxattr(filepath.Join(dir, "a/acl"), "system.posix_acl_access", buf); err != nil || !bytes.Equal(buf[:n], acl) {
		t.Errorf("ACL = %v, %v; want %v", buf[:max(n, 0)], err, acl)
	}
	if n, err := unix.Getxattr(filepath.Join(dir, "a/acl"), "user.x", buf); err != nil || string(buf[:n]) != "1\x00\xff" {
		t.Errorf("user.x = %q, %v", buf[:max(n, 0)], err)
	}
	noTemps(t, dir)

	for _, c := range planOf(t, target, s) {
		if c.Action != entry.Unchanged && c.Path != "a/sock" {
			t.Errorf("second plan: %s %q (%s), want unchanged", c.Action, c.Path, c.Reason)
		}
	}
}

func Test_a_lost_file_costs_only_itself(t *testing.T) {
	s := newStored()
	for i := range 40 {
		s.add(fmt.Sprintf("f%02d", i), entry.File, strings.Repeat("x", 200_000))
	}
	s.lost["f07"] = errors.New("blob is damaged")
	dir := t.TempDir()
	target := NewTarget(dir, TargetOptions{})
	reports, err := applyPlan(t.Context(), target, s, planOf(t, target, s))
	if err != nil {
		t.Fatal(err)
	}
	if got := failures(reports); !slices.Equal(got, []string{"f07"}) || !strings.Contains(reports["f07"].Reason, "damaged") {
		t.Errorf("failures = %v (%s), want f07", got, reports["f07"].Reason)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 39 {
		t.Errorf("%d files in place, %v; want 39", len(names), err)
	}
}

func Test_runs_of_zeros_become_holes(t *testing.T) {
	s := newStored()
	content := make([]byte, 8<<20)
	copy(content[5<<20:], "an island")
	s.add("disk", entry.File, string(content))
	for _, dense := range []bool{false, true} {
		dir := t.TempDir()
		restoreAll(t, NewTarget(dir, TargetOptions{NoSparse: dense}), s)
		st := lstat(t, filepath.Join(dir, "disk"))
		if used := st.Blocks * 512; (used < 1<<20) == dense {
			t.Errorf("NoSparse %v: file uses %d bytes of the disk", dense, used)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "disk")); err != nil || !bytes.Equal(got, content) {
			t.Errorf("NoSparse %v: content differs, %v", dense, err)
		}
	}
}

func Test_an_interrupted_restore_goes_on_where_it_was(t *testing.T) {
	s := newStored()
	s.piece = 1 << 20
	const size = 80 << 20
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(i>>16 + 1)
	}
	copy(content[30<<20:], make([]byte, 3<<20)) // the hole must stay one in what is resumed
	s.add("big", entry.File, string(content))
	s.add("small", entry.File, "small")
	dir := t.TempDir()
	target := NewTarget(dir, TargetOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	s.stop = func(path string, offset int64) error {
		if offset == 40<<20 { // pieces come from the end
			cancel()
		}
		return nil
	}
	if _, err := applyPlan(ctx, target, s, planOf(t, target, s)); !errors.Is(err, context.Canceled) {
		t.Fatalf("Apply = %v, want it cancelled", err)
	}
	names, err := os.ReadDir(dir)
	if err != nil || !slices.ContainsFunc(names, func(d fs.DirEntry) bool { return restoreIsTemp(d.Name()) }) {
		t.Fatalf("after the interruption there is %v, %v; want the partial file", names, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "big")); err == nil {
		t.Error("a half file has its final name")
	}
	s.stop, s.fetched = nil, 0
	restoreAll(t, target, s)
	if s.fetched > 45<<20 {
		t.Errorf("the second run fetched %d MiB of %d", s.fetched>>20, size>>20)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "big")); err != nil || !bytes.Equal(got, content) {
		t.Errorf("content differs after resuming, %v", err)
	}
	noTemps(t, dir)
}

func Test_a_partial_file_that_is_a_second_name_of_another_is_not_written_to(t *testing.T) {
	s := newStored()
	s.add("big", entry.File, strings.Repeat("y", restoreKeep+1))
	dir := t.TempDir()
	canary := filepath.Join(t.TempDir(), "canary")
	if err := os.WriteFile(canary, []byte("untouched"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(canary, filepath.Join(dir, restoreTemp(&s.entries[0]))); err != nil {
		t.Fatal(err)
	}
	restoreAll(t, NewTarget(dir, TargetOptions{}), s)
	if got, err := os.ReadFile(canary); err != nil || string(got) != "untouched" {
		t.Errorf("the other file holds %.20q, %v", got, err)
	}
}

func Test_hard_links_are_one_inode_again(t *testing.T) {
	s := newStored()
	linked := func(e *entry.Entry) { e.Links, e.Inode, e.DeviceID = 3, 77, 5 }
	s.add("a", entry.Dir, "")
	s.add("a/one", entry.File, "shared", linked)
	s.add("a/two", entry.File, "shared", linked)
	s.add("b", entry.Dir, "")
	s.add("b/three", entry.File, "shared", linked)
	s.add("l1", entry.Symlink, "x", func(e *entry.Entry) { e.Links, e.Inode, e.DeviceID = 2, 78, 5 })
	s.add("l2", entry.Symlink, "x", func(e *entry.Entry) { e.Links, e.Inode, e.DeviceID = 2, 78, 5 })
	dir := t.TempDir()
	target := NewTarget(dir, TargetOptions{})
	restoreAll(t, target, s)
	one := lstat(t, filepath.Join(dir, "a/one"))
	for _, name := range []string{"a/two", "b/three"} {
		if st := lstat(t, filepath.Join(dir, name)); st.Ino != one.Ino || st.Nlink != 3 {
			t.Errorf("%s is inode %d with %d names, want %d with 3", name, st.Ino, st.Nlink, one.Ino)
		}
	}
	if a, b := lstat(t, filepath.Join(dir, "l1")), lstat(t, filepath.Join(dir, "l2")); a.Ino != b.Ino {
		t.Error("symlinks with one inode are two")
	}
	if s.fetched != 6 {
		t.Errorf("fetched %d bytes, want those of one file", s.fetched)
	}
	if err := os.Remove(filepath.Join(dir, "a/two")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a/two"), []byte("shared"), 0o644); err != nil {
		t.Fatal(err)
	}
	restoreAll(t, target, s)
	if st := lstat(t, filepath.Join(dir, "a/two")); st.Ino != one.Ino {
		t.Error("a copy did not become a link again")
	}
	noTemps(t, dir)
}

func Test_links_to_a_lost_file_are_restored_on_their_own(t *testing.T) {
	s := newStored()
	linked := func(e *entry.Entry) { e.Links, e.Inode, e.DeviceID = 3, 77, 5 }
	for _, name := range []string{"one", "three", "two"} {
		s.add(name, entry.File, "shared", linked)
	}
	s.lost["one"] = errors.New("gone")
	dir := t.TempDir()
	target := NewTarget(dir, TargetOptions{})
	reports, err := applyPlan(t.Context(), target, s, planOf(t, target, s))
	if err != nil || !slices.Equal(failures(reports), []string{"one"}) {
		t.Fatalf("Apply = %v, failures %v", err, failures(reports))
	}
	if a, b := lstat(t, filepath.Join(dir, "two")), lstat(t, filepath.Join(dir, "three")); a.Ino != b.Ino || a.Size != 6 {
		t.Errorf("the other names: inodes %d and %d, %d bytes", a.Ino, b.Ino, a.Size)
	}
}

func Test_a_full_disk_ends_the_restore_and_leaves_no_half_file(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("SKIPPED: can't mount a small tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	s := newStored()
	for i := range 30 {
		s.add(fmt.Sprintf("f%02d", i), entry.File, strings.Repeat("x", 100_000))
	}
	target := NewTarget(dir, TargetOptions{})
	_, err := applyPlan(t.Context(), target, s, planOf(t, target, s))
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("Apply on a full disk = %v, want ENOSPC", err)
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range names {
		if info, err := d.Info(); err != nil || info.Size() != 100_000 {
			t.Errorf("%q has %d bytes, %v", d.Name(), info.Size(), err)
		}
	}
	noTemps(t, dir)
}

func Test_big_directories_and_deep_paths_work(t *testing.T) {
	s := newStored()
	s.add("big", entry.Dir, "")
	for i := range 10_000 {
		s.add(fmt.Sprintf("big/%05d", i), entry.File, "x")
	}
	p := "deep"
	for range 600 {
		s.add(p, entry.Dir, "")
		p += "/" + strings.Repeat("d", 20)
	}
	s.add(p, entry.File, "at the bottom")
	dir := scratch(t)
	target := NewTarget(dir, TargetOptions{})
	restoreAll(t, target, s)
	for _, c := range planOf(t, target, s) {
		if c.Action != entry.Unchanged {
			t.Fatalf("second plan: %s of a path of %d bytes (%s), want unchanged", c.Action, len(c.Path), c.Reason)
		}
	}
}

func Test_more_files_in_flight_than_may_be_open_are_complete(t *testing.T) {
	s := newStored()
	s.piece = 1000
	for i := range 3 * applyFiles {
		s.add(fmt.Sprintf("f%04d", i), entry.File, strings.Repeat(fmt.Sprint(i), 500))
	}
	dir := scratch(t)
	shuffled := &byOffset{s}
	target := NewTarget(dir, TargetOptions{})
	plan := planOf(t, target, s)
	lost := 0
	err := target.Apply(t.Context(), seq(plan), s.all(), shuffled, func(c entry.Change) {
		if c.Action == entry.Failed {
			lost++
		}
	})
	if err != nil || lost > 0 {
		t.Fatalf("Apply = %v, %d files lost", err, lost)
	}
	for p, want := range s.bytes {
		if got, err := os.ReadFile(filepath.Join(dir, p)); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q differs, %v", p, err)
		}
	}
}

// byOffset delivers the first pieces of all files before the second of any.
type byOffset struct{ *stored }

func (s *byOffset) Fetch(_ context.Context, wanted []entry.Entry, sink entry.Sink) error {
	for i := range wanted {
		sink.Want(i)
	}
	for offset, more := 0, true; more; offset += s.piece {
		more = false
		for i, e := range wanted {
			content := s.bytes[e.Path]
			if offset >= len(content) {
				continue
			}
			more = true
			if err := sink.WriteAt(i, content[offset:min(offset+s.piece, len(content))], int64(offset)); err != nil {
				return err
			}
		}
	}
	for i := range wanted {
		sink.Done(i, nil)
	}
	return nil
}
