package archiver

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/backstay/backstay/engine/chunker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/progress"
)

type fileTask struct {
	entry   entry.Entry
	content *content
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

// reader reads files, one after the other.
type reader struct {
	archive *archive
	small   []byte // a file of one chunk, and one byte to know that it ends there
}

func (r *reader) file(t fileTask) error {
	a := r.archive
	t.content.ids = make([][]crypto.ID, len(a.groups))
	for i := range t.content.ids {
		t.content.ids[i] = []crypto.ID{}
	}
	opened, err := t.entry.Content.Open(a.ctx)
	if err != nil {
		return err
	}
	t.content.attributes, t.content.flaw = a.attributes(&t.entry)
	in := fileReader(opened)
	err = r.whole(t, in)
	if err == nil {
		err = r.changed(t, in)
	}
	return errors.Join(err, in.Close())
}

// fileReader returns r with all methods of a FileReader; a reader that is none has no holes and never changes.
func fileReader(r io.ReadCloser) entry.FileReader {
	if f, ok := r.(entry.FileReader); ok {
		return f
	}
	return plainReader{r}
}

type plainReader struct{ io.ReadCloser }

func (plainReader) NextData(offset int64) (int64, error) { return offset, nil }
func (plainReader) SkipTo(int64)                         {}
func (plainReader) Changed() (bool, error)               { return false, nil }

// changed tells of a file that changed while it was read. It is kept: the next run sees that it has changed.
func (r *reader) changed(t fileTask, in entry.FileReader) error {
	changed, err := in.Changed()
	if changed {
		r.archive.opt.Progress.Send(progress.Event{Kind: progress.Notice, Item: t.entry.Path, Text: fmt.Sprintf("%q changed while it was read; the next backup reads it again", t.entry.Path)})
	}
	return err
}

// whole reads the file to its end.
func (r *reader) whole(t fileTask, in entry.FileReader) error {
	n, err := r.fill(in, t.entry.Size)
	if err != nil {
		return err
	}
	if n < len(r.small) {
		return r.single(t, r.small[:n])
	}
	return r.large(t, in)
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
		if err = g.save(h, plain); err != nil {
			return err
		}
	}
	return nil
}

// large cuts a file, whose first bytes are in r.small, into chunks and hands them to the savers.
func (r *reader) large(t fileTask, in entry.FileReader) error {
	a := r.archive
	select {
	case a.large <- struct{}{}:
	case <-a.ctx.Done():
		return context.Cause(a.ctx)
	}
	defer func() { <-a.large }()
	a.opt.Progress.Send(progress.Event{Kind: progress.Started, Item: t.entry.Path, Bytes: int64(t.entry.Size)})
	cutters := make([]cutter, len(a.groups))
	for i, g := range a.groups {
		cutters[i] = cutter{group: g, content: t.content}
		defer cutters[i].close()
	}
	if err := feed(cutters, r.small); err != nil {
		return err
	}
	size := int64(len(r.small))
	for {
		n, err := next(in, size, cutters)
		size += n
		a.opt.Progress.Send(progress.Event{Kind: progress.Advanced, Item: t.entry.Path, Bytes: n})
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	t.content.size = uint64(size)
	for i := range cutters {
		if err := cutters[i].last(); err != nil {
			return err
		}
	}
	return nil
}

// next takes the next piece of a file, or the hole that begins at offset, and returns its length. At the end the error
// is io.EOF.
func next(in entry.FileReader, offset int64, cutters []cutter) (int64, error) {
	data, err := in.NextData(offset)
	if err != nil {
		return 0, err
	}
	if hole := data - offset; hole >= chunker.MinSize {
		for i := range cutters {
			if err := cutters[i].hole(hole); err != nil {
				return 0, err
			}
		}
		in.SkipTo(data)
		return hole, nil
	}
	space, err := cutters[0].space()
	if err != nil {
		return 0, err
	}
	n, end := in.Read(space)
	err = feed(cutters[1:], space[:n]) // first: advance gives the buffer away
	if err == nil {
		err = cutters[0].advance(n)
	}
	if err == nil {
		err = end
	}
	return int64(n), err
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
