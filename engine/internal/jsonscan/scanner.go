// Package jsonscan reads JSON (RFC 8259) from memory, for the engine's own decoders of trees and index files.
//
// A Scanner is pulled: the caller, who knows which shape to expect, asks for the next object, key or value, and the
// scanner checks the grammar on the way. It accepts exactly the documents that encoding/json accepts and gives the same
// values, but allocates nothing: strings are slices of the input unless something in them is escaped. Errors stick: after
// the first one each method returns its zero value at once, so that a decoder asks for Err when a value is complete
// instead of after each call. It does not encode, and does not know floating-point numbers but to skip them.
//
// The invariant: nothing is read more than twice (a string once to find its end, once to unescape it), so time is linear
// in the size of the document.
package jsonscan

import (
	"bytes"
	"fmt"
	"math"
)

// maxDepth is how deeply arrays and objects may be nested; the limit of encoding/json.
const maxDepth = 10000

// Error says where and why a document was refused.
type Error struct {
	Offset int // in bytes from the start of the document
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("json at byte %d: %s", e.Offset, e.Reason) }

// Scanner reads one document. A copy of a Scanner is a bookmark: assigning it back goes on from there, before an error
// too. It is not safe for use by several goroutines.
type Scanner struct {
	p       []byte
	pos     int
	depth   int
	first   bool   // the object or array just entered has given nothing yet, so no comma is due
	scratch []byte // the string unescaped last
	err     error
}

// Reset makes s read the document p, which must not change while s is used. The zero Scanner reads an empty document.
func (s *Scanner) Reset(p []byte) { *s = Scanner{p: p, scratch: s.scratch[:0]} }

// Err returns the first error, an *Error, or nil.
func (s *Scanner) Err() error { return s.err }

// Fail refuses the document for a reason of the caller's, unless it was refused before.
func (s *Scanner) Fail(reason string) {
	if s.err == nil {
		s.err = &Error{Offset: s.pos, Reason: reason}
		s.pos = len(s.p) // where every method finds nothing
	}
}

// Offset returns the number of bytes read.
func (s *Scanner) Offset() int { return s.pos }

// End checks that nothing but white space follows, and returns the first error as Err does.
func (s *Scanner) End() error {
	s.space()
	if s.pos < len(s.p) {
		s.fail("want the end")
	}
	return s.err
}

// Object enters an object, whose members Key then gives.
func (s *Scanner) Object() { s.enter('{', "want an object") }

// Array enters an array, whose elements Element then announces.
func (s *Scanner) Array() { s.enter('[', "want an array") }

// Key returns the next key of the object entered last, valid until the next String or Key; the caller reads or skips
// the value that follows. It reports false at the end of the object, which is then left, or after an error.
func (s *Scanner) Key() (key []byte, ok bool) {
	if !s.next('}') {
		return nil, false
	}
	key = s.String()
	if s.space() != ':' {
		s.fail("want a colon")
		return nil, false
	}
	s.pos++
	return key, true
}

// Element reports whether the array entered last has another element, which the caller then reads or skips. At the end
// the array is left.
func (s *Scanner) Element() bool { return s.next(']') }

// Null reads the value if it is null, and reports whether it was.
func (s *Scanner) Null() bool {
	if s.space() != 'n' {
		return false
	}
	s.literal("null")
	return s.err == nil
}

// Bool reads true or false.
func (s *Scanner) Bool() bool {
	switch s.space() {
	case 't':
		s.literal("true")
		return s.err == nil
	case 'f':
		s.literal("false")
	default:
		s.fail("want true or false")
	}
	return false
}

// Uint64 reads a whole number without sign, fraction or exponent.
func (s *Scanner) Uint64() uint64 {
	s.space()
	return s.whole()
}

// Int64 reads a whole number without fraction or exponent.
func (s *Scanner) Int64() int64 {
	if s.space() != '-' {
		if u := s.whole(); u <= math.MaxInt64 {
			return int64(u)
		}
		s.fail("number too large")
		return 0
	}
	s.pos++
	if u := s.whole(); u <= 1<<63 {
		return -int64(u)
	}
	s.fail("number too small")
	return 0
}

// Raw reads a value of any kind and returns its bytes, a slice of the document.
func (s *Scanner) Raw() []byte {
	s.space()
	start := s.pos
	s.Skip()
	if s.err != nil {
		return nil
	}
	return s.p[start:s.pos]
}

// Skip reads a value of any kind, checking that it is well formed.
func (s *Scanner) Skip() {
	switch c := s.space(); c {
	case '{':
		for s.Object(); s.next('}'); s.Skip() {
			s.skipString()
			if s.space() != ':' {
				s.fail("want a colon")
				return
			}
			s.pos++
		}
	case '[':
		for s.Array(); s.next(']'); {
			s.Skip()
		}
	case '"':
		s.skipString()
	case 't':
		s.literal("true")
	case 'f':
		s.literal("false")
	case 'n':
		s.literal("null")
	default:
		s.skipNumber()
	}
}

// space skips white space and returns the byte after it without reading it, 0 at the end of the document. (A zero byte
// in the document is no token, so the two need not be told apart.)
func (s *Scanner) space() byte {
	for s.pos < len(s.p) {
		switch c := s.p[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

func (s *Scanner) enter(open byte, reason string) {
	if s.space() != open {
		s.fail(reason)
		return
	}
	if s.depth == maxDepth {
		s.fail("nested too deeply")
		return
	}
	s.pos++
	s.depth++
	s.first = true
}

// next moves to the next member or element, or past the closing byte; then it reports false.
func (s *Scanner) next(end byte) bool {
	c := s.space()
	first := s.first
	s.first = false
	switch {
	case s.err != nil:
		return false
	case c == end:
		s.pos++
		s.depth--
		return false
	case first:
		return true
	case c != ',':
		s.fail("want a comma or " + string(rune(end)))
		return false
	}
	s.pos++
	return true
}

func (s *Scanner) literal(word string) {
	if !bytes.HasPrefix(s.p[s.pos:], []byte(word)) {
		s.fail("want " + word)
		return
	}
	s.pos += len(word)
}

// fail keeps the first error of the grammar.
func (s *Scanner) fail(reason string) {
	if s.pos >= len(s.p) {
		reason += ", not the end of the document"
	}
	s.Fail(reason)
}
