package schedule

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"time"
)

// timetable is a Schedule that was checked, for one plan. Moments are in Unix seconds.
type timetable struct {
	pattern  pattern
	zone     zone
	byHand   bool
	jitter   int64  // seconds
	fraction uint64 // the plan's part of the jitter, of 1<<64
	windowed bool
	from, to int64 // the window, in seconds since the midnight before it opens
}

// time returns a moment as callers see it.
func (t *timetable) time(u int64, ok bool) time.Time {
	if !ok {
		return time.Time{}
	}
	return time.Unix(u, 0).In(t.zone.location)
}

// next returns the first moment after u at which a run starts.
func (t *timetable) next(u int64) (int64, bool) {
	if t.byHand {
		return 0, false
	}
	n := u - t.delay(t.jitter) // what was due until then starts until u
	if !t.open(n) {
		n = t.lastShut(n) - 1 // what was due since the window was shut is still waiting
	}
	for {
		var ok bool
		if n, ok = t.nominal(n); !ok {
			return 0, false
		}
		if start := t.start(n); start > u {
			return start, true
		}
	}
}

// nominal returns the first moment after u that the pattern asks for.
func (t *timetable) nominal(u int64) (int64, bool) {
	if t.pattern.fine {
		return t.zone.nextPassing(&t.pattern, u)
	}
	return t.zone.nextShown(&t.pattern, u)
}

// start returns when a run starts that the pattern asks for at n: in the window, and moved by the plan's part of the jitter, or of
// what is left of the window, so that it stays in there. A later n never starts earlier.
func (t *timetable) start(n int64) int64 {
	if !t.windowed {
		return n + t.delay(t.jitter)
	}
	open, shut := t.nextWindow(n)
	n = max(n, open)
	return n + t.delay(min(t.jitter, shut-n))
}

// delay returns the plan's part of a jitter.
func (t *timetable) delay(jitter int64) int64 {
	hi, _ := bits.Mul64(t.fraction, uint64(jitter))
	return int64(hi)
}

// fraction makes a number of the seed that is as likely one as any other.
func fraction(seed string) uint64 {
	sum := sha256.Sum256([]byte(seed))
	return binary.BigEndian.Uint64(sum[:])
}

// open reports whether runs may start at u.
func (t *timetable) open(u int64) bool {
	if !t.windowed {
		return true
	}
	open, _ := t.nextWindow(u)
	return open <= u
}

// nextWindow returns the first window that isn't over at u.
func (t *timetable) nextWindow(u int64) (open, shut int64) {
	for midnight := t.zone.midnight(u) - day; ; midnight += day {
		if open, shut = t.window(midnight); open < shut && u < shut {
			return open, shut
		}
	}
}

// lastShut returns the end of the last window that is over at u.
func (t *timetable) lastShut(u int64) int64 {
	for midnight := t.zone.midnight(u) + day; ; midnight -= day {
		if open, shut := t.window(midnight); open < shut && shut <= u {
			return shut
		}
	}
}

// window returns the window that opens on the day of a midnight. It is empty where clocks go forward over all of it.
func (t *timetable) window(midnight int64) (open, shut int64) {
	return t.zone.first(midnight + t.from), t.zone.first(midnight + t.to)
}
