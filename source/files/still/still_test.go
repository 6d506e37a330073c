package still

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/source/files/filesystem"
)

// recorder is a runner that notes what it is asked to run.
type recorder struct {
	ran    []string
	answer func(argv []string) (string, error)
}

func (r *recorder) run(_ context.Context, argv ...string) (string, error) {
	r.ran = append(r.ran, strings.Join(argv, " "))
	if r.answer == nil {
		return "", nil
	}
	return r.answer(argv)
}

// zfsDouble answers as the program zfs does, for a file system at dir.
func zfsDouble(dir string) *recorder {
	var there []string
	at := func(full string) string {
		_, name, _ := strings.Cut(full, "@")
		return filepath.Join(dir, ".zfs/snapshot", name)
	}
	return &recorder{answer: func(argv []string) (string, error) {
		last := argv[len(argv)-1]
		switch argv[1] {
		case "snapshot":
			there = append(there, last)
			return "", os.CopyFS(at(last), os.DirFS(filepath.Join(dir, "data")))
		case "list":
			return strings.Join(there, "\n") + "\n", nil
		case "destroy":
			there = slices.DeleteFunc(there, func(s string) bool { return s == last })
			return "", os.RemoveAll(at(last))
		}
		return "", errors.New("unknown command")
	}}
}

// zfsTaking makes a Take of one ZFS file system, mounted at dir.
func zfsTaking(t *testing.T, dir string, r *recorder) *taking {
	t.Helper()
	taking, err := newTaking(Options{Clock: clock.System, run: r.run})
	if err != nil {
		t.Fatal(err)
	}
	taking.mounts = []filesystem.Mount{{ID: 1, Root: "/", Point: dir, Type: "zfs", Source: "pool/home"}}
	return taking
}

