package jsonscan

import "math"

// whole reads digits at the position.
func (s *Scanner) whole() uint64 {
	start, p := s.pos, s.p
	var n uint64
	i := start
	for ; i < len(p); i++ {
		d := uint64(p[i] - '0')
		if d > 9 {
			break
		}
		if n > (math.MaxUint64-d)/10 {
			s.fail("number too large")
			return 0
		}
		n = n*10 + d
	}
	switch {
	case i == start:
		s.fail("want a whole number")
		return 0
	case p[start] == '0' && i > start+1:
		s.fail("number with a leading zero")
		return 0
	case i < len(p) && (p[i] == '.' || p[i] == 'e' || p[i] == 'E'):
		s.fail("want a whole number")
		return 0
	}
	s.pos = i
	return n
}

func (s *Scanner) skipNumber() {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else {
		s.skipDigits("want a value")
	}
	if s.peek() == '.' {
		s.pos++
		s.skipDigits("want a digit after the point")
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		s.skipDigits("want a digit in the exponent")
	}
}

func (s *Scanner) skipDigits(reason string) {
	start := s.pos
	for s.pos < len(s.p) && s.p[s.pos]-'0' <= 9 {
		s.pos++
	}
	if s.pos == start {
		s.fail(reason)
	}
}

// peek returns the byte at the position, 0 at the end.
func (s *Scanner) peek() byte {
	if s.pos < len(s.p) {
		return s.p[s.pos]
	}
	return 0
}
