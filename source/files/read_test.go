package files

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
)

func readAll(t testing.TB, e entry.Entry) string {
	t.Helper()
	r, err := e.Content.Open(t.Context())
	if err != nil {
		t.Fatalf("Open of %.100q = %v", e.Path, err)
	}
	p, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatalf("read %.100q: %v", e.Path, err)
	}
	return string(p)
}

func TestMetadataIsThatOfLstat(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "s/file=12345", "s/dir/")
	made := errors.Join(
		os.Link(dir+"/s/file", dir+"/s/hard"),
		os.Symlink("to\xffwhere", dir+"/s/link"),
		unix.Mkfifo(dir+"/s/fifo", 0o644),
		unix.Chmod(dir+"/s/file", 0o4751),
		unix.Chmod(dir+"/s/dir", 0o3777))
	if os.Getuid() == 0 {
		made = errors.Join(made, unix.Mknod(dir+"/s/chardev", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))),
			unix.Mknod(dir+"/s/dev", unix.S_IFBLK|0o600, int(unix.Mkdev(259, 70000))), os.Lchown(dir+"/s/link", 12345, 54321))
	}
	old := []unix.Timespec{{Sec: 1, Nsec: 2}, {Sec: -1e9, Nsec: 999999999}}
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	made = errors.Join(made, err, unix.UtimesNanoAt(unix.AT_FDCWD, dir+"/s/hard", old, 0))
	t.Chdir(dir)
	if err := errors.Join(made, unix.Bind(socket, &unix.SockaddrUnix{Name: "s/socket"}), unix.Close(socket)); err != nil {
		t.Fatal(err)
	}
	want := map[string]struct {
		t     entry.Type
		mode  fs.FileMode
		links uint64
		size  uint64
		dev   uint64
	}{
		"s": {t: entry.Dir, mode: fs.ModeDir | 0o755}, "dir": {t: entry.Dir, mode: fs.ModeDir | fs.ModeSetgid | fs.ModeSticky | 0o777},
		"file": {entry.File, fs.ModeSetuid | 0o751, 2, 5, 0}, "hard": {entry.File, fs.ModeSetuid | 0o751, 2, 5, 0},
		"link": {entry.Symlink, fs.ModeSymlink | 0o777, 1, 0, 0}, "fifo": {t: entry.Fifo, mode: fs.ModeNamedPipe | 0o644},
	}
	if os.Getuid() == 0 {
		type row = struct {
			t     entry.Type
			mode  fs.FileMode
			links uint64
			size  uint64
			dev   uint64
		}
		want["chardev"] = row{entry.CharDev, fs.ModeDevice | fs.ModeCharDevice | 0o600, 1, 0, unix.Mkdev(1, 3)}
		want["dev"] = row{entry.Device, fs.ModeDevice | 0o600, 1, 0, unix.Mkdev(259, 70000)}
	}
	entries, lost := walk(t, New([]string{"s"}, Options{}))
	if len(entries) != len(want) || len(lost) > 0 {
		t.Errorf("%d entries, want %d without the socket; lost %q", len(entries), len(want), lost)
	}
	for _, e := range entries {
		w := want[e.Name]
		if e.Type != w.t || e.Mode != w.mode || e.Links != w.links || e.Size != w.size || e.Device != w.dev {
			t.Errorf("%s: type %q mode %v links %d size %d device %d, want %+v", e.Path, e.Type, e.Mode, e.Links, e.Size, e.Device, w)
		}
		info, err := os.Lstat(e.Path)
		if err != nil {
			t.Fatal(err)
		}
		st := info.Sys().(*syscall.Stat_t)
		if !e.ModTime.Equal(info.ModTime()) || !e.AccessTime.Equal(e.ModTime) || e.Inode != st.Ino || e.DeviceID != st.Dev ||
			e.UID != st.Uid || e.GID != st.Gid || e.ModTime.Location() != time.Local {
			t.Errorf("%s: %+v differs from %+v", e.Path, e.Meta, st)
		}
		u, err := user.LookupId(strconv.Itoa(int(st.Uid)))
		if err == nil && e.User != u.Username || err != nil && e.User != "" {
			t.Errorf("%s: user %q, want %+v, %v", e.Path, e.User, u, err)
		}
	}
	if target, err := find(t, entries, "link").Content.LinkTarget(); err != nil || target != "to\xffwhere" {
		t.Errorf("LinkTarget = %q, %v", target, err)
	}
	entries, _ = walk(t, New([]string{"s"}, Options{AccessTime: true}))
	if e := find(t, entries, "hard"); e.AccessTime.Unix() != 1 || e.AccessTime.Nanosecond() != 2 || e.ModTime.Unix() != -1e9 {
		t.Errorf("access time %v, modification time %v", e.AccessTime, e.ModTime)
	}
}

