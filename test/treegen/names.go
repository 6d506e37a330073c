//go:build linux

package treegen

import (
	"math/rand/v2"
	"strings"
)

// AwkwardNames returns file names that were a trouble to some program: characters that JSON, HTML, shells and
// terminals treat in their own way, bytes that are no UTF-8, white space, look-alikes and the longest name there is.
func AwkwardNames() []string {
	return []string{
		"<&>.html", "del\x7f", "inv\xff\xfeutf8", "ls\u2028sep", "nl\nname", "tab\tname", `quote"back\slash`,
		"ünïcode-é", "e\u0301 combining", "😀.txt", "-rf", "--help", " ", "trailing ", ".hidden", "...", "~", "$HOME", "*?[a]",
		"back\\", "'single'", "`tick`", "a:b", "CON", "nul.txt", "cr\rname", "bell\a\x1b[31mred", "nbsp\u00a0name",
		"rtl\u202eexe.txt", "zero\u200bwidth", "\ufeffbom", "\xc3\x28", "\xed\xa0\x80surrogate", "percent%41%s", "{json}", "null",
		strings.Repeat("n", 255), strings.Repeat("é", 127), strings.Repeat("\xff", 255),
	}
}

// awkwardName puts a name together from one to four pieces; any bytes but '/' and NUL, 255 at most.
func awkwardName(r *rand.Rand) string {
	pieces := []string{
		"a", "b", "Z", "0", "name", "file.txt", "-", ".", "..", " ", "<", "&", ">", "\x7f", "\xff", "\xfe\xff", "\u2028", "\n", "\t", `"`, `\`,
		"ü", "e\u0301", "😀", "'", "`", "$", "*", "?", "\x01", "\x1b[1m", "\u00a0", "%", ":", "\\n", "\\xff", "\u202e", "\xc3",
	}
	var b strings.Builder
	for range 1 + r.IntN(4) {
		b.WriteString(pick(r, pieces))
	}
	for range 2 {
		b.WriteByte("abcdefghijklmnopqrstuvwxyz"[r.IntN(26)]) // so that "." and ".." don't come up, and names rarely collide
	}
	return b.String()
}
