package storage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"
)

// Body is the content of a file to be saved.
type Body struct {
	Size   int64            // bytes; the reader must yield just as many
	SHA256 [32]byte         // hash of the content, for adapters that can have it checked at the far end; zero: not known
	Open   func() io.Reader // a new reader from the start, for each try
}

// Bytes is the Body made of p.
func Bytes(p []byte) Body {
	return Body{Size: int64(len(p)), SHA256: sha256.Sum256(p), Open: func() io.Reader { return bytes.NewReader(p) }}
}

// Hash returns the SHA-256 of the content: the announced one, or where none is, that of a reading, which also finds out whether the
// content is of its size.
func (b Body) Hash(ctx context.Context) ([32]byte, error) {
	if b.SHA256 != [32]byte{} {
		return b.SHA256, nil
	}
	r, hash := b.Exact(ctx), sha256.New()
	defer r.Close()
	if _, err := io.Copy(hash, r); err != nil {
		return [32]byte{}, err
	}
	return [32]byte(hash.Sum(nil)), nil
}

// chunk is how many bytes are read between two looks at the context.
const chunk = 1 << 20

// Exact is a reader of a body for adapters that hand it to a client of a server. It yields just as many bytes as were announced, the
// last of them only when it is known that no more follow: a server never gets a whole file out of a body that isn't right.
type Exact struct {
	ctx  context.Context
	size int64

	mu   sync.Mutex // held while the content is read
	r    io.Reader
	left int64
	err  error
}

// Exact opens the body. The reader ends with the cause of the context when that ends, with the body's own error, or with one that
// wraps ErrMismatch where the content is shorter or longer than announced.
func (b Body) Exact(ctx context.Context) *Exact {
	e := &Exact{ctx: ctx, size: b.Size, r: b.Open(), left: b.Size}
	if b.Size == 0 { // clients don't read what is empty
		e.err = e.end()
	}
	return e
}

// Read implements io.Reader.
func (e *Exact) Read(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return 0, e.err
	}
	if e.ctx.Err() != nil {
		e.err = context.Cause(e.ctx)
		return 0, e.err
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left, chunk)])
	e.left -= int64(n)
	switch {
	case e.left == 0 && (err == nil || err == io.EOF):
		if e.err = e.end(); e.err != io.EOF {
			return 0, e.err // the last bytes are held back
		}
	case err == io.EOF:
		e.err = fmt.Errorf("%d bytes of %d: %w", e.size-e.left, e.size, ErrMismatch)
	case err != nil:
		e.err = fmt.Errorf("read body: %w", err)
	}
	if e.err != nil && e.err != io.EOF {
		return n, e.err
	}
	return n, nil
}

// end returns io.EOF if the content ends here.
func (e *Exact) end() error {
	n, err := io.ReadFull(e.r, make([]byte, 1))
	if n > 0 {
		return fmt.Errorf("more than %d bytes: %w", e.size, ErrMismatch)
	}
	if err != io.EOF {
		return fmt.Errorf("read body: %w", err)
	}
	return io.EOF
}

// Err returns what was wrong with the body, or nil: clients may make another error of it.
func (e *Exact) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == io.EOF || e.err == errClosed {
		return nil
	}
	return e.err
}

var errClosed = fmt.Errorf("body is closed")

// Close ends the reading: once it returned nobody reads the content any more, even if a client still holds the reader.
func (e *Exact) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err == nil {
		e.err = errClosed
	}
	return nil
}
