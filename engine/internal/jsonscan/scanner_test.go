package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// scanAny reads a value as encoding/json reads it into an any, numbers kept as text.
func scanAny(s *Scanner) any {
	switch c := s.space(); {
	case c == '{':
		m := map[string]any{}
		s.Object()
		for key, ok := s.Key(); ok; key, ok = s.Key() {
			k := string(key)
			m[k] = scanAny(s)
		}
		return m
	case c == '[':
		a := []any{}
		for s.Array(); s.Element(); {
			a = append(a, scanAny(s))
		}
		return a
	case c == '"':
		return string(s.String())
	case c == 't' || c == 'f':
		return s.Bool()
	case s.Null():
		return nil
	}
	return json.Number(s.Raw())
}

func checkAgainstStandardLibrary(t *testing.T, doc []byte) {
	t.Helper()
	want := json.Valid(doc)
	var s Scanner
	s.Reset(doc)
	s.Skip()
	if err := s.End(); (err == nil) != want {
		t.Fatalf("Skip of %q = %v, json.Valid = %t", doc, err, want)
	}
	s.Reset(doc)
	got := scanAny(&s)
	if err := s.End(); (err == nil) != want {
		t.Fatalf("scan of %q = %v, json.Valid = %t", doc, err, want)
	}
	if !want {
		return
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		t.Fatalf("json.Decode of %q: %v", doc, err)
	}
	if !reflect.DeepEqual(value, got) {
		t.Fatalf("values of %q = %q, encoding/json gives %q", doc, got, value)
	}
}

var documents = []string{
	``, ` `, `{}`, `[]`, ` { } `, `[1,2 , 3]`, `[1,]`, `[,1]`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{1:2}`, `[1 2]`, `[1}`, `{"a":1]`,
	`null`, `true`, `false`, `nul`, `truefalse`, `[nulll]`, `"`, `"a`, `"a"`, `"a"b`, `"\"`, `"\u12"`, `"\u12g4"`, `"\x"`,
	`"\ud83d\ude00"`, `"\ud83d"`, `"\ud83d\u0041"`, `"\ude00\ud83d\ude00"`, `"\uD83D\uDE00\u00e9"`, "\"\x01\"", "\"\x7f\"", "\"\xff\xfe\"", "\"\xed\xa0\x80\"",
	`"ünïcode 😀 and a long ascii tail"`, `"long ascii head, longer than a word \n\t\r\b\f\/\\\" and so on"`, "\"12345678\n\"", "\"é\\n\"",
	`0`, `-0`, `01`, `-`, `+1`, `1.`, `.1`, `1.5`, `1e5`, `1E+5`, `1e`, `1e+`, `-1.25e-7`, `18446744073709551616`, `1 `, `[1.5e3,-2]`,
	`{"a":{"b":[{"c":[[]]}]},"a":2}`, "\x00", "1\x00", "[\x00]", `[1]]`, "\ufeff1", "{\"a\"\x00:1}", `{"a":1 "b":2}`,
}

func TestAcceptsWhatEncodingJSONAcceptsWithTheSameValues(t *testing.T) {
	for _, doc := range documents {
		checkAgainstStandardLibrary(t, []byte(doc))
	}
}

func TestNestingIsLimitedAsInEncodingJSON(t *testing.T) {
	for _, depth := range []int{maxDepth, maxDepth + 1} {
		doc := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		checkAgainstStandardLibrary(t, []byte(doc))
	}
}

func TestNumbersOutOfRangeOrNotWholeAreRefused(t *testing.T) {
	tests := []struct {
		doc          string
		unsigned     uint64
		signed       int64
		uErr, intErr bool
	}{
		{doc: "0"},
		{doc: "42", unsigned: 42, signed: 42},
		{doc: "-1", uErr: true, signed: -1},
		{doc: "9223372036854775807", unsigned: 1<<63 - 1, signed: 1<<63 - 1},
		{doc: "9223372036854775808", unsigned: 1 << 63, intErr: true},
		{doc: "-9223372036854775808", uErr: true, signed: -1 << 63},
		{doc: "-9223372036854775809", uErr: true, intErr: true},
		{doc: "18446744073709551615", unsigned: 1<<64 - 1, intErr: true},
		{doc: "18446744073709551616", uErr: true, intErr: true},
		{doc: "99999999999999999999999", uErr: true, intErr: true},
		{doc: "007", uErr: true, intErr: true},
		{doc: "1.0", uErr: true, intErr: true},
		{doc: "1e3", uErr: true, intErr: true},
		{doc: `"1"`, uErr: true, intErr: true},
		{doc: "", uErr: true, intErr: true},
	}
	for _, test := range tests {
		var s Scanner
		s.Reset([]byte(test.doc))
		if got, err := s.Uint64(), s.End(); got != test.unsigned || (err != nil) != test.uErr {
			t.Errorf("Uint64 of %q = %d, %v", test.doc, got, err)
		}
		s.Reset([]byte(test.doc))
		if got, err := s.Int64(), s.End(); got != test.signed || (err != nil) != test.intErr {
			t.Errorf("Int64 of %q = %d, %v", test.doc, got, err)
		}
	}
}

