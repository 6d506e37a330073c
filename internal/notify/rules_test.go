package notify

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/backstay/backstay"
)

const (
	info     = backstay.SeverityInfo
	warning  = backstay.SeverityWarning
	failure  = backstay.SeverityError
	critical = backstay.SeverityCritical
)

func TestWhichRulesTakeAnEvent(t *testing.T) {
	for _, c := range []struct {
		name string
		rule backstay.NotificationRule
		want bool
	}{
		{"its name", backstay.NotificationRule{Placed: backstay.Placed{Project: "p"}, Events: []string{"run.failed"}}, true},
		{"its family", backstay.NotificationRule{Placed: backstay.Placed{Project: "p"}, Events: []string{"run.*"}}, true},
		{"all events", backstay.NotificationRule{Placed: backstay.Placed{Project: "p"}, Events: []string{"*"}}, true},
		{"one of several", backstay.NotificationRule{Placed: backstay.Placed{Project: "p"}, Events: []string{"storage.full", "run.failed"}}, true},
		{"another event", backstay.NotificationRule{Placed: backstay.Placed{Project: "p"}, Events: []string{"run.succeeded"}}, false},
		{"the start of its name", backstay.NotificationRule{Placed: backstay.Placed{Project: "p"}, Events: []string{"run"}}, false},
		{"a family that begins alike", backstay.NotificationRule{Placed: backstay.Placed{Project: "p"}, Events: []string{"ru.*"}}, false},
		{"a family below it", backstay.NotificationRule{Placed: backstay.Placed{Project: "p"}, Events: []string{"run.failed.*"}}, false},
		{"no event", backstay.NotificationRule{Placed: backstay.Placed{Project: "p"}}, false},
		{"its plan", backstay.NotificationRule{Placed: backstay.Placed{Project: "p"}, Plan: "nightly", Events: []string{"*"}}, true},
		{"another plan", backstay.NotificationRule{Placed: backstay.Placed{Project: "p"}, Plan: "weekly", Events: []string{"*"}}, false},
		{"those of all projects", backstay.NotificationRule{Events: []string{"*"}}, true},
		{"another project", backstay.NotificationRule{Placed: backstay.Placed{Project: "q"}, Events: []string{"*"}}, false},
		{"as bad as that", backstay.NotificationRule{Placed: backstay.Placed{Project: "p"}, Events: []string{"*"}, MinSeverity: failure}, true},
		{"only worse ones", backstay.NotificationRule{Placed: backstay.Placed{Project: "p"}, Events: []string{"*"}, MinSeverity: critical}, false},
	} {
		event := Event{Name: "run.failed", Severity: failure, Project: "p", Plan: "nightly"}
		if got := Takes(c.rule, event); got != c.want {
			t.Errorf("%s: Takes = %t, want %t", c.name, got, c.want)
		}
	}
	rule := backstay.NotificationRule{Placed: backstay.Placed{Project: "p"}, Plan: "nightly", Events: []string{"*"}}
	if Takes(rule, Event{Name: "storage.full", Severity: failure, Project: "p"}) {
		t.Error("the rule of a plan takes an event of none")
	}
}

