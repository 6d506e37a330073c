//go:build linux

package treegen

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// facts compares all of one entry but what a folder holds.
func (c *comparer) facts(p pair) error {
	c.stats(p)
	c.sameFile(p)
	if err := c.xattrs(p); err != nil {
		return err
	}
	switch p.stat[0].Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return c.bytes(p)
	case unix.S_IFLNK:
		return c.target(p)
	}
	return nil
}

// stats compares what one lstat tells.
func (c *comparer) stats(p pair) {
	both := func(fact Fact, say func(st *unix.Stat_t) string) {
		c.report(p.path, fact, say(&p.stat[0]), say(&p.stat[1]))
	}
	kind := p.stat[0].Mode & unix.S_IFMT
	if kind != unix.S_IFLNK {
		both(Mode, func(st *unix.Stat_t) string { return fmt.Sprintf("%#o", st.Mode&0o7777) })
	}
	both(Owner, func(st *unix.Stat_t) string { return fmt.Sprintf("%d:%d", st.Uid, st.Gid) })
	both(ModTime, func(st *unix.Stat_t) string {
		return time.Unix(st.Mtim.Unix()).UTC().Format("2006-01-02T15:04:05.000000000Z")
	})
	if kind == unix.S_IFCHR || kind == unix.S_IFBLK {
		both(DeviceNum, func(st *unix.Stat_t) string { return fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev)) })
	}
	const slack = 64 << 10 // file systems round up, and need room for their own lists of pieces
	a, b := p.stat[0].Blocks*512, p.stat[1].Blocks*512
	if c.opt.Holes && kind == unix.S_IFREG && b > a+slack {
		c.report(p.path, Holes, fmt.Sprintf("%d bytes on disk", a), fmt.Sprintf("%d bytes on disk", b))
	}
}

// sameFile compares to which earlier path of its tree each entry is another name.
func (c *comparer) sameFile(p pair) {
	var same [2]string
	for i, st := range p.stat {
		same[i] = "a file of its own"
		if st.Nlink < 2 || st.Mode&unix.S_IFMT == unix.S_IFDIR {
			continue
		}
		id := inode{st.Dev, st.Ino}
		if first, ok := c.links[i][id]; ok {
			same[i] = fmt.Sprintf("another name of %q", first)
		} else {
			c.links[i][id] = p.path
		}
	}
	c.report(p.path, SameFile, same[0], same[1])
}

func (c *comparer) target(p pair) error {
	var targets [2]string
	for i, path := range p.full {
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		targets[i] = fmt.Sprintf("%q", target)
	}
	c.report(p.path, Target, targets[0], targets[1])
	return nil
}

func (c *comparer) xattrs(p pair) error {
	var attrs [2]map[string]string
	for i, path := range p.full {
		var err error
		if attrs[i], err = readXattrs(path); err != nil {
			return err
		}
	}
	names := maps.Clone(attrs[0])
	maps.Copy(names, attrs[1])
	for _, name := range slices.Sorted(maps.Keys(names)) {
		c.report(p.path, Xattrs, attribute(attrs[0], name), attribute(attrs[1], name))
	}
	return nil
}

func attribute(attrs map[string]string, name string) string {
	value, ok := attrs[name]
	if !ok {
		return fmt.Sprintf("no %q", name)
	}
	return fmt.Sprintf("%q = %q", name, value)
}

func readXattrs(path string) (map[string]string, error) {
	list, err := grow(func(b []byte) (int, error) { return unix.Llistxattr(path, b) })
	if errors.Is(err, unix.ENOTSUP) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list extended attributes of %q: %w", path, err)
	}
	attrs := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value, err := grow(func(b []byte) (int, error) { return unix.Lgetxattr(path, name, b) })
		if err != nil {
			return nil, fmt.Errorf("read extended attribute %q of %q: %w", name, path, err)
		}
		attrs[name] = string(value)
	}
	return attrs, nil
}

// grow calls get with larger and larger buffers until the result fits.
func grow(get func([]byte) (int, error)) ([]byte, error) {
	for size := 1 << 10; ; size *= 4 {
		b := make([]byte, size)
		n, err := get(b)
		if errors.Is(err, unix.ERANGE) {
			continue
		}
		return b[:max(n, 0)], err
	}
}

// bytes compares the sizes, and reads both files only where they are equal.
func (c *comparer) bytes(p pair) error {
	a, b := p.stat[0].Size, p.stat[1].Size
	if a != b {
		c.report(p.path, Bytes, fmt.Sprintf("%d bytes", a), fmt.Sprintf("%d bytes", b))
		return nil
	}
	if a == 0 || slices.Contains(c.opt.Ignore, Bytes) {
		return nil
	}
	var files [2]*os.File
	for i, path := range p.full {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		files[i] = f
	}
	return c.streams(p.path, files[0], files[1])
}

// streams reports the first place at which two files of one size differ.
func (c *comparer) streams(path string, a, b io.Reader) error {
	if c.buf[0] == nil {
		c.buf = [2][]byte{make([]byte, 128<<10), make([]byte, 128<<10)}
	}
	for offset := 0; ; {
		n, errA := io.ReadFull(a, c.buf[0])
		m, errB := io.ReadFull(b, c.buf[1])
		x, y := c.buf[0][:n], c.buf[1][:m]
		if !bytes.Equal(x, y) {
			i := 0
			for i < min(n, m) && x[i] == y[i] {
				i++
			}
			c.report(path, Bytes, at(x, i, offset), at(y, i, offset))
			return nil
		}
		offset += n
		if err := errors.Join(notEnd(errA), notEnd(errB)); err != nil {
			return fmt.Errorf("read %q: %w", path, err)
		}
		if errA != nil {
			return nil
		}
	}
}

func notEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

func at(b []byte, i, offset int) string {
	if i >= len(b) {
		return fmt.Sprintf("its end at offset %d", offset+i)
	}
	return fmt.Sprintf("byte %#02x at offset %d", b[i], offset+i)
}
