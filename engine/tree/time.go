package tree

import "time"

const minute = 60 // seconds

// appendTime appends t as RFC 3339 in its own zone, its year clamped to what four digits can say. A zone that RFC 3339
// cannot say (local mean time before 1900 has seconds) gives way to UTC, so that the moment is kept.
func appendTime(b []byte, t time.Time) []byte {
	if _, offset := t.Zone(); offset%minute != 0 || offset <= -24*60*minute || offset >= 24*60*minute {
		t = t.UTC()
	}
	switch year := t.Year(); {
	case year < 0:
		t = t.AddDate(-year, 0, 0)
	case year > 9999:
		t = t.AddDate(9999-year, 0, 0)
	}
	return t.AppendFormat(b, time.RFC3339Nano)
}

// times reads RFC 3339. It remembers zones, so that times of one zone share its Location, and the time read last.
type times struct {
	zones map[int]*time.Location // by minutes east of Greenwich
	text  []byte                 // read last
	time  time.Time
}

func (c *times) parse(text []byte) (time.Time, error) {
	if len(text) > 0 && string(text) == string(c.text) {
		return c.time, nil
	}
	t, ok := c.parseFast(text)
	if !ok {
		if err := t.UnmarshalText(text); err != nil {
			return time.Time{}, err
		}
	}
	c.text, c.time = append(c.text[:0], text...), t
	return t, nil
}

// parseFast reads the common form. It reports false for all else, be it valid or not.
func (c *times) parseFast(p []byte) (time.Time, bool) {
	const form = "2006-01-02T15:04:05"
	if len(p) <= len(form) || p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' || p[16] != ':' {
		return time.Time{}, false
	}
	century, year, month, day := pair(p, 0), pair(p, 2), pair(p, 5), pair(p, 8)
	hour, minutes, seconds := pair(p, 11), pair(p, 14), pair(p, 17)
	if century|year|month|day|hour|minutes|seconds < 0 || month < 1 || month > 12 || day < 1 || day > 28 && day > days(century*100+year, month) ||
		hour > 23 || minutes > 59 || seconds > 59 {
		return time.Time{}, false
	}
	nanoseconds, p, ok := fraction(p[len(form):])
	if !ok {
		return time.Time{}, false
	}
	zone, ok := c.zone(p)
	if !ok {
		return time.Time{}, false
	}
	return time.Date(century*100+year, time.Month(month), day, hour, minutes, seconds, nanoseconds, zone), true
}

// zone reads "Z" or an offset such as "+01:00".
func (c *times) zone(p []byte) (*time.Location, bool) {
	if len(p) == 1 && p[0] == 'Z' {
		return time.UTC, true
	}
	if len(p) != len("+01:00") || p[0] != '+' && p[0] != '-' || p[3] != ':' {
		return nil, false
	}
	hours, minutes := pair(p, 1), pair(p, 4)
	if hours|minutes < 0 || hours > 23 || minutes > 59 {
		return nil, false
	}
	east := hours*60 + minutes
	if p[0] == '-' {
		east = -east
	}
	zone := c.zones[east]
	if zone == nil {
		if c.zones == nil {
			c.zones = map[int]*time.Location{}
		}
		zone = time.FixedZone("", east*minute)
		c.zones[east] = zone
	}
	return zone, true
}

// fraction reads up to nine decimals of a second if p begins with a point, and returns the rest of p.
func fraction(p []byte) (nanoseconds int, rest []byte, ok bool) {
	if p[0] != '.' {
		return 0, p, true
	}
	unit := 1_000_000_000
	i := 1
	for ; i < len(p) && p[i]-'0' <= 9 && unit > 1; i++ {
		unit /= 10
		nanoseconds += int(p[i]-'0') * unit
	}
	return nanoseconds, p[i:], i > 1 && i < len(p)
}

// pair reads two digits at p[i], -1 if they are none.
func pair(p []byte, i int) int {
	high, low := p[i]-'0', p[i+1]-'0'
	if high > 9 || low > 9 {
		return -1
	}
	return int(high)*10 + int(low)
}

// days returns the number of days of a month.
func days(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
