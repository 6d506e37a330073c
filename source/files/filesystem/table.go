package filesystem

import "time"

// Answer says whether a file system holds something.
type Answer int

// The answers. What can't be known beforehand, since a server or an option of the mount decides, is tried.
const (
	Yes Answer = iota
	No
	Tried
)

func (a Answer) String() string { return [...]string{"yes", "no", "tried"}[a] }

// Kind is a kind of file system and what it holds. The zero value of a field is what Linux's own file systems do.
type Kind struct {
	Name       string   // as people call it
	Types      []string // as the kernel calls it; the last row takes those that no other has
	Owner      Answer
	Mode       Answer
	Symlinks   Answer
	HardLinks  Answer
	Devices    Answer // devices and fifos
	Attributes Answer // extended attributes; asked of the mounted file system where it is not No
	ACLs       Answer // POSIX access lists; likewise
	Holes      Answer
	Fold       bool // small and capital letters are the same; asked of the mounted file system where something is there
	Names      Names
	MaxFile    uint64        // bytes of the largest file; 0: more than one meets
	Step       time.Duration // of modification times
	First      time.Time     // earliest modification time
	Last       time.Time     // latest modification time
	Test       string        // what our tests run on
}

// Names says which names a file system holds.
type Names struct {
	UTF16     bool   // 255 UTF-16 units of valid UTF-8; else 255 bytes, whatever they are
	Forbidden string // characters that no name has; if there are any, those below the space are too
	Tail      string // characters that no name ends with
}

