//go:build linux

package treegen

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// dress sets owners, attributes, modes and times of everything made, the last made first: what is in a folder comes
// before the folder, whose time it would change. Of the four, owners come first and times last, since chown takes
// setuid bits and capabilities away, and all of them are possible after it.
func (g *generator) dress() error {
	seen := map[uint64]bool{} // inodes, as a file with several names is dressed once
	for i, m := range slices.Backward(g.all) {
		var st unix.Stat_t
		if err := unix.Lstat(m.path, &st); err != nil {
			return fmt.Errorf("lstat %q: %w", m.path, err)
		}
		if seen[st.Ino] {
			continue
		}
		seen[st.Ino] = true
		if err := g.dressOne(m, i); err != nil {
			return fmt.Errorf("dress %q: %w", m.path, err)
		}
	}
	return nil
}

func (g *generator) dressOne(m made, i int) error {
	if g.has(Owners) {
		ids := []int{0, 1, 1000, 12345, 65534, 4_000_000_000}
		if err := os.Lchown(m.path, pick(g.rng, ids), pick(g.rng, ids)); err != nil {
			return err
		}
	}
	if g.has(Attributes) && (m.kind == file || m.kind == dir) && i%3 == 0 {
		if err := g.attributes(m.path); err != nil {
			return err
		}
	}
	if g.has(Modes) && m.kind != symlink {
		if err := unix.Chmod(m.path, g.mode(m.kind, i)); err != nil {
			return err
		}
	}
	if g.has(SystemAttributes) && m.kind == file && i%4 == 0 {
		if err := systemAttribute(m.path, i%8 == 0); err != nil {
			return err
		}
	}
	return setTime(m.path, g.time())
}

// mode returns one of the given kind's modes in turn, so that a tree of some files has them all. Without root the
// owner keeps the right to read and write, else neither a backup nor the test's cleaning up would get in.
func (g *generator) mode(k kind, i int) uint32 {
	modes := []uint32{0o644, 0o755, 0o600, 0o4755, 0o2755, 0o6711, 0o000, 0o777, 0o400, 0o1644}
	own := uint32(0o600)
	if k == dir {
		modes = []uint32{0o755, 0o700, 0o1777, 0o2775, 0o711, 0o000, 0o555, 0o3770}
		own = 0o700
	}
	mode := modes[i%len(modes)]
	if os.Geteuid() != 0 {
		mode |= own
	}
	return mode
}

func (g *generator) attributes(path string) error {
	for _, a := range []struct {
		name  string
		value []byte
	}{
		{"user.backstay.text", []byte("value <&> é\n")},
		{"user.backstay.empty", nil},
		{"user.backstay.bytes", g.random(1 + g.rng.IntN(400))},
		{"user.ünï \\x", []byte{0, 0xff}},
	}[:1+g.rng.IntN(4)] {
		if err := unix.Lsetxattr(path, a.name, a.value, 0); err != nil {
			return fmt.Errorf("set attribute %q: %w", a.name, err)
		}
	}
	return nil
}

// systemAttribute sets an ACL that lets user 1000 and group 65534 read, or the capability to open raw sockets.
func systemAttribute(path string, capability bool) error {
	name, value := "system.posix_acl_access", acl()
	if capability {
		name, value = "security.capability", words(0x02000001, 1<<unix.CAP_NET_RAW, 0, 0, 0) // revision 2, effective
	}
	if err := unix.Lsetxattr(path, name, value, 0); err != nil {
		return fmt.Errorf("set attribute %q: %w", name, err)
	}
	return nil
}

// acl is in the kernel's layout: version 2, then tag and permissions (two bytes each) and the id of each entry.
func acl() []byte {
	const nobody = 0xffffffff
	entry := func(tag, perm uint32) uint32 { return tag | perm<<16 }
	return words(2,
		entry(0x01, 6), nobody, // owner
		entry(0x02, 4), 1000, // a user
		entry(0x04, 4), nobody, // owning group
		entry(0x08, 4), 65534, // a group
		entry(0x10, 4), nobody, // mask
		entry(0x20, 0), nobody) // all others
}

func words(vs ...uint32) []byte {
	var b []byte
	for _, v := range vs {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// time is one of this century, or with Times now and then one that many programs can't hold.
func (g *generator) time() unix.Timespec {
	if g.has(Times) && g.rng.IntN(4) == 0 {
		return pick(g.rng, []unix.Timespec{
			timespec(1901, 12, 14, 1), timespec(1960, 2, 29, 999_999_999), {Sec: -1, Nsec: 999_999_999}, {Sec: 0, Nsec: 0}, {Sec: 0, Nsec: 1},
			timespec(2038, 1, 20, 0), {Sec: 9_223_372_036, Nsec: 854_775_808}, timespec(2300, 1, 1, 123_456_789), timespec(2445, 12, 31, 5),
		})
	}
	return recent(g.rng.Int64N(1<<29), g.rng.Int64N(1e9))
}

// recent is a time that many seconds after the beginning of 2009.
func recent(sec, nsec int64) unix.Timespec {
	t := timespec(2009, 1, 1, 0)
	return unix.Timespec{Sec: t.Sec + sec, Nsec: nsec}
}

func timespec(year int, month time.Month, day, nsec int64) unix.Timespec {
	return unix.Timespec{Sec: time.Date(year, month, int(day), 0, 0, 0, 0, time.UTC).Unix(), Nsec: nsec}
}

// setTime sets access and modification time of path itself, not of what it links to.
func setTime(path string, t unix.Timespec) error {
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{t, t}, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("set time of %q: %w", filepath.Base(path), err)
	}
	return nil
}
