package retention

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time on the calendar: months and years are as long as they are.
type Duration struct{ Years, Months, Days, Hours int }

// maxDigits bounds the numbers of a Duration, so that no sum of them leaves the range of time.Time.
const maxDigits = 6

// ParseDuration reads numbers with the units y, m (months), d and h, each at most once: "1y5m7d2h". "0" is the zero
// Duration.
func ParseDuration(s string) (Duration, error) {
	var d Duration
	if s == "0" {
		return d, nil
	}
	if s == "" {
		return d, fmt.Errorf("duration %q: want numbers with units, such as 1y5m7d2h", s)
	}
	units := map[byte]*int{'y': &d.Years, 'm': &d.Months, 'd': &d.Days, 'h': &d.Hours}
	for rest := s; rest != ""; {
		end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if end <= 0 || end > maxDigits {
			return Duration{}, fmt.Errorf("duration %q: want numbers of up to %d digits with the units y, m, d and h", s, maxDigits)
		}
		unit := rest[end]
		if units[unit] == nil {
			return Duration{}, fmt.Errorf("duration %q: unit %q is not one of y, m, d and h, or stands there twice", s, unit)
		}
		n, err := strconv.Atoi(rest[:end])
		if err != nil {
			return Duration{}, fmt.Errorf("duration %q: %w", s, err)
		}
		*units[unit], rest = n, rest[end+1:]
		delete(units, unit)
	}
	return d, nil
}

// Before returns the moment that lies d before t.
func (d Duration) Before(t time.Time) time.Time {
	return t.AddDate(-d.Years, -d.Months, -d.Days).Add(-time.Duration(d.Hours) * time.Hour)
}

// String returns what ParseDuration reads.
func (d Duration) String() string {
	var b strings.Builder
	for _, part := range []struct {
		n    int
		unit byte
	}{{d.Years, 'y'}, {d.Months, 'm'}, {d.Days, 'd'}, {d.Hours, 'h'}} {
		if part.n != 0 {
			fmt.Fprintf(&b, "%d%c", part.n, part.unit)
		}
	}
	if b.Len() == 0 {
		return "0"
	}
	return b.String()
}

// MarshalText returns what ParseDuration reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDuration for flags and JSON.
func (d *Duration) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDuration(string(text))
	return err
}
