package auth

import (
	"fmt"
	"io"
	"strings"
)

// letters are those of Crockford's base 32: without I, L, O and U, so that none is taken for another.
const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// group is how many letters stand together: 20 bits.
const group = 4

// spell returns random groups of letters, for people to copy by hand.
func spell(random io.Reader, groups int) (Secret, error) {
	b := make([]byte, group*groups)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	var s strings.Builder
	for i, c := range b {
		if i > 0 && i%group == 0 {
			s.WriteByte('-')
		}
		s.WriteByte(letters[int(c)%len(letters)]) // 256 is a multiple of 32: each is as likely
	}
	return Secret(s.String()), nil
}

// unspell returns the letters that were meant, however they were grouped; what reads like another letter is taken for it.
func unspell(text string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '-', ' ', '\t', '\r', '\n', '\u00a0', '\u2010', '\u2011', '\u2013':
			return -1
		case 'o', 'O':
			return '0'
		case 'i', 'I', 'l', 'L':
			return '1'
		}
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, text)
}
