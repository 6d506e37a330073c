package jsonscan

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// String reads a string. It is a slice of the document where nothing is escaped; else it is valid until the next String
// or Key. Bytes that are not UTF-8, and halves of surrogate pairs, become U+FFFD as in encoding/json.
func (s *Scanner) String() []byte {
	if s.space() != '"' {
		s.fail("want a string")
		return nil
	}
	start := s.pos + 1
	n, plain := span(s.p[start:])
	if end := start + n; plain && end < len(s.p) && s.p[end] == '"' {
		s.pos = end + 1
		return s.p[start:end]
	}
	s.skipString()
	if s.err != nil {
		return nil
	}
	raw := s.p[start : s.pos-1]
	if len(raw) == n && utf8.Valid(raw) {
		return raw
	}
	s.scratch = unescape(s.scratch[:0], raw)
	return s.scratch
}

// Hex reads a string of exactly 2*len(dst) lower-case hexadecimal digits, as ids are written, into dst.
func (s *Scanner) Hex(dst []byte) {
	s.space()
	end := s.pos + 1 + hex.EncodedLen(len(dst))
	if end >= len(s.p) || s.p[s.pos] != '"' || s.p[end] != '"' {
		s.failHex(len(dst))
		return
	}
	text := s.p[s.pos+1 : end]
	var all byte
	for i := range dst {
		high, low := nibbles[text[2*i]], nibbles[text[2*i+1]]
		all |= high | low
		dst[i] = high<<4 | low
	}
	if all > 0xf {
		s.failHex(len(dst))
		return
	}
	s.pos = end + 1
}

func (s *Scanner) failHex(n int) {
	if n == 32 {
		s.fail("want an id of 64 lower-case hex digits")
		return
	}
	s.fail("want lower-case hex digits")
}

// nibbles holds the value of each lower-case hexadecimal digit, 0xff for other bytes.
var nibbles = func() (t [256]byte) {
	for c := range t {
		t[c] = 0xff
	}
	for i, c := range []byte("0123456789abcdef") {
		t[c] = byte(i)
	}
	return t
}()

const (
	everyByte = 0x0101010101010101
	highBits  = 0x8080808080808080
)

// span returns how many bytes of p come before a quote, a backslash or a control character (or the end), and whether
// all of them are ASCII.
func span(p []byte) (n int, ascii bool) {
	ascii = true
	for ; n+8 <= len(p); n += 8 {
		w := binary.LittleEndian.Uint64(p[n:])
		control, quote, slash := w-everyByte*' ', (w^everyByte*'"')-everyByte, (w^everyByte*'\\')-everyByte
		if hit := (w | control | quote | slash) & highBits; hit != 0 {
			// Borrowing can set bits falsely only above a true one, so the lowest is true.
			n += bits.TrailingZeros64(hit) / 8
			if p[n] < utf8.RuneSelf {
				return n, true
			}
			break
		}
	}
	for ; n < len(p); n++ {
		c := p[n]
		if c < ' ' || c == '"' || c == '\\' {
			break
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	return n, ascii
}

// skipString reads a string and checks its escapes.
func (s *Scanner) skipString() {
	if s.space() != '"' {
		s.fail("want a string")
		return
	}
	s.pos++
	for {
		n, _ := span(s.p[s.pos:])
		s.pos += n
		switch s.peek() {
		case '"':
			s.pos++
			return
		case '\\':
			if !s.skipEscape() {
				s.fail("unknown escape")
				return
			}
		default:
			s.fail("want a closing quote or no control character")
			return
		}
	}
}

func (s *Scanner) skipEscape() bool {
	s.pos++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return true
	case 'u':
		if _, ok := hex4(s.p[s.pos+1:]); ok {
			s.pos += 5
			return true
		}
	}
	return false
}

// unescape appends the meaning of raw, whose escapes were checked, to b.
func unescape(b, raw []byte) []byte {
	for len(raw) > 0 {
		if raw[0] != '\\' {
			r, size := utf8.DecodeRune(raw)
			b = utf8.AppendRune(b, r)
			raw = raw[size:]
			continue
		}
		c := raw[1]
		raw = raw[2:]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			var r rune
			r, raw = unescapeRune(raw)
			b = utf8.AppendRune(b, r)
			continue
		}
		b = append(b, c)
	}
	return b
}

// unescapeRune reads four hex digits, and the second half of a surrogate pair where one follows the first.
func unescapeRune(raw []byte) (rune, []byte) {
	r, _ := hex4(raw)
	raw = raw[4:]
	if !utf16.IsSurrogate(r) {
		return r, raw
	}
	if len(raw) >= 6 && raw[0] == '\\' && raw[1] == 'u' {
		low, _ := hex4(raw[2:])
		if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
			return pair, raw[6:]
		}
	}
	return utf8.RuneError, raw
}

// hex4 reads the four digits of a \u escape, in either case.
func hex4(p []byte) (r rune, ok bool) {
	if len(p) < 4 {
		return 0, false
	}
	for _, c := range p[:4] {
		if 'A' <= c && c <= 'F' {
			c += 'a' - 'A'
		}
		v := nibbles[c]
		if v > 0xf {
			return 0, false
		}
		r = r<<4 | rune(v)
	}
	return r, true
}
