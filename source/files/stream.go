package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync/atomic"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source"
)

// Stream is a source of one file at the root of the tree whose bytes come from somewhere else: the standard input, or a
// command. It has the time of the moment that it was opened, the mode 0644, and no size.
type Stream struct {
	name  string
	clk   clock.Clock
	start func(ctx context.Context) (stream, error)
}

// stream is bytes that come once.
type stream interface {
	io.Reader
	// end is called once, with whole unset if not all was read. Its error means that the bytes were not good.
	end(whole bool) error
}

// NewReader makes a source whose file, called name, holds what the reader that open returns has to say. Each view of the
// source opens it at most once.
func NewReader(name string, clk clock.Clock, open func() (io.ReadCloser, error)) *Stream {
	return &Stream{name: name, clk: clk, start: func(context.Context) (stream, error) {
		r, err := open()
		return closing{r}, err
	}}
}

type closing struct{ io.ReadCloser }

func (c closing) end(bool) error { return c.Close() }

// Open begins a view.
func (s *Stream) Open(context.Context) (source.View, error) {
	if s.name == "" || s.name == "." || s.name == ".." || strings.ContainsAny(s.name, "/\x00") {
		return nil, fmt.Errorf("%q can't be the name of a file", s.name)
	}
	v := &streamView{start: s.start}
	now := s.clk.Now().Local()
	v.entry = entry.Entry{Path: s.name, Content: v, Meta: entry.Meta{
		Name: s.name, Type: entry.File, Mode: 0o644, ModTime: now, AccessTime: now, ChangeTime: now, Links: 1,
	}}
	return v, nil
}

// streamView is the view of a stream, and the content of its file.
type streamView struct {
	entry  entry.Entry
	start  func(ctx context.Context) (stream, error)
	opened atomic.Bool
	reader *streamReader
}

func (v *streamView) Parallel() int { return 1 }

func (v *streamView) Entries(ctx context.Context) iter.Seq2[entry.Entry, error] {
	return func(yield func(entry.Entry, error) bool) {
		if ctx.Err() != nil {
			yield(entry.Entry{}, context.Cause(ctx))
			return
		}
		yield(v.entry, nil)
	}
}

// Open starts the stream. It can be done once.
func (v *streamView) Open(ctx context.Context) (io.ReadCloser, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if v.opened.Swap(true) {
		return nil, errors.New("a stream can be read only once")
	}
	v.reader = &streamReader{ctx: ctx}
	s, err := v.start(ctx)
	if err != nil {
		v.reader.err = err
		return nil, err
	}
	v.reader.stream = s
	return v.reader, nil
}

func (v *streamView) LinkTarget() (string, error) { return "", errors.New("a stream is no link") }

func (v *streamView) Attributes() ([]entry.Attribute, error) { return nil, nil }

// Close ends the stream. Its error says that it wasn't read to its end, or that it wasn't good.
func (v *streamView) Close() error {
	if v.reader == nil {
		return nil
	}
	return v.reader.Close()
}

// streamReader reads a stream and remembers how it went.
type streamReader struct {
	ctx    context.Context
	stream stream // nil: it did not start, or has ended
	whole  bool
	err    error
}

func (r *streamReader) Read(p []byte) (int, error) {
	if r.stream == nil {
		return 0, errors.New("read a stream that was closed")
	}
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	n, err := r.stream.Read(p)
	r.whole = err == io.EOF
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// Close may be called again, by the view after the reader's user; it returns the same each time.
func (r *streamReader) Close() error {
	if r.stream == nil {
		return r.err
	}
	err := r.stream.end(r.whole)
	r.stream = nil
	if err == nil && !r.whole && r.err == nil {
		err = errors.New("the stream was not read to its end")
	}
	r.err = errors.Join(r.err, err)
	return r.err
}
