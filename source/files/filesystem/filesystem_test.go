package filesystem

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/entry"
)

func kind(t *testing.T, name string) *System {
	t.Helper()
	for _, k := range Kinds {
		if k.Name == name {
			return &System{Kind: k}
		}
	}
	t.Fatalf("no kind %q", name)
	return nil
}

func Test_names_are_refused_where_they_can_not_be(t *testing.T) {
	for _, c := range []struct {
		name    string
		refused string // kinds
	}{
		{"plain", ""},
		{"two words", ""},
		{".hidden", ""},
		{"ends.", "FAT, exFAT"},
		{"ends ", "FAT"},
		{"a:b", "FAT, exFAT, exFAT by exfat-fuse"},
		{"what?", "FAT, exFAT, exFAT by exfat-fuse"},
		{`a\b`, "FAT, exFAT, exFAT by exfat-fuse"},
		{"tab\t", "FAT, exFAT, exFAT by exfat-fuse"},
		{"latin\xe9", "FAT, exFAT, exFAT by exfat-fuse, NTFS, NTFS by ntfs-3g"},
		{strings.Repeat("a", 255), ""},
		{strings.Repeat("あ", 200), "ext4, XFS, Btrfs, ZFS, tmpfs, overlay, NFS, SMB, others, most of FUSE"},
		{strings.Repeat("😀", 128), "all"}, // 512 bytes, 256 units
	} {
		var refused []string
		for _, k := range Kinds {
			s := System{Kind: k}
			if s.Refuses(&entry.Entry{Meta: entry.Meta{Name: c.name, Type: entry.File}}) != nil {
				refused = append(refused, k.Name)
			}
		}
		got := strings.Join(refused, ", ")
		if len(refused) == len(Kinds) {
			got = "all"
		}
		if got != c.refused {
			t.Errorf("%.20q is refused by %q, want %q", c.name, got, c.refused)
		}
	}
}

func Test_a_file_of_4_GiB_is_one_byte_too_long_for_FAT(t *testing.T) {
	for size, fits := range map[uint64]bool{1<<32 - 1: true, 1 << 32: false} {
		e := entry.Entry{Meta: entry.Meta{Name: "f", Type: entry.File, Size: size}}
		if err := kind(t, "FAT").Refuses(&e); (err == nil) != fits {
			t.Errorf("%d bytes on FAT: %v", size, err)
		}
		if err := kind(t, "exFAT").Refuses(&e); err != nil {
			t.Errorf("%d bytes on exFAT: %v", size, err)
		}
	}
}

func Test_names_are_one_when_only_their_letters_differ_in_size(t *testing.T) {
	fat, ext4 := kind(t, "FAT"), kind(t, "ext4")
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"A", "a", true}, {"ÄRGER", "ärger", true}, {"Σ", "ς", true}, {"a", "b", false}, {"a", "ä", false},
		{"x\xff", "x\xfe", false}, {"straße", "STRASSE", false},
	} {
		if got := fat.FoldName(c.a) == fat.FoldName(c.b); got != c.same {
			t.Errorf("FAT: %q and %q the same = %v", c.a, c.b, got)
		}
		if ext4.FoldName(c.a) == ext4.FoldName(c.b) {
			t.Errorf("ext4: %q and %q the same", c.a, c.b)
		}
	}
}

func Test_times_are_the_same_within_a_step(t *testing.T) {
	at := time.Unix(1577836801, 500)
	for _, c := range []struct {
		kind string
		held time.Time
		same bool
	}{
		{"FAT", at.Add(-time.Second - 500), true}, {"FAT", at.Add(-2 * time.Second), false}, {"FAT", at.Add(time.Second), true},
		{"ext4", at, true}, {"ext4", at.Add(1), false}, {"NTFS", at.Add(-99), true}, {"NTFS", at.Add(100), false},
	} {
		if got := kind(t, c.kind).SameTime(c.held, at); got != c.same {
			t.Errorf("%s: %v and %v are the same = %v", c.kind, c.held, at, got)
		}
	}
}

func Test_options_of_the_mount_count(t *testing.T) {
	for _, c := range []struct {
		mount Mount
		want  func(s *System) bool
	}{
		{Mount{Type: "vfat", Options: []string{"utf8"}}, func(s *System) bool { return s.Fold && s.Names.UTF16 }},
		{Mount{Type: "vfat", Options: []string{"iocharset=iso8859-1"}}, func(s *System) bool { return !s.Names.UTF16 }},
		{Mount{Type: "vfat", Options: []string{"utf8", "check=s"}}, func(s *System) bool { return !s.Fold }},
		{Mount{Type: "exfat", Options: []string{"keep_last_dots"}}, func(s *System) bool { return s.Names.Tail == "" }},
		{Mount{Type: "ntfs3", Options: []string{"windows_names", "nocase"}}, func(s *System) bool { return s.Fold && s.Names.Forbidden != "" }},
		{Mount{Type: "ntfs3"}, func(s *System) bool { return !s.Fold && s.Names.Forbidden == "" }},
		{Mount{Type: "fuse.sshfs"}, func(s *System) bool { return s.Owner == Tried }},
	} {
		s := &System{Kind: kindOf(-1, &c.mount), Mount: c.mount}
		s.obey()
		if !c.want(s) {
			t.Errorf("%+v: got %+v", c.mount, s.Kind)
		}
	}
}

func Test_the_kernel_list_of_mounts_is_read(t *testing.T) {
	got, err := readMounts(strings.NewReader(`43 27 0:39 /sub\040x /mnt/a\134b rw,relatime shared:1 - btrfs /dev/sdb1 rw,subvol=/sub
44 27 0:40 / /m rw - fuse.sshfs u@h:/ rw
`))
	want := []Mount{
		{ID: 43, Root: "/sub x", Point: `/mnt/a\b`, Type: "btrfs", Source: "/dev/sdb1", Options: []string{"rw", "relatime", "rw", "subvol=/sub"}},
		{ID: 44, Root: "/", Point: "/m", Type: "fuse.sshfs", Source: "u@h:/", Options: []string{"rw", "rw"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"nonsense\n", "x 27 0:39 / /mnt rw - btrfs /dev/sdb1 rw\n", "1 2 3 4 5 - a b c\n"} {
		if _, err := readMounts(strings.NewReader(bad)); err == nil {
			t.Errorf("no error about %q", bad)
		}
	}
}

func Test_the_mount_of_an_open_directory_is_found(t *testing.T) {
	proc, err := os.Open("/proc/self")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = proc.Close() }() // only read
	if m, err := MountOf(int(proc.Fd())); err != nil || m.Type != "proc" || m.Point != "/proc" {
		t.Errorf("MountOf(/proc/self) = %+v, %v", m, err)
	}
	if m, err := MountOf(-1); err == nil {
		t.Errorf("MountOf(-1) = %+v", m)
	}
}

func Test_letters_are_tried_on_what_is_there(t *testing.T) {
	dir := t.TempDir()
	fold := func() (bool, bool) {
		file, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }() // only read
		return folds(int(file.Fd()))
	}
	if _, known := fold(); known {
		t.Error("an empty directory tells")
	}
	for _, name := range []string{"1", "a", "A"} {
		if err := os.WriteFile(dir+"/"+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, known := fold(); known {
		t.Error("two names tell, which may be two files as well as one")
	}
	if err := os.WriteFile(dir+"/b", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if fold, known := fold(); fold || !known {
		t.Errorf("folds = %v, %v", fold, known)
	}
}
