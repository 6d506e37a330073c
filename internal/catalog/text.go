package catalog

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// fold returns the form in which names are compared: valid text, upper and lower case alike, accents composed as they
// are typed (macOS writes names with accents apart).
func fold(name string) string {
	text := strings.Map(func(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }, strings.ToValidUTF8(name, "\ufffd"))
	return norm.NFC.String(text)
}

// pattern is what a name and the path of its directory have to look like. All text is folded.
type pattern struct {
	text  string // is in the name
	start bool   // and stands at its beginning
	dir   string // the directory's path, with slashes before each name, ends with it
}

// patternOf reads what a person typed. A slash in it stands between names: what is behind the last one is the beginning of a name, and
// what is before it the end of a directory's path. Text of one or two characters, of which there is no index, is
// the beginning of a name too.
func patternOf(text string) pattern {
	text = fold(text)
	if i := strings.LastIndexByte(text, '/'); i >= 0 {
		return pattern{text: text[i+1:], start: true, dir: text[:i]}
	}
	return pattern{text: text, start: utf8.RuneCountInString(text) < 3}
}

// matches takes the folded name and the path of the directory as it is.
func (p pattern) matches(name, dir string) bool {
	if p.start && !strings.HasPrefix(name, p.text) || !strings.Contains(name, p.text) {
		return false
	}
	return p.within(dir)
}

// within reports whether the path of a directory ends as it should.
func (p pattern) within(dir string) bool {
	return p.dir == "" || dir != "" && strings.HasSuffix("/"+fold(dir), p.dir)
}

// parent returns the pattern that the name of the directory itself has to match, and false if any name will do.
func (p pattern) parent() (pattern, bool) {
	i := strings.LastIndexByte(p.dir, '/')
	switch {
	case p.dir == "" || p.dir[i+1:] == "":
		return pattern{}, false
	case i >= 0:
		return pattern{text: p.dir[i+1:], start: true}, true
	case utf8.RuneCountInString(p.dir) < 3:
		return pattern{}, false // anywhere in a name: there is no index of so little
	}
	return pattern{text: p.dir}, true
}

// before stands twice before each name in the index of trigrams, so that beginnings of names are found by it too.
const before = "\x02\x02"

// trigrams returns a query of SQLite's index for names that may match: all pieces of three characters, each quoted.
func (p pattern) trigrams() string {
	text := p.text
	if p.start {
		text = before + text
	}
	runes := []rune(text)
	var b strings.Builder
	for i := range max(0, len(runes)-2) {
		b.WriteString(`"` + strings.ReplaceAll(string(runes[i:i+3]), `"`, `""`) + `" `)
	}
	return b.String()
}

// like returns the pattern for SQL's LIKE.
func (p pattern) like() string {
	text := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(p.text) + "%"
	if p.start {
		return text
	}
	return "%" + text
}
