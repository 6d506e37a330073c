// Package filesystem tells which file system a directory is on, and what that one can't hold.
//
// A Kind is a row of a table of what is known; a System is a mounted file system: its kind, set right by the options of
// its mount and by what can be asked of it without changing anything. A Mount is a line of the kernel's list of them.
package filesystem

import (
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// System is a mounted file system and what it holds. It does not change.
type System struct {
	Kind
	Mount    Mount  // zero if it is not known
	UID, GID uint32 // of the directory that was asked for
	noUser   bool   // no extended attributes of users, although maybe of the system
}

// Of returns the file system of an open directory. Where the system doesn't tell which it is, everything is to be tried.
func Of(fd int) *System {
	mount, _ := MountOf(fd) // the zero Mount is of the last kind
	s := &System{Kind: kindOf(fd, &mount), Mount: mount}
	if len(s.Types) == 0 && mount.Type != "" {
		s.Name = mount.Type
	}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == nil {
		s.UID, s.GID = st.Uid, st.Gid
	}
	s.obey()
	s.ask(fd)
	return s
}

// FUSE says whether a program outside of the kernel makes the file system.
func (s *System) FUSE() bool { return strings.HasPrefix(s.Mount.Type, "fuse") }

// kindOf finds the row of a mount that fd is in.
func kindOf(fd int, m *Mount) Kind {
	kind := m.Type
	if kind == "fuseblk" {
		kind = "fuse." + volume(fd, m.Source)
	}
	for _, k := range Kinds {
		if slices.Contains(k.Types, kind) {
			return k
		}
	}
	return Kinds[len(Kinds)-1]
}

// volume finds out what is on a device that a FUSE program has mounted, which the kernel doesn't tell. Often only root may
// read the device, but ntfs-3g answers to everybody. "" if nothing tells.
func volume(fd int, device string) string {
	if n, err := unix.Getxattr(procPath(fd), "system.ntfs_attrib", nil); err == nil && n > 0 {
		return "ntfs"
	}
	file, err := os.Open(device)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }() // only read
	var sector [11]byte
	if _, err := io.ReadFull(file, sector[:]); err != nil {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(string(sector[3:]))) // the names that NTFS and exFAT have there: "NTFS", "EXFAT"
}

// obey sets right what options of the mount decide.
func (s *System) obey() {
	m := &s.Mount
	if m.Has("windows_names") { // ntfs3
		s.Names.Forbidden, s.Names.Tail = windows, ". "
	}
	if m.Has("nocase") { // ntfs3, cifs
		s.Fold = true
	}
	if m.Has("check=s") { // vfat
		s.Fold = false
	}
	if m.Type == "vfat" && !m.Has("utf8") && !m.Has("iocharset=utf8") {
		s.Names.UTF16 = false // each byte is a character of some alphabet
	}
	if m.Has("keep_last_dots") { // exfat
		s.Names.Tail = ""
	}
}

// ask finds out what can be found out by looking.
func (s *System) ask(fd int) {
	if s.Attributes != No {
		s.noUser = lacks(fd, "user.backstay")
	}
	if s.ACLs != No && lacks(fd, "system.posix_acl_access") {
		s.ACLs = No
	}
	if fold, known := folds(fd); known {
		s.Fold = fold
	}
}

// lacks says whether the file system has no extended attributes of that kind.
func lacks(fd int, attribute string) bool {
	_, err := unix.Getxattr(procPath(fd), attribute, nil)
	return err == unix.ENOTSUP
}
