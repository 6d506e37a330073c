package storage

import (
	"context"
	"iter"
	"time"
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
