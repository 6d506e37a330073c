package show

import "unicode"

// Width is the number of columns that s takes on a terminal: 2 for the wide characters of East Asia and emoji, 0 for marks that
// are put on the character before them, 1 for all else.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Yi),
		0x3000 <= r && r <= 0x303e, 0xff01 <= r && r <= 0xff60, // punctuation and letters of full width
		0x1f300 <= r && r <= 0x1f64f, 0x1f680 <= r && r <= 0x1f6ff, 0x1f900 <= r && r <= 0x1f9ff: // pictures
		return 2
	}
	return 1
}

// Cut shortens s to at most n columns; an ellipsis stands for what is left out.
func Cut(s string, n int) string {
	if Width(s) <= n {
		return s
	}
	width := 1 // of the ellipsis
	for i, r := range s {
		if width += runeWidth(r); width > n {
			return s[:i] + "…"
		}
	}
	return s
}
