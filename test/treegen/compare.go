//go:build linux

package treegen

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Fact is what Compare looks at in an entry.
type Fact string

// The facts of an entry. All but Holes are compared unless Options say otherwise.
const (
	Presence  Fact = "presence"           // the entry is in one tree only
	Kind      Fact = "type"               // file, folder, symlink, ...
	Mode      Fact = "mode"               // permissions, setuid, setgid, sticky; not of symlinks, which have none on Linux
	Owner     Fact = "owner"              // user and group number
	ModTime   Fact = "modification time"  // to the nanosecond
	Bytes     Fact = "content"            // size and bytes of a file
	Target    Fact = "link target"        // of a symlink
	Xattrs    Fact = "extended attribute" // names and values
	SameFile  Fact = "hard link"          // which names of the tree are one file
	DeviceNum Fact = "device number"      // of a device
	Holes     Fact = "holes"              // whether the second takes more of the disk than the first
)

// Options say what Compare leaves out or looks at besides.
type Options struct {
	Ignore        []Fact
	IgnoreSockets bool // leave sockets out: a backup records them and a restore doesn't make them
	IgnoreRoot    bool // compare what is in the two roots, not the facts of the roots themselves
	Holes         bool // report a file that takes over 64 KiB more of the disk in the second tree
	Limit         int  // differences after which Compare stops; 0 stands for 100
}

// Difference is one fact of one entry that the two trees disagree about.
type Difference struct {
	Path string // in both trees; "." is the root
	Fact Fact
	A, B string // what the first and the second tree have
}

func (d Difference) String() string {
	return fmt.Sprintf("%q: %s: first has %s, second has %s", d.Path, d.Fact, d.A, d.B)
}

// Compare compares the trees in folders a and b and returns where they differ, in tree order. An error means that a
// tree could not be read, not that they differ. Memory is bounded by the largest folder and the number of files with
// several names.
func Compare(a, b string, opt Options) ([]Difference, error) {
	if opt.Limit == 0 {
		opt.Limit = 100
	}
	c := &comparer{root: [2]string{a, b}, opt: opt, links: [2]map[inode]string{{}, {}}}
	if err := c.entry("."); err != nil {
		return c.found, fmt.Errorf("compare %q with %q: %w", a, b, err)
	}
	return c.found, nil
}

type inode struct{ dev, ino uint64 }

// comparer is one comparison. Index 0 is the first tree, 1 the second.
type comparer struct {
	root  [2]string
	opt   Options
	links [2]map[inode]string // first path seen of each file with several names
	found []Difference
	buf   [2][]byte
}

func (c *comparer) full() bool { return len(c.found) >= c.opt.Limit }

func (c *comparer) report(path string, fact Fact, a, b string) {
	if a != b && !c.full() && !slices.Contains(c.opt.Ignore, fact) {
		c.found = append(c.found, Difference{path, fact, a, b})
	}
}

// pair is the same entry in both trees.
type pair struct {
	path string // relative to the roots
	full [2]string
	stat [2]unix.Stat_t
}

func (c *comparer) pair(path string) (p pair, err error) {
	p.path = path
	for i := range 2 {
		p.full[i] = filepath.Join(c.root[i], path)
		if err := unix.Lstat(p.full[i], &p.stat[i]); err != nil {
			return p, fmt.Errorf("lstat %q: %w", p.full[i], err)
		}
	}
	return p, nil
}

func (c *comparer) entry(path string) error {
	p, err := c.pair(path)
	if err != nil {
		return err
	}
	kinds := [2]uint32{p.stat[0].Mode & unix.S_IFMT, p.stat[1].Mode & unix.S_IFMT}
	if kinds[0] != kinds[1] {
		c.report(path, Kind, kindName(kinds[0]), kindName(kinds[1]))
		return nil
	}
	if path != "." || !c.opt.IgnoreRoot {
		if err := c.facts(p); err != nil {
			return err
		}
	}
	if kinds[0] == unix.S_IFDIR {
		return c.folder(p)
	}
	return nil
}

// folder walks the names of both folders side by side.
func (c *comparer) folder(p pair) error {
	var names [2][]string
	for i := range 2 {
		var err error
		if names[i], err = c.names(p.full[i]); err != nil {
			return err
		}
	}
	a, b := names[0], names[1]
	for (len(a) > 0 || len(b) > 0) && !c.full() {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0] < b[0]:
			c.report(filepath.Join(p.path, a[0]), Presence, "it", "nothing")
			a = a[1:]
		case len(a) == 0 || b[0] < a[0]:
			c.report(filepath.Join(p.path, b[0]), Presence, "nothing", "it")
			b = b[1:]
		default:
			if err := c.entry(filepath.Join(p.path, a[0])); err != nil {
				return err
			}
			a, b = a[1:], b[1:]
		}
	}
	return nil
}

// names returns the names in a folder by their bytes, as os.ReadDir sorts them.
func (c *comparer) names(folder string) ([]string, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if c.opt.IgnoreSockets && e.Type() == os.ModeSocket {
			continue
		}
		names = append(names, e.Name())
	}
	return names, nil
}

func kindName(kind uint32) string {
	switch kind {
	case unix.S_IFREG:
		return "a file"
	case unix.S_IFDIR:
		return "a folder"
	case unix.S_IFLNK:
		return "a symlink"
	case unix.S_IFIFO:
		return "a fifo"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFCHR:
		return "a character device"
	case unix.S_IFBLK:
		return "a block device"
	}
	return fmt.Sprintf("type %#o", kind)
}
