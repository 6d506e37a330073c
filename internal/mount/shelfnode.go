package mount

import (
	"context"
	"maps"
	"os"
	"path"
	"slices"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// shelfNode is a shelf in the file system.
type shelfNode struct {
	fs.Inode
	*mounted
	name string // in the layout
}

var (
	_ fs.NodeGetattrer  = (*shelfNode)(nil)
	_ fs.NodeReaddirer  = (*shelfNode)(nil)
	_ fs.NodeLookuper   = (*shelfNode)(nil)
	_ fs.NodeGetattrer  = (*linkNode)(nil)
	_ fs.NodeReadlinker = (*linkNode)(nil)
)

// fleeting is how long the kernel may remember a place on a shelf.
const fleeting = time.Second

// Getattr tells that a shelf is a directory that everybody who is let in may read.
func (n *shelfNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.shelfAttr(&out.Attr)
	return fs.OK
}

func (m *mounted) shelfAttr(out *fuse.Attr) {
	out.Mode, out.Nlink = fuse.S_IFDIR|0o555, 1
	if !m.opt.OwnerRoot {
		out.Uid, out.Gid = uint32(os.Getuid()), uint32(os.Getgid())
	}
}

// Readdir lists the places of the shelf.
func (n *shelfNode) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	places := n.shelves.find(n.ctx, n.name)
	list := make([]fuse.DirEntry, 0, len(places))
	for _, name := range slices.Sorted(maps.Keys(places)) {
		stable := n.stable(name, places[name])
		list = append(list, fuse.DirEntry{Name: name, Mode: stable.Mode, Ino: stable.Ino})
	}
	return fs.NewListDirStream(list), fs.OK
}

// stable returns the identity of a place. It is another one when the place shows another snapshot.
func (n *shelfNode) stable(name string, p place) fs.StableAttr {
	switch {
	case p.link != "":
		return identity(n.StableAttr(), fuse.S_IFLNK, name, p.link)
	case p.snapshot != nil:
		return identity(n.StableAttr(), fuse.S_IFDIR, name, string(p.snapshot.ID[:]))
	}
	return identity(n.StableAttr(), fuse.S_IFDIR, name)
}

// Lookup returns what stands at a place.
func (n *shelfNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	p, ok := n.shelves.find(n.ctx, n.name)[name]
	if !ok {
		return nil, syscall.ENOENT
	}
	out.SetEntryTimeout(fleeting)
	stable := n.stable(name, p)
	switch {
	case p.link != "":
		link := &linkNode{mounted: n.mounted, target: p.link}
		link.attr(&out.Attr)
		return n.NewInode(ctx, link, stable), fs.OK
	case p.snapshot != nil:
		v := newVolume(n.mounted, p.snapshot, stable)
		v.attr(&v.root, &out.Attr)
		return n.NewInode(ctx, &directory{node: node{position: position{volume: v}}, tree: p.snapshot.Tree}, stable), fs.OK
	}
	n.shelfAttr(&out.Attr)
	return n.NewInode(ctx, &shelfNode{mounted: n.mounted, name: path.Join(n.name, name)}, stable), fs.OK
}

// linkNode is the link to the latest snapshot of a shelf.
type linkNode struct {
	fs.Inode
	*mounted
	target string
}

func (n *linkNode) attr(out *fuse.Attr) {
	n.shelfAttr(out)
	out.Mode, out.Size = fuse.S_IFLNK|0o777, uint64(len(n.target))
}

// Getattr tells that it is a link.
func (n *linkNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	n.attr(&out.Attr)
	return fs.OK
}

// Readlink returns the name of the latest snapshot, which is on the same shelf.
func (n *linkNode) Readlink(context.Context) ([]byte, syscall.Errno) { return []byte(n.target), fs.OK }
