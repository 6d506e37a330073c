package backstay

import (
	"fmt"
	"regexp"
	"slices"
	"time"
)

// Severity is how much an event matters.
type Severity string

// The severities, from the least to the greatest.
const (
	SeverityInfo     Severity = "info"     // as it should be
	SeverityWarning  Severity = "warning"  // somebody should look at it some day
	SeverityError    Severity = "error"    // something wasn't done
	SeverityCritical Severity = "critical" // data is at risk: somebody has to act now
)

var severities = []Severity{SeverityInfo, SeverityWarning, SeverityError, SeverityCritical}

// AtLeast reports whether s is as great as least or greater. What is no severity counts as info.
func (s Severity) AtLeast(least Severity) bool {
	return max(0, slices.Index(severities, s)) >= max(0, slices.Index(severities, least))
}

// NotificationRule says what somebody is told of, by which channel, and when. One that belongs to no project is the server's own: it is about
// the events of all projects, and those of the server itself.
type NotificationRule struct {
	Record
	Placed
	Plan    string `json:"plan,omitempty" doc:"The id of a plan; none: events of all plans, and those of none"`
	User    string `json:"user,omitempty" doc:"The id of the person whose own rule it is, who is told only of what they may see; none: the project's"`
	Channel string `json:"channel" doc:"The id of the channel"`

	Events      []string `json:"events" minItems:"1" doc:"Names such as run.failed, families such as run.*, or *"`
	MinSeverity Severity `json:"min_severity,omitempty" enum:"info,warning,error,critical" doc:"Of less nobody is told; none stands for info"`

	Quiet         *QuietHours `json:"quiet,omitempty" doc:"When messages wait"`
	Digest        *Digest     `json:"digest,omitempty" doc:"Messages are gathered; none: each comes by itself"`
	ReminderHours int         `json:"reminder_hours,omitempty" minimum:"0" maximum:"744" doc:"Between reminders while an alert is open; 0: none"`
}

// QuietHours are when nobody is to be disturbed, each day: messages wait for their end.
type QuietHours struct {
	From           TimeOfDay `json:"from"`
	To             TimeOfDay `json:"to"` // the first minute in which messages come again; before From: on the next day
	Zone           string    `json:"zone"`
	CriticalPasses bool      `json:"critical_passes"` // critical messages don't wait
}

// Digest gathers messages, and one tells of all. Critical messages are not gathered: somebody has to act.
type Digest struct {
	Every DigestEvery `json:"every"`
	At    TimeOfDay   `json:"at,omitempty"` // of a daily one
	Zone  string      `json:"zone"`
}

// DigestEvery is how often there is a digest.
type DigestEvery string

// The kinds of digest.
const (
	DigestHourly DigestEvery = "hourly" // at each full hour
	DigestDaily  DigestEvery = "daily"
)

// TimeOfDay is what a clock on the wall shows: hours and minutes, "00:00" to "23:59".
type TimeOfDay string

// Clock returns hour and minute.
func (t TimeOfDay) Clock() (hour, minute int, err error) {
	if !timeOfDay.MatchString(string(t)) {
		return 0, 0, fmt.Errorf("time of day %q: want hours and minutes such as 07:30", string(t))
	}
	digit := func(i int) int { return int(t[i] - '0') }
	return digit(0)*10 + digit(1), digit(3)*10 + digit(4), nil
}

var timeOfDay = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)

// eventName is the name of an event, of a family, or of all.
var eventName = regexp.MustCompile(`^(\*|[a-z]+(\.[a-z]+)*(\.\*)?)$`)

// maxReminderHours is how far apart reminders are at most: a month, after which one is none.
const maxReminderHours = 31 * 24

// Check returns an Error of kind Invalid that says what in the rule makes no sense.
func (r NotificationRule) Check() error {
	switch {
	case r.Channel == "":
		return Errorf(Invalid, "a notification rule needs a channel").OnField("channel")
	case len(r.Events) == 0:
		return Errorf(Invalid, "a notification rule names at least one event").WithHint(`"*" stands for all of them, "run.*" for those about runs.`).OnField("events")
	case r.MinSeverity != "" && !slices.Contains(severities, r.MinSeverity):
		return Errorf(Invalid, "severity %q: want info, warning, error or critical", string(r.MinSeverity))
	case r.ReminderHours < 0 || r.ReminderHours > maxReminderHours:
		return Errorf(Invalid, "reminders every %d hours: want 0, for none, to %d", r.ReminderHours, maxReminderHours)
	}
	for _, name := range r.Events {
		if !eventName.MatchString(name) {
			return Errorf(Invalid, "event %q: want a name such as run.failed, a family such as run.*, or *", name)
		}
	}
	if err := r.Quiet.check(); err != nil {
		return err
	}
	return r.Digest.check()
}

// check returns an error as Check does.
func (q *QuietHours) check() error {
	if q == nil {
		return nil
	}
	for _, t := range []TimeOfDay{q.From, q.To} {
		if _, _, err := t.Clock(); err != nil {
			return Errorf(Invalid, "quiet hours: %w", err)
		}
	}
	if q.From == q.To {
		return Errorf(Invalid, "quiet hours from %s to %s: they would never end", q.From, q.To)
	}
	return checkZone(q.Zone)
}

func (d *Digest) check() error {
	if d == nil {
		return nil
	}
	switch d.Every {
	case DigestHourly:
		if d.At != "" {
			return Errorf(Invalid, "an hourly digest comes at each full hour: it has no time of day")
		}
	case DigestDaily:
		if _, _, err := d.At.Clock(); err != nil {
			return Errorf(Invalid, "daily digest: %w", err)
		}
	default:
		return Errorf(Invalid, "digest %q: want hourly or daily", string(d.Every))
	}
	return checkZone(d.Zone)
}

// checkZone wants a zone by name: what "Local" means depends on the machine.
func checkZone(zone string) error {
	if _, err := time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" {
		return Errorf(Invalid, "time zone %q is not known", zone).WithHint("Name it as in Europe/Berlin, or UTC.")
	}
	return nil
}
