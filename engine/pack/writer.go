package pack

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"slices"

	"github.com/backstay/backstay/engine/crypto"
)

// ErrSealMismatch is wrapped by the error of Writer.Add when a blob, sealed and opened again, was not what went in: the
// memory or the processor is at fault. The pack must not be saved.
var ErrSealMismatch = errors.New("sealed bytes don't open to what was sealed")

// Writer assembles one pack in memory. It hashes the pack as it grows, while the bytes are in the cache. A Writer is
// used by one goroutine at a time.
type Writer struct {
	key   *crypto.Key
	rand  io.Reader
	size  int // that buf grows to by doubling
	buf   []byte
	blobs []Blob
	hash  hash.Hash
}

// NewWriter returns an empty Writer for a pack of about size bytes; its memory grows up to that as it is needed. The random bytes
// for the boxes come from rand.
func NewWriter(key *crypto.Key, rand io.Reader, size int) *Writer {
	return &Writer{key: key, rand: rand, size: size, hash: sha256.New()}
}

const leastBuffer = 64 << 10 // most runs save little

// grow makes room for n more bytes.
func (w *Writer) grow(n int) {
	n += len(w.buf)
	if n <= cap(w.buf) {
		return
	}
	buf := make([]byte, len(w.buf), max(n, min(2*cap(w.buf), w.size), leastBuffer))
	copy(buf, w.buf)
	w.buf = buf
}

// Add seals packed, opens it again and compares, and appends it to the pack. Packed is the blob as it is to be kept:
// compressed if uncompressed, the length of the plaintext, is not 0. It returns the number of bytes added. After an error
// the pack is as it was.
func (w *Writer) Add(h Handle, packed []byte, uncompressed uint32) (int, error) {
	offset := len(w.buf)
	if int64(offset)+int64(len(packed))+crypto.Overhead > math.MaxUint32 {
		return 0, fmt.Errorf("seal blob %s: %d bytes after %d are more than a pack can hold", h, len(packed), offset)
	}
	w.grow(len(packed) + crypto.Overhead)
	buf, err := w.key.Seal(w.buf, packed, w.rand)
	if err != nil {
		return 0, fmt.Errorf("seal blob %s: %w", h, err)
	}
	sealed := buf[offset:]
	if !w.key.Opens(sealed, packed) {
		return 0, fmt.Errorf("blob %s: %w", h, ErrSealMismatch)
	}
	w.append(buf, Blob{Handle: h, Offset: uint32(offset), Length: uint32(len(sealed)), UncompressedLength: uncompressed})
	return len(sealed), nil
}

func (w *Writer) append(buf []byte, b Blob) {
	w.hash.Write(buf[len(w.buf):])
	w.buf = buf
	w.blobs = append(w.blobs, b)
}

// Merge appends the blobs of other, which holds blobs of the same type, and leaves other empty. Together they must have
// at most MaxBlobs and be below 4 GiB.
func (w *Writer) Merge(other *Writer) {
	w.grow(len(other.buf) + HeaderSize(w.blobs) + HeaderSize(other.blobs))
	for _, b := range other.blobs {
		sealed := other.buf[b.Offset : b.Offset+b.Length]
		b.Offset = uint32(len(w.buf))
		w.append(append(w.buf, sealed...), b)
	}
	other.Reset()
}

// Size is the number of bytes of the blobs so far.
func (w *Writer) Size() int { return len(w.buf) }

// Count is the number of blobs so far.
func (w *Writer) Count() int { return len(w.blobs) }

// Full reports whether the pack should be finished: it has reached target bytes, or its header can hold no more.
func (w *Writer) Full(target int) bool {
	return len(w.buf) >= target || len(w.blobs) >= MaxBlobs
}

// Reset makes the Writer empty and keeps its memory.
func (w *Writer) Reset() {
	w.buf, w.blobs = w.buf[:0], nil
	w.hash.Reset()
}

// Finish appends the header and returns the ID of the pack, its bytes, which are valid until the next Add, and its blobs,
// which stay valid. The header is parsed again and compared with what it was made from. The Writer is to be Reset next.
func (w *Writer) Finish() (crypto.ID, []byte, []Blob, error) {
	if len(w.blobs) == 0 {
		return crypto.ID{}, nil, nil, errors.New("finish pack: it is empty")
	}
	end := len(w.buf)
	w.grow(HeaderSize(w.blobs))
	buf, err := w.key.Seal(w.buf, appendHeader(make([]byte, 0, HeaderSize(w.blobs)), w.blobs), w.rand)
	if err != nil {
		return crypto.ID{}, nil, nil, fmt.Errorf("seal pack header: %w", err)
	}
	buf = binary.LittleEndian.AppendUint32(buf, uint32(len(buf)-end))
	w.hash.Write(buf[end:])
	w.buf = buf
	got, err := Parse(w.key, int64(len(buf)), buf[end:])
	if err != nil || !slices.Equal(got, w.blobs) {
		return crypto.ID{}, nil, nil, fmt.Errorf("header of a pack of %d blobs: %w", len(w.blobs), ErrSealMismatch)
	}
	return crypto.ID(w.hash.Sum(nil)), buf, w.blobs, nil
}
