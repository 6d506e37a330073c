package catalog

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
)

// Version is what the catalogue knows of a path at some time. Two that are equal are the same version.
type Version struct {
	Type    entry.Type
	Size    uint64    // bytes
	ModTime time.Time // in milliseconds
	Content uint64    // equal for equal content of files, targets of links, numbers of devices; else of no meaning
}

// VersionOf returns the version that a node is.
func VersionOf(n *tree.Node) Version {
	return Version{Type: n.Type, Size: n.Size, ModTime: time.UnixMilli(n.ModTime.UnixMilli()).UTC(), Content: contentOf(n)}
}

func contentOf(n *tree.Node) uint64 {
	hash := sha256.New()
	switch n.Type {
	case entry.File:
		for _, id := range n.Content {
			hash.Write(id[:])
		}
	case entry.Symlink:
		hash.Write([]byte(n.LinkTarget))
	default:
		return n.Device
	}
	return binary.BigEndian.Uint64(hash.Sum(nil))
}

// types are in the order of their numbers in the database, which begin with 1.
var types = []entry.Type{entry.File, entry.Dir, entry.Symlink, entry.Device, entry.CharDev, entry.Fifo, entry.Socket}

// number returns 0 for no type and for one that no version has.
func number(t entry.Type) int64 { return int64(slices.Index(types, t) + 1) }

// columns are in the order type, size, mtime, content.
func (v Version) columns() []any {
	return []any{number(v.Type), int64(v.Size), v.ModTime.UnixMilli(), int64(v.Content)}
}

// versionRow takes the columns back.
type versionRow struct{ kind, size, mtime, content int64 }

func (r *versionRow) targets() []any { return []any{&r.kind, &r.size, &r.mtime, &r.content} }

func (r *versionRow) version() Version {
	v := Version{Size: uint64(r.size), ModTime: time.UnixMilli(r.mtime).UTC(), Content: uint64(r.content)}
	if i := int(r.kind) - 1; i >= 0 && i < len(types) {
		v.Type = types[i]
	}
	return v
}

// hash returns by what a text of a source is looked up. Nobody can make many that have the same.
func hash(source int64, text string) int64 {
	p := binary.BigEndian.AppendUint64(nil, uint64(source))
	sum := sha256.Sum256(append(p, text...))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}
