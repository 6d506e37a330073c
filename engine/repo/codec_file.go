package repo

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/backstay/backstay/engine/pack"
)

// fileEncoder compresses the files outside of packs, one at a time. Their plaintext is not held in memory: an index file is
// of some 10 MB. It is apart from Encoder, whose workers may wait for an upload, and an upload for an index file.
type fileEncoder struct {
	mu      sync.Mutex
	encoder *zstd.Encoder
	prover  prover
}

// compress returns what is sealed of a file: a byte that tells, and one frame of all that write writes. It is decompressed again
// and compared: write is called several times, and must write the same each time.
func (f *fileEncoder) compress(write func(io.Writer) error) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.encoder == nil {
		f.encoder = newEncoder(zstd.SpeedDefault)
	}
	var size counter
	if err := write(&size); err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	packed.Grow(512 + int(size)/3) // what JSON full of IDs comes down to
	packed.WriteByte(compressedJSON)
	f.encoder.ResetContentSize(&packed, int64(size)) // readers make room for so much
	if err := errors.Join(write(f.encoder), f.encoder.Close()); err != nil {
		return nil, err
	}
	if err := f.prove(packed.Bytes()[1:], write); err != nil {
		return nil, pack.ErrSealMismatch
	}
	return packed.Bytes(), nil
}

func (f *fileEncoder) prove(packed []byte, write func(io.Writer) error) error {
	if err := f.prover.begin(packed); err != nil {
		return err
	}
	if err := write(&comparer{r: f.prover.decoder}); err != nil {
		return err
	}
	if n, err := f.prover.decoder.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		return pack.ErrSealMismatch
	}
	return nil
}

// counter counts what is written.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// comparer refuses what is not the next to be read of r.
type comparer struct {
	r   io.Reader
	buf [4 << 10]byte
}

func (c *comparer) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), len(c.buf))
		if _, err := io.ReadFull(c.r, c.buf[:n]); err != nil || !bytes.Equal(c.buf[:n], rest[:n]) {
			return 0, pack.ErrSealMismatch
		}
		rest = rest[n:]
	}
	return len(p), nil
}
