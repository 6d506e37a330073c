package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The calls in this file name one thing in one open directory and never follow a symbolic link, so whatever another
// process does to the names above, they reach nothing outside the directory that was opened.

// atOpen opens name in the directory dir. It goes on after an interruption, which network file systems may cause.
func atOpen(dir int, name string, flags int, mode uint32) (fd int, err error) {
	err = atRetry(func() error {
		fd, err = unix.Openat(dir, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		return err
	})
	return fd, err
}

// atOpenDir opens a directory as the base of further calls. O_PATH asks for no right to read it.
func atOpenDir(dir int, name string) (int, error) {
	return atOpen(dir, name, unix.O_PATH|unix.O_DIRECTORY, 0)
}

// atOpenRead opens a regular file to read it, if possible without a trace in its access time. It never waits: what
// stands there may have become a fifo since it was looked at.
func atOpenRead(dir int, name string) (atReader, error) {
	flags := unix.O_RDONLY | unix.O_NONBLOCK
	fd, err := atOpen(dir, name, flags|unix.O_NOATIME, 0)
	if err == unix.EPERM {
		fd, err = atOpen(dir, name, flags, 0)
	}
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return atReader(fd), nil
}

// atReader reads an open file at offsets.
type atReader int

func (r atReader) ReadAt(p []byte, offset int64) (int, error) {
	done := 0
	for done < len(p) {
		n, err := unix.Pread(int(r), p[done:], offset+int64(done))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return done, err
		case n == 0:
			return done, io.EOF
		default:
			done += n
		}
	}
	return done, nil
}

// NextData is that of entry.Sparse.
func (r atReader) NextData(offset int64) (int64, error) {
	next, err := unix.Seek(int(r), offset, unix.SEEK_DATA)
	switch err {
	case nil:
		return next, nil
	case unix.ENXIO: // no data follows
		var st unix.Stat_t
		if err := unix.Fstat(int(r), &st); err != nil {
			return 0, fmt.Errorf("read size: %w", err)
		}
		return max(st.Size, offset), nil
	default:
		return offset, nil // the file system can't tell
	}
}

// atWrite writes all of p.
func atWrite(fd int, p []byte, offset int64) error {
	for len(p) > 0 {
		n, err := unix.Pwrite(fd, p, offset)
		if err != nil && err != unix.EINTR {
			return err
		}
		n = max(n, 0)
		p, offset = p[n:], offset+int64(n)
	}
	return nil
}

// atZero makes a part of a file that may hold other bytes a hole, or writes the zeros p where the file system has no holes.
func atZero(fd int, p []byte, offset int64) error {
	err := atRetry(func() error {
		return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, offset, int64(len(p)))
	})
	if err == unix.EOPNOTSUPP {
		return atWrite(fd, p, offset)
	}
	return err
}

func atRetry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// atStat returns what lstat tells of name; nil where there is no such name.
func atStat(dir int, name string) (*unix.Stat_t, error) {
	st := new(unix.Stat_t)
	switch err := unix.Fstatat(dir, name, st, unix.AT_SYMLINK_NOFOLLOW); err {
	case nil:
		return st, nil
	case unix.ENOENT:
		return nil, nil
	default:
		return nil, err
	}
}

