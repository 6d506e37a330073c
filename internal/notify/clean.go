package notify

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a message has at most, in bytes. It is read by people: who wants all of it follows the link.
const (
	maxSubject = 200
	maxText    = 16 << 10
	maxFact    = 500
	maxFacts   = 40
	maxID      = 200
	maxLink    = 2000
)

// Clean returns the message with nothing in it that could be more than text: subject and facts are single lines, there are no control
// characters and none that turn the direction of writing, everything has its bounds, and the link is one of a web page or empty.
func (m Message) Clean() Message {
	m.ID = line(m.ID, maxID)
	m.Event = line(m.Event, maxID)
	m.Thread = line(m.Thread, maxID)
	m.Subject = line(m.Subject, maxSubject)
	m.Project = line(m.Project, maxSubject)
	m.Text = strings.TrimSpace(Cut(printable(m.Text, true, maxText), maxText))
	m.Link = link(m.Link)
	facts := make([]Fact, 0, min(len(m.Facts), maxFacts))
	for _, f := range m.Facts[:min(len(m.Facts), maxFacts)] {
		facts = append(facts, Fact{Name: line(f.Name, maxFact), Value: line(f.Value, maxFact)})
	}
	m.Facts = facts
	return m
}

// line returns s as one line of at most n bytes.
func line(s string, n int) string {
	return Cut(strings.Join(strings.Fields(printable(s, false, n)), " "), n)
}

// Cut returns as much of s as n bytes hold, with dots at the end if that isn't all of it. No character is cut, nor parted from what
// belongs to it.
func Cut(s string, n int) string {
	const dots = "…"
	if len(s) <= n {
		return s
	}
	if n < len(dots) {
		return ""
	}
	return s[:boundary(s, n-len(dots))] + dots
}

// Shorten returns s without its last character, and what belongs to that.
func Shorten(s string) string { return s[:boundary(s, max(0, len(s)-1))] }

// boundary returns the last place up to end at which s can be cut.
func boundary(s string, end int) int {
	for ; end > 0; end-- {
		next, _ := utf8.DecodeRuneInString(s[end:])
		before, _ := utf8.DecodeLastRuneInString(s[:end])
		if utf8.RuneStart(s[end]) && !unicode.Is(unicode.M, next) && next != zeroWidthJoiner && before != zeroWidthJoiner {
			break
		}
	}
	return end
}

const zeroWidthJoiner = '\u200d'

// printable returns the start of s, a little more than n bytes of it, without what isn't text.
func printable(s string, lines bool, n int) string {
	var b strings.Builder
	for _, r := range strings.ReplaceAll(s[:min(len(s), 4*n+utf8.UTFMax)], "\r\n", "\n") {
		switch {
		case r == '\n' && lines:
		case r == '\n' || r == '\r' || r == '\t' || r == '\u2028' || r == '\u2029':
			r = ' '
		case unicode.IsControl(r) || turns(r) || r == '\ufeff':
			continue
		}
		b.WriteRune(r)
		if b.Len() > n {
			break
		}
	}
	return b.String()
}

// turns reports whether r changes the direction in which the text around it is shown, so that it could look like another.
func turns(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == '\u200e' || r == '\u200f' || r == '\u061c'
}

// link returns the address of a web page, or "" if s is something else.
func link(s string) string {
	u, err := url.Parse(s)
	if err != nil || len(s) > maxLink || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return ""
	}
	return u.String()
}

// Plain returns the message as text for people: the subject, the text, the facts, the link, and the reference, of at most n bytes. What
// is too long is cut out of the text and the facts.
func (m Message) Plain(n int) string {
	head := strings.ToUpper(string(m.Severity)) + ": " + m.Subject
	var tail strings.Builder
	if m.Link != "" && len(m.Link) <= n/2 {
		tail.WriteString("\n\n" + m.Link)
	}
	tail.WriteString("\n\nBackstay · " + m.Project + " · " + m.Time.UTC().Format("2006-01-02 15:04 UTC") + " · #" + m.Ref())
	var body strings.Builder
	if m.Text != "" {
		body.WriteString("\n\n" + m.Text)
	}
	for i, f := range m.Facts {
		if i == 0 {
			body.WriteString("\n")
		}
		body.WriteString("\n" + f.Name + ": " + f.Value)
	}
	return head + Cut(body.String(), max(0, n-len(head)-tail.Len())) + tail.String()
}