func TestWhenSomebodyIsTold(t *testing.T) {
	night := &backstay.QuietHours{From: "22:00", To: "07:00", Zone: "Europe/Berlin"}
	nightPass := &backstay.QuietHours{From: "22:00", To: "07:00", Zone: "Europe/Berlin", CriticalPasses: true}
	noon := &backstay.QuietHours{From: "12:00", To: "13:30", Zone: "Europe/Berlin"}
	hourly := &backstay.Digest{Every: backstay.DigestHourly, Zone: "Europe/Berlin"}
	hourlyIndia := &backstay.Digest{Every: backstay.DigestHourly, Zone: "Asia/Kolkata"}
	daily := &backstay.Digest{Every: backstay.DigestDaily, At: "08:00", Zone: "Europe/Berlin"}
	atNight := &backstay.Digest{Every: backstay.DigestDaily, At: "23:00", Zone: "Europe/Berlin"}
	inGap := &backstay.Digest{Every: backstay.DigestDaily, At: "02:30", Zone: "Europe/Berlin"}
	inGapAmerica := &backstay.Digest{Every: backstay.DigestDaily, At: "02:30", Zone: "America/New_York"}
	gapNight := &backstay.QuietHours{From: "22:00", To: "02:30", Zone: "Europe/Berlin"}
	for _, c := range []struct {
		name     string
		quiet    *backstay.QuietHours
		digest   *backstay.Digest
		severity backstay.Severity
		now      string // in Berlin, as all times here
		want     string
		inDigest bool
	}{
		{"no rule for it: now", nil, nil, failure, "2026-01-10 03:15 +0100", "2026-01-10 03:15 +0100", false},
		{"outside of quiet hours: now", night, nil, failure, "2026-01-10 12:00 +0100", "2026-01-10 12:00 +0100", false},
		{"the last minute before them: now", night, nil, failure, "2026-01-10 21:59 +0100", "2026-01-10 21:59 +0100", false},
		{"their first minute: at their end", night, nil, failure, "2026-01-10 22:00 +0100", "2026-01-11 07:00 +0100", false},
		{"after midnight: at their end", night, nil, failure, "2026-01-11 06:59 +0100", "2026-01-11 07:00 +0100", false},
		{"their end: now", night, nil, failure, "2026-01-11 07:00 +0100", "2026-01-11 07:00 +0100", false},
		{"over noon: at their end", noon, nil, failure, "2026-01-10 12:00 +0100", "2026-01-10 13:30 +0100", false},
		{"critical: waits too", night, nil, critical, "2026-01-11 03:00 +0100", "2026-01-11 07:00 +0100", false},
		{"critical that passes: now", nightPass, nil, critical, "2026-01-11 03:00 +0100", "2026-01-11 03:00 +0100", false},
		{"an error doesn't pass", nightPass, nil, failure, "2026-01-11 03:00 +0100", "2026-01-11 07:00 +0100", false},

		{"hourly digest: at the next full hour", nil, hourly, info, "2026-01-10 12:01 +0100", "2026-01-10 13:00 +0100", true},
		{"at the full hour: with the next", nil, hourly, info, "2026-01-10 12:00 +0100", "2026-01-10 13:00 +0100", true},
		{"full hours of a zone that is half an hour off", nil, hourlyIndia, info, "2026-01-10 12:01 +0100", "2026-01-10 12:30 +0100", true},
		{"daily digest: today", nil, daily, info, "2026-01-10 07:59 +0100", "2026-01-10 08:00 +0100", true},
		{"daily digest: tomorrow", nil, daily, info, "2026-01-10 08:00 +0100", "2026-01-11 08:00 +0100", true},
		{"at the end of a year", nil, daily, info, "2026-12-31 09:00 +0100", "2027-01-01 08:00 +0100", true},
		{"critical is in no digest", nil, daily, critical, "2026-01-10 07:59 +0100", "2026-01-10 07:59 +0100", false},
		{"a digest in quiet hours comes at their end", night, atNight, warning, "2026-01-10 12:00 +0100", "2026-01-11 07:00 +0100", true},

		{"quiet hours that are an hour shorter", night, nil, failure, "2026-03-28 23:00 +0100", "2026-03-29 07:00 +0200", false},
		{"quiet hours that are an hour longer", night, nil, failure, "2026-10-24 23:00 +0200", "2026-10-25 07:00 +0100", false},
		{"quiet hours whose end is skipped", gapNight, nil, failure, "2026-03-29 01:30 +0100", "2026-03-29 03:00 +0200", false},
		{"quiet hours whose end comes twice", gapNight, nil, failure, "2026-10-25 01:30 +0200", "2026-10-25 02:30 +0200", false},
		{"a digest that is skipped comes after the gap", nil, inGap, info, "2026-03-29 01:00 +0100", "2026-03-29 03:00 +0200", true},
		{"west of Greenwich too", nil, inGapAmerica, info, "2026-03-08 01:00 -0500", "2026-03-08 03:00 -0400", true},
		{"and there the first of two", nil, inGapAmerica, info, "2026-11-01 01:00 -0400", "2026-11-01 02:30 -0500", true},
		{"and after that on the next day", nil, inGap, info, "2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200", true},
		{"a digest that comes twice comes once", nil, inGap, info, "2026-10-25 01:00 +0200", "2026-10-25 02:30 +0200", true},
		{"and not a second time", nil, inGap, info, "2026-10-25 02:31 +0200", "2026-10-26 02:30 +0100", true},
	} {
		at, digest := Due(backstay.NotificationRule{Quiet: c.quiet, Digest: c.digest}, c.severity, when(t, c.now))
		if !at.Equal(when(t, c.want)) || digest != c.inDigest {
			t.Errorf("%s: Due = %v, %t, want %s, %t", c.name, at.In(zone("Europe/Berlin")), digest, c.want, c.inDigest)
		}
	}
}

