package archiver

import (
	"bytes"
	"context"
	"sync"

	"github.com/backstay/backstay/engine/chunker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
)

// piece is how much of a large file is read at once: small enough to be in the cache when it is searched for boundaries.
const piece = 256 << 10

// cutter cuts one file for one group. The chunk in work is at the beginning of a buffer that is large enough for any.
type cutter struct {
	group   *group
	content *content
	buf     []byte // nil: none in work
	n       int    // bytes in it
	asked   int    // bytes of them that the chunker has seen
}

// space returns room for the next bytes.
func (c *cutter) space() ([]byte, error) {
	if c.buf == nil {
		var err error
		if c.buf, err = c.group.archive.buffer(); err != nil {
			return nil, err
		}
	}
	if c.n+piece > len(c.buf) { // few chunks are that large
		larger := make([]byte, min(2*len(c.buf), chunker.MaxSize+piece))
		copy(larger, c.buf[:c.n])
		c.buf = larger
	}
	return c.buf[c.n : c.n+piece], nil
}

// advance takes n bytes that were put into the space, and hands on the chunks that end in them.
func (c *cutter) advance(n int) error {
	c.n += n
	for {
		end := c.group.chunker.Cut(c.buf[:c.n], c.asked)
		if end == 0 {
			c.asked = c.n
			return nil
		}
		if err := c.cut(end); err != nil {
			return err
		}
	}
}

// cut hands on the first end bytes, and carries the rest over to another buffer.
func (c *cutter) cut(end int) error {
	a := c.group.archive
	full, rest := c.buf, c.n-end
	c.buf, c.n, c.asked = nil, 0, 0
	if rest > 0 {
		next, err := a.buffer()
		if err != nil {
			a.buffers <- full
			return err
		}
		c.buf, c.n = next, copy(next, full[end:end+rest])
	}
	slot, err := c.content.slot(c.group.number)
	if err != nil {
		a.buffers <- full
		return err
	}
	select {
	case a.chunks <- chunkTask{group: c.group, content: c.content, slot: slot, buf: full[:end]}:
		return nil
	case <-a.ctx.Done():
		a.buffers <- full
		return context.Cause(a.ctx)
	}
}

// hole takes n zero bytes. The chunk in work is brought to an end; then each chunk is MinSize zeros, since a window of zeros
// is a boundary, and none of them needs to be looked at.
func (c *cutter) hole(n int64) error {
	for n > 0 {
		if c.n == 0 && n >= chunker.MinSize {
			if err := c.zeros(n / chunker.MinSize); err != nil {
				return err
			}
			n %= chunker.MinSize
			continue
		}
		space, err := c.space()
		if err != nil {
			return err
		}
		m := int64(chunker.MinSize - c.n) // so that a chunk of zeros ends with the space
		if m <= 0 {
			m = 1 << 10
		}
		m = min(m, n, piece)
		clear(space[:m])
		if err := c.advance(int(m)); err != nil {
			return err
		}
		n -= m
	}
	return nil
}

// zeros adds n chunks of MinSize zeros.
func (c *cutter) zeros(n int64) error {
	h := pack.Handle{ID: zerosID(), Type: pack.Data}
	if err := c.group.save(h, zeros[:]); err != nil {
		return err
	}
	return c.content.repeat(c.group.number, h.ID, n)
}

// last hands on what is left at the end of the file.
func (c *cutter) last() error {
	if c.n == 0 {
		return nil
	}
	return c.cut(c.n)
}

// close gives the buffer back.
func (c *cutter) close() {
	if c.buf != nil {
		c.group.archive.buffers <- c.buf
	}
}

// buffer returns a free buffer for chunks, waiting for one if need be.
func (a *archive) buffer() ([]byte, error) {
	select {
	case b := <-a.buffers:
		if b == nil {
			b = make([]byte, 1<<20) // grown where that is not enough
		}
		return b[:cap(b)], nil
	case <-a.ctx.Done():
		return nil, context.Cause(a.ctx)
	}
}

// chunkTask is a chunk of a large file.
type chunkTask struct {
	group   *group
	content *content
	slot    int
	buf     []byte // a buffer of the archive, cut to the chunk
}

// save is the loop of a saver: it hashes chunks and saves those that are new.
func (a *archive) save() {
	for t := range a.chunks {
		var err error
		if a.ctx.Err() == nil {
			h := pack.Handle{ID: hash(t.buf), Type: pack.Data}
			t.content.fill(t.group.number, t.slot, h.ID)
			err = t.group.save(h, t.buf)
		}
		a.buffers <- t.buf
		t.content.release(a, err)
	}
}

var zeros [chunker.MinSize]byte // never written: the most common chunk of all, in sparse files
var zerosID = sync.OnceValue(func() crypto.ID { return crypto.Hash(zeros[:]) })

func hash(p []byte) crypto.ID {
	if len(p) == len(zeros) && bytes.Equal(p, zeros[:]) {
		return zerosID()
	}
	return crypto.Hash(p)
}
