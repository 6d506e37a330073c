// Package backstay holds the words of Backstay and their rules. It does no I/O.
//
// Error is a failure as a person is told of it: what failed and what to do next.
package backstay

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure an Error is. Doors map it to their own signs: an exit code, an HTTP status.
type Kind string

// The kinds of failure.
const (
	Failed        Kind = "failed"         // it went wrong, for a reason that none of the others names
	Invalid       Kind = "invalid"        // it was asked for in a way that makes no sense
	NotFound      Kind = "not-found"      // what was named is not there
	Conflict      Kind = "conflict"       // the state of things forbids it
	NoRepository  Kind = "no-repository"  // the storage holds no repository
	Locked        Kind = "locked"         // somebody else's lock is in the way
	WrongPassword Kind = "wrong-password" // the password opens none of the keys
	Damaged       Kind = "damaged"        // what was read is not what was once saved
	Partial       Kind = "partial"        // it was finished, but not for everything
	Dropped       Kind = "dropped"        // it was finished, but not in every repository
	Cancelled     Kind = "cancelled"      // somebody stopped it
	SignIn        Kind = "sign-in"        // nobody has signed in, or not far enough
	Denied        Kind = "denied"         // they may not do that
	Unconfirmed   Kind = "unconfirmed"    // they may, once they confirmed that it is them
	TooMany       Kind = "too-many"       // it was asked for too often; later it is possible
)

// Error is a failure in the words of the user. Err is the cause, for logs; Msg already says what of it a person can use.
type Error struct {
	Kind Kind
	Msg  string // what on which: cause
	Hint string // a sentence: what to do next; may be ""
	// Field is the field of what was given that is wrong, as in JSON, such as "schedule.at"; may be "".
	Field string
	// Code is that of the entry in docs/errors.md, such as "BST-2001", where whoever made the error was told of it by a server; else "".
	Code string
	Err  error // may be nil
}

// Errorf makes an Error. As with fmt.Errorf the error given for %w becomes its cause.
func Errorf(kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Msg: err.Error(), Err: errors.Unwrap(err)}
}

// WithHint returns a copy of e that says what to do next.
func (e *Error) WithHint(hint string) *Error {
	next := *e
	next.Hint = hint
	return &next
}

// OnField returns a copy of e that says which field of what was given is wrong.
func (e *Error) OnField(field string) *Error {
	next := *e
	next.Field = field
	return &next
}

func (e *Error) Error() string { return e.Msg }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
