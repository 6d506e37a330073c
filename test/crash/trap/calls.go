//go:build linux && (amd64 || arm64)

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// errKernel says that the kernel is to do the call.
var errKernel = errors.New("left to the kernel")

// kind is what a system call does. Trap does those itself of which it has to know that they are done.
type kind struct {
	verb, done string
	dir, name  int                                            // which arguments are the folder and the name in it; none: a file that is open
	do         func(n *notification, from, path string) error // nil: the kernel does it
	from       int                                            // which argument is the folder of the file that gets another name, before which that name
}

const none = -1

// calls are the system calls that have a name, beside openat, which has one if it may create.
var calls = map[uint32]kind{
	unix.SYS_WRITE:      {verb: "write", dir: 0, name: none},
	unix.SYS_PWRITE64:   {verb: "write", dir: 0, name: none},
	unix.SYS_PREAD64:    {verb: "read", dir: 0, name: none},
	unix.SYS_GETDENTS64: {verb: "list", dir: 0, name: none},
	unix.SYS_FTRUNCATE:  {verb: "truncate", dir: 0, name: none},
	unix.SYS_FALLOCATE:  {verb: "hole", dir: 0, name: none},
	unix.SYS_FLOCK:      {verb: "flock", dir: 0, name: none},
	unix.SYS_FCHMOD:     {verb: "chmod", dir: 0, name: none},
	unix.SYS_FCHMODAT:   {verb: "chmod", dir: 0, name: 1},
	unix.SYS_FCHOWNAT:   {verb: "chown", dir: 0, name: 1},
	unix.SYS_UTIMENSAT:  {verb: "times", dir: 0, name: 1},
	unix.SYS_FSETXATTR:  {verb: "attribute", dir: 0, name: none},
	unix.SYS_SETXATTR:   {verb: "attribute", dir: none, name: 0},
	unix.SYS_MKNODAT:    {verb: "mknod", dir: 0, name: 1},
	unix.SYS_FSYNC:      {verb: "sync", done: "synced", dir: 0, name: none, do: doSync},
	unix.SYS_MKDIRAT:    {verb: "mkdir", done: "made", dir: 0, name: 1, do: doMkdir},
	unix.SYS_UNLINKAT:   {verb: "remove", done: "removed", dir: 0, name: 1, do: doRemove},
	unix.SYS_RENAMEAT:   {verb: "rename", done: "renamed", dir: 2, name: 3, do: doRename, from: 0},
	unix.SYS_RENAMEAT2:  {verb: "rename", done: "renamed", dir: 2, name: 3, do: doRename, from: 0},
	unix.SYS_LINKAT:     {verb: "link", done: "linked", dir: 2, name: 3, do: doLink, from: 0},
	unix.SYS_SYMLINKAT:  {verb: "symlink", done: "symlinked", dir: 1, name: 2, do: doSymlink},
}

var openat = kind{verb: "create", dir: 0, name: 1}

func doSync(_ *notification, _, path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }() // only read from
	return unix.Fsync(fd)
}

func doMkdir(n *notification, _, path string) error {
	return unix.Mkdir(path, uint32(n.args[2]))
}

func doRemove(n *notification, _, path string) error {
	return unix.Unlinkat(unix.AT_FDCWD, path, int(n.args[2]))
}

func doRename(n *notification, from, path string) error {
	if n.call == unix.SYS_RENAMEAT {
		return unix.Rename(from, path)
	}
	return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, path, uint(n.args[4]))
}

func doLink(n *notification, from, path string) error {
	return unix.Linkat(unix.AT_FDCWD, from, unix.AT_FDCWD, path, int(n.args[4]))
}

func doSymlink(n *notification, _, path string) error {
	target, err := n.text(0)
	if err != nil {
		return err
	}
	return unix.Symlink(target, path)
}

// path returns what two arguments name: a folder, and a name in it.
func (n *notification) path(dir, name int) (string, error) {
	rel := ""
	var err error
	if name != none {
		if rel, err = n.text(name); err != nil {
			return "", err
		}
	}
	if open, ok := strings.CutPrefix(rel, "/proc/self/fd/"); ok { // how a path leads to what is open
		fd, rest, _ := strings.Cut(open, "/")
		base, err := n.link("fd/" + fd)
		return filepath.Join(base, rest), err
	}
	if filepath.IsAbs(rel) {
		return rel, nil
	}
	base := "cwd"
	if dir != none && int32(n.args[dir]) != unix.AT_FDCWD {
		base = "fd/" + strconv.Itoa(int(int32(n.args[dir])))
	}
	base, err = n.link(base)
	return filepath.Join(base, rel), err
}

func (n *notification) link(name string) (string, error) {
	return os.Readlink(fmt.Sprintf("/proc/%d/%s", n.tid, name))
}

// text reads an argument that points to text.
func (n *notification) text(arg int) (string, error) {
	if n.args[arg] == 0 {
		return "", nil
	}
	for size := 256; ; size *= 4 {
		p, err := n.memory(arg, size)
		if err != nil {
			return "", err
		}
		if text, _, ended := bytes.Cut(p, []byte{0}); ended {
			return string(text), nil
		}
	}
}

// memory reads what an argument points to, less where the memory ends before.
func (n *notification) memory(arg, size int) ([]byte, error) {
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", n.tid))
	if err != nil {
		return nil, err
	}
	defer func() { _ = mem.Close() }() // only read from
	p := make([]byte, size)
	got, err := mem.ReadAt(p, int64(n.args[arg]))
	if got > 0 {
		err = nil
	}
	return p[:got], err
}

// writeHalf does half of a write.
func (n *notification) writeHalf(path string) error {
	half, err := n.memory(1, int(n.args[2]/2))
	if err != nil || len(half) == 0 {
		return err
	}
	offset := int64(n.args[3])
	if n.call == unix.SYS_WRITE {
		if offset, err = n.position(); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(half, offset)
	return errors.Join(err, f.Close())
}

// position is where in the open file the next write goes.
func (n *notification) position() (int64, error) {
	info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", n.tid, n.args[0]))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(info), "pos:")
	line, _, _ := strings.Cut(rest, "\n")
	return strconv.ParseInt(strings.TrimSpace(line), 10, 64)
}