// atNames returns the names in the directory dir, sorted by their raw bytes.
func atNames(dir int) (names []string, err error) {
	fd, err := atOpen(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unix.Close(fd)) }()
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.Getdents(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n == 0 {
			slices.Sort(names)
			return names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}

// atReadlink returns where the symbolic link points.
func atReadlink(dir int, name string) (string, error) {
	for size := 256; ; size *= 4 {
		buf := make([]byte, size)
		n, err := unix.Readlinkat(dir, name, buf)
		if err != nil {
			return "", err
		}
		if n < size {
			return string(buf[:n]), nil
		}
	}
}

// atRename gives the thing called from the name to. With replace unset it fails with EEXIST where to is taken.
func atRename(dir int, from, to string, replace bool) error {
	if replace {
		return unix.Renameat(dir, from, dir, to)
	}
	err := unix.Renameat2(dir, from, dir, to, unix.RENAME_NOREPLACE)
	if err != unix.EINVAL && err != unix.ENOSYS {
		return err
	}
	// NFS and some FUSE file systems don't know the flag; what appears between the two calls is replaced there.
	if st, err := atStat(dir, to); err != nil || st != nil {
		return errors.Join(err, unix.EEXIST)
	}
	return unix.Renameat(dir, from, dir, to)
}

// atRemove removes a name that is no directory, or with dir an empty directory. One that is gone already is no error.
func atRemove(parent int, name string, dir bool) error {
	flags := 0
	if dir {
		flags = unix.AT_REMOVEDIR
	}
	if err := unix.Unlinkat(parent, name, flags); err != nil && err != unix.ENOENT {
		return err
	}
	return nil
}

// atMode is Go's mode in the bits of the system, without the type.
func atMode(m fs.FileMode) uint32 {
	mode := uint32(m.Perm())
	if m&fs.ModeSetuid != 0 {
		mode |= unix.S_ISUID
	}
	if m&fs.ModeSetgid != 0 {
		mode |= unix.S_ISGID
	}
	if m&fs.ModeSticky != 0 {
		mode |= unix.S_ISVTX
	}
	return mode
}

// atTime keeps seconds and nanoseconds apart: in one number of nanoseconds, time ends in 2262.
func atTime(t time.Time) unix.Timespec {
	return unix.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
}

// atThing is one open file, directory, link or device whose metadata is read and set. What was opened with O_PATH is
// reached by its name in /proc, which leads to the thing that was opened and not to what has its old name by now.
type atThing struct {
	fd   int
	proc string // "" where the calls take fd itself
}

func atOpened(fd int) atThing { return atThing{fd: fd} }

func atPath(fd int) atThing { return atThing{fd: fd, proc: atProc(fd)} }

func atProc(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

func (t atThing) stat() (*unix.Stat_t, error) {
	st := new(unix.Stat_t)
	return st, unix.Fstat(t.fd, st)
}

func (t atThing) chown(uid, gid int) error {
	return unix.Fchownat(t.fd, "", uid, gid, unix.AT_EMPTY_PATH)
}

func (t atThing) chmod(mode uint32) error {
	if t.proc == "" {
		return unix.Fchmod(t.fd, mode)
	}
	return unix.Fchmodat(unix.AT_FDCWD, t.proc, mode, 0)
}

func (t atThing) setTimes(access, mod unix.Timespec) error {
	times := []unix.Timespec{access, mod}
	err := unix.UtimesNanoAt(t.fd, "", times, unix.AT_EMPTY_PATH)
	if err == unix.EINVAL { // kernels before 5.8 don't take the flag here
		err = unix.UtimesNanoAt(unix.AT_FDCWD, atProc(t.fd), times, 0)
	}
	return err
}

func (t atThing) setAttribute(name string, value []byte) error {
	if t.proc == "" {
		return unix.Fsetxattr(t.fd, name, value, 0)
	}
	return unix.Setxattr(t.proc, name, value, 0)
}

func (t atThing) removeAttribute(name string) error {
	if t.proc == "" {
		return unix.Fremovexattr(t.fd, name)
	}
	return unix.Removexattr(t.proc, name)
}

// attributeNames lists the extended attributes; none where the file system has none.
func (t atThing) attributeNames() ([]string, error) {
	return atList(func(buf []byte) (int, error) {
		if t.proc == "" {
			return unix.Flistxattr(t.fd, buf)
		}
		return unix.Listxattr(t.proc, buf)
	})
}

// atAttributeNames lists the extended attributes of name in dir without opening it.
func atAttributeNames(dir int, name string) ([]string, error) {
	path := atProc(dir) + "/" + name
	return atList(func(buf []byte) (int, error) { return unix.Llistxattr(path, buf) })
}

// hasAttribute says whether thing has an attribute of this name and value.
func (t atThing) hasAttribute(name string, value []byte) (bool, error) {
	return atSame(value, func(buf []byte) (int, error) {
		if t.proc == "" {
			return unix.Fgetxattr(t.fd, name, buf)
		}
		return unix.Getxattr(t.proc, name, buf)
	})
}

// atHasAttribute says the same of name in dir without opening it.
func atHasAttribute(dir int, name, attribute string, value []byte) (bool, error) {
	return atSame(value, func(buf []byte) (int, error) { return unix.Lgetxattr(atProc(dir)+"/"+name, attribute, buf) })
}

// atSame says whether read reads just value.
func atSame(value []byte, read func(buf []byte) (int, error)) (bool, error) {
	buf := make([]byte, len(value)+1)
	n, err := read(buf)
	switch err {
	case nil:
		return bytes.Equal(buf[:n], value), nil
	case unix.ERANGE, unix.ENODATA: // longer than value, or gone since it was listed
		return false, nil
	default:
		return false, err
	}
}

func atList(list func(buf []byte) (int, error)) ([]string, error) {
	var small [256]byte
	n, err := list(small[:])
	buf := small[:]
	for err == unix.ERANGE { // the list may grow between the two calls
		if n, err = list(nil); err == nil {
			buf = make([]byte, n+256)
			n, err = list(buf)
		}
	}
	if err == unix.ENOTSUP || n <= 0 && err == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00"), nil
}
