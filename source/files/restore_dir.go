package files

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source/files/filesystem"
)

// atDir is a directory of the target, reached name by name from the target's own handle, whatever its path is long.
type atDir struct {
	parent *atDir // nil: the target itself
	name   string
	path   string // from the target, slash-separated; "" for the target
	pool   *restorePool
	handle *restoreHandle
	id     atID // what was opened first; guarded by the handle's lock
	bare   bool // it hands no access list down to what is made in it; likewise

	systems *systems
	system  *filesystem.System // that it is on, once it was opened; likewise
}

// atID tells one thing of a file system from all others.
type atID struct{ dev, inode uint64 }

func atIDOf(st *unix.Stat_t) atID { return atID{dev: uint64(st.Dev), inode: st.Ino} }

// newAtRoot is the target itself, whose descriptor the caller keeps open for as long as any directory below is used.
func newAtRoot(pool *restorePool, systems *systems, target int) *atDir {
	d := &atDir{pool: pool, systems: systems}
	d.handle = newRestoreHandle(func() (int, error) {
		fd, err := atOpenDir(target, ".")
		return d.opened(fd, err)
	})
	return d
}

// child is the directory called name in d. It is opened at its first use.
func (d *atDir) child(name string) *atDir {
	c := &atDir{parent: d, name: name, path: atJoin(d.path, name), pool: d.pool, systems: d.systems}
	c.handle = newRestoreHandle(c.openSelf)
	return c
}

func atJoin(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

func (d *atDir) openSelf() (fd int, err error) {
	err = d.parent.use(func(parent int) error {
		fd, err = atOpenDir(parent, d.name)
		return err
	})
	return d.opened(fd, err)
}

// opened looks at what was just opened. Opened again it must be what it was at first: anything else was put there by
// another process, which may have its reasons.
func (d *atDir) opened(fd int, err error) (int, error) {
	if err != nil {
		return -1, fmt.Errorf("open directory %q: %w", d.path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return -1, errors.Join(fmt.Errorf("stat directory %q: %w", d.path, err), unix.Close(fd))
	}
	if d.id == (atID{}) {
		d.id = atIDOf(&st)
		names, err := atOpened(fd).attributeNames()
		d.bare = err == nil && !slices.Contains(names, "system.posix_acl_default")
		d.system = d.systems.of(fd, d.id.dev)
	}
	if d.id != atIDOf(&st) {
		return -1, errors.Join(fmt.Errorf("directory %q was replaced while in use", d.path), unix.Close(fd))
	}
	return fd, nil
}

// fileSystem returns what the directory is on, or will be on once it is made.
func (d *atDir) fileSystem() *filesystem.System {
	for d.system == nil && d.parent != nil {
		d = d.parent
	}
	return d.system
}

// mounted says whether the directory, which was in use before, is on another file system than the one above.
func (d *atDir) mounted() bool { return d.parent != nil && d.id.dev != d.parent.id.dev }

// use calls fn with the directory's handle.
func (d *atDir) use(fn func(fd int) error) error { return d.pool.use(d.handle, fn) }

// restoreOrder refuses the entries that a sound snapshot does not have, whoever made it: names that lead elsewhere and
// names that come twice or not in their turn.
type restoreOrder struct {
	last    string // path of the entry before
	refused string // path of the last refused entry, with a slash at its end; "" none
}

// check returns why e must not be restored. Both plan and apply ask it for every entry, in order.
func (o *restoreOrder) check(e *entry.Entry) error {
	if o.refused != "" && strings.HasPrefix(e.Path, o.refused) {
		return fmt.Errorf("its directory %q is not restored", strings.TrimSuffix(o.refused, "/"))
	}
	err := restoreSafe(e)
	if err == nil && o.last != "" && atCompare(o.last, e.Path) >= 0 {
		err = fmt.Errorf("out of order: it comes after %q", o.last)
	}
	if err != nil {
		o.refused = e.Path + "/"
		return err
	}
	o.last = e.Path
	return nil
}

// restoreSafe says whether each name of e's path is one name and nothing else.
func restoreSafe(e *entry.Entry) error {
	if strings.IndexByte(e.Path, 0) >= 0 {
		return errors.New("unsafe path: a NUL byte")
	}
	last := ""
	for name := range strings.SplitSeq(e.Path, "/") {
		if name == "" || name == "." || name == ".." {
			return fmt.Errorf("unsafe path: the name %q", name)
		}
		last = name
	}
	if last != e.Name {
		return fmt.Errorf("unsafe name %q: not the last one of the path", e.Name)
	}
	return nil
}

// atCompare compares in tree order: name by name, a directory before what it holds.
func atCompare(a, b string) int {
	n := min(len(a), len(b))
	i := 0
	for i < n && a[i] == b[i] {
		i++
	}
	switch {
	case i == n:
		return len(a) - len(b)
	case a[i] == '/':
		return -1
	case b[i] == '/':
		return 1
	default:
		return int(a[i]) - int(b[i])
	}
}

// atBelow says whether path is dir or in it; every path is in "".
func atBelow(path, dir string) bool {
	return dir == "" || strings.HasPrefix(path, dir) && (len(path) == len(dir) || path[len(dir)] == '/')
}

// atSplit cuts a path into the one of its directory and the last name.
func atSplit(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}