func Test_ZFS_is_read_through_its_hidden_directory(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "data"), 0o755), os.WriteFile(filepath.Join(dir, "data/f"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	r := zfsDouble(dir)
	old := newName(time.Now().Add(-time.Hour), process{scope: "00000000", pid: 1}, 0)
	dead := newName(time.Now().Add(-25*time.Hour), process{scope: "00000000", pid: 1}, 0)
	for _, name := range []string{old, dead, "theirs"} {
		if _, err := r.run(t.Context(), "zfs", "snapshot", "--", "pool/home@"+name); err != nil {
			t.Fatal(err)
		}
	}
	r.ran = nil
	taking := zfsTaking(t, dir, r)
	taking.path(t.Context(), dir)
	p := taking.picture
	if got := p.Dir(dir); !strings.HasPrefix(got, filepath.Join(dir, ".zfs/snapshot/backstay-still-")) {
		t.Errorf("read from %q, live %v", got, p.Live)
	}
	if broken, err := p.Close(); broken != nil || err != nil {
		t.Errorf("Close = %v, %v", broken, err)
	}
	name := taking.picture.Dir(dir)[len(filepath.Join(dir, ".zfs/snapshot"))+1:]
	want := []string{
		"zfs list -H -o name -t snapshot -d 1 -- pool/home", "zfs destroy -- pool/home@" + dead,
		"zfs snapshot -- pool/home@" + name, "zfs destroy -- pool/home@" + name,
	}
	if !slices.Equal(r.ran, want) {
		t.Errorf("ran\n%s\nwant\n%s", strings.Join(r.ran, "\n"), strings.Join(want, "\n"))
	}
}

func Test_only_names_of_pictures_are_ever_removed(t *testing.T) {
	r := &recorder{}
	v := &volume{id: "group/home", root: "/home", mount: filesystem.Mount{Source: "pool/home", Point: "/home"}}
	for _, m := range []maker{btrfs{r.run}, zfs{r.run}, lvm{r.run}} {
		for _, name := range []string{"", "home", "../backstay-still-", prefix + "x/../../home", prefix + "x@y", "-r", "x" + prefix} {
			if err := m.remove(t.Context(), v, name); err == nil {
				t.Errorf("%T.remove(%q) = nil error", m, name)
			}
		}
	}
	if len(r.ran) > 0 {
		t.Errorf("ran %q", r.ran)
	}
}

func Test_what_is_no_whole_volume_is_not_taken(t *testing.T) {
	r := &recorder{answer: func([]string) (string, error) { return "", errors.New("no") }}
	for _, c := range []struct {
		maker maker
		mount filesystem.Mount
	}{
		{zfs{r.run}, filesystem.Mount{Root: "/part", Point: "/home", Source: "pool/home"}},
		{zfs{r.run}, filesystem.Mount{Root: "/", Point: "/home", Source: "-r"}},
		{zfs{r.run}, filesystem.Mount{Root: "/", Point: "/home", Source: "pool/home@old"}},
		{lvm{r.run}, filesystem.Mount{Root: "/", Point: "/", Source: "none"}},
		{lvm{r.run}, filesystem.Mount{Root: "/", Point: "/", Source: "/dev/sda1"}},
		{btrfs{r.run}, filesystem.Mount{Root: "/", Point: "/proc/self"}},
	} {
		if v, err := c.maker.find(t.Context(), &c.mount, c.mount.Point); err == nil {
			t.Errorf("%T.find(%+v) = %+v", c.maker, c.mount, v)
		}
	}
}

func Test_a_picture_is_left_over_when_its_process_is_gone(t *testing.T) {
	self, err := thisProcess()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	other, before, gone := self, self, self
	other.scope = "00000000"
	before.start = "1"
	gone.pid = 1 << 30
	for _, c := range []struct {
		what string
		name string
		left bool
	}{
		{"of this process", newName(now.Add(-48*time.Hour), self, 0), false},
		{"of another process with the number", newName(now, before, 0), true},
		{"of a process that is gone", newName(now, gone, 3), true},
		{"of another boot", newName(now.Add(-23*time.Hour), other, 0), false},
		{"of another boot, old", newName(now.Add(-25*time.Hour), other, 0), true},
		{"of nobody", prefix + "mine", false},
		{"of nobody, with five parts", prefix + "a-b-c-d-e", false},
		{"of others", "home", false},
	} {
		if got := self.left(c.name, now); got != c.left {
			t.Errorf("%s (%s): left over = %v", c.what, c.name, got)
		}
	}
}

func Test_a_path_is_read_from_the_innermost_place(t *testing.T) {
	base := t.TempDir()
	for _, dir := range []string{"vol/live/deep", "vol/own", "picture/sub", "second", "plain"} {
		if err := os.MkdirAll(filepath.Join(base, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("vol", filepath.Join(base, "link")); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(base, name) }
	p := &Picture{places: []place{{root: at("vol"), dir: at("picture")}, {root: at("vol/live")}, {root: at("vol/own"), dir: at("second")}},
		devices: map[uint64]uint64{2: 1}}
	for path, want := range map[string]string{"vol": "picture", "vol/live": "vol/live", "vol/live/deep": "vol/live/deep", "vol/own": "second",
		"link": "picture", "plain": "plain", "vol/none": "vol/none"} {
		if got := p.Dir(at(path)); got != at(want) {
			t.Errorf("Dir(%q) = %q, want %q", path, got, want)
		}
	}
	for path, want := range map[string]bool{"vol": true, "vol/live": true, "vol/live/deep": false, "vol/own": true, "plain": false, "link": false} {
		if got := p.Moved(at(path)); got != want {
			t.Errorf("Moved(%q) = %v", path, got)
		}
	}
	if got := p.Below(at("vol")); !slices.Equal(got, []string{"live", "own"}) {
		t.Errorf("Below = %q", got)
	}
	if p.Device(2) != 1 || p.Device(3) != 3 {
		t.Error("devices are mixed up")
	}
	var none *Picture
	if none.Dir("x") != "x" || none.Moved("x") || none.Below("x") != nil || none.Device(7) != 7 {
		t.Error("no picture is not everything as it is")
	}
}

func Test_a_failed_command_says_why(t *testing.T) {
	if _, err := runCommand(t.Context(), "ls", "--", "/nowhere"); err == nil || !strings.Contains(err.Error(), "No such file") {
		t.Errorf("runCommand = %v", err)
	}
	if _, err := runCommand(t.Context(), "no-such-program-as-this"); err == nil {
		t.Error("a missing program is no error")
	}
}
