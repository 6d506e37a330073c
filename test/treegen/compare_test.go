//go:build linux

package treegen_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/test/treegen"
)

// plain makes a small tree by hand, the same each time.
func plain(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	in := func(name string) string { return filepath.Join(root, name) }
	for _, err := range []error{
		os.Mkdir(in("d"), 0o755),
		os.WriteFile(in("d/f"), []byte("content"), 0o644),
		os.WriteFile(in("g"), []byte("of another file"), 0o600),
		os.Link(in("g"), in("h")),
		os.Symlink("d/f", in("link")),
		unix.Mkfifo(in("pipe"), 0o644),
		unix.Lsetxattr(in("d/f"), "user.a", []byte("1"), 0),
		os.WriteFile(in("sparse"), nil, 0o644),
		os.Truncate(in("sparse"), 1<<20),
		times(root),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// times sets the same time on all of a tree.
func times(root string) error {
	for _, name := range []string{"d/f", "d", "g", "link", "pipe", "sparse", "dev", "socket", "."} {
		if err := setTime(filepath.Join(root, name), 1_700_000_000_123_456_789); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

func setTime(path string, ns int64) error {
	t := unix.NsecToTimespec(ns)
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW)
}

func TestCompareFindsNothingInEqualTrees(t *testing.T) {
	wantEqual(t, plain(t), plain(t), treegen.Options{Holes: true})
}

// planted are differences made in the second of two equal trees, each to be found alone.
var planted = []struct {
	name  string
	plant func(root string) error
	path  string
	fact  treegen.Fact
	root  bool // needs root
}{
	{"a file is missing", func(r string) error { return os.Remove(r + "/d/f") }, "d/f", treegen.Presence, false},
	{"a file is too many", func(r string) error { return os.WriteFile(r+"/d/a", nil, 0o644) }, "d/a", treegen.Presence, false},
	{"a folder took a file's place", func(r string) error {
		if err := os.Remove(r + "/d/f"); err != nil {
			return err
		}
		return os.Mkdir(r+"/d/f", 0o644)
	}, "d/f", treegen.Kind, false},
	{"a pipe became a file", func(r string) error {
		if err := os.Remove(r + "/pipe"); err != nil {
			return err
		}
		return os.WriteFile(r+"/pipe", nil, 0o644)
	}, "pipe", treegen.Kind, false},
	{"the mode of a file", func(r string) error { return os.Chmod(r+"/d/f", 0o640) }, "d/f", treegen.Mode, false},
	{"the setuid bit", func(r string) error { return unix.Chmod(r+"/d/f", 0o4644) }, "d/f", treegen.Mode, false},
	{"the mode of the root", func(r string) error { return os.Chmod(r, 0o711) }, ".", treegen.Mode, false},
	{"the group of a symlink", func(r string) error { return os.Lchown(r+"/link", -1, 4711) }, "link", treegen.Owner, true},
	{"one nanosecond", func(r string) error { return setTime(r+"/d/f", 1_700_000_000_123_456_790) }, "d/f", treegen.ModTime, false},
	{"the time of a symlink", func(r string) error { return setTime(r+"/link", 5) }, "link", treegen.ModTime, false},
	{"one byte of content", func(r string) error { return os.WriteFile(r+"/d/f", []byte("contend"), 0) }, "d/f", treegen.Bytes, false},
	{"a longer file", func(r string) error { return os.WriteFile(r+"/d/f", []byte("content!"), 0) }, "d/f", treegen.Bytes, false},
	{"the last byte of many", func(r string) error { return lastByte(r + "/sparse") }, "sparse", treegen.Bytes, false},
	{"the target of a symlink", func(r string) error {
		if err := os.Remove(r + "/link"); err != nil {
			return err
		}
		return os.Symlink("d/F", r+"/link")
	}, "link", treegen.Target, false},
	{"the value of an attribute", func(r string) error { return unix.Lsetxattr(r+"/d/f", "user.a", []byte("2"), 0) }, "d/f", treegen.Xattrs, false},
	{"an attribute too many", func(r string) error { return unix.Lsetxattr(r+"/d", "user.b", nil, 0) }, "d", treegen.Xattrs, false},
	{"a missing attribute", func(r string) error { return unix.Lremovexattr(r+"/d/f", "user.a") }, "d/f", treegen.Xattrs, false},
	{"a broken hard link", func(r string) error {
		if err := os.Remove(r + "/h"); err != nil {
			return err
		}
		if err := os.WriteFile(r+"/h", []byte("of another file"), 0o600); err != nil {
			return err
		}
		return setTime(r+"/h", 1_700_000_000_123_456_789)
	}, "h", treegen.SameFile, false},
	{"filled holes", func(r string) error { return os.WriteFile(r+"/sparse", make([]byte, 1<<20), 0) }, "sparse", treegen.Holes, false},
}

func lastByte(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteAt([]byte{1}, 1<<20-1)
	return err
}

func TestCompareNoticesEachPlantedDifference(t *testing.T) {
	for _, p := range planted {
		t.Run(p.name, func(t *testing.T) {
			if p.root && os.Geteuid() != 0 {
				t.Skip("SKIPPED: needs root")
			}
			a, b := plain(t), plain(t)
			if err := p.plant(b); err != nil {
				t.Fatal(err)
			}
			if p.fact != treegen.ModTime {
				if err := times(b); err != nil {
					t.Fatal(err)
				}
			}
			for _, roots := range [][2]string{{a, b}, {b, a}} {
				if p.fact == treegen.Holes && roots[0] == b {
					wantEqual(t, b, a, treegen.Options{Holes: true}) // more holes than the first has are no loss
					continue
				}
				expect(t, compare(t, roots[0], roots[1], treegen.Options{Holes: true}), p.path, p.fact)
			}
		})
	}
}

func expect(t *testing.T, found []treegen.Difference, path string, fact treegen.Fact) {
	t.Helper()
	if len(found) != 1 || found[0].Path != path || found[0].Fact != fact {
		t.Errorf("Compare = %v, want one difference, of %q in %s", found, path, fact)
	}
}

func TestCompareNoticesAnotherDeviceNumber(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: needs root")
	}
	roots := [2]string{plain(t), plain(t)}
	for i, root := range roots {
		if err := unix.Mknod(root+"/dev", unix.S_IFCHR|0o600, int(unix.Mkdev(1, uint32(3+i)))); err != nil {
			t.Fatal(err)
		}
		if err := times(root); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, compare(t, roots[0], roots[1], treegen.Options{}), "dev", treegen.DeviceNum)
}

func TestCompareLeavesOutWhatItIsToldTo(t *testing.T) {
	a, b := plain(t), plain(t)
	for _, err := range []error{
		os.Chmod(b+"/d/f", 0o640),
		os.WriteFile(b+"/g", []byte("of another time"), 0),
		unix.Mknod(b+"/socket", unix.S_IFSOCK|0o600, 0),
		times(b),
		os.Chmod(b, 0o700),
		os.Chmod(a, 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := len(compare(t, a, b, treegen.Options{})); got != 5 {
		t.Errorf("Compare with everything found %d differences, want 5", got) // two names of g
	}
	ignore := []treegen.Fact{treegen.Mode, treegen.Bytes}
	expect(t, compare(t, a, b, treegen.Options{Ignore: ignore}), "socket", treegen.Presence)
	wantEqual(t, a, b, treegen.Options{Ignore: ignore, IgnoreSockets: true})
	if found := compare(t, a, b, treegen.Options{IgnoreRoot: true}); len(found) != 4 || found[0].Path == "." {
		t.Errorf("Compare without the roots = %v, want 4 differences below them", found)
	}
}

func TestCompareStopsAtItsLimit(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for i := range 20 {
		if err := os.WriteFile(filepath.Join(a, fmt.Sprint(i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if found := compare(t, a, b, treegen.Options{IgnoreRoot: true, Limit: 3}); len(found) != 3 {
		t.Errorf("Compare with limit 3 found %d differences", len(found))
	}
}

func TestCompareFailsOnATreeThatIsNotThere(t *testing.T) {
	_, err := treegen.Compare(t.TempDir(), "/nothing/here", treegen.Options{})
	if err == nil || !strings.Contains(err.Error(), "/nothing/here") {
		t.Errorf("Compare = %v, want an error that names the missing folder", err)
	}
}

func TestADifferenceReadsAsASentence(t *testing.T) {
	d := treegen.Difference{Path: "nl\nname", Fact: treegen.Owner, A: "0:0", B: "1:1"}
	if got, want := d.String(), `"nl\nname": owner: first has 0:0, second has 1:1`; got != want {
		t.Errorf("String = %s, want %s", got, want)
	}
}