func TestAttributesAreWhole(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "s/file", "s/dir/", "s/none")
	long := bytes.Repeat([]byte("x"), 2000)
	made := os.Symlink("file", dir+"/s/link")
	for _, a := range []entry.Attribute{{Name: "user.zz", Value: []byte("1")}, {Name: "user.empty"}, {Name: "user.aa", Value: long}} {
		made = errors.Join(made, unix.Setxattr(dir+"/s/file", a.Name, a.Value, 0))
	}
	if err := errors.Join(made, unix.Setxattr(dir+"/s/dir", "user.d", []byte{0, 255}, 0)); err != nil {
		t.Fatal(err)
	}
	entries, _ := walk(t, New([]string{dir + "/s"}, Options{}))
	for name, want := range map[string][]entry.Attribute{
		"file": {{Name: "user.aa", Value: long}, {Name: "user.empty", Value: []byte{}}, {Name: "user.zz", Value: []byte("1")}},
		"dir":  {{Name: "user.d", Value: []byte{0, 255}}}, "none": nil, "link": nil,
	} {
		got, err := find(t, entries, name).Content.Attributes()
		slices.SortFunc(got, func(a, b entry.Attribute) int { return strings.Compare(a.Name, b.Name) }) // the system's order is its own
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("Attributes of %s = %v (-want +got)\n%s", name, err, diff)
		}
	}
}

func TestReadingLeavesNoTraceInTheAccessTime(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "a=x")
	old := []unix.Timespec{{Sec: 1}, {Sec: 2}} // relatime would set an access time older than the modification
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, dir+"/a", old, 0); err != nil {
		t.Fatal(err)
	}
	entries, _ := walk(t, New([]string{dir + "/a"}, Options{}))
	readAll(t, find(t, entries, "a"))
	var st unix.Stat_t
	if err := unix.Stat(dir+"/a", &st); err != nil || st.Atim.Sec != 1 {
		t.Errorf("access time %d, %v", st.Atim.Sec, err)
	}
}

func TestWhatWasSwappedIsNotFollowed(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "s/a=old", "s/b=old", "s/c=old", "s/d=old", "s/e/x=old", "s/f=old", "secret/x=secret", "new=new")
	if err := os.Link(dir+"/s/d", dir+"/s/d2"); err != nil {
		t.Fatal(err)
	}
	v, err := New([]string{dir + "/s"}, Options{}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var entries []entry.Entry
	for e, err := range v.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	if err := v.(*view).pool.closeAll(); err != nil { // or the handles would still lead to the old directories
		t.Fatal(err)
	}
	if err := errors.Join(
		os.Remove(dir+"/s/a"), os.Symlink("../secret/x", dir+"/s/a"),
		os.Remove(dir+"/s/b"),
		os.Remove(dir+"/s/c"), unix.Mkfifo(dir+"/s/c", 0o644),
		os.Rename(dir+"/new", dir+"/s/f"),
		os.Remove(dir+"/s/d"), os.WriteFile(dir+"/s/d", []byte("other"), 0o644),
		os.RemoveAll(dir+"/s/e"), os.Symlink("../secret", dir+"/s/e")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c", "d", "x"} {
		if r, err := find(t, entries, name).Content.Open(t.Context()); err == nil {
			t.Errorf("Open of %s = %v, nil error", name, r)
		} else if name == "b" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open of what is gone = %v, want fs.ErrNotExist", err)
		}
	}
	for name, want := range map[string]string{"f": "new", "d2": "old"} {
		if got := readAll(t, find(t, entries, name)); got != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}

