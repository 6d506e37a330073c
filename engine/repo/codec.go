package repo

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/backstay/backstay/engine/pack"
)

// Compression is how hard zstd tries.
type Compression int

// The levels. Auto takes the fastest level for large blobs, where it loses little, and the default one for small blobs. Off
// leaves content as it is; trees, index files and snapshots are compressed all the same.
const (
	Auto Compression = iota
	Off
	Fastest
	Better
	Max
)

var compressionNames = map[Compression]string{Auto: "auto", Off: "off", Fastest: "fastest", Better: "better", Max: "max"}

func (c Compression) String() string { return compressionNames[c] }

// ParseCompression reads the name of a level.
func ParseCompression(s string) (Compression, error) {
	for c, name := range compressionNames {
		if name == s {
			return c, nil
		}
	}
	return 0, fmt.Errorf("compression %q: it is off, fastest, auto, better or max", s)
}

const (
	window   = 512 << 10 // of the zstd frames; larger ones gain next to nothing on chunks of 1 MiB
	maxBlob  = 1 << 30   // bytes of a blob in the clear: a folder of three million entries is below
	smallest = 16 << 10  // blobs below this are compressed at the default level by Auto
)

// Encoded is a blob ready to be sealed for any number of repositories.
type Encoded struct {
	pack.Handle
	Plain              []byte // the plaintext
	Packed             []byte // what is sealed; Plain itself where compression is off or gains nothing
	UncompressedLength uint32 // len(Plain) if Packed is compressed, else 0
}

// Scratch is memory that Encode works in. The Encoded it returns is valid until the next Encode with the same Scratch.
type Scratch struct {
	packed  []byte
	decoder *zstd.Decoder
	reader  bytes.Reader
	proof   proof
}

// room returns p with a capacity of at least n.
func room(p []byte, n int) []byte {
	if cap(p) < n {
		return make([]byte, 0, n+n/8)
	}
	return p[:0]
}

// Encoder compresses blobs, and proves each by decompressing it again. It is safe for concurrent use.
type Encoder struct {
	level   Compression
	data    *zstd.Encoder // nil: no compression
	small   *zstd.Encoder // for trees and small blobs
	probe   *zstd.Encoder // tried first by the slow levels, which are a waste on what doesn't compress
	decoder *zstd.Decoder
}

// NewEncoder returns an Encoder of the level.
func NewEncoder(level Compression) *Encoder {
	e := &Encoder{level: level, decoder: newDecoder(zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderConcurrency(0))}
	switch level {
	case Off:
		e.small = newEncoder(zstd.SpeedDefault)
	case Fastest:
		e.data = newEncoder(zstd.SpeedFastest)
		e.small = e.data
	case Auto:
		e.data = newEncoder(zstd.SpeedFastest)
		e.small = newEncoder(zstd.SpeedDefault)
	case Better, Max:
		speed := map[Compression]zstd.EncoderLevel{Better: zstd.SpeedBetterCompression, Max: zstd.SpeedBestCompression}[level]
		e.probe = newEncoder(zstd.SpeedFastest)
		e.data = newEncoder(speed)
		e.small = e.data
	}
	return e
}

func newEncoder(level zstd.EncoderLevel) *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithWindowSize(window), zstd.WithEncoderCRC(false))
	if err != nil {
		panic("zstd encoder options: " + err.Error()) // constants of this file
	}
	return e
}

func newDecoder(options ...zstd.DOption) *zstd.Decoder {
	d, err := zstd.NewReader(nil, options...)
	if err != nil {
		panic("zstd decoder options: " + err.Error()) // constants of this file
	}
	return d
}

// Encode compresses plain and returns what is to be sealed. Plain must not change as long as the Encoded is used.
func (e *Encoder) Encode(h pack.Handle, plain []byte, s *Scratch) (Encoded, error) {
	if len(plain) > maxBlob {
		return Encoded{}, fmt.Errorf("blob %s: its %d bytes are more than the %d that are read again", h, len(plain), maxBlob)
	}
	out := Encoded{Handle: h, Plain: plain, Packed: plain}
	packed := e.pack(h.Type, plain, s)
	if packed == nil {
		return out, nil
	}
	if err := s.prove(packed, plain); err != nil {
		return Encoded{}, fmt.Errorf("compress blob %s: %w", h, err)
	}
	out.Packed, out.UncompressedLength = packed, uint32(len(plain))
	return out, nil
}

// pack returns plain compressed, or nil if it should be kept as it is.
func (e *Encoder) pack(t pack.Type, plain []byte, s *Scratch) []byte {
	encoder := e.data
	if t == pack.Tree || e.level == Auto && len(plain) < smallest {
		encoder = e.small
	}
	if encoder == nil || len(plain) == 0 {
		return nil
	}
	s.packed = room(s.packed, encoder.MaxEncodedSize(len(plain)))
	if e.probe != nil && t == pack.Data && len(e.probe.EncodeAll(plain, s.packed)) >= len(plain) {
		return nil
	}
	packed := encoder.EncodeAll(plain, s.packed)
	if len(packed) >= len(plain) && t == pack.Data {
		return nil
	}
	return packed
}

// prove decompresses packed and compares it with plain, block by block while they are in the cache.
func (s *Scratch) prove(packed, plain []byte) error {
	if s.decoder == nil {
		s.decoder = newDecoder(zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	}
	s.reader.Reset(packed)
	s.proof.left = plain
	err := s.decoder.Reset(&s.reader)
	if err == nil {
		_, err = s.decoder.WriteTo(&s.proof)
	}
	if err != nil || len(s.proof.left) > 0 {
		return pack.ErrSealMismatch
	}
	return nil
}

// proof is a writer that takes only what it is known to get.
type proof struct{ left []byte }

func (p *proof) Write(q []byte) (int, error) {
	if !bytes.HasPrefix(p.left, q) {
		return 0, pack.ErrSealMismatch
	}
	p.left = p.left[len(q):]
	return len(q), nil
}

// compress appends one frame to dst, for files outside of packs.
func (e *Encoder) compress(dst, plain []byte) []byte { return e.small.EncodeAll(plain, dst) }

// decompress returns the content of one frame, which must not be larger than limit.
func (e *Encoder) decompress(packed []byte, limit int) ([]byte, error) {
	var header zstd.Header
	if err := header.Decode(packed); err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	size := min(limit, 8*len(packed)+1024)
	if header.HasFCS {
		if header.FrameContentSize > uint64(limit) {
			return nil, fmt.Errorf("decompress: %d bytes are more than a file of its kind may have", header.FrameContentSize)
		}
		size = int(header.FrameContentSize)
	}
	for {
		plain, err := e.decoder.DecodeAll(packed, make([]byte, 0, size))
		if err != nil && size < limit && !header.HasFCS { // which error says that there was no room depends on where it ran out
			size = min(limit, 4*size)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		return plain, nil
	}
}

// unpack returns the plaintext of an opened blob in buf, if it is large enough; size is what the index says of it.
func (e *Encoder) unpack(packed []byte, size uint32, buf []byte) ([]byte, error) {
	if size > maxBlob {
		return nil, fmt.Errorf("decompress: a blob of %d bytes", size)
	}
	if cap(buf) < int(size) {
		buf = make([]byte, 0, size)
	}
	plain, err := e.decoder.DecodeAll(packed, buf[:0:size])
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	if len(plain) != int(size) {
		return nil, fmt.Errorf("decompress: %d bytes instead of %d", len(plain), size)
	}
	return plain, nil
}
