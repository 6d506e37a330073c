package schedule_test

import (
	"archive/zip"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay/schedule"
)

// face is what a clock and the calendar beside it show.
type face struct {
	month, day, last int // last is the last day of the month
	weekday          time.Weekday
	hour, minute     int
}

// read returns the face for seconds that are counted as if they were UTC.
func read(wall int64) face {
	t := time.Unix(wall, 0).UTC()
	last := t.AddDate(0, 0, 1-t.Day()).AddDate(0, 1, -1)
	return face{int(t.Month()), t.Day(), last.Day(), t.Weekday(), t.Hour(), t.Minute()}
}

// form is a schedule, and what it means in the words of Go.
type form struct {
	schedule schedule.Schedule
	fine     bool // goes by real time where clocks are changed
	shows    func(face) bool
}

func cron(text string, fine bool, shows func(face) bool) form {
	return form{schedule.Schedule{Every: "cron", Cron: text}, fine, shows}
}

func at(hour, minute int) func(face) bool {
	return func(f face) bool { return f.hour == hour && f.minute == minute }
}

func within(s schedule.Schedule, from, to string) schedule.Schedule {
	s.Window = schedule.Window{From: from, To: to}
	return s
}

var forms = []form{
	{schedule.Schedule{Every: "hour"}, true, func(f face) bool { return f.minute == 0 }},
	{schedule.Schedule{Every: "hour", At: "00:15"}, true, func(f face) bool { return f.minute == 15 }},
	{schedule.Schedule{Every: "15m"}, true, func(f face) bool { return f.minute%15 == 0 }},
	{schedule.Schedule{Every: "90m", At: "00:20"}, true, func(f face) bool { return (f.hour*60+f.minute)%90 == 20 }},
	{schedule.Schedule{Every: "2h"}, true, func(f face) bool { return f.hour%2 == 0 && f.minute == 0 }},
	{schedule.Schedule{Every: "6h", At: "02:30"}, true, func(f face) bool { return f.hour%6 == 2 && f.minute == 30 }},
	{schedule.Schedule{Every: "12h", At: "13:10"}, true, func(f face) bool { return f.hour%12 == 1 && f.minute == 10 }},
	{schedule.Schedule{Every: "day"}, false, at(0, 0)},
	{schedule.Schedule{Every: "day", At: "02:30"}, false, at(2, 30)},
	{schedule.Schedule{Every: "day", At: "03:00"}, false, at(3, 0)},
	{schedule.Schedule{Every: "day", At: "23:59"}, false, at(23, 59)},
	{schedule.Schedule{Every: "week", Weekdays: []string{"mon", "thu"}, At: "06:15"}, false,
		func(f face) bool { return (f.weekday == 1 || f.weekday == 4) && at(6, 15)(f) }},
	{schedule.Schedule{Every: "week", Weekdays: []string{"sunday"}, At: "02:00"}, false, func(f face) bool { return f.weekday == 0 && at(2, 0)(f) }},
	{schedule.Schedule{Every: "week", Weekdays: []string{"fri", "sat", "sun"}, At: "00:30"}, false,
		func(f face) bool { return (f.weekday == 0 || f.weekday > 4) && at(0, 30)(f) }},
	{schedule.Schedule{Every: "month", Days: []int{1}}, false, func(f face) bool { return f.day == 1 && at(0, 0)(f) }},
	{schedule.Schedule{Every: "month", Days: []int{31}, At: "23:00"}, false, func(f face) bool { return f.day == 31 && at(23, 0)(f) }},
	{schedule.Schedule{Every: "month", Days: []int{-1}, At: "02:30"}, false, func(f face) bool { return f.day == f.last && at(2, 30)(f) }},
	{schedule.Schedule{Every: "month", Days: []int{29, 30, -1}, At: "01:30"}, false,
		func(f face) bool { return (f.day == 29 || f.day == 30 || f.day == f.last) && at(1, 30)(f) }},
	cron("* * * * *", true, func(face) bool { return true }),
	cron("*/7 * * * *", true, func(f face) bool { return f.minute%7 == 0 }),
	cron("5 0-23 * * *", true, func(f face) bool { return f.minute == 5 }),
	cron("0 1-23/2 * * *", true, func(f face) bool { return f.hour%2 == 1 && f.minute == 0 }),
	cron("30 2/6 * * *", true, func(f face) bool { return f.hour%6 == 2 && f.minute == 30 }),
	cron("45 */3 * * fri", true, func(f face) bool { return f.hour%3 == 0 && f.minute == 45 && f.weekday == 5 }),
	cron("0,30 1,2,3 * * *", false, func(f face) bool { return f.hour >= 1 && f.hour <= 3 && f.minute%30 == 0 }),
	cron("* 2 * * *", false, func(f face) bool { return f.hour == 2 }),
	cron("*/5 0,23 * * *", false, func(f face) bool { return f.hour%23 == 0 && f.minute%5 == 0 }),
	cron("15 8-18 * * mon-fri", false, func(f face) bool {
		return f.minute == 15 && f.hour >= 8 && f.hour <= 18 && f.weekday >= 1 && f.weekday <= 5
	}),
	cron("30 2 29 2 *", false, func(f face) bool { return f.month == 2 && f.day == 29 && at(2, 30)(f) }),
	cron("0 3 15,L * *", false, func(f face) bool { return (f.day == 15 || f.day == f.last) && at(3, 0)(f) }),
	cron("0 0 13 * fri", false, func(f face) bool { return (f.day == 13 || f.weekday == 5) && at(0, 0)(f) }),
	cron("0 0 */2 * Mon", false, func(f face) bool { return f.day%2 == 1 && f.weekday == 1 && at(0, 0)(f) }),
	cron("45 23 1-7 * */6", false, func(f face) bool { return f.day <= 7 && f.weekday%6 == 0 && at(23, 45)(f) }),
	cron("0 2 * MAR,OCT-NOV 7", false, func(f face) bool {
		return (f.month == 3 || f.month == 10 || f.month == 11) && f.weekday == 0 && at(2, 0)(f)
	}),
	cron("@weekly", false, func(f face) bool { return f.weekday == 0 && at(0, 0)(f) }),
	cron("@yearly", false, func(f face) bool { return f.month == 1 && f.day == 1 && at(0, 0)(f) }),
	{within(schedule.Schedule{Every: "hour", At: "00:30"}, "22:00", "06:00"), true, func(f face) bool { return f.minute == 30 }},
	{within(schedule.Schedule{Every: "day", At: "12:00"}, "01:00", "02:30"), false, at(12, 0)},
	{within(schedule.Schedule{Every: "day", At: "02:15"}, "02:00", "03:00"), false, at(2, 15)},
	{within(schedule.Schedule{Every: "20m"}, "23:30", "00:30"), true, func(f face) bool { return f.minute%20 == 0 }},
}

