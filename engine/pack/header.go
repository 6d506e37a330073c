package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/backstay/backstay/engine/crypto"
)

const (
	plainEntry      = 1 + 4 + 32     // type, length of the box, ID
	compressedEntry = 1 + 4 + 4 + 32 // type, length of the box, length of the plaintext, ID
	lengthSize      = 4
	maxHeader       = 16 << 20 // bytes of the header's box: more is refused by all readers

	// MaxBlobs is how many blobs the header of a pack can always list.
	MaxBlobs = (maxHeader - crypto.Overhead) / compressedEntry

	// MinSize is the size of the smallest pack there can be: an empty blob and its header.
	MinSize = crypto.Overhead + plainEntry + crypto.Overhead + lengthSize
)

// ErrHeader is wrapped by errors about a file that is no pack or whose header is damaged.
var ErrHeader = errors.New("pack header is damaged")

// TailSize is how many bytes at the end of a pack are worth reading at first: enough for the header of nearly every pack.
const TailSize = 16 << 10

func appendHeader(p []byte, blobs []Blob) []byte {
	for _, b := range blobs {
		kind := byte(b.Type)
		if b.UncompressedLength != 0 {
			kind += 2
		}
		p = append(p, kind)
		p = binary.LittleEndian.AppendUint32(p, b.Length)
		if b.UncompressedLength != 0 {
			p = binary.LittleEndian.AppendUint32(p, b.UncompressedLength)
		}
		p = append(p, b.ID[:]...)
	}
	return p
}

// HeaderSize is the number of bytes at the end of a pack that its header takes, the length field included.
func HeaderSize(blobs []Blob) int {
	n := crypto.Overhead + lengthSize
	for _, b := range blobs {
		n += plainEntry
		if b.UncompressedLength != 0 {
			n += compressedEntry - plainEntry
		}
	}
	return n
}

// Fits reports whether the blobs, sorted by their offsets, and the header that lists them make up a pack of size bytes.
func Fits(blobs []Blob, size int64) bool {
	end := int64(0)
	for _, b := range blobs {
		if int64(b.Offset) != end {
			return false
		}
		end += int64(b.Length)
	}
	return end+int64(HeaderSize(blobs)) == size
}

// TailNeeded returns how many bytes at the end of a pack of size bytes hold its header, as the last four bytes of tail
// tell.
func TailNeeded(size int64, tail []byte) (int, error) {
	if size < MinSize || len(tail) < lengthSize {
		return 0, fmt.Errorf("%w: %d bytes are too few for a pack", ErrHeader, size)
	}
	n := int64(binary.LittleEndian.Uint32(tail[len(tail)-lengthSize:]))
	if n < crypto.Overhead+plainEntry || n > maxHeader || n+lengthSize > size {
		return 0, fmt.Errorf("%w: a header of %d bytes in a pack of %d", ErrHeader, n, size)
	}
	return int(n) + lengthSize, nil
}

// Parse returns the blobs of a pack of size bytes, in file order. The tail is the end of the pack, at least
// TailNeeded bytes of it.
func Parse(key *crypto.Key, size int64, tail []byte) ([]Blob, error) {
	need, err := TailNeeded(size, tail)
	if err != nil {
		return nil, err
	}
	if len(tail) < need {
		return nil, fmt.Errorf("%w: %d bytes of it given, %d needed", ErrHeader, len(tail), need)
	}
	plain, err := key.Open(nil, tail[len(tail)-need:len(tail)-lengthSize])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHeader, err)
	}
	blobs, end, err := parseEntries(plain)
	if err != nil {
		return nil, err
	}
	if end != size-int64(need) {
		return nil, fmt.Errorf("%w: its blobs end at %d, the header starts at %d", ErrHeader, end, size-int64(need))
	}
	return blobs, nil
}

func parseEntries(p []byte) (blobs []Blob, end int64, err error) {
	for len(p) > 0 {
		b, n, err := parseEntry(p)
		if err != nil {
			return nil, 0, fmt.Errorf("%w: entry %d: %w", ErrHeader, len(blobs), err)
		}
		b.Offset = uint32(end)
		if end += int64(b.Length); end > math.MaxUint32 {
			return nil, 0, fmt.Errorf("%w: blobs beyond 4 GiB", ErrHeader)
		}
		blobs = append(blobs, b)
		p = p[n:]
	}
	return blobs, end, nil
}

func parseEntry(p []byte) (b Blob, n int, err error) {
	kind := p[0]
	n = plainEntry
	if kind&2 != 0 {
		n = compressedEntry
	}
	if kind > 3 || len(p) < n {
		return Blob{}, 0, fmt.Errorf("type %d with %d bytes left", kind, len(p))
	}
	b.Type = Type(kind & 1)
	b.Length = binary.LittleEndian.Uint32(p[1:])
	if kind&2 != 0 {
		b.UncompressedLength = binary.LittleEndian.Uint32(p[5:])
	}
	copy(b.ID[:], p[n-32:])
	if b.Length < crypto.Overhead {
		return Blob{}, 0, fmt.Errorf("a sealed blob of %d bytes", b.Length)
	}
	if kind&2 != 0 && b.UncompressedLength == 0 {
		return Blob{}, 0, errors.New("a compressed blob of no length")
	}
	return b, n, nil
}