const windows = `"*:<>?|\`

var (
	epoch32  = time.Unix(-1<<31, 0)                             // the first second of a signed 32-bit number
	dosFirst = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)      // the year has 7 bits that begin here
	dosLast  = time.Date(2107, 12, 31, 23, 59, 58, 0, time.UTC) // and end here
	ntFirst  = time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)      // units of 100 ns in 64 bits
	ntLast   = time.Date(30828, 9, 14, 2, 48, 5, 0, time.UTC)   // in 63 of the 64 bits
	always   = time.Unix(1<<40, 0)
	never    = time.Unix(-1<<40, 0)
)

// Kinds is the table. docs/guide/file-systems.md shows it. Where it was not tried on a mounted one, which Test says, it
// follows the sources named.
var Kinds = []Kind{
	// Linux, Documentation/filesystems/ext4/inodes.rst: 34 bits of seconds from 1901 on, with inodes of 256 bytes. Those of
	// 128 bytes end in 2038, which nothing tells but a time that was set.
	{Name: "ext4", Types: []string{"ext4", "ext3", "ext2"}, Step: 1, First: epoch32, Last: time.Unix(15032385535, 0), Test: "the kernel's"},
	// xfsprogs, mkfs.xfs(8), bigtime: 1901 to 2486.
	{Name: "XFS", Types: []string{"xfs"}, Step: 1, First: epoch32, Last: time.Unix(16299260424, 0), Test: "the kernel's"},
	// Btrfs on-disk format, struct btrfs_timespec: 64 bits of seconds.
	{Name: "Btrfs", Types: []string{"btrfs"}, Step: 1, First: never, Last: always, Test: "the kernel's"},
	// OpenZFS, zfsprops(7): casesensitivity, utf8only, xattr and acltype are properties of a data set.
	{Name: "ZFS", Types: []string{"zfs", "fuse.zfs"}, Attributes: Tried, ACLs: Tried, Step: 1, First: never, Last: always},
	// tmpfs(5): user attributes from Linux 6.6 on.
	{Name: "tmpfs", Types: []string{"tmpfs", "ramfs"}, Attributes: Tried, ACLs: Tried, Step: 1, First: never, Last: always, Test: "the kernel's"},
	// Linux, Documentation/filesystems/overlayfs.rst: changes go to a directory that has to be on a file system like the above.
	{Name: "overlay", Types: []string{"overlay"}, Attributes: Tried, ACLs: Tried, Step: 1, First: never, Last: always},
	// nfs(5), RFC 1813 and RFC 8881: what the server exports, as whom (root_squash), and of which version.
	{Name: "NFS", Types: []string{"nfs", "nfs4"}, Owner: Tried, Mode: Tried, Symlinks: Tried, HardLinks: Tried, Devices: Tried,
		Attributes: Tried, ACLs: Tried, Holes: Tried, Step: 1, First: never, Last: always, Test: "version 4.2 with the kernel's server, in User-mode Linux"},
	// mount.cifs(8): without POSIX extensions owners and modes are those of the mount, whatever is set; mapposix, the
	// default, keeps the characters that Windows forbids. [MS-DTYP] FILETIME.
	{Name: "SMB", Types: []string{"cifs", "smb3"}, Owner: Tried, Mode: Tried, Symlinks: Tried, HardLinks: Tried, Devices: Tried,
		Attributes: Tried, ACLs: Tried, Holes: Tried, Fold: true, Step: 100, First: ntFirst, Last: ntLast, Test: "Samba, in User-mode Linux"},
	// Microsoft FAT specification (fatgen103), Linux fs/fat/namei_vfat.c and fs/fat/file.c.
	{Name: "FAT", Types: []string{"vfat"}, Owner: No, Mode: No, Symlinks: No, HardLinks: No, Devices: No,
		Attributes: No, ACLs: No, Holes: No, Fold: true, Names: Names{UTF16: true, Forbidden: windows, Tail: ". "},
		MaxFile: 1<<32 - 1, Step: 2 * time.Second, First: dosFirst, Last: dosLast, Test: "the kernel's, in User-mode Linux"},
	// Microsoft exFAT specification 7.4 and 7.7; Linux fs/exfat/namei.c and nls.c, which cuts dots off the end.
	{Name: "exFAT", Types: []string{"exfat"}, Owner: No, Mode: No, Symlinks: No, HardLinks: No, Devices: No,
		Attributes: No, ACLs: No, Holes: No, Fold: true, Names: Names{UTF16: true, Forbidden: windows, Tail: "."},
		Step: 10 * time.Millisecond, First: dosFirst, Last: dosLast},
	// exfat-fuse 1.3.0, tried: whole seconds; other years come back as they were only until it is unmounted.
	{Name: "exFAT by exfat-fuse", Types: []string{"fuse.exfat", "fuse.exfat-fuse"}, Owner: No, Mode: No, Symlinks: No, HardLinks: No, Devices: No,
		Attributes: No, ACLs: No, Holes: No, Fold: true, Names: Names{UTF16: true, Forbidden: windows},
		Step: time.Second, First: dosFirst, Last: dosLast, Test: "exfat-fuse"},
	// Linux, Documentation/filesystems/ntfs3.rst; noacsrules and acl are options of the mount.
	{Name: "NTFS", Types: []string{"ntfs3"}, Owner: Tried, Mode: Tried, Attributes: Tried, ACLs: Tried, Names: Names{UTF16: true},
		Step: 100, First: ntFirst, Last: ntLast},
	// ntfs-3g(8): owners and modes only with permissions or a user mapping, else they are taken and forgotten.
	{Name: "NTFS by ntfs-3g", Types: []string{"fuse.ntfs-3g", "fuse.ntfs", "fuse.lowntfs-3g"}, Owner: Tried, Mode: Tried, Attributes: Tried, ACLs: Tried,
		Names: Names{UTF16: true}, Step: 100, First: ntFirst, Last: ntLast, Test: "ntfs-3g"},
	// What others there are: it is known only to them.
	{Name: "others, most of FUSE", Owner: Tried, Mode: Tried, Symlinks: Tried, HardLinks: Tried, Devices: Tried,
		Attributes: Tried, ACLs: Tried, Holes: Tried, Step: 1, First: never, Last: always},
}
