package mount

import (
	"context"
	"errors"
	"io/fs"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
)

// volume is a snapshot as it stands on one shelf.
type volume struct {
	*mounted
	stable fusefs.StableAttr // of its root
	root   tree.Node         // made up: a snapshot has a tree, but no node for it
}

func newVolume(m *mounted, s *snapshot.Snapshot, stable fusefs.StableAttr) *volume {
	v := &volume{mounted: m, stable: stable}
	v.root = tree.Node{Meta: entry.Meta{Type: entry.Dir, Mode: fs.ModeDir | 0o555, UID: s.UID, GID: s.GID}}
	v.root.ModTime, v.root.AccessTime, v.root.ChangeTime = s.Time, s.Time, s.Time
	return v
}

// node is a name in a snapshot.
type node struct {
	fusefs.Inode
	position
}

// position is where a node stands. What stands there is in the cache of directories and not in the node, since the kernel
// may know millions of names.
type position struct {
	*volume
	in crypto.ID // tree; null: the node is the root
	at int       // number in the tree
}

var (
	_ fusefs.NodeGetattrer   = (*node)(nil)
	_ fusefs.NodeAccesser    = (*node)(nil)
	_ fusefs.NodeGetxattrer  = (*node)(nil)
	_ fusefs.NodeListxattrer = (*node)(nil)
	_ fusefs.NodeReadlinker  = (*node)(nil)
)

// stored returns what the repository has of the node.
func (n *node) stored(ctx context.Context) (*tree.Node, syscall.Errno) {
	if n.in.IsNull() {
		return &n.root, fusefs.OK
	}
	l, err := n.trees.get(ctx, n.in)
	if err != nil {
		return nil, n.failed(ctx, err)
	}
	return &l.nodes[n.at], fusefs.OK
}

// failed reports an error and returns what the reader gets.
func (n *node) failed(ctx context.Context, err error) syscall.Errno {
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) { // the reader does not wait any more
		return syscall.EINTR
	}
	if n.ctx.Err() == nil {
		n.fail(n.Path(nil), err)
	}
	return syscall.EIO
}

// Getattr tells the metadata.
func (n *node) Getattr(ctx context.Context, _ fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	s, errno := n.stored(ctx)
	if errno == fusefs.OK {
		n.attr(s, &out.Attr)
	}
	return errno
}

// Access lets everybody in who gets here. The kernel asks only if it does not judge by the modes itself, and then nobody but
// who has mounted, and can read the whole repository anyway, comes so far.
func (n *node) Access(context.Context, uint32) syscall.Errno { return fusefs.OK }

func (v *volume) attr(n *tree.Node, out *fuse.Attr) {
	const block = 512
	out.Mode = modeOf(n)
	out.Nlink = uint32(max(1, n.Links))
	out.Size = n.Size
	if n.Type == entry.Symlink {
		out.Size = uint64(len(n.LinkTarget))
	}
	out.Blocks = (out.Size + block - 1) / block
	out.SetTimes(&n.AccessTime, &n.ModTime, &n.ChangeTime)
	if !v.opt.OwnerRoot {
		out.Uid, out.Gid = n.UID, n.GID
	}
	if n.Type == entry.Device || n.Type == entry.CharDev {
		out.Rdev = deviceNumber(n.Device)
	}
}

const typeBits = unix.S_IFMT

// modeOf returns the mode in the bits of the system.
func modeOf(n *tree.Node) uint32 {
	mode := uint32(n.Mode.Perm())
	for _, bit := range []struct {
		is  fs.FileMode
		has uint32
	}{{fs.ModeSetuid, unix.S_ISUID}, {fs.ModeSetgid, unix.S_ISGID}, {fs.ModeSticky, unix.S_ISVTX}} {
		if n.Mode&bit.is != 0 {
			mode |= bit.has
		}
	}
	switch n.Type {
	case entry.Dir:
		return mode | unix.S_IFDIR
	case entry.Symlink:
		return mode | unix.S_IFLNK
	case entry.Device:
		return mode | unix.S_IFBLK
	case entry.CharDev:
		return mode | unix.S_IFCHR
	case entry.Fifo:
		return mode | unix.S_IFIFO
	case entry.Socket:
		return mode | unix.S_IFSOCK
	}
	return mode | unix.S_IFREG
}

// deviceNumber packs a device number into 32 bits as the kernel does: 12 for the major number, 20 for the minor.
func deviceNumber(dev uint64) uint32 {
	major, minor := unix.Major(dev), unix.Minor(dev)
	return minor&0xff | major<<8 | minor&^0xff<<12
}

// Readlink returns the target of a link.
func (n *node) Readlink(ctx context.Context) ([]byte, syscall.Errno) {
	s, errno := n.stored(ctx)
	if errno != fusefs.OK {
		return nil, errno
	}
	return []byte(s.LinkTarget), fusefs.OK
}

// Getxattr returns an extended attribute.
func (n *node) Getxattr(ctx context.Context, name string, dest []byte) (uint32, syscall.Errno) {
	s, errno := n.stored(ctx)
	if errno != fusefs.OK {
		return 0, errno
	}
	for _, a := range s.Attributes {
		if a.Name == name {
			return answer(dest, a.Value)
		}
	}
	return 0, syscall.ENODATA
}

// Listxattr returns the names of the extended attributes, each with a NUL after it.
func (n *node) Listxattr(ctx context.Context, dest []byte) (uint32, syscall.Errno) {
	s, errno := n.stored(ctx)
	if errno != fusefs.OK {
		return 0, errno
	}
	var names []byte
	for _, a := range s.Attributes {
		names = append(append(names, a.Name...), 0)
	}
	return answer(dest, names)
}

func answer(dest, value []byte) (uint32, syscall.Errno) {
	if len(dest) < len(value) {
		return uint32(len(value)), syscall.ERANGE
	}
	return uint32(copy(dest, value)), fusefs.OK
}
