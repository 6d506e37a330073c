package chain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Canonical returns v as JSON of which there is one form only: that of RFC 8785, but numbers keep all their digits. Names are sorted,
// there is no white space, nothing is escaped that need not be. So a record gives the same bytes after a database has taken it apart
// and put it together again. v is what json.Marshal takes, and json.RawMessage is JSON from elsewhere; of a name that is there twice
// the last value counts.
func Canonical(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("canonical JSON: something follows its end")
	}
	p, err := appendValue(nil, tree)
	if err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	return p, nil
}

func appendValue(p []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(p, "null"...), nil
	case bool:
		return strconv.AppendBool(p, v), nil
	case string:
		return appendString(p, v), nil
	case json.Number:
		text, err := number(string(v))
		return append(p, text...), err
	case []any:
		return appendList(p, v)
	case map[string]any:
		return appendObject(p, v)
	}
	panic(fmt.Sprintf("chain: a %T in decoded JSON", v)) // the decoder has no others
}

func appendList(p []byte, list []any) (_ []byte, err error) {
	p = append(p, '[')
	for i, v := range list {
		if i > 0 {
			p = append(p, ',')
		}
		if p, err = appendValue(p, v); err != nil {
			return nil, err
		}
	}
	return append(p, ']'), nil
}

func appendObject(p []byte, object map[string]any) (_ []byte, err error) {
	p = append(p, '{')
	for i, name := range slices.SortedFunc(maps.Keys(object), compareUTF16) {
		if i > 0 {
			p = append(p, ',')
		}
		p = append(appendString(p, name), ':')
		if p, err = appendValue(p, object[name]); err != nil {
			return nil, fmt.Errorf("%q: %w", name, err)
		}
	}
	return append(p, '}'), nil
}

// compareUTF16 orders names as RFC 8785 wants it, by their code units in UTF-16.
func compareUTF16(a, b string) int {
	return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
}

// short are the characters that are written with a letter after a backslash.
var short = map[rune]string{'"': `\"`, '\\': `\\`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`}

// appendString appends a string in which nothing is escaped but what JSON wants to be.
func appendString(p []byte, s string) []byte {
	p = append(p, '"')
	for _, r := range s {
		switch escape, ok := short[r]; {
		case ok:
			p = append(p, escape...)
		case r < ' ':
			p = fmt.Appendf(p, `\u%04x`, r)
		default:
			p = append(p, string(r)...)
		}
	}
	return append(p, '"')
}

// maxExponent is far beyond all that is counted. What is above it has no room in a decimal.
const maxExponent = 1_000_000

// decimal is a number without its sign: 0.digits times ten to the exponent. Zero has no digits.
type decimal struct {
	digits   string
	exponent int
}

// number returns the one form of a number: that of JavaScript, but with all the digits that it has.
func number(text string) (string, error) {
	unsigned, negative := strings.CutPrefix(text, "-")
	d, ok := parseDecimal(unsigned)
	if !ok {
		return "", fmt.Errorf("number %.30s... has an exponent out of all bounds", text)
	}
	if negative && d.digits != "" {
		return "-" + d.String(), nil
	}
	return d.String(), nil
}

// parseDecimal takes the text of a JSON number apart, so that equal numbers are equal.
func parseDecimal(text string) (d decimal, ok bool) {
	mantissa, exponent, hasExponent := strings.Cut(strings.ToLower(text), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	all := strings.TrimLeft(whole+fraction, "0")
	if all == "" {
		return decimal{}, true
	}
	d = decimal{digits: strings.TrimRight(all, "0"), exponent: len(all) - len(fraction)}
	if hasExponent {
		shift, err := strconv.ParseInt(exponent, 10, 32)
		if err != nil {
			return decimal{}, false
		}
		d.exponent += int(shift)
	}
	return d, max(d.exponent-1, 1-d.exponent) <= maxExponent // of the number, and not of how it was written: else its one form might be refused
}

// String returns the number as JavaScript does (ECMA-262, Number::toString).
func (d decimal) String() string {
	n := len(d.digits)
	switch {
	case n == 0:
		return "0"
	case n <= d.exponent && d.exponent <= 21:
		return d.digits + strings.Repeat("0", d.exponent-n)
	case 0 < d.exponent && d.exponent <= 21:
		return d.digits[:d.exponent] + "." + d.digits[d.exponent:]
	case -6 < d.exponent && d.exponent <= 0:
		return "0." + strings.Repeat("0", -d.exponent) + d.digits
	}
	mantissa := d.digits[:1]
	if n > 1 {
		mantissa += "." + d.digits[1:]
	}
	return fmt.Sprintf("%se%+d", mantissa, d.exponent-1)
}