func when(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04 -0700", s)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestReminders(t *testing.T) {
	rule := backstay.NotificationRule{ReminderHours: 12, Quiet: &backstay.QuietHours{From: "22:00", To: "07:00", Zone: "Europe/Berlin"}}
	told := when(t, "2026-01-10 08:00 +0100")
	if at, ok := Reminder(rule, failure, told); !ok || !at.Equal(told.Add(12*time.Hour)) {
		t.Errorf("Reminder = %v, %t, want 12 hours later", at, ok)
	}
	if at, ok := Reminder(rule, failure, told.Add(4*time.Hour)); !ok || !at.Equal(when(t, "2026-01-11 07:00 +0100")) {
		t.Errorf("Reminder = %v, %t, want the end of the quiet hours", at, ok)
	}
	rule.ReminderHours = 0
	if at, ok := Reminder(rule, failure, told); ok {
		t.Errorf("Reminder of a rule without = %v", at)
	}
}

// What a person who watches a clock on the wall, minute by minute, would say is the specification.
func TestTimesAreThoseOfAClockOnTheWall(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "America/Havana", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca", "America/Santiago",
		"Asia/Beirut", "Pacific/Chatham", "America/Scoresbysund", "Africa/Cairo", "America/Asuncion", "Pacific/Apia"}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(zones).Draw(t, "zone")
		loc := zone(name)
		start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 365*38).Draw(t, "day"))
		at := rapid.IntRange(0, 24*60-1).Draw(t, "minute")
		if _, change := start.In(loc).ZoneBounds(); !change.IsZero() && rapid.Bool().Draw(t, "at a change") {
			start = change.Add(-25 * time.Hour)
			before := change.Add(-time.Minute).In(loc)
			at = (before.Hour()*60 + before.Minute() + at%240 + 24*60 - 120) % (24 * 60) // up to two hours from it
		}
		now := start.Add(time.Duration(rapid.IntRange(0, 27*60*60).Draw(t, "second")) * time.Second)
		clock := backstay.TimeOfDay(fmt.Sprintf("%02d:%02d", at/60, at%60))
		digest := backstay.Digest{Every: backstay.DigestDaily, At: clock, Zone: name}
		if got, want := nextDigest(digest, now), watched(now, at, loc); !got.Equal(want) {
			t.Errorf("nextDigest at %s in %s after %v = %v, want %v", clock, name, now.In(loc), got.In(loc), want.In(loc))
		}
		quiet := backstay.QuietHours{From: "21:00", To: clock, Zone: name}
		if end := afterQuiet(quiet, now); at != 21*60 && (end.Before(now) || isQuiet(21*60, at, end.In(loc)) || end.Sub(now) > 26*time.Hour) {
			t.Errorf("afterQuiet to %s in %s at %v = %v", clock, name, now.In(loc), end.In(loc))
		}
	})
}

// watched returns the first minute after now that is the first of its day at which the clock shows the time or a later one. The watch
// begins more than a day before.
func watched(now time.Time, at int, loc *time.Location) time.Time {
	t := now.Truncate(time.Minute).Add(-26 * time.Hour)
	done := map[string]bool{t.In(loc).Format(time.DateOnly): true} // of the day in which the watch begins it doesn't know the first
	for ; ; t = t.Add(time.Minute) {
		local := t.In(loc)
		day := local.Format(time.DateOnly)
		if local.Hour()*60+local.Minute() < at || done[day] {
			continue
		}
		done[day] = true
		if t.After(now) {
			return t
		}
	}
}
