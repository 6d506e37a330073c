package index

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
)

// ErrFormat is wrapped by errors about a file that is not an index.
var ErrFormat = errors.New("not an index file")

// ErrWrongKind is returned for a JSON object without a list of packs: a genuine file of another kind, which anybody who can
// write to the storage can put among the index files. It wraps ErrFormat.
var ErrWrongKind = fmt.Errorf("%w: it has no list of packs", ErrFormat)

// MaxBlobs is how many blobs one index file should name at most; a pack is never split over two.
const MaxBlobs = 50_000

// File builds the JSON of one index file. Its zero value is empty.
type File struct {
	buf   []byte
	blobs int
}

const jsonBytes = 160 // of a blob, at most but for very large ones

// Add names a pack and its blobs.
func (f *File) Add(id crypto.ID, blobs []pack.Blob) {
	if len(f.buf) == 0 {
		f.buf = append(f.buf, `{"packs":[`...)
	} else {
		f.buf = append(f.buf, ',')
	}
	f.buf = append(f.buf, `{"id":"`...)
	f.buf = hex.AppendEncode(f.buf, id[:])
	f.buf = append(f.buf, `","blobs":[`...)
	f.buf = slices.Grow(f.buf, jsonBytes*len(blobs))
	for i, b := range blobs {
		if i > 0 {
			f.buf = append(f.buf, ',')
		}
		f.buf = appendBlob(f.buf, b)
	}
	f.buf = append(f.buf, `]}`...)
	f.blobs += len(blobs)
}

func appendBlob(p []byte, b pack.Blob) []byte {
	p = append(p, `{"id":"`...)
	p = hex.AppendEncode(p, b.ID[:])
	p = append(p, `","type":"`...)
	p = append(p, b.Type.String()...)
	p = append(p, `","offset":`...)
	p = strconv.AppendUint(p, uint64(b.Offset), 10)
	p = append(p, `,"length":`...)
	p = strconv.AppendUint(p, uint64(b.Length), 10)
	if b.UncompressedLength != 0 {
		p = append(p, `,"uncompressed_length":`...)
		p = strconv.AppendUint(p, uint64(b.UncompressedLength), 10)
	}
	return append(p, '}')
}

// Blobs is the number of blobs named so far.
func (f *File) Blobs() int { return f.blobs }

// JSON ends the file and returns its plaintext. The File is empty afterwards; the bytes stay valid.
func (f *File) JSON() []byte {
	if len(f.buf) == 0 {
		f.buf = append(f.buf, `{"packs":[`...)
	}
	p := append(f.buf, "]}\n"...)
	*f = File{}
	return p
}
