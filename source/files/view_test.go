package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source"
	"github.com/backstay/backstay/source/sourcetest"
)

func TestSourceKeepsItsPromises(t *testing.T) {
	long := strings.Repeat("0123456789", 100_000)
	sourcetest.Run(t, sourcetest.Case{
		New: func(t *testing.T) source.Source {
			dir := t.TempDir()
			plant(t, dir, "s/a=1", "s/b/c=", "s/b/d="+long, "s/b!/x", "s/b-/x", "s/e/f/g=7", "s/empty/", "s/z=26")
			if err := os.Symlink("nowhere", filepath.Join(dir, "s/link")); err != nil {
				t.Fatal(err)
			}
			t.Chdir(dir)
			return New([]string{"s"}, Options{})
		},
		Contents: map[string]string{"s/a": "1", "s/b/c": "", "s/b/d": long, "s/z": "26"},
		Lossy: func(t *testing.T) (source.Source, string) {
			dir := t.TempDir()
			plant(t, dir, "a", "c")
			t.Chdir(dir)
			return New([]string{"a", "b", "c"}, Options{}), "b"
		},
	})
}

func TestNamesMayHaveAnyBytes(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for b := 1; b < 256; b++ {
		name := "n" + string([]byte{byte(b)}) + "x"
		if b == '/' {
			continue
		}
		if err := os.WriteFile(dir+"/"+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	for _, name := range []string{"\xff\xfe", "...", " ", "-", "a\nb", strings.Repeat("ö", 127), "%s", `a\b`, "~", "*"} {
		plant(t, dir, name)
		want = append(want, name)
	}
	slices.Sort(want)
	t.Chdir(dir)
	if diff := cmp.Diff(want, walkPaths(t, New([]string{"."}, Options{}))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestOrderIsThatOfRawBytesAndNotOfPaths(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "a/x", "a!", "a-b/y", "a/b/c", "a/b.c", "B", "\xc3\xa4", "\xff/z")
	t.Chdir(dir)
	want := []string{"B", "a/", "a/b/", "a/b/c", "a/b.c", "a/x", "a!", "a-b/", "a-b/y", "\xc3\xa4", "\xff/", "\xff/z"}
	if diff := cmp.Diff(want, walkPaths(t, New([]string{"."}, Options{}))); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestTheReadAheadChangesNothing walks with the smallest pieces, where reader and workers meet all the time.
func TestTheReadAheadChangesNothing(t *testing.T) {
	dir := t.TempDir()
	var names []string
	for i := range 40 {
		for j := range 30 {
			names = append(names, fmt.Sprintf("s/d%d/e%d/f%d", i%7, i, j))
		}
	}
	plant(t, dir, names...)
	t.Chdir(dir)
	want := walkPaths(t, New([]string{"s"}, Options{}))
	if len(want) != 40*30+40+7+1 {
		t.Fatalf("found %d entries", len(want))
	}
	for _, limits := range [][2]int{{1, 1}, {3, 7}, {1, 1000}, {1000, 2}} {
		opened, err := New([]string{"s"}, Options{}).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		v := opened.(*view)
		v.ahead, v.atOnce = limits[0], limits[1]
		var got []string
		for e, err := range v.Entries(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Type == entry.Dir {
				e.Path += "/"
			}
			got = append(got, e.Path)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("with limits %v (-want +got)\n%s", limits, diff)
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAViewReadsNoFurtherAheadThanItsLimit(t *testing.T) {
	dir := t.TempDir()
	for i := range 50 {
		plant(t, dir, fmt.Sprintf("s/d%02d/a", i), fmt.Sprintf("s/d%02d/b", i), fmt.Sprintf("s/d%02d/c", i))
	}
	opened, err := New([]string{dir + "/s"}, Options{}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v := opened.(*view)
	v.ahead, v.atOnce = 10, 3
	w := newViewWalk(t.Context(), v)
	time.Sleep(50 * time.Millisecond) // time enough to go too far
	w.mu.Lock()
	if limit := v.ahead + viewWorkers*v.atOnce; w.ahead > limit || w.ahead == 0 {
		t.Errorf("%d entries wait, want at most %d", w.ahead, limit)
	}
	w.mu.Unlock()
	w.stop()
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

func TestDeepAndWideTreesAreWalked(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "s/wide/first")
	for i := range 10_000 { // new names for one file take less time to make than new files
		if err := os.Link(dir+"/s/wide/first", fmt.Sprintf("%s/s/wide/%05d", dir, i)); err != nil {
			t.Fatal(err)
		}
	}
	const depth = 700
	name := strings.Repeat("d", 20)
	fd, err := unix.Open(dir+"/s", unix.O_PATH, 0)
	for range depth {
		if err == nil {
			err = unix.Mkdirat(fd, name, 0o755)
		}
		if err == nil {
			below, openErr := atOpenDir(fd, name)
			err = errors.Join(openErr, unix.Close(fd))
			fd = below
		}
	}
	file, openErr := atOpen(fd, "file", unix.O_CREAT|unix.O_WRONLY, 0o600)
	if err := errors.Join(err, openErr, atWrite(file, []byte("deep"), 0), unix.Close(file), unix.Close(fd)); err != nil {
		t.Fatal(err)
	}
	entries, lost := walk(t, New([]string{dir + "/s"}, Options{}))
	if len(lost) > 0 || len(entries) < depth+10_000 {
		t.Fatalf("%d entries, lost %d", len(entries), len(lost))
	}
	deep := find(t, entries, "file")
	if n := strings.Count(deep.Path, name); n != depth {
		t.Errorf("the deepest file is in %d directories, want %d", n, depth)
	}
	if got := readAll(t, deep); got != "deep" {
		t.Errorf("the deepest file holds %q", got)
	}
	if _, err := deep.Content.Attributes(); err != nil {
		t.Errorf("Attributes of the deepest file = %v", err)
	}
}

func TestAnUnreadableDirectoryIsLostAndTheRestGoesOn(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "s/a", "s/b/x", "s/c")
	asUser(t, dir, func() {
		if err := os.Chmod(dir+"/s/b", 0); err != nil {
			t.Fatal(err)
		}
		entries, lost := walk(t, New([]string{dir + "/s"}, Options{}))
		if last := entries[len(entries)-1]; last.Name != "c" || len(lost) != 1 || filepath.Base(lost[0]) != "b" {
			t.Errorf("lost %q, the last entry is %q", lost, last.Path)
		}
		if err := os.Chmod(dir+"/s/b", 0o755); err != nil {
			t.Fatal(err)
		}
	})
}

// asUser runs test as a user without privileges, who owns what is in dir.
func asUser(t *testing.T, dir string, test func()) {
	t.Helper()
	if os.Getuid() != 0 {
		test()
		return
	}
	const nobody = 65534
	open := func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, nobody, nobody))
	}
	if err := filepath.WalkDir(dir, open); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	// All threads change, since the view's goroutines run on any.
	if err := syscall.Setreuid(-1, nobody); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setreuid(-1, 0); err != nil {
			t.Fatal(err)
		}
	}()
	test()
}

func TestWhatIsGoneBeforeItsTurnIsLeftOutSilently(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "s/a", "s/b", "s/d/x")
	opened, err := New([]string{dir + "/s"}, Options{}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v := opened.(*view)
	d := newViewDir(v, dir+"/s", "s", v.filter.absolute(dir+"/s"))
	p := &viewPart{dir: d, names: []string{"a", "gone", "d"}, listed: true}
	p.run(t.Context(), v)
	if len(p.items) != 2 || p.err != nil {
		t.Fatalf("%d items, error %v", len(p.items), p.err)
	}
	if err := os.RemoveAll(dir + "/s/d"); err != nil {
		t.Fatal(err)
	}
	w := newViewWalk(t.Context(), v)
	defer w.stop()
	w.mu.Lock()
	p.items[1].part.elem = w.pending.PushBack(p.items[1].part)
	w.mu.Unlock()
	ok := w.deliverItem(&p.items[1], func(e entry.Entry, err error) bool {
		t.Errorf("a directory that is gone is yielded as %q, %v", e.Path, err)
		return true
	})
	if !ok {
		t.Error("a directory that is gone ends the walk")
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

func TestAnotherFileSystemIsNotEntered(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "s/mnt/", "s/a")
	if err := unix.Mount("none", dir+"/s/mnt", "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("a file system can't be mounted: one-file-system is not tested: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir+"/s/mnt", 0); err != nil {
			t.Error(err)
		}
	})
	plant(t, dir, "s/mnt/in/x")
	t.Chdir(dir)
	for _, c := range []struct {
		paths []string
		one   bool
		want  string
	}{
		{[]string{"s"}, false, "s/ s/a s/mnt/ s/mnt/in/ s/mnt/in/x"},
		{[]string{"s"}, true, "s/ s/a s/mnt/"},
		{[]string{"s/mnt"}, true, "s/ s/mnt/ s/mnt/in/ s/mnt/in/x"},
		{[]string{"s", "s/mnt/in"}, true, "s/ s/a s/mnt/ s/mnt/in/ s/mnt/in/x"},
	} {
		if got := strings.Join(walkPaths(t, New(c.paths, Options{OneFileSystem: c.one})), " "); got != c.want {
			t.Errorf("paths %q, one file system %v: %q, want %q", c.paths, c.one, got, c.want)
		}
	}
	t.Chdir("s")
	if got := strings.Join(walkPaths(t, New([]string{"."}, Options{OneFileSystem: true})), " "); got != "a mnt/" {
		t.Errorf(`path ".": %q`, got)
	}
}

func TestPathsThatAreNotThere(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "a", "b")
	t.Chdir(dir)
	for _, paths := range [][]string{nil, {""}, {"a", ""}, {"no"}, {"no", "neither"}, {"no/.."}} {
		if _, err := New(paths, Options{}).Open(t.Context()); err == nil {
			t.Errorf("Open of %q = nil error", paths)
		}
	}
	entries, lost := walk(t, New([]string{"a", "no", "b/x", "b"}, Options{}))
	if len(entries) != 1 || !slices.Equal(lost, []string{"b", "no"}) {
		t.Errorf("%d entries, lost %q", len(entries), lost)
	}
}

func TestPathsAreAbsoluteInTheOrderGiven(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	src := New([]string{"z", "/b/../a/", "./c//d"}, Options{})
	if diff := cmp.Diff([]string{dir + "/z", "/a", dir + "/c/d"}, src.Paths()); diff != "" {
		t.Errorf("Paths (-want +got)\n%s", diff)
	}
}

func TestDirectoriesOnTheWayHaveTheirMetadata(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "s/way/a", "s/way/b", "s/c")
	if err := os.Chmod(dir+"/s", 0o750); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setxattr(dir+"/s", "user.x", []byte("1"), 0); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	entries, _ := walk(t, New([]string{"s/way/a"}, Options{}))
	if len(entries) != 3 || entries[0].Mode != fs.ModeDir|0o750 || entries[0].Links != 0 || entries[2].Path != "s/way/a" {
		t.Fatalf("%+v", entries)
	}
	if got, err := entries[0].Content.Attributes(); err != nil || len(got) != 1 || got[0].Name != "user.x" {
		t.Errorf("Attributes = %v, %v", got, err)
	}
}

func TestNoDirectoryStaysOpen(t *testing.T) {
	dir := t.TempDir()
	for i := range 300 {
		plant(t, dir, fmt.Sprintf("s/%d/f", i))
	}
	before := openFiles(t)
	v, err := New([]string{dir + "/s"}, Options{}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range v.Entries(context.Background()) {
		if n := openFiles(t) - before; err != nil || n > maxViewHandles+4*viewWorkers {
			t.Fatalf("%d files are open, %v", n, err)
		}
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d files are open, %d were before", after, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func BenchmarkWalk(b *testing.B) {
	dir := b.TempDir()
	var names []string
	for i := range 500 {
		for j := range 10 {
			names = append(names, fmt.Sprintf("s/%d/%d/file-%d.go", i%20, i, j))
		}
	}
	plant(b, dir, names...)
	for b.Loop() {
		v, err := New([]string{dir + "/s"}, Options{}).Open(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for _, err := range v.Entries(context.Background()) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		b.ReportMetric(float64(n), "entries/op")
		if err := v.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