func TestHexReadsExactlyTheDigitsAskedFor(t *testing.T) {
	tests := []struct {
		doc string
		ok  bool
	}{
		{`"00ff7a"`, true}, {` "00ff7a" `, true},
		{`"00FF7a"`, false}, {`"00ff7"`, false}, {`"00ff7a0"`, false}, {`"00ff7g"`, false}, {`00ff7a`, false}, {`"00ff7a`, false}, {`null`, false},
	}
	for _, test := range tests {
		var s Scanner
		s.Reset([]byte(test.doc))
		var got [3]byte
		s.Hex(got[:])
		if err := s.End(); (err == nil) != test.ok {
			t.Errorf("Hex of %s = %v", test.doc, err)
		}
		if want := [3]byte{0, 0xff, 0x7a}; test.ok && got != want {
			t.Errorf("Hex of %s = %x, want %x", test.doc, got, want)
		}
	}
}

func TestAnErrorSticksAndNamesItsOffset(t *testing.T) {
	var s Scanner
	s.Reset([]byte(`{"a": 1, "b": "x", "c": 3}`))
	s.Object()
	for _, ok := s.Key(); ok; _, ok = s.Key() {
		s.Uint64()
	}
	var e *Error
	if !errors.As(s.Err(), &e) || e.Offset != 14 {
		t.Fatalf("error = %v, want one at byte 14", s.Err())
	}
	if s.Uint64() != 0 || s.String() != nil || s.Raw() != nil || s.Null() || s.Bool() || s.Element() || s.End() != error(e) {
		t.Errorf("after an error the scanner still gives values, or another error: %v", s.Err())
	}
}

func TestACopyIsABookmarkThatUndoesAnError(t *testing.T) {
	var s Scanner
	s.Reset([]byte(`[{"a":"x"},7]`))
	s.Array()
	s.Element()
	bookmark := s
	if s.Uint64(); s.Err() == nil {
		t.Fatal("an object was read as a number")
	}
	s = bookmark
	if got := string(s.Raw()); got != `{"a":"x"}` {
		t.Errorf("after going back Raw = %q", got)
	}
	if !s.Element() || s.Uint64() != 7 || s.Element() || s.End() != nil {
		t.Errorf("after going back the rest was not read: %v", s.Err())
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	doc := []byte(`{"name":"plain","escaped":"a\nb","list":[1,2,3],"skip":{"x":[null,true]}}`)
	var s Scanner
	s.Reset(doc)
	s.Skip()
	s.String()
	allocs := testing.AllocsPerRun(100, func() {
		s.Reset(doc)
		s.Object()
		for key, ok := s.Key(); ok; key, ok = s.Key() {
			switch string(key) {
			case "name", "escaped":
				s.String()
			case "list":
				for s.Array(); s.Element(); {
					s.Uint64()
				}
			default:
				s.Skip()
			}
		}
		if err := s.End(); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("reading allocates %v times", allocs)
	}
}

func FuzzScanner(f *testing.F) {
	for _, doc := range documents {
		f.Add([]byte(doc))
	}
	f.Fuzz(checkAgainstStandardLibrary)
}

func BenchmarkSkip(b *testing.B) {
	doc := []byte(`[` + strings.Repeat(`{"id":"`+strings.Repeat("0a", 32)+`","type":"data","offset":123456,"length":7890},`, 999) + `{}]`)
	b.SetBytes(int64(len(doc)))
	var s Scanner
	for b.Loop() {
		s.Reset(doc)
		if s.Skip(); s.End() != nil {
			b.Fatal(s.Err())
		}
	}
}
