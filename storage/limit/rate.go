package limit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is how many bytes may pass in a second, by the time of day. The zero value is no limit.
type Rate struct {
	base  int64
	spans []span
}

// span is a part of the day with a rate of its own. One whose end is not after its beginning goes over midnight.
type span struct {
	from, to time.Duration // since midnight
	rate     int64
}

// PerSecond is a rate that is the same all day; 0: no limit.
func PerSecond(bytes int64) Rate { return Rate{base: bytes} }

// At returns the bytes per second at a time, by the clock of its time zone; 0: no limit.
func (r Rate) At(t time.Time) int64 {
	day := time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	for _, s := range r.spans {
		if s.from < s.to && s.from <= day && day < s.to || s.from >= s.to && (day >= s.from || day < s.to) {
			return s.rate
		}
	}
	return r.base
}

// ParseRate reads a number of units per second, and parts of the day that have others: "1024", "1024,08:00-18:00=256" or
// "22:00-06:00=0,512". 0 is no limit. Of parts that overlap the first one counts.
func ParseRate(s string, unit int64) (Rate, error) {
	var r Rate
	based := false
	for part := range strings.SplitSeq(s, ",") {
		times, number, isSpan := strings.Cut(part, "=")
		if !isSpan {
			number = part
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 0 || n > 1<<40 || !isSpan && based {
			return Rate{}, badRate(s)
		}
		if !isSpan {
			r.base, based = n*unit, true
			continue
		}
		from, to, _ := strings.Cut(times, "-")
		one := span{rate: n * unit}
		if one.from, err = parseTime(from); err == nil {
			one.to, err = parseTime(to)
		}
		if err != nil || one.from == one.to {
			return Rate{}, badRate(s)
		}
		r.spans = append(r.spans, one)
	}
	return r, nil
}

func parseTime(s string) (time.Duration, error) {
	if s == "24:00" {
		s = "00:00"
	}
	t, err := time.Parse("15:04", s)
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, err
}

func badRate(s string) error {
	return fmt.Errorf("rate %q: want a number, and parts of the day that have another, such as 1024,08:00-18:00=256", s)
}
