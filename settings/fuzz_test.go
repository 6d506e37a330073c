package settings

import (
	"strings"
	"testing"
)

// Words that are quoted come back as they were.
func FuzzWords(f *testing.F) {
	for _, s := range []string{`a b`, `'a b' "c\"d" e\ f`, `"$x`, `\`, ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words, err := Words(s)
		if err != nil {
			return
		}
		quoted := make([]string, len(words))
		for i, w := range words {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		again, err := Words(strings.Join(quoted, " "))
		if err != nil || strings.Join(again, "\x00") != strings.Join(words, "\x00") {
			t.Fatalf("%q is %q, which quoted is %q, %v", s, words, again, err)
		}
	})
}
