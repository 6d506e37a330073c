// Package show turns values into text for people: sizes, durations, times, names, tables.
//
// Its functions are pure. What programs read (JSON) is not made here. The invariant: what Name returns never moves the
// cursor, changes a colour or hides a part of itself on a terminal.
package show

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Size writes a number of bytes with a binary unit and one decimal place: "17 B", "1.6 KiB", "2.0 GiB".
func Size[N int | int64 | uint64](n N) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB", "TiB", "PiB"} {
		if f /= 1024; f < 1023.95 { // from there on it would be written as 1024.0
			return fmt.Sprintf("%.1f %s", f, unit)
		}
	}
	return fmt.Sprintf("%.1f EiB", f/1024)
}

// Count writes a number with commas between the thousands.
func Count[N int | int64 | uint64](n N) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Plural is Count with a noun: "1 file", "2,000 files", "3 repositories".
func Plural[N int | int64 | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if stem, ok := strings.CutSuffix(noun, "y"); ok {
		return Count(n) + " " + stem + "ies"
	}
	return Count(n) + " " + noun + "s"
}

// Duration writes d in whole seconds: "0:05", "12:34", "26:03:04".
func Duration(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// Time writes t to the second in its own location, with the name of the zone.
func Time(t time.Time) string { return t.Format("2006-01-02 15:04:05 MST") }

// Name makes a name from outside fit for a terminal: control and invisible characters, and bytes that are no UTF-8, are
// written as escapes such as \n, \x1b or \u202e.
func Name(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if visible(r, n) {
			b.WriteString(s[:n])
		} else {
			quoted := strconv.Quote(s[:n])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		s = s[n:]
	}
	return b.String()
}

func plain(s string) bool {
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		if !visible(r, n) {
			return false
		}
		s = s[n:]
	}
	return true
}

func visible(r rune, n int) bool { return unicode.IsPrint(r) && !(r == utf8.RuneError && n == 1) }
