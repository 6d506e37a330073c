// Package storage is where a repository lives.
//
// A Backend keeps files: immutable byte strings under slash-separated names such as "config", "keys/<id>" or
// "data/ab/<id>". The engine decides what they mean. Wrappers (retry, limit, metrics) have the same interface and are put
// around an adapter by whoever opens it; no adapter retries, limits or counts by itself. What every Backend owes is
// written down as tests in storagetest.
package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"time"
)

// ErrNotFound is wrapped by the error of Load and Stat for a name that is not there. Remove of such a name is no error.
var ErrNotFound = errors.New("not found")

// ErrExists is wrapped by the error of Save for a name that is there already; the file there is unchanged.
var ErrExists = errors.New("already exists")

// ErrShort is wrapped by the error of Load when the file ends before the range that was asked for.
var ErrShort = errors.New("file is shorter than expected")

// ErrMismatch is wrapped by the error of Save when the body was not of the size or the hash it announced.
var ErrMismatch = errors.New("content is not what was announced")

// ErrPermanent is wrapped by errors that no second try can mend, such as a full disk or a refused permission.
var ErrPermanent = errors.New("permanent")

// ErrFull is wrapped by the error of Save where no space or no quota is left. It is an ErrPermanent.
var ErrFull = fmt.Errorf("no space is left: %w", ErrPermanent)

// ErrLogin is wrapped by the errors of a storage that doesn't know who asks, or doesn't take what proves it. What somebody may not do whom it
// knows is none. It is an ErrPermanent.
var ErrLogin = fmt.Errorf("the login is refused: %w", ErrPermanent)

// ErrUntrusted is wrapped by the errors of a storage whose TLS certificate isn't trusted: nothing was sent to it. It is an ErrPermanent.
var ErrUntrusted = fmt.Errorf("the certificate isn't trusted: %w", ErrPermanent)

// ErrHostKey is wrapped by the errors of a storage whose SSH key isn't the one that is known: nothing was sent to it. It is an ErrPermanent.
var ErrHostKey = fmt.Errorf("the key of the server isn't known: %w", ErrPermanent)

// ErrRetained is wrapped by the error of Remove for a file that the storage keeps until a certain time, whoever asks. It comes with
// ErrPermanent.
var ErrRetained = errors.New("kept by object lock")

// BusyError is the error of a call that the storage refused for now. It said after what time it may be asked again.
type BusyError struct {
	After time.Duration
	Err   error
}

func (e *BusyError) Error() string { return e.Err.Error() }
func (e *BusyError) Unwrap() error { return e.Err }

// Info is what a listing tells of a file.
type Info struct {
	Name string // the whole name, as given to Save
	Size int64  // bytes
}

// Backend keeps files. All methods may be called from any goroutine at any time.
//
// Errors say what was done and on which name. A method whose context ends returns soon, with an error that wraps the
// context's cause, and changes nothing afterwards.
type Backend interface {
	// Save stores body under name, durably: once Save returned nil the file survives a power cut. It is all or
	// nothing: after an error, and at every moment before, a reader finds either no such file or, when the answer
	// was lost, the whole file. An existing name is never overwritten (ErrExists).
	Save(ctx context.Context, name string, body Body) error
	// Load fills p with the bytes of the file from offset on. It fills all of p or returns an error.
	Load(ctx context.Context, name string, p []byte, offset int64) error
	// List yields each file whose name starts with dir + "/", in any order, each once. A listing that could not be
	// finished yields an error as its last element: it never ends early in silence. A directory that is not
	// there is empty, but a location that can't be reached is an error.
	List(ctx context.Context, dir string) iter.Seq2[Info, error]
	// Stat returns the name and the size of one file.
	Stat(ctx context.Context, name string) (Info, error)
	// Remove deletes a file, durably: once Remove returned nil no power cut brings it back. One that is gone
	// already is no error.
	Remove(ctx context.Context, name string) error
}

// LoadAll returns the whole content of a file.
func LoadAll(ctx context.Context, b Backend, name string) ([]byte, error) {
	info, err := b.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	p := make([]byte, info.Size)
	if err := b.Load(ctx, name, p, 0); err != nil {
		return nil, err
	}
	return p, nil
}

// CheckName returns an error for what can't be the name of a file or of a directory in a Backend: an empty or absolute
// path, or one with an empty element, "." or "..". The error wraps ErrPermanent.
func CheckName(name string) error {
	if !fs.ValidPath(name) || name == "." {
		return fmt.Errorf("name %q is not a path within the storage: %w", name, ErrPermanent)
	}
	return nil
}

// Mark returns an error with the text of err, for which errors.Is also finds kind, one of the errors above.
func Mark(err, kind error) error { return marked{err, kind} }

type marked struct {
	error
	kind error
}

func (m marked) Unwrap() []error { return []error{m.error, m.kind} }
