package cli

import (
	"strings"
	"testing"

	"github.com/backstay/backstay/settings"
)

// Words that are quoted come back as they were.
func FuzzSplitWords(f *testing.F) {
	for _, s := range []string{`a b`, `'a b' "c\"d" e\ f`, `"$x`, `\`, ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words, err := settings.Words(s)
		if err != nil {
			return
		}
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		again, err := settings.Words(strings.Join(quoted, " "))
		if err != nil || strings.Join(again, "\x00") != strings.Join(words, "\x00") {
			t.Fatalf("%q is %q, which quoted is %q, %v", s, words, again, err)
		}
	})
}

// A size is not negative, and a larger unit makes it larger.
func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"0", "500M", "1.5G", "1KiB", "-1", "NaN", "1e400", "inf", "5 M"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseSize(s); err == nil && n < 0 {
			t.Fatalf("%q is %d bytes", s, n)
		}
	})
}
