package entry

import (
	"context"
	"io"
)

// Error is the loss of one entry: it could not be read, or not be restored, while the others go on. An error of another
// type, yielded by a view or returned by a restore, ends the whole.
type Error struct {
	Path string
	Err  error
}

func (e *Error) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// Contents hands out the bytes of entries that came from a repository. Its methods may be called from any goroutine.
type Contents interface {
	// Fetch delivers the bytes of the wanted files to sink, in the order that is cheapest to read, each stored blob
	// read and opened once. It returns when sink.Done was called for each wanted entry, or ctx ended.
	Fetch(ctx context.Context, wanted []Entry, sink Sink) error
	// Open returns the bytes of one file in order, read ahead as the reader goes.
	Open(ctx context.Context, e Entry) (io.ReadCloser, error)
	// Match compares what is in r with the content of e piece by piece and returns the pieces that differ or are
	// missing; none means equal. r may be shorter or longer than the content. The holes of an r that is Sparse are not read.
	Match(ctx context.Context, e Entry, r io.ReaderAt) ([]Range, error)
}

// Range is a part of a file in bytes.
type Range struct{ Offset, Length int64 }

// Sink takes the bytes of files as they come. Its methods are called from several goroutines at once, for different
// pieces of one file too.
type Sink interface {
	// Want tells which part of the wanted entry is needed: nil stands for all of it. It is asked once for each entry,
	// before its first WriteAt.
	Want(i int) []Range
	// WriteAt takes bytes of wanted entry number i. p is only valid during the call. All zero bytes in a row may be
	// left out by the sink to make a sparse file. An error loses the entry.
	WriteAt(i int, p []byte, offset int64) error
	// Done says that all bytes of entry number i were delivered, or with an error that some are lost. It is called
	// once for each entry, after its last WriteAt.
	Done(i int, err error)
}
