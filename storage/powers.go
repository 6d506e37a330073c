package storage

import (
	"context"
	"iter"
	"time"

	"github.com/backstay/backstay/entry"
)

// Powers are small interfaces that some kinds of storage have beside Backend. As finds them.

// Sweeper is a Backend in which killed processes can leave something behind.
type Sweeper interface {
	// Sweep removes what was left there more than a day ago.
	Sweep(ctx context.Context) error
}

// Retainer is a Backend that keeps its files from being deleted until a certain time, whoever asks (object lock). Save sets that
// time; Remove of a file before it is an ErrRetained.
type Retainer interface {
	// Retained returns until when a file is kept: the zero time if it isn't.
	Retained(ctx context.Context, name string) (time.Time, error)
	// Retain keeps a file until that time at least. It never shortens.
	Retain(ctx context.Context, name string, until time.Time) error
	// Period is for how long Save keeps a file; 0: it sets no time.
	Period() time.Duration
	// Hidden yields the kept files that somebody has hidden all the same: deleted, so that they aren't listed any more, or replaced.
	// Dir is a folder, the name of one file, or "" for all. A Backend itself never leaves a file so.
	Hidden(ctx context.Context, dir string) iter.Seq2[Info, error]
	// Unhide brings back a hidden file as it was first saved.
	Unhide(ctx context.Context, name string) error
}

// Browser is a Backend whose place can be looked at as folders of anybody's files, to back them up. Their names need not be such as Save
// takes.
type Browser interface {
	// ReadDir yields what is directly in a folder, which is a slash-separated path within the location, "." for the location itself. It
	// tells name, type, size and times as far as the storage knows them, and the targets of links; what it doesn't know is zero.
	// The order is any. An error is the last element: a listing never ends early in silence. A folder that isn't there is an error.
	ReadDir(ctx context.Context, dir string) iter.Seq2[entry.Meta, error]
	// Lookup tells the same of one file.
	Lookup(ctx context.Context, name string) (entry.Meta, error)
	// Load reads as Backend.Load does.
	Load(ctx context.Context, name string, p []byte, offset int64) error
}

// As returns the power T of a backend, or of what that is wrapped around.
func As[T any](b Backend) (power T, ok bool) {
	for {
		if power, ok = b.(T); ok {
			return power, true
		}
		wrapper, wrapped := b.(interface{ Unwrap() Backend })
		if !wrapped {
			return power, false
		}
		b = wrapper.Unwrap()
	}
}
