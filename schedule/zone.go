package schedule

import (
	"sync"
	"time"
)

const day = 24 * 60 * 60 // seconds

// zone turns times on the wall into moments. Both are seconds, a time on the wall is counted as if it were UTC.
type zone struct{ location *time.Location }

// locations keeps the zones that were read, by their names: reading one takes longer than a thousand questions to it.
var locations sync.Map

// loadZone returns a zone by its IANA name.
func loadZone(name string) (zone, error) {
	if location, ok := locations.Load(name); ok {
		return zone{location.(*time.Location)}, nil
	}
	location, err := time.LoadLocation(name)
	if err != nil {
		return zone{}, err
	}
	locations.Store(name, location)
	return zone{location}, nil
}

// period is a time from start until end during which the offset to UTC stays the same.
type period struct{ start, end, offset int64 }

// forever is further away than anybody asks for, and far enough from the limits to calculate with.
const forever = 1 << 60

func (z zone) period(u int64) period {
	t := time.Unix(u, 0).In(z.location)
	_, offset := t.Zone()
	p := period{-forever, forever, int64(offset)}
	start, end := t.ZoneBounds()
	if !start.IsZero() {
		p.start = start.Unix()
	}
	if !end.IsZero() {
		p.end = end.Unix()
	}
	if p.end <= u { // the last day of a leap year may have the end of the one before: https://go.dev/issue/81583
		p.end = u - mod(u, day) + day
	}
	return p
}

// midnight returns the begin of the day on the wall at u.
func (z zone) midnight(u int64) int64 {
	_, offset := time.Unix(u, 0).In(z.location).Zone()
	wall := u + int64(offset)
	return wall - mod(wall, day)
}

// first returns the first moment at which the wall shows w or later. No offset is as large as a day.
func (z zone) first(w int64) int64 {
	for p := z.period(w - day); ; p = z.period(p.end) {
		if u := w - p.offset; u < p.end {
			return max(u, p.start)
		}
	}
}

// nextShown returns the first moment after u at which the wall shows a time of the pattern, or a later one, for the first time.
func (z zone) nextShown(p *pattern, u int64) (int64, bool) {
	w := u + z.period(u).offset
	for {
		var ok bool
		if w, ok = p.next(w); !ok {
			return 0, false
		}
		if first := z.first(w); first > u {
			return first, true
		}
	}
}

// nextPassing returns the first moment after u at which the wall shows a time of the pattern, or would have shown it had clocks not
// just gone forward over it.
func (z zone) nextPassing(p *pattern, u int64) (int64, bool) {
	for now := z.period(u); ; now = z.period(now.end) {
		u = max(u, now.start-1)
		w, ok := p.next(u + now.offset)
		if !ok {
			return 0, false
		}
		next := w - now.offset
		if u < now.start+day {
			before := z.period(now.start - 1).offset
			if w, ok := p.next(u + before); ok && w < now.start+now.offset {
				next = min(next, w-before)
			}
		}
		if next < now.end {
			return next, true
		}
	}
}

// mod is the remainder of a division that rounds down.
func mod(a, b int64) int64 { return (a%b + b) % b }
