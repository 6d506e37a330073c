package archiver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/backstay/backstay/engine/chunker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/progress"
)

// piece is how much of a large file is read at once: small enough to be in the cache when it is searched for boundaries.
const piece = 256 << 10

// inode is a file, whatever its names are.
type inode struct{ device, number uint64 }

// content is what is read of a file, for one or several names of it.
type content struct {
	mu         sync.Mutex
	ids        [][]crypto.ID // by group
	chunks     int           // in work, and one for the reader
	size       uint64
	attributes []entry.Attribute
	err        error
	done       bool
	names      []*leaf // that wait for it
}

func newContent(l *leaf) *content { return &content{chunks: 1, names: []*leaf{l}} }

// then has the leaf get the content too.
func (c *content) then(a *archive, l *leaf) {
	c.mu.Lock()
	if !c.done {
		c.names = append(c.names, l)
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	c.give(a, l)
}

// release says that one chunk, or the reader, is done with it.
func (c *content) release(a *archive, err error) {
	c.mu.Lock()
	c.err = errors.Join(c.err, err)
	c.chunks--
	if c.chunks > 0 {
		c.mu.Unlock()
		return
	}
	c.done = true
	names := c.names
	c.mu.Unlock()
	for _, l := range names {
		c.give(a, l)
	}
}

// give hands the content to a leaf. Nothing writes to it any more.
func (c *content) give(a *archive, l *leaf) {
	if c.err != nil {
		a.lost(l, c.err)
	} else {
		for i, n := range l.nodes {
			n.Content, n.Size, n.Attributes = c.ids[i], c.size, c.attributes
		}
		a.archived(l)
	}
	a.done(l.dir)
}

// slot adds a place for the next chunk of a group.
func (c *content) slot(group int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.chunks++
	c.ids[group] = append(c.ids[group], crypto.ID{})
	return len(c.ids[group]) - 1
}

func (c *content) fill(group, slot int, id crypto.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ids[group][slot] = id
}

type fileTask struct {
	entry   entry.Entry
	content *content
}

// chunkTask is a chunk of a large file.
type chunkTask struct {
	group   *group
	content *content
	slot    int
	buf     []byte // a buffer of the archive, cut to the chunk
}

// read is the loop of a reader.
func (a *archive) read() {
	r := reader{archive: a, small: make([]byte, chunker.MinSize+1)}
	for t := range a.files {
		if a.ctx.Err() == nil {
			t.content.release(a, r.file(t))
		}
	}
}

// save is the loop of a saver: it hashes chunks and saves those that are new.
func (a *archive) save() {
	var scratch repo.Scratch
	for t := range a.chunks {
		var err error
		if a.ctx.Err() == nil {
			h := pack.Handle{ID: hash(t.buf), Type: pack.Data}
			t.content.fill(t.group.number, t.slot, h.ID)
			err = t.group.save(h, t.buf, &scratch)
		}
		a.buffers <- t.buf
		if a.ctx.Err() == nil {
			t.content.release(a, err)
		}
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

// reader reads files, one after the other.
type reader struct {
	archive *archive
	small   []byte // a file of one chunk, and one byte to know that it ends there
	scratch repo.Scratch
}

func (r *reader) file(t fileTask) (err error) {
	a := r.archive
	t.content.ids = make([][]crypto.ID, len(a.groups))
	for i := range t.content.ids {
		t.content.ids[i] = []crypto.ID{}
	}
	if t.content.attributes, err = t.entry.Content.Attributes(); err != nil {
		a.lose(t.entry.Path, fmt.Errorf("read extended attributes: %w", err))
	}
	in, err := t.entry.Content.Open(a.ctx)
	if err != nil {
		return err
	}
	n, err := r.fill(in, t.entry.Size)
	if err == nil {
		if n < len(r.small) {
			err = r.single(t, r.small[:n])
		} else {
			err = r.large(t, in)
		}
	}
	return errors.Join(err, in.Close())
}

// fill reads into r.small until it is full or the file ends. The first read asks for what the file is said to hold and a byte
// more, so that most files take one read, and one to see the end.
func (r *reader) fill(in io.Reader, size uint64) (n int, err error) {
	limit := int(min(size+1, uint64(len(r.small))))
	for n < len(r.small) {
		m, err := in.Read(r.small[n:limit])
		n += m
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		if n == limit {
			limit = len(r.small)
		}
	}
	return n, nil
}

// single saves a file of one chunk.
func (r *reader) single(t fileTask, plain []byte) (err error) {
	t.content.size = uint64(len(plain))
	if len(plain) == 0 {
		return nil
	}
	h := pack.Handle{ID: hash(plain), Type: pack.Data}
	for i, g := range r.archive.groups {
		t.content.ids[i] = []crypto.ID{h.ID}
		if err = g.save(h, plain, &r.scratch); err != nil {
			return err
		}
	}
	return nil
}

// large cuts a file, whose first bytes are in r.small, into chunks and hands them to the savers.
func (r *reader) large(t fileTask, in io.Reader) error {
	a := r.archive
	select {
	case a.large <- struct{}{}:
	case <-a.ctx.Done():
		return context.Cause(a.ctx)
	}
	defer func() { <-a.large }()
	cutters := make([]cutter, len(a.groups))
	for i, g := range a.groups {
		cutters[i] = cutter{group: g, content: t.content}
	}
	defer func() {
		for i := range cutters {
			cutters[i].close()
		}
	}()
	a.opt.Progress.Send(progress.Event{Kind: progress.Started, Item: t.entry.Path, Bytes: int64(t.entry.Size)})
	if err := feed(cutters, r.small); err != nil {
		return err
	}
	size := uint64(len(r.small))
	for {
		space, err := cutters[0].space()
		if err != nil {
			return err
		}
		n, readErr := in.Read(space)
		size += uint64(n)
		if err := feed(cutters[1:], space[:n]); err != nil { // first: advance gives the buffer away
			return err
		}
		if err := cutters[0].advance(n); err != nil {
			return err
		}
		a.opt.Progress.Send(progress.Event{Kind: progress.Advanced, Item: t.entry.Path, Bytes: int64(n)})
		if readErr == io.EOF {
			break
		}
		if readErr != nil {
			return readErr
		}
	}
	t.content.size = size
	for i := range cutters {
		if err := cutters[i].last(); err != nil {
			return err
		}
	}
	return nil
}

// feed copies p to each cutter.
func feed(cutters []cutter, p []byte) error {
	for i := range cutters {
		for rest := p; len(rest) > 0; {
			space, err := cutters[i].space()
			if err != nil {
				return err
			}
			n := copy(space, rest)
			rest = rest[n:]
			if err := cutters[i].advance(n); err != nil {
				return err
			}
		}
	}
	return nil
}

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
	task := chunkTask{group: c.group, content: c.content, slot: c.content.slot(c.group.number), buf: full[:end]}
	select {
	case a.chunks <- task:
		return nil
	case <-a.ctx.Done():
		a.buffers <- full
		return context.Cause(a.ctx)
	}
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
			b = make([]byte, chunker.MaxSize+piece)
		}
		return b[:cap(b)], nil
	case <-a.ctx.Done():
		return nil, context.Cause(a.ctx)
	}
}
