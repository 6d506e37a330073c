package schedule

import (
	"math/bits"
	"time"
)

// pattern is a set of times on the wall: some minutes of some days.
type pattern struct {
	minutes  [24]uint64 // of each hour, bit 0 for minute 0
	days     uint64     // of the month: bit 1 for the 1st, and lastDay
	months   uint64     // bit 1 for January
	weekdays uint64     // bit 0 for Sunday
	either   bool       // a day needs one of days and weekdays; otherwise both
	fine     bool       // finer than a day: see the package's comment
}

const (
	allDays     = 1<<32 - 1<<1
	allMonths   = 1<<13 - 1<<1
	allWeekdays = 1<<7 - 1
)

// lastDay is the bit of the last day of a month, whichever that is.
const lastDay = 1 << 0

// cycle is after how many months the calendar is the same again: 400 years are a whole number of weeks.
const cycle = 400 * 12

// next returns the first time of the pattern after a time on the wall, if there is any.
func (p *pattern) next(after int64) (int64, bool) {
	t := time.Unix(after, 0).UTC()
	year, month, d := t.Date()
	minute, more := p.minuteAfter(t.Hour(), t.Minute())
	for range cycle + 1 {
		days := p.daysOf(year, month)
		if more && days>>d&1 == 1 {
			return wall(year, month, d, minute), true
		}
		if later := days >> (d + 1); later != 0 {
			first, _ := p.minuteAfter(0, -1)
			return wall(year, month, d+1+bits.TrailingZeros64(later), first), true
		}
		d = 0
		if month++; month > time.December {
			year, month = year+1, time.January
		}
	}
	return 0, false
}

// minuteAfter returns the first minute of the day, counted from midnight, that is after a minute of an hour.
func (p *pattern) minuteAfter(hour, minute int) (int, bool) {
	for minute++; hour < len(p.minutes); hour, minute = hour+1, 0 {
		if later := p.minutes[hour] >> minute; later != 0 {
			return hour*60 + minute + bits.TrailingZeros64(later), true
		}
	}
	return 0, false
}

// daysOf returns the days of a month, bit 1 for the 1st.
func (p *pattern) daysOf(year int, month time.Month) uint64 {
	if p.months>>month&1 == 0 {
		return 0
	}
	length := time.Date(year, month+1, 0, 0, 0, 0, 0, time.UTC).Day()
	days := p.days
	if days&lastDay != 0 {
		days |= 1 << length
	}
	const weeks = 1 | 1<<7 | 1<<14 | 1<<21 | 1<<28 | 1<<35
	first := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).Weekday()
	weekdays := p.weekdays * weeks >> first << 1
	if p.either {
		days |= weekdays
	} else {
		days &= weekdays
	}
	return days & (1<<(length+1) - 1<<1)
}

// wall returns a time on the wall.
func wall(year int, month time.Month, d, minute int) int64 {
	return time.Date(year, month, d, 0, minute, 0, 0, time.UTC).Unix()
}
