package syslog

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/sink"
)

// facility is the one for audits (RFC 5424, 6.2.1).
const facility = 13

// severities of what happened, by its result; a head is as an allowed event.
var severities = map[backstay.Result]int{backstay.ResultFailed: 3, backstay.ResultDenied: 4}

const informational = 6

// maxSequence is the largest number of a message (RFC 5424, 7.3.1); after it comes 1.
const maxSequence = 1<<31 - 1

// format returns a record as a message of RFC 5424 of at most n bytes, unless even its short form has more. All of it is printable ASCII: what
// else there is in the JSON is escaped, so that no receiver has to know an encoding, and nothing of it ends a line.
func format(r sink.Record, hostname string, n int) ([]byte, error) {
	severity, ok := severities[r.Event.Result]
	if !ok {
		severity = informational
	}
	kind, data := header(r.Event.Action, 32), fmt.Sprintf(`[meta sequenceId="%d"]`, (r.Event.Seq-1)%maxSequence+1)
	if r.Head != nil {
		kind, data = "audit.head", "-"
	}
	head := fmt.Sprintf("<%d>1 %s %s backstay - %s %s ", facility*8+severity, r.Time().Format("2006-01-02T15:04:05.000000Z"), header(hostname, 255), kind, data)
	text, err := r.JSON()
	if err != nil {
		return nil, err
	}
	body := ascii(text)
	if len(head)+len(body) > n {
		if text, err = r.Short(); err != nil {
			return nil, err
		}
		body = ascii(text)
	}
	return append([]byte(head), body...), nil
}

// header is a text as it may stand in a header: printable ASCII without spaces, of at most n bytes; "-" for nothing.
func header(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	if text == "" {
		return "-"
	}
	return text[:min(len(text), n)]
}

// ascii escapes all in a JSON text that isn't printable ASCII. Outside of strings JSON has nothing else.
func ascii(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		text = text[size:]
		switch {
		case r < 0x7f:
			out = append(out, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