func TestAChangeWhileReadingIsKnown(t *testing.T) {
	dir := t.TempDir()
	plant(t, dir, "s/same=12", "s/changed=12")
	entries, _ := walk(t, New([]string{dir + "/s"}, Options{}))
	plant(t, dir, "s/changed=123")
	for name, want := range map[string]bool{"same": false, "changed": true} {
		r, err := find(t, entries, name).Content.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.(interface{ Changed() (bool, error) }).Changed(); got != want || err != nil {
			t.Errorf("Changed of %s = %v, %v, want %v", name, got, err, want)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestHolesAreReadAsZerosAndPassedQuickly(t *testing.T) {
	dir := t.TempDir()
	const hole = 64 << 30
	data := bytes.Repeat([]byte("data"), 64<<10)
	file, err := os.Create(dir + "/a")
	if err == nil {
		_, err = file.WriteAt(data, hole)
	}
	if err := errors.Join(err, file.Truncate(2*hole), file.Close()); err != nil {
		t.Skipf("the file system has no large sparse files: holes are not tested: %v", err)
	}
	entries, _ := walk(t, New([]string{dir + "/a"}, Options{}))
	r, err := find(t, entries, "a").Content.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sparse := r.(interface{ NextData(int64) (int64, error) })
	for offset, want := range map[int64]int64{0: hole, 1: hole, hole: hole, hole + 5: hole + 5, hole + 1<<20: 2 * hole, 2 * hole: 2 * hole} {
		if got, err := sparse.NextData(offset); got != want || err != nil {
			t.Errorf("NextData(%d) = %d, %v, want %d", offset, got, err, want)
		}
	}
	// Reading 64 GiB would take long: only the ends of the hole are read.
	reader := r.(*viewReader)
	for _, c := range []struct {
		at   int64
		want []byte
	}{{0, make([]byte, 1<<20)}, {hole - 100, append(make([]byte, 100), data[:1000]...)}, {hole + int64(len(data)) - 4, []byte("data\x00\x00\x00")}} {
		reader.offset, reader.hole = c.at, 0
		got := make([]byte, len(c.want))
		if _, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("read of %d bytes at %d differs, %v", len(got), c.at, err)
		}
	}
	reader.offset, reader.hole = 2*hole-10, 0
	if rest, err := io.ReadAll(r); len(rest) != 10 || err != nil {
		t.Errorf("%d bytes before the end, %v", len(rest), err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestAFileOfHolesAndDataIsReadWhole(t *testing.T) {
	dir := t.TempDir()
	want := make([]byte, 3<<20)
	for _, at := range []int{0, 4096, 70000, 200 << 10, 1 << 20, 2<<20 + 1, 3<<20 - 100_000} {
		copy(want[at:], "something")
	}
	file, err := os.Create(dir + "/a")
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(want); at += 4096 {
		if block := want[at : at+4096]; bytes.Trim(block, "\x00") != nil {
			_, writeErr := file.WriteAt(block, int64(at))
			err = errors.Join(err, writeErr)
		}
	}
	if err := errors.Join(err, file.Truncate(int64(len(want))), file.Close()); err != nil {
		t.Fatal(err)
	}
	entries, _ := walk(t, New([]string{dir + "/a"}, Options{}))
	if got := readAll(t, find(t, entries, "a")); got != string(want) {
		t.Error("the file is read differently")
	}
}
