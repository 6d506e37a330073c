package schedule

import (
	"strings"
	"time"
)

// compile checks every field and makes the timetable of the plan with the given seed.
func (s Schedule) compile(seed string) (*timetable, error) {
	if err := s.checkUse(); err != nil {
		return nil, err
	}
	t := &timetable{byHand: s.Every == ""}
	for _, step := range []func(*timetable) *Error{s.compilePattern, s.compileZone, s.compileWindow, s.compileJitter} {
		if err := step(t); err != nil {
			return nil, err
		}
	}
	if t.jitter > 0 {
		t.fraction = fraction(seed)
	}
	return t, nil
}

// kind returns which frequency it is; all that are shorter than a day are an interval.
func (s Schedule) kind() string {
	switch s.Every {
	case "", "day", "week", "month", "cron":
		return s.Every
	}
	return "interval"
}

// checkUse refuses what the frequency has no use for.
func (s Schedule) checkUse() *Error {
	kind := s.kind()
	for _, f := range []struct {
		name        string
		given, used bool
	}{
		{"at", s.At != "", kind != "" && kind != "cron"},
		{"weekdays", len(s.Weekdays) > 0, kind == "week"},
		{"days", len(s.Days) > 0, kind == "month"},
		{"cron", s.Cron != "", kind == "cron"},
		{"jitter", s.Jitter != "", kind != ""},
		{"window", s.Window != Window{}, kind != ""},
		{"catch_up", s.CatchUp, kind != ""},
	} {
		if f.given && !f.used {
			if kind == "" {
				return errorf(f.name, "a plan that is run only by hand has no use for it: leave it out, or say how often it is due")
			}
			return errorf(f.name, "a schedule with every %q has no use for it: leave it out", s.Every)
		}
	}
	return nil
}

func (s Schedule) compilePattern(t *timetable) *Error {
	if s.Every == "" {
		return nil
	}
	t.pattern = pattern{days: allDays, months: allMonths, weekdays: allWeekdays}
	var err *Error
	switch s.kind() {
	case "cron":
		t.pattern, err = parseCron(s.Cron)
	case "week":
		t.pattern.weekdays, err = weekdaySet(s.Weekdays)
	case "month":
		t.pattern.days, err = daySet(s.Days)
	}
	if err != nil {
		return err
	}
	if s.Every != "cron" {
		if err := s.compileTimes(&t.pattern); err != nil {
			return err
		}
	}
	if _, ok := t.pattern.next(0); !ok { // one cycle of the calendar is like every other
		return errorf("cron", "%q never comes: no such month has such a day", s.Cron)
	}
	return nil
}

// compileTimes sets the times of the day.
func (s Schedule) compileTimes(p *pattern) *Error {
	at := 0
	if s.At != "" {
		var ok bool
		if at, ok = timeOfDay(s.At); !ok {
			return errorf("at", "%q: want a time of day such as 02:30", s.At)
		}
	}
	every := 24 * 60
	if s.kind() == "interval" {
		var ok bool
		if every, ok = minutesOf(s.Every); !ok {
			return errorf("every", "%q: want hour, day, week, month, cron, or an interval that divides a day, such as 15m or 2h", s.Every)
		}
		p.fine = true
	}
	for m := at % every; m < 24*60; m += every {
		p.minutes[m/60] |= 1 << (m % 60)
	}
	return nil
}

// minutesOf returns the length of an interval. It is shorter than a day and divides it, so that it is due at the same times each day.
func minutesOf(every string) (int, bool) {
	if every == "hour" {
		return 60, true
	}
	d, err := time.ParseDuration(every)
	if err != nil || d < time.Minute || d > 12*time.Hour || 24*time.Hour%d != 0 || d%time.Minute != 0 {
		return 0, false
	}
	return int(d / time.Minute), true
}

// timeOfDay returns the minutes since midnight of a time such as "02:30".
func timeOfDay(text string) (int, bool) {
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, false
	}
	return t.Hour()*60 + t.Minute(), true
}

func weekdaySet(names []string) (set uint64, err *Error) {
	for _, name := range names {
		weekday := cronFields[4].named(strings.ToLower(name))
		if weekday < 0 {
			return 0, errorf("weekdays", "%q: want days such as monday or mon", name)
		}
		set |= 1 << weekday
	}
	if set == 0 {
		return 0, errorf("weekdays", "which days of the week? Want at least one, such as monday")
	}
	return set, nil
}

func daySet(days []int) (set uint64, err *Error) {
	for _, d := range days {
		switch {
		case d == -1:
			set |= lastDay
		case d >= 1 && d <= 31:
			set |= 1 << d
		default:
			return 0, errorf("days", "%d: want days of the month, 1 to 31, or -1 for the last one", d)
		}
	}
	if set == 0 {
		return 0, errorf("days", "which days of the month? Want at least one, such as 1, or -1 for the last one")
	}
	return set, nil
}

func (s Schedule) compileZone(t *timetable) *Error {
	var err error
	if t.zone, err = loadZone(s.Zone); err != nil || s.Zone == "Local" {
		return errorf("zone", "%q: want the IANA's name of a time zone, such as Europe/Berlin, or nothing for UTC", s.Zone)
	}
	return nil
}

func (s Schedule) compileWindow(t *timetable) *Error {
	if s.Window == (Window{}) {
		return nil
	}
	from, ok := timeOfDay(s.Window.From)
	if !ok {
		return errorf("window.from", "%q: want a time of day such as 22:00", s.Window.From)
	}
	to, ok := timeOfDay(s.Window.To)
	if !ok {
		return errorf("window.to", "%q: want a time of day such as 06:00", s.Window.To)
	}
	if from == to {
		return errorf("window.to", "%q: the window ends when it begins; for the whole day leave it out", s.Window.To)
	}
	t.windowed, t.from, t.to = true, int64(from)*60, int64(to)*60
	if t.to < t.from {
		t.to += day
	}
	return nil
}

func (s Schedule) compileJitter(t *timetable) *Error {
	if s.Jitter == "" {
		return nil
	}
	d, err := time.ParseDuration(s.Jitter)
	if err != nil || d < 0 || d > 24*time.Hour || d%time.Second != 0 {
		return errorf("jitter", "%q: want a time in seconds, minutes or hours up to 24h, such as 10m", s.Jitter)
	}
	t.jitter = int64(d / time.Second)
	if t.windowed && t.jitter > t.to-t.from {
		return errorf("jitter", "%q: want a time that is not longer than the window", s.Jitter)
	}
	return nil
}
