// Package pack reads and writes pack files, in which the blobs of a repository are kept.
//
// A blob is a piece of a file's content (Data) or a directory (Tree), named by the SHA-256 of its plaintext. A pack is
// a run of sealed blobs, then a sealed header that lists them, then the length of that header:
//
//	box(blob 1) … box(blob n) box(header) uint32le(len(box(header)))
//
// The invariant: a pack is never changed once saved, and holds blobs of one type only. This package does no I/O.
package pack

import (
	"fmt"

	"github.com/backstay/backstay/engine/crypto"
)

// Type tells the two kinds of blobs apart.
type Type uint8

// The types, with their names in index files.
const (
	Data Type = iota // a piece of a file's content
	Tree             // a directory as JSON
)

func (t Type) String() string {
	switch t {
	case Data:
		return "data"
	case Tree:
		return "tree"
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

// Handle names a blob.
type Handle struct {
	ID   crypto.ID
	Type Type
}

func (h Handle) String() string { return h.Type.String() + "/" + h.ID.Short() }

// Blob is where a blob lies in its pack.
type Blob struct {
	Handle
	Offset             uint32 // of the sealed blob in the pack, bytes
	Length             uint32 // of the sealed blob, crypto.Overhead included
	UncompressedLength uint32 // of the plaintext; 0 for a blob stored without compression
}

// PlainLength is the number of bytes of the blob once opened and decompressed.
func (b Blob) PlainLength() uint32 {
	if b.UncompressedLength != 0 {
		return b.UncompressedLength
	}
	return b.Length - crypto.Overhead
}
