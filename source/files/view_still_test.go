package files

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
)

// stillOf makes a source of still pictures and the list of what it tells.
func stillOf(mode Still, opt Options, paths ...string) (*Source, *[]string) {
	var told []string
	opt.Still, opt.Notice = mode, func(text string) { told = append(told, text) }
	return New(paths, opt), &told
}

func Test_a_still_picture_of_Btrfs(t *testing.T) {
	dir, _ := mounted(t, "mkfs.btrfs -q", "mount -t btrfs")
	must(t, "btrfs", "subvolume", "create", filepath.Join(dir, "sub"))
	sub := filepath.Join(dir, "sub")
	leftover := func() string {
		left, err := filepath.Glob(filepath.Join(dir, "*/.backstay-*"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(left, " ")
	}
	t.Run("has two files in step", func(t *testing.T) { inStep(t, sub) })
	t.Run("of a killed process is removed by the next", func(t *testing.T) { ofKilled(t, sub, leftover) })
	t.Run("is told in the same words", func(t *testing.T) { sameWords(t, sub) })
	t.Run("is taken once of several paths", func(t *testing.T) { takenOnce(t, sub, leftover) })
	t.Run("goes away when its backup is cancelled", func(t *testing.T) { cancelled(t, sub, leftover) })
	t.Run("has what is mounted in it as it is", func(t *testing.T) { nestedMount(t, sub) })
	t.Run("is gone at the end", func(t *testing.T) {
		if left := leftover(); left != "" {
			t.Errorf("left: %s", left)
		}
	})
	t.Run("a nested subvolume is read as it is", func(t *testing.T) { nestedSubvolume(t, filepath.Join(dir, "sub")) })
	t.Run("a subvolume mounted alone is found", func(t *testing.T) { mountedAlone(t, dir) })
	t.Run("of a part that is mounted there is none", func(t *testing.T) { mountedPart(t, dir) })
}

// inStep reads two files that another changes all the time, the second one much later.
func inStep(t *testing.T, dir string) {
	plant(t, dir, "step/a=0", "step/b=0")
	stop := writeInStep(t, filepath.Join(dir, "step"))
	defer stop()
	src, told := stillOf(StillAlways, Options{}, filepath.Join(dir, "step"))
	v, err := src.Open(t.Context())
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	numbers := map[string]int{}
	for e, err := range v.Entries(t.Context()) {
		if err != nil {
			t.Fatalf("Entries yields %v", err)
		}
		if e.Type == entry.File {
			numbers[e.Name] = numberIn(t, e)
			writtenMore(t, filepath.Join(dir, "step"), 20)
		}
	}
	if err := v.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if d := numbers["a"] - numbers["b"]; len(numbers) != 2 || d < 0 || d > 1 {
		t.Errorf("out of step: %v", numbers)
	}
	if len(*told) > 0 {
		t.Errorf("told: %q", *told)
	}
}

// writeInStep writes a growing number into a, then into b, and so on.
func writeInStep(t *testing.T, dir string) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; ctx.Err() == nil; n++ {
			for _, name := range []string{"a", "b"} {
				next := filepath.Join(dir, "..", "next")
				if err := errors.Join(os.WriteFile(next, []byte(strconv.Itoa(n)), 0o600), os.Rename(next, filepath.Join(dir, name))); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// writtenMore waits until the writer is some steps further.
func writtenMore(t *testing.T, dir string, steps int) {
	until := time.Now().Add(time.Minute)
	number := func() int {
		p, err := os.ReadFile(filepath.Join(dir, "b"))
		n, _ := strconv.Atoi(string(p))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for end := number() + steps; number() < end; {
		if time.Now().After(until) {
			t.Fatal("nothing is written")
		}
	}
}

func contentOf(t *testing.T, e entry.Entry) string {
	t.Helper()
	r, err := e.Content.Open(t.Context())
	if err != nil {
		t.Fatalf("open %q: %v", e.Path, err)
	}
	p, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		t.Fatalf("read %q: %v", e.Path, err)
	}
	return string(p)
}

func numberIn(t *testing.T, e entry.Entry) int {
	t.Helper()
	n, err := strconv.Atoi(contentOf(t, e))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// sameWords compares entries with those of the folder as it is: paths, devices and numbers are the same.
func sameWords(t *testing.T, dir string) {
	plant(t, dir, "words/a=1", "words/sub/b=2", "words/out/c=3", "words/empty/")
	if err := os.Link(filepath.Join(dir, "words/a"), filepath.Join(dir, "words/linked")); err != nil {
		t.Fatal(err)
	}
	opt := Options{Exclude: []string{filepath.Join(dir, "words/out"), "next"}}
	for _, paths := range [][]string{{filepath.Join(dir, "words")}, {dir}, {filepath.Join(dir, "words/sub"), filepath.Join(dir, "words/a")}, {dir + "/../" + filepath.Base(dir) + "/words"}} {
		for _, one := range []bool{false, true} {
			opt.OneFileSystem = one
			sameEntries(t, opt, paths...)
		}
	}
	inside(t, filepath.Join(dir, "words"), func() {
		src, _ := stillOf(StillAlways, opt, ".")
		if got := walkPaths(t, src); !slices.Equal(got, []string{"a", "empty/", "linked", "sub/", "sub/b"}) {
			t.Errorf("in the folder: %q", got)
		}
	})
}

func sameEntries(t *testing.T, opt Options, paths ...string) {
	want, _ := walk(t, New(paths, opt))
	src, _ := stillOf(StillAlways, opt, paths...)
	got, lost := walk(t, src)
	if len(lost) > 0 {
		t.Errorf("%q: lost %q", paths, lost)
	}
	// What is done in the root of a volume changes its times, and those of what was changed before it.
	changed := cmpopts.IgnoreFields(entry.Meta{}, "ModTime", "AccessTime", "ChangeTime")
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(entry.Entry{}, "Content"), changed); diff != "" {
		t.Errorf("%q, OneFileSystem %v (-as it is +still):\n%s", paths, opt.OneFileSystem, diff)
	}
}

// inside runs fn in another working directory.
func inside(t *testing.T, dir string, fn func()) {
	t.Helper()
	before, err := os.Getwd()
	if err == nil {
		err = os.Chdir(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	fn()
	if err := os.Chdir(before); err != nil {
		t.Fatal(err)
	}
}

func takenOnce(t *testing.T, dir string, leftover func() string) {
	plant(t, dir, "one/a=1", "two/b=2")
	src, _ := stillOf(StillAlways, Options{}, filepath.Join(dir, "one"), filepath.Join(dir, "two"))
	v, err := src.Open(t.Context())
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	if n := strings.Count(leftover(), "backstay-still-"); n != 1 {
		t.Errorf("%d pictures: %s", n, leftover())
	}
	if err := v.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}

// holdDir is where a process holds a picture until it is killed.
const holdDir = "BACKSTAY_TEST_HOLD"

func Test_a_process_holds_a_picture_until_it_is_killed(t *testing.T) {
	dir := os.Getenv(holdDir)
	if dir == "" {
		return // it is a part of others
	}
	src, _ := stillOf(StillAlways, Options{}, dir)
	if _, err := src.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	fmt.Println("holding")
	select {}
}

func ofKilled(t *testing.T, dir string, leftover func() string) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run", "^Test_a_process_holds_a_picture_until_it_is_killed$")
	cmd.Env = append(os.Environ(), holdDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "holding" {
		t.Log(lines.Text())
	}
	mine := func() {
		src, _ := stillOf(StillAlways, Options{}, dir)
		if v, err := src.Open(t.Context()); err != nil {
			t.Errorf("Open = %v", err)
		} else if err := v.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	held := leftover()
	if mine(); held == "" || leftover() != held {
		t.Errorf("while it is held: %q, then %q", held, leftover())
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	if mine(); leftover() != "" {
		t.Errorf("left: %q", leftover())
	}
}

func cancelled(t *testing.T, dir string, leftover func() string) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	src, _ := stillOf(StillPossible, Options{}, dir)
	if v, err := src.Open(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Open = %v, %v", v, err)
	}
	if left := leftover(); left != "" {
		t.Errorf("left: %q", left)
	}
}

// nestedMount mounts a file system without snapshots in the volume.
func nestedMount(t *testing.T, dir string) {
	plant(t, dir, "outer/before=1", "outer/inner/", "outer/out/inner/")
	for _, point := range []string{"outer/inner", "outer/out/inner"} {
		must(t, "mount", "-t", "tmpfs", "none", filepath.Join(dir, point))
		t.Cleanup(func() { must(t, "umount", filepath.Join(dir, point)) })
		plant(t, filepath.Join(dir, point), "live=2", "sub/live=3")
	}
	outer := filepath.Join(dir, "outer")
	plant(t, dir, "outer/single=hidden", "live=over it")
	must(t, "mount", "--bind", filepath.Join(dir, "live"), filepath.Join(outer, "single"))
	t.Cleanup(func() { must(t, "umount", filepath.Join(outer, "single")) })
	src, told := stillOf(StillAlways, Options{Exclude: []string{filepath.Join(outer, "out")}}, outer)
	tree := strings.TrimPrefix(outer, "/")
	entries, _ := walk(t, src)
	var got []string
	for _, e := range entries {
		if name, found := strings.CutPrefix(e.Path, tree+"/"); found {
			got = append(got, name)
		}
		if e.Name == "single" {
			if content := contentOf(t, e); content != "over it" {
				t.Errorf("what is mounted over a file is read as %q", content)
			}
		}
	}
	if want := []string{"before", "inner", "inner/live", "inner/sub", "inner/sub/live", "single"}; !slices.Equal(got, want) {
		t.Errorf("entries %q, want %q", got, want)
	}
	if len(*told) != 1 || !strings.Contains((*told)[0], filepath.Join(outer, "inner")) {
		t.Errorf("told: %q", *told)
	}
	src, told = stillOf(StillAlways, Options{OneFileSystem: true, Exclude: []string{filepath.Join(outer, "out")}}, outer)
	if paths := walkPaths(t, src); !strings.HasSuffix(paths[len(paths)-2], "outer/inner/") {
		t.Errorf("with OneFileSystem: %q", paths)
	}
	if len(*told) > 0 {
		t.Errorf("with OneFileSystem told: %q", *told)
	}
}

func nestedSubvolume(t *testing.T, dir string) {
	plant(t, dir, "n/a=1")
	must(t, "btrfs", "subvolume", "create", filepath.Join(dir, "n/nested"))
	plant(t, dir, "n/nested/b=2")
	src, told := stillOf(StillAlways, Options{}, filepath.Join(dir, "n"))
	tree := strings.TrimPrefix(filepath.Join(dir, "n"), "/")
	if paths := walkPaths(t, src); !slices.Contains(paths, tree+"/nested/b") || !slices.Contains(paths, tree+"/a") {
		t.Errorf("entries %q", paths)
	}
	if len(*told) != 1 || !strings.Contains((*told)[0], filepath.Join(dir, "n/nested")) {
		t.Errorf("told: %q", *told)
	}
	src, told = stillOf(StillAlways, Options{}, filepath.Join(dir, "n/nested"))
	if paths := walkPaths(t, src); !slices.Contains(paths, tree+"/nested/b") || len(*told) > 0 {
		t.Errorf("alone: entries %q, told %q", paths, *told)
	}
	src, told = stillOf(StillAlways, Options{}, filepath.Join(dir, "n"), filepath.Join(dir, "n/nested"))
	if paths := walkPaths(t, src); !slices.Contains(paths, tree+"/nested/b") || len(*told) > 0 {
		t.Errorf("both named: entries %q, told %q", paths, *told)
	}
}

func mountedAlone(t *testing.T, dir string) {
	plant(t, dir, "sub/alone/a=1")
	must(t, "btrfs", "subvolume", "create", filepath.Join(dir, "sub/alone/nested"))
	plant(t, dir, "sub/alone/nested/b=1")
	at := t.TempDir()
	must(t, "mount", "-o", "subvol=sub", must(t, "findmnt", "-n", "-o", "SOURCE", "--target", dir), at)
	t.Cleanup(func() { must(t, "umount", at) })
	src, told := stillOf(StillAlways, Options{}, filepath.Join(at, "alone"), filepath.Join(dir, "sub/alone"))
	paths := walkPaths(t, src)
	for _, root := range []string{at, filepath.Join(dir, "sub")} {
		tree := strings.TrimPrefix(filepath.Join(root, "alone"), "/")
		if !slices.Contains(paths, tree+"/nested/b") || !slices.Contains(paths, tree+"/a") {
			t.Errorf("%q is not whole: %q", root, paths)
		}
	}
	if len(*told) != 1 || strings.Count((*told)[0], "(it is") != 2 {
		t.Errorf("told: %q", *told)
	}
}

func mountedPart(t *testing.T, dir string) {
	plant(t, dir, "sub/part/deep/a=1")
	at := t.TempDir()
	must(t, "mount", "--bind", filepath.Join(dir, "sub/part"), at)
	t.Cleanup(func() { must(t, "umount", at) })
	src, told := stillOf(StillPossible, Options{}, filepath.Join(at, "deep"))
	if paths := walkPaths(t, src); !strings.HasSuffix(paths[len(paths)-1], "deep/a") || len(*told) != 1 {
		t.Errorf("entries %q, told %q", paths, *told)
	}
}

func Test_a_still_picture_of_LVM(t *testing.T) {
	if insideUML(t, "loop dm-mod dm-snapshot dm-thin-pool ext4 xfs", `
		export LVM_SYSTEM_DIR=/run/lvm
		mkdir /run/lvm /run/test/plain /run/test/thin
		echo 'global { thin_check_executable = "" } activation { udev_sync = 0 udev_rules = 0 }' >/run/lvm/lvm.conf
		truncate -s 1G image
		losetup /dev/loop0 image
		vgcreate still-group /dev/loop0
		lvcreate -L 120M -n plain still-group
		mkfs.ext4 -q /dev/mapper/still--group-plain
		mount /dev/mapper/still--group-plain /run/test/plain
		lvcreate -L 450M --thinpool pool still-group
		lvcreate -V 400M --thin -n my-thin still-group/pool
		mkfs.xfs -q /dev/mapper/still--group-my--thin
		mount /dev/mapper/still--group-my--thin /run/test/thin`, "lvcreate", "mkfs.ext4", "mkfs.xfs") {
		return
	}
	leftover := func() (left string) {
		for line := range strings.Lines(must(t, "lvs", "--noheadings", "-o", "lv_name")) {
			if strings.Contains(line, "backstay") {
				left += line
			}
		}
		return left
	}
	for _, dir := range []string{"/run/test/plain", "/run/test/thin"} { // each picture takes seconds in there
		t.Run(dir+" has two files in step", func(t *testing.T) { inStep(t, dir) })
		t.Run(dir+" is told in the same words", func(t *testing.T) { sameEntries(t, Options{Exclude: []string{"next"}}, dir) })
	}
	t.Run("of a killed process is removed by the next", func(t *testing.T) { ofKilled(t, "/run/test/plain", leftover) })
	t.Run("that ran full makes no backup", func(t *testing.T) { ranFull(t, "/run/test/plain") })
	t.Run("leaves no folder", func(t *testing.T) {
		if left, err := filepath.Glob(filepath.Join(os.TempDir(), "backstay-still-*")); err != nil || len(left) > 0 {
			t.Errorf("left: %q, %v", left, err)
		}
	})
}

func ranFull(t *testing.T, dir string) {
	plant(t, dir, "full/a=1")
	src, told := stillOf(StillAlways, Options{}, filepath.Join(dir, "full"))
	v, err := src.Open(t.Context())
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, 40<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	unix.Sync()
	if err := v.Close(); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("Close = %v", err)
	}
	if len(*told) > 0 {
		t.Errorf("told: %q", *told)
	}
}

func Test_what_has_no_snapshots_is_read_as_it_is_and_told(t *testing.T) {
	dir := scratch(t) // mostly tmpfs
	plant(t, dir, "a=1")
	src, told := stillOf(StillPossible, Options{}, dir)
	if paths := walkPaths(t, src); !strings.HasSuffix(paths[len(paths)-1], "/a") {
		t.Errorf("entries %q", paths)
	}
	if len(*told) != 1 || !strings.Contains((*told)[0], fmt.Sprintf("%q", dir)) {
		t.Errorf("told: %q", *told)
	}
	src, _ = stillOf(StillAlways, Options{}, dir)
	if v, err := src.Open(t.Context()); err == nil {
		t.Errorf("Open with StillAlways = nil error; Close = %v", v.Close())
	}
	src, _ = stillOf("sometimes", Options{}, dir)
	if v, err := src.Open(t.Context()); err == nil {
		t.Errorf("Open with an unknown choice = nil error; Close = %v", v.Close())
	}
}
