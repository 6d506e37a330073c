package mount

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/hanwen/go-fuse/v2/fs"

	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/entry"
)

// identity returns what the kernel and the FUSE library know a name by. It depends on nothing but where the name stands,
// so inode numbers are the same after the next mount. The library takes two nodes of one identity for one: besides the 64 bits
// of the inode number there are 64 more in Gen, which makes sure that this is never by accident.
func identity(above fs.StableAttr, mode uint32, words ...string) fs.StableAttr {
	h := sha256.New()
	var size [8]byte
	for _, n := range []uint64{above.Ino, above.Gen} {
		h.Write(binary.LittleEndian.AppendUint64(size[:0], n))
	}
	for _, word := range words {
		h.Write(binary.LittleEndian.AppendUint64(size[:0], uint64(len(word))))
		h.Write([]byte(word))
	}
	var sum [sha256.Size]byte
	h.Sum(sum[:0])
	const reserved = 2 // 0 and 1 mean something else, and so does the largest number
	ino := binary.LittleEndian.Uint64(sum[:8])>>1 | reserved
	return fs.StableAttr{Mode: mode, Ino: ino, Gen: binary.LittleEndian.Uint64(sum[8:16])}
}

// hasNames reports whether a node may be one of several names of a file.
func hasNames(n *tree.Node) bool { return n.Links > 1 && n.Type != entry.Dir }

// linked returns the identity that all names of a file have in a volume. Its content counts too: a file that changed
// while it was backed up may be another one under its next name.
func (v *volume) linked(n *tree.Node) fs.StableAttr {
	var numbers []byte
	for _, number := range []uint64{n.DeviceID, n.Inode, n.Size, uint64(n.ModTime.UnixNano())} {
		numbers = binary.LittleEndian.AppendUint64(numbers, number)
	}
	h := sha256.New()
	for _, id := range n.Content {
		h.Write(id[:])
	}
	return identity(v.stable, modeOf(n)&typeBits, "names of one file", string(numbers), string(h.Sum(nil)))
}