// oracle goes through time step by step, as a person would who looks at the clock on the wall, and notes when each form is due.
type oracle struct {
	location *time.Location
	latest   int64 // the latest time that the wall has shown
	before   int64 // the offset before clocks went forward last
	until    int64 // the moment until which the wall would have shown skipped times
	offset   int64
	waiting  []bool // for the window
	open     []bool
	due      [][]int64
}

func newOracle(location *time.Location, u int64) *oracle {
	o := &oracle{location: location, waiting: make([]bool, len(forms)), open: make([]bool, len(forms)), due: make([][]int64, len(forms))}
	o.offset, o.until = o.offsetAt(u-1), u
	o.latest = u - 1 + o.offset
	for i, f := range forms {
		o.open[i] = f.schedule.Window == schedule.Window{} || isIn(f.schedule.Window, read(o.latest))
	}
	return o
}

func (o *oracle) offsetAt(u int64) int64 {
	_, offset := time.Unix(u, 0).In(o.location).Zone()
	return int64(offset)
}

func clockOf(f face) string {
	return string([]byte{'0' + byte(f.hour/10), '0' + byte(f.hour%10), ':', '0' + byte(f.minute/10), '0' + byte(f.minute%10)})
}

func isIn(w schedule.Window, f face) bool {
	now := clockOf(f)
	if w.From < w.To {
		return w.From <= now && now < w.To
	}
	return w.From <= now || now < w.To
}

// look looks at the wall at u.
func (o *oracle) look(u int64) {
	offset := o.offsetAt(u)
	if offset > o.offset {
		o.before, o.until = o.offset, u+offset-o.offset
	} else if offset < o.offset {
		o.until = u
	}
	o.offset = offset
	shown := u + offset
	for wall := o.latest - (o.latest%60+60)%60 + 60; wall <= shown; wall += 60 {
		o.reach(read(wall))
		o.latest = wall
	}
	o.latest = max(o.latest, shown)
	if shown%60 == 0 {
		o.pass(read(shown))
	}
	if would := u + o.before; u < o.until && would%60 == 0 {
		o.pass(read(would))
	}
	for i := range forms {
		if o.waiting[i] && o.open[i] {
			o.due[i], o.waiting[i] = append(o.due[i], u), false
		}
	}
}

// reach is called when the wall shows a time, or a later one, for the first time.
func (o *oracle) reach(f face) {
	now := clockOf(f)
	for i, form := range forms {
		if !form.fine && form.shows(f) {
			o.waiting[i] = true
		}
		switch w := form.schedule.Window; now {
		case w.From:
			o.open[i] = true
		case w.To:
			o.open[i] = false
		}
	}
}

// pass is called whenever the wall shows a time, or would have shown it.
func (o *oracle) pass(f face) {
	for i, form := range forms {
		if form.fine && form.shows(f) {
			o.waiting[i] = true
		}
	}
}

const hours = int64(3600)

// compare goes through the time from u on, in a zone, and returns how many moments it looked at. It begins earlier, so that it knows
// what waits for a window.
func compare(t *testing.T, name string, u, length, step int64) (looked int) {
	t.Helper()
	location, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	o := newOracle(location, u-30*hours)
	for now := u - 30*hours; now < u+length; now += step {
		o.look(now)
		looked++
	}
	for i, f := range forms {
		want := slices.DeleteFunc(o.due[i], func(due int64) bool { return due < u })
		s := f.schedule
		s.Zone = name
		var got []int64
		for moment := time.Unix(u-1, 0); ; {
			moment = next(t, s, moment, "")
			if moment.Unix() >= u+length {
				break
			}
			got = append(got, moment.Unix())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v from %v on:\n%s", s, time.Unix(u, 0).In(location), cmp.Diff(times(want, location), times(got, location)))
		}
	}
	return looked
}

