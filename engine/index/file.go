package index

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
)

// ErrFormat is wrapped by errors about a file that is not an index.
var ErrFormat = errors.New("not an index file")

// ErrWrongKind is returned for a JSON object without a list of packs: a genuine file of another kind, which anybody who can
// write to the storage can put among the index files. It wraps ErrFormat.
var ErrWrongKind = fmt.Errorf("%w: it has no list of packs", ErrFormat)

// MaxBlobs is how many blobs make an index file full. It may name more by those of its last pack, since a pack is never split
// over two.
const MaxBlobs = 50_000

// File builds the JSON of one index file. Its zero value is empty, and keeps what is built for JSON.
type File struct {
	To io.Writer // gets what is built instead, piece by piece; Close is then called in the end

	buf   []byte
	begun bool
	blobs int
	err   error
}

const pieceBytes = 64 << 10 // of what To gets

// Add names a pack and its blobs.
func (f *File) Add(id crypto.ID, blobs []pack.Blob) {
	if f.begun {
		f.buf = append(f.buf, ',')
	}
	f.begin()
	f.buf = append(f.buf, `{"id":"`...)
	f.buf = hex.AppendEncode(f.buf, id[:])
	f.buf = append(f.buf, `","blobs":[`...)
	for i, b := range blobs {
		if i > 0 {
			f.buf = append(f.buf, ',')
		}
		f.buf = appendBlob(f.buf, b)
		f.flush(pieceBytes)
	}
	f.buf = append(f.buf, `]}`...)
	f.blobs += len(blobs)
}

func (f *File) begin() {
	if !f.begun {
		f.buf = append(f.buf, `{"packs":[`...)
	}
	f.begun = true
}

// flush writes the buffer if there is where to, and if it is of n bytes at least.
func (f *File) flush(n int) {
	if f.To == nil || len(f.buf) < n {
		return
	}
	if f.err == nil {
		_, f.err = f.To.Write(f.buf)
	}
	f.buf = f.buf[:0]
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
	f.end()
	p := f.buf
	*f = File{}
	return p
}

// Close ends the file. It returns the first error of writing to To.
func (f *File) Close() error {
	f.end()
	f.flush(0)
	return f.err
}

func (f *File) end() {
	f.begin()
	f.buf = append(f.buf, "]}\n"...)
}
