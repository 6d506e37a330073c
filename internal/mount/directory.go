package mount

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
)

// listing is a directory as the cache keeps it.
type listing struct {
	nodes    []tree.Node // by name
	lost     error       // why some names are missing; nil if none is
	reported sync.Once
}

// loadTree reads a directory. Nodes that are damaged, or have a name that no file may have, are left out.
func (m *mounted) loadTree(id crypto.ID) (*listing, int, error) {
	p, err := m.repo.LoadBlob(m.ctx, pack.Handle{ID: id, Type: pack.Tree}, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("tree %s: %w", id.Short(), err)
	}
	var d tree.Decoder
	elements, err := d.All(p)
	l := &listing{nodes: make([]tree.Node, 0, len(elements)), lost: err}
	for _, e := range elements {
		if e.Err == nil {
			l.nodes = append(l.nodes, e.Node)
		} else {
			l.lost = errors.Join(l.lost, e.Err)
		}
	}
	if l.lost != nil {
		l.lost = fmt.Errorf("tree %s: %w", id.Short(), l.lost)
	}
	return l, 2 * len(p), nil // nodes take about as much as their JSON, and up to twice as much while they are few
}

// directory is a directory of a snapshot.
type directory struct {
	node
	tree crypto.ID
}

var (
	_ fs.NodeReaddirer = (*directory)(nil)
	_ fs.NodeLookuper  = (*directory)(nil)
)

func (d *directory) nodes(ctx context.Context) ([]tree.Node, syscall.Errno) {
	l, err := d.trees.get(ctx, d.tree)
	if err != nil {
		return nil, d.failed(ctx, err)
	}
	if l.lost != nil {
		l.reported.Do(func() { d.fail(d.Path(nil), l.lost) })
	}
	return l.nodes, fs.OK
}

// Readdir lists the directory.
func (d *directory) Readdir(ctx context.Context) (fs.DirStream, syscall.Errno) {
	nodes, errno := d.nodes(ctx)
	if errno != fs.OK {
		return nil, errno
	}
	list := make([]fuse.DirEntry, len(nodes))
	for i := range nodes {
		stable := d.childIdentity(&nodes[i])
		list[i] = fuse.DirEntry{Name: nodes[i].Name, Mode: stable.Mode, Ino: stable.Ino}
	}
	return fs.NewListDirStream(list), fs.OK
}

// Lookup finds a name in the directory.
func (d *directory) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	nodes, errno := d.nodes(ctx)
	if errno != fs.OK {
		return nil, errno
	}
	i, found := slices.BinarySearchFunc(nodes, name, func(n tree.Node, name string) int { return strings.Compare(n.Name, name) })
	if !found {
		return nil, syscall.ENOENT
	}
	n := &nodes[i]
	d.attr(n, &out.Attr)
	return d.NewInode(ctx, d.child(i, n), d.childIdentity(n)), fs.OK
}

func (d *directory) childIdentity(n *tree.Node) fs.StableAttr {
	if hasNames(n) {
		return d.linked(n)
	}
	return identity(d.StableAttr(), modeOf(n)&typeBits, n.Name)
}

func (d *directory) child(i int, n *tree.Node) fs.InodeEmbedder {
	p := position{volume: d.volume, in: d.tree, at: i}
	switch n.Type {
	case entry.Dir:
		return &directory{node: node{position: p}, tree: n.Subtree}
	case entry.File:
		return &file{node: node{position: p}}
	}
	return &node{position: p}
}
