package files

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
)

// outside is a folder that no restore may touch, beside the target.
func outside(t *testing.T) (target, canary string, check func()) {
	t.Helper()
	base := scratch(t)
	target, canary = filepath.Join(base, "in", "target"), filepath.Join(base, "out")
	put(t, canary, "canary", "untouched", 0o640, testTime)
	if err := os.MkdirAll(target, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, file := lstat(t, canary), lstat(t, filepath.Join(canary, "canary"))
	return target, canary, func() {
		t.Helper()
		if now := lstat(t, canary); now.Mode != dir.Mode || now.Mtim != dir.Mtim || now.Ctim != dir.Ctim || now.Uid != dir.Uid {
			t.Error("the folder outside was changed")
		}
		now := lstat(t, filepath.Join(canary, "canary"))
		if now.Mode != file.Mode || now.Mtim != file.Mtim || now.Ctim != file.Ctim || now.Uid != file.Uid || now.Size != file.Size {
			t.Error("the file outside was changed")
		}
		for _, d := range []string{base, filepath.Join(base, "in")} {
			names, err := os.ReadDir(d)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range names {
				if n.Name() != "in" && n.Name() != "out" && n.Name() != "target" {
					t.Errorf("%q was put beside the target", n.Name())
				}
			}
		}
	}
}

// hostile is names that try to lead elsewhere, here or on other systems.
func hostile() []string {
	names := []string{"", ".", "..", "/", "//", "\x00", "a\x00b", "../", "/etc/passwd", "~", "~root", "-rf", "con", "nul.txt", "C:", "C:\\x", "\\\\host\\share", "a:b", "...", " ", "\n"}
	for _, up := range []string{"../", "./", "/", "..//", "a/../", "../a/", "\\..\\", "..\\", "%2e%2e/", "..%2f", "..\xc0\xaf", "\u2025/", ". ./", "..\x00/", ".. /", "\uff0e\uff0e/"} {
		for n := 1; n <= 6; n++ {
			for _, end := range []string{"", "out/canary", "out", ".."} {
				names = append(names, strings.Repeat(up, n)+end)
			}
		}
	}
	return names
}

func Test_no_name_leads_out_of_the_target(t *testing.T) {
	target, _, check := outside(t)
	for _, name := range hostile() {
		for _, e := range []entry.Entry{
			{Path: name, Meta: entry.Meta{Name: name, Type: entry.File, Size: 1, Mode: 0o666}},
			{Path: "d/" + name, Meta: entry.Meta{Name: name, Type: entry.Symlink, LinkTarget: "x"}},
			{Path: "d/" + name, Meta: entry.Meta{Name: name, Type: entry.Dir, Mode: os.ModeDir | 0o777}},
			{Path: name + "/x", Meta: entry.Meta{Name: "x", Type: entry.Fifo}},
		} {
			s := newStored()
			s.bytes[e.Path] = []byte("!")
			s.entries = []entry.Entry{e}
			dir := NewTarget(target, TargetOptions{})
			plan := planOf(t, dir, s)
			lies := []entry.Change{{Path: e.Path, Type: e.Type, Action: entry.Create}, {Path: e.Path, Type: e.Type, Action: entry.Delete}}
			for _, changes := range [][]entry.Change{plan, lies[:1], lies[1:]} {
				reports, err := applyPlan(t.Context(), dir, s, changes)
				if err != nil {
					t.Fatalf("Apply of %q: %v", e.Path, err)
				}
				if unsafe := restoreSafe(&e) != nil; unsafe && reports[e.Path].Action != entry.Failed {
					t.Errorf("%q: reported %q, want it refused", e.Path, reports[e.Path].Action)
				}
			}
		}
	}
	check()
}

func Test_entries_below_a_refused_one_and_out_of_order_are_refused(t *testing.T) {
	target, _, check := outside(t)
	s := newStored()
	s.add("a", entry.File, "1")
	s.add("b", entry.Dir, "", func(e *entry.Entry) { e.Name = "../b" })
	s.add("b/x", entry.File, "2")
	s.add("c", entry.File, "3")
	s.add("a", entry.File, "4")
	s.add("d", entry.File, "5")
	plan := planOf(t, NewTarget(target, TargetOptions{}), s)
	if got, want := inWords(plan), "create a\nfailed b\nfailed b/x\ncreate c\nfailed a\ncreate d"; got != want {
		t.Errorf("plan:\n%s\nwant:\n%s", got, want)
	}
	if _, err := applyPlan(t.Context(), NewTarget(target, TargetOptions{}), s, plan); err != nil {
		t.Fatal(err)
	}
	if names, err := os.ReadDir(target); err != nil || len(names) != 3 {
		t.Errorf("target holds %v, %v; want a, c and d", names, err)
	}
	check()
}

func Test_a_link_in_the_place_of_a_directory_is_replaced_and_not_followed(t *testing.T) {
	target, out, check := outside(t)
	if err := os.Symlink(out, filepath.Join(target, "d")); err != nil {
		t.Fatal(err)
	}
	s := newStored()
	s.add("d", entry.Dir, "")
	s.add("d/canary", entry.File, "overwritten")
	all := func(string) bool { return true }
	if _, err := applyPlan(t.Context(), NewTarget(target, TargetOptions{Overwrite: Never, Delete: all}), s,
		planOf(t, NewTarget(target, TargetOptions{Overwrite: Never, Delete: all}), s)); err != nil {
		t.Fatal(err)
	}
	check()
	restoreAll(t, NewTarget(target, TargetOptions{Delete: all}), s)
	if st := lstat(t, filepath.Join(target, "d")); st.Mode&unix.S_IFMT != unix.S_IFDIR {
		t.Error("the link is still there")
	}
	check()
}

func Test_directories_swapped_for_links_lead_nowhere(t *testing.T) {
	target, out, check := outside(t)
	s := newStored()
	linked := func(e *entry.Entry) { e.Links, e.Inode, e.DeviceID = 2, 7, 7 }
	s.add("d", entry.Dir, "")
	s.add("d/canary", entry.File, "overwritten", func(e *entry.Entry) { e.Mode = 0o777 })
	s.add("d/e", entry.Dir, "")
	for i := range 20 {
		s.add(fmt.Sprintf("d/e/f%02d", i), entry.File, "x")
	}
	s.add("d/e/l1", entry.File, "x", linked)
	s.add("d/e/l2", entry.File, "x", linked)
	s.add("d/e/s", entry.Symlink, "x")

	stop := make(chan struct{})
	done := make(chan struct{})
	var swaps atomic.Int64
	go func() { // puts a link to the outside, a directory, and nothing in the place of d and d/e, in turn
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, d := range []string{filepath.Join(target, "d", "e"), filepath.Join(target, "d")} {
				away := filepath.Join(target, "away")
				if unix.Rename(d, away) != nil {
					continue
				}
				if unix.Symlink(out, d) == nil {
					swaps.Add(1)
					_ = unix.Unlink(d)
				}
				_ = unix.Rename(away, d) // what the restore made meanwhile may be in the way
				_ = os.RemoveAll(away)
			}
		}
	}()
	applied := 0
	for swaps.Load() < 20_000 {
		dir := NewTarget(target, TargetOptions{Delete: func(path string) bool { return applied%2 == 0 && path != "away" }})
		if _, err := applyPlan(t.Context(), dir, s, planOf(t, dir, s)); err != nil {
			t.Fatal(err)
		}
		applied++
	}
	close(stop)
	<-done
	t.Logf("%d swaps during %d restores", swaps.Load(), applied)
	check()
}
