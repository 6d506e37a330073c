package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/backstay/backstay/entry"
)

// content is what is read of one entry when it is asked for.
type content struct {
	*Source
	entry entry.Entry
}

// Open begins to read a file. The reader is an entry.FileReader: the file has changed if it has another size or modification time by
// then than its folder said.
func (c *content) Open(ctx context.Context) (io.ReadCloser, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if c.entry.Type != entry.File {
		return nil, fmt.Errorf("open: a %s has no content", c.entry.Type)
	}
	ctx, cancel := context.WithCancel(ctx)
	r := &reader{content: c, ctx: ctx, cancel: cancel, size: int64(c.entry.Size)}
	r.fetch()
	return r, nil
}

func (c *content) LinkTarget() (string, error) {
	if c.entry.LinkTarget == "" {
		return "", fmt.Errorf("read link: the server doesn't tell where %q points", c.entry.Path)
	}
	return c.entry.LinkTarget, nil
}

func (c *content) Attributes() ([]entry.Attribute, error) { return nil, nil }

// reader reads a file piece by piece, the next one ahead.
type reader struct {
	*content
	ctx    context.Context
	cancel context.CancelFunc
	size   int64

	piece  []byte // what is left of the piece that is being read
	held   []byte // the whole of it
	spare  []byte // the one before, to be filled anew
	offset int64  // where the next piece begins that is not fetched yet
	next   chan fetched
	work   sync.WaitGroup
	err    error
}

// fetched is a piece that has come.
type fetched struct {
	p   []byte
	err error
}

// fetch begins to read the next piece, if there is one.
func (r *reader) fetch() {
	n := min(r.size-r.offset, int64(r.opt.Piece))
	if n == 0 {
		r.next = nil
		return
	}
	p, offset := r.spare, r.offset
	if int64(cap(p)) < n {
		p = make([]byte, n)
	}
	p, r.spare = p[:n], nil
	r.offset += n
	next := make(chan fetched, 1)
	r.next = next
	r.work.Go(func() {
		err := r.folder.Load(r.ctx, r.entry.Path, p, offset)
		next <- fetched{p, err}
	})
}

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(r.piece) == 0 {
		if r.err = r.turn(); r.err != nil {
			return 0, r.err
		}
	}
	n := copy(p, r.piece)
	r.piece = r.piece[n:]
	return n, nil
}

// turn makes the piece that was fetched the one that is read, and fetches the next.
func (r *reader) turn() error {
	if r.next == nil {
		return io.EOF
	}
	select {
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	case f := <-r.next:
		if f.err != nil {
			return fmt.Errorf("read: %w", f.err)
		}
		r.spare, r.piece = r.held, f.p
		r.held = f.p
	}
	r.fetch()
	return nil
}

// NextData is that of entry.Sparse: no server tells of holes.
func (r *reader) NextData(offset int64) (int64, error) { return offset, nil }

// SkipTo is never needed, since NextData finds no hole.
func (r *reader) SkipTo(int64) { r.err = errors.New("skip in a file that has no holes") }

// Changed asks the server once more.
func (r *reader) Changed() (bool, error) {
	m, err := r.folder.Lookup(r.ctx, r.entry.Path)
	if err != nil {
		return false, err
	}
	return m.Size != r.entry.Size || !complete(m).ModTime.Equal(r.entry.ModTime), nil
}

// Close ends what is under way.
func (r *reader) Close() error {
	r.cancel()
	r.work.Wait()
	return nil
}