func times(moments []int64, location *time.Location) (texts []string) {
	for _, u := range moments {
		texts = append(texts, time.Unix(u, 0).In(location).Format("2006-01-02 15:04:05 -0700"))
	}
	return texts
}

var from, to = time.Date(1970, 1, 8, 0, 0, 0, 0, time.UTC), time.Date(2041, 1, 1, 0, 0, 0, 0, time.UTC)

// changes returns the moments at which clocks were or will be changed in a zone.
func changes(t *testing.T, name string) (all []int64) {
	t.Helper()
	location, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	for moment := from.In(location); ; {
		_, end := moment.ZoneBounds()
		if end.IsZero() || end.After(to) {
			return all
		}
		if !end.After(moment) { // https://go.dev/issue/81583
			end = moment.AddDate(0, 0, 1)
		}
		moment = end
		all = append(all, moment.Unix())
	}
}

// zones returns the names of all time zones that Go knows, one of those that are the same.
func zones(t *testing.T) (names []string) {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	seen := map[uint32]bool{}
	for _, file := range files.File {
		if !strings.HasSuffix(file.Name, "/") && !seen[file.CRC32] {
			names, seen[file.CRC32] = append(names, file.Name), true
		}
	}
	if len(names) < 300 {
		t.Fatalf("there are %d zones", len(names))
	}
	return names
}

func TestAllZonesAreDueAsTheClockOnTheWallSays(t *testing.T) {
	if len(forms) < 40 {
		t.Fatalf("there are %d forms", len(forms))
	}
	soak := os.Getenv("BACKSTAY_SOAK") == "1"
	random, looked, names := rand.New(rand.NewPCG(12, 40)), 0, zones(t)
	for _, name := range names {
		moments := changes(t, name)
		for range 1 + len(moments)/4 {
			moments = append(moments, from.Unix()+random.Int64N(to.Unix()-from.Unix()))
		}
		if !soak {
			moments = []int64{moments[random.IntN(len(moments))]}
		}
		for _, moment := range moments {
			step := int64(60)
			if name == "Africa/Monrovia" { // whose offset had seconds until 1972
				step = 30
			}
			start := moment - moment%step - random.Int64N(24)*hours
			looked += compare(t, name, start, 30*hours, step)
		}
	}
	t.Logf("R12: %d zones, %d forms, %d moments each, 0 missed, 0 double", len(names), len(forms), looked)
}

// The worst days of all clocks; the times of the oldest ones have seconds.
func TestTheStrangestDaysAreDueAsTheClockOnTheWallSays(t *testing.T) {
	for _, day := range []struct {
		zone, date string
		step       int64
		what       string
	}{
		{"Pacific/Apia", "2011-12-29", 60, "a Friday is skipped"},
		{"Pacific/Kwajalein", "1993-08-20", 60, "a Saturday is skipped"},
		{"Pacific/Kwajalein", "1969-09-30", 60, "23 hours come twice"},
		{"America/Juneau", "1867-10-17", 1, "a day comes twice"},
		{"Asia/Manila", "1844-12-30", 1, "New Year's Eve is skipped"},
		{"Australia/Lord_Howe", "2026-10-03", 60, "half an hour is skipped"},
		{"Antarctica/Troll", "2026-03-28", 60, "two hours are skipped"},
		{"Africa/Casablanca", "2026-02-14", 60, "an hour twice for Ramadan"},
		{"Africa/Cairo", "2010-08-10", 60, "an hour twice for Ramadan, at midnight"},
		{"America/Sao_Paulo", "2018-11-03", 60, "midnight is skipped"},
		{"Asia/Gaza", "2011-08-01", 60, "four changes in a few weeks"},
		{"Asia/Beirut", "2023-03-25", 60, "midnight is skipped"},
		{"Atlantic/Azores", "2026-10-24", 60, "midnight comes twice"},
		{"Europe/Amsterdam", "1937-06-30", 1, "28 seconds are skipped"},
		{"Europe/Dublin", "1916-10-01", 1, "an offset with seconds"},
		{"Africa/Monrovia", "1972-01-06", 1, "44 minutes and 30 seconds are skipped"},
		{"Asia/Pyongyang", "2018-05-04", 60, "half an hour is skipped at half past eleven"},
		{"Europe/Berlin", "2040-12-30", 60, "the last day of a leap year, of which Go gets the end wrong (https://go.dev/issue/81583)"},
		{"America/Caracas", "2016-04-30", 60, "half an hour is skipped"},
	} {
		date, err := time.Parse(time.DateOnly, day.date)
		if err != nil {
			t.Fatal(err)
		}
		compare(t, day.zone, date.Unix(), 72*hours, day.step)
	}
}
