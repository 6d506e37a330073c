package repo

import (
	"bytes"
	"fmt"
	"runtime"

	"github.com/klauspost/compress/zstd"

	"github.com/backstay/backstay/engine/pack"
)

// Compression is how hard zstd tries.
type Compression int

// The levels. Auto takes the fastest level for content, where the default one gains next to nothing, and that one for trees. Off
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
	window  = 512 << 10 // of the zstd frames; larger ones gain next to nothing on chunks of 1 MiB
	maxBlob = 1 << 30   // bytes of a blob in the clear: a folder of three million entries is below
)

// Encoded is a blob ready to be sealed for any number of repositories.
type Encoded struct {
	pack.Handle
	Plain              []byte // the plaintext
	Packed             []byte // what is sealed; Plain itself where compression is off or gains nothing
	UncompressedLength uint32 // len(Plain) if Packed is compressed, else 0
}

// Encoder compresses blobs, and proves each by decompressing it again. It is safe for concurrent use: as many are in work
// at once as there are processors, 16 at most since each takes a few MiB; others wait.
type Encoder struct {
	level   Compression
	workers chan *worker // nil where yet to be made
	decoder *zstd.Decoder
}

const mostWorkers = 16

// NewEncoder returns an Encoder of the level.
func NewEncoder(level Compression) *Encoder {
	n := min(runtime.GOMAXPROCS(0), mostWorkers)
	e := &Encoder{level: level, workers: make(chan *worker, n), decoder: newDecoder(zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderConcurrency(0))}
	for range n {
		e.workers <- nil
	}
	return e
}

// Encode compresses plain and hands what is to be sealed to fn; it is valid during that call only. Plain must not change until
// Encode returns. The error is that of fn, or it wraps pack.ErrSealMismatch: then the memory or the processor is at fault.
func (e *Encoder) Encode(h pack.Handle, plain []byte, fn func(Encoded) error) error {
	if len(plain) > maxBlob {
		return fmt.Errorf("blob %s: its %d bytes are more than the %d that are read again", h, len(plain), maxBlob)
	}
	w := <-e.workers
	if w == nil {
		w = newWorker(e.level)
	}
	defer func() { e.workers <- w }()
	out := Encoded{Handle: h, Plain: plain, Packed: plain}
	if packed := w.pack(h.Type, plain); packed != nil {
		if err := w.prover.prove(packed, plain); err != nil {
			return fmt.Errorf("compress blob %s: %w", h, err)
		}
		out.Packed, out.UncompressedLength = packed, uint32(len(plain))
	}
	return fn(out)
}

// worker compresses one blob at a time.
type worker struct {
	data   *zstd.Encoder // nil: no compression
	trees  *zstd.Encoder
	probe  *zstd.Encoder // tried first by the slow levels, which are a waste on what doesn't compress
	packed []byte
	prover prover
}

func newWorker(level Compression) *worker {
	w := new(worker)
	switch level {
	case Off:
		w.trees = newEncoder(zstd.SpeedDefault)
	case Fastest:
		w.data = newEncoder(zstd.SpeedFastest)
		w.trees = w.data
	case Auto:
		w.data = newEncoder(zstd.SpeedFastest)
		w.trees = newEncoder(zstd.SpeedDefault)
	case Better, Max:
		speed := map[Compression]zstd.EncoderLevel{Better: zstd.SpeedBetterCompression, Max: zstd.SpeedBestCompression}[level]
		w.probe = newEncoder(zstd.SpeedFastest)
		w.data = newEncoder(speed)
		w.trees = w.data
	}
	return w
}

func newEncoder(level zstd.EncoderLevel) *zstd.Encoder {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithWindowSize(window), zstd.WithEncoderCRC(false), zstd.WithEncoderConcurrency(1))
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

// pack returns plain compressed, valid until the next call, or nil if it should be kept as it is.
func (w *worker) pack(t pack.Type, plain []byte) []byte {
	encoder := w.data
	if t == pack.Tree {
		encoder = w.trees
	}
	if encoder == nil || len(plain) == 0 {
		return nil
	}
	if most := encoder.MaxEncodedSize(len(plain)); cap(w.packed) < most {
		w.packed = make([]byte, 0, most+most/8)
	}
	if w.probe != nil && t == pack.Data && len(w.probe.EncodeAll(plain, w.packed)) >= len(plain) {
		return nil
	}
	packed := encoder.EncodeAll(plain, w.packed)
	if len(packed) >= len(plain) && t == pack.Data {
		return nil
	}
	return packed
}

// prover decompresses what was compressed and compares it with what went in, block by block while they are in the cache.
type prover struct {
	decoder *zstd.Decoder
	reader  bytes.Reader
	left    []byte // of the plaintext
}

// prove returns an error unless packed decompresses to plain.
func (p *prover) prove(packed, plain []byte) error {
	err := p.begin(packed)
	p.left = plain
	if err == nil {
		_, err = p.decoder.WriteTo(p)
	}
	if err != nil || len(p.left) > 0 {
		return pack.ErrSealMismatch
	}
	return nil
}

func (p *prover) begin(packed []byte) error {
	if p.decoder == nil {
		p.decoder = newDecoder(zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
	}
	p.reader.Reset(packed)
	return p.decoder.Reset(&p.reader)
}

// Write takes what is decompressed; it refuses what is not the next of the plaintext.
func (p *prover) Write(q []byte) (int, error) {
	if !bytes.HasPrefix(p.left, q) {
		return 0, pack.ErrSealMismatch
	}
	p.left = p.left[len(q):]
	return len(q), nil
}

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
