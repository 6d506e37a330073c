package notify

import (
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay"
)

// Event is what happened, as far as rules look at it.
type Event struct {
	Name     string // such as "run.failed"
	Severity backstay.Severity
	Project  string // its id
	Plan     string // its id; "" if it belongs to none
}

// Takes reports whether a rule wants somebody to be told of an event.
func Takes(r backstay.NotificationRule, e Event) bool {
	return (r.Project == "" || r.Project == e.Project) && (r.Plan == "" || r.Plan == e.Plan) && e.Severity.AtLeast(r.MinSeverity) &&
		slices.ContainsFunc(r.Events, func(name string) bool { return matches(name, e.Name) })
}

// matches reports whether an event goes by a name, or belongs to a family: "run.*" are "run.failed" and "run.late.start", but not "run".
func matches(name, event string) bool {
	family, isFamily := strings.CutSuffix(name, "*")
	return name == event || isFamily && strings.HasPrefix(event, family)
}

// Due returns when a message of a severity that came up now is to be sent as a checked rule has it, and whether in a digest with all others
// that are due then.
//
// A digest that would come in quiet hours comes at their end. Critical messages are in no digest. A time of day that a zone skips, when its
// clocks go forward, is the first minute after the gap; of one that comes twice, the first counts.
func Due(r backstay.NotificationRule, s backstay.Severity, now time.Time) (at time.Time, digest bool) {
	critical := s == backstay.SeverityCritical
	at, digest = now, r.Digest != nil && !critical
	if digest {
		at = nextDigest(*r.Digest, now)
	}
	if r.Quiet != nil && !(critical && r.Quiet.CriticalPasses) {
		at = afterQuiet(*r.Quiet, at)
	}
	return at, digest
}

// Reminder returns when somebody is to be reminded of an open alert of which they were told last at a time. Ok is false if never.
func Reminder(r backstay.NotificationRule, s backstay.Severity, told time.Time) (at time.Time, ok bool) {
	if r.ReminderHours == 0 {
		return time.Time{}, false
	}
	at, _ = Due(r, s, told.Add(time.Duration(r.ReminderHours)*time.Hour))
	return at, true
}

// afterQuiet returns t, or the end of the quiet hours that it is in. The end is where clocks show a minute that isn't quiet: going
// there minute by minute asks nothing of how zones change their clocks.
func afterQuiet(q backstay.QuietHours, t time.Time) time.Time {
	loc, from, to := zone(q.Zone), minutes(q.From), minutes(q.To)
	for ; isQuiet(from, to, t.In(loc)); t = t.Truncate(time.Minute).Add(time.Minute) {
	}
	return t
}

func isQuiet(from, to int, local time.Time) bool {
	now := local.Hour()*60 + local.Minute()
	if from < to {
		return from <= now && now < to
	}
	return from != to && (now >= from || now < to) // over midnight
}

// nextDigest returns the first time after now at which there is a digest.
func nextDigest(d backstay.Digest, now time.Time) time.Time {
	loc := zone(d.Zone)
	if d.Every == backstay.DigestHourly {
		t := now.Truncate(time.Minute).Add(time.Minute)
		for t.In(loc).Minute() != 0 {
			t = t.Add(time.Minute)
		}
		return t
	}
	hour, minute, _ := d.At.Clock() // Check saw to it
	y, m, day := now.In(loc).Date()
	for ; ; day++ {
		if t := onDay(y, m, day, hour, minute, loc); t.After(now) {
			return t
		}
	}
}

// onDay returns the first time of a day at which clocks show a time of day, or, if they skip it, a later one.
func onDay(y int, m time.Month, day, hour, minute int, loc *time.Location) time.Time {
	t := time.Date(y, m, day, hour, minute, 0, 0, loc)
	start, end := t.ZoneBounds()
	switch shown := t.Hour()*60 + t.Minute() - hour*60 - minute; {
	case shown > 0 && shown < 12*60 || shown < -12*60: // time.Date went over the gap
		return start
	case shown != 0:
		return end
	}
	if start.IsZero() {
		return t
	}
	_, offset := t.Zone()
	_, before := start.Add(-time.Second).Zone()
	if first := t.Add(time.Duration(offset-before) * time.Second); first.Before(start) {
		return first
	}
	return t
}

func minutes(t backstay.TimeOfDay) int {
	hour, minute, _ := t.Clock() // Check saw to it
	return hour*60 + minute
}

// zone returns a zone by its name; UTC if it has gone since it was checked, with an update of the machine's time zones.
func zone(name string) *time.Location {
	loc, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return loc
}
