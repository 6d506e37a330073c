package web

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/backstay/backstay/schedule"
)

// scheduleFields are the part of a form that asks when something is started. The template "schedule-fields" shows it, with its words and the
// next three starts, which follow what is entered. It shows only the fields that the rhythm has a use for; what the others say does not count.
type scheduleFields struct {
	Name     string // of the schedule in JSON, such as "schedule"
	Rhythm   *field
	Interval *field
	Cron     *field
	At       *field
	Weekdays *field
	Days     *field
	Zone     *field
	CatchUp  *field
	From, To *field
	Jitter   *field
	Plan     string // the id of the plan that it is of; "" of a new one
	Said     scheduleSaid
}

// The rhythms. All but the first and the last are how often a schedule is due.
const (
	byHand    = "hand"
	ownRhythm = "own"
)

var rhythms = []choice{{Value: "hour", Title: "Hourly"}, {Value: "day", Title: "Daily"}, {Value: "week", Title: "Weekly"}, {Value: "month", Title: "Monthly"},
	{Value: ownRhythm, Title: "Own rhythm"}, {Value: byHand, Title: "Only by hand"}}

var intervals = []choice{{Value: "5m", Title: "Every 5 minutes"}, {Value: "10m", Title: "Every 10 minutes"}, {Value: "15m", Title: "Every 15 minutes"},
	{Value: "20m", Title: "Every 20 minutes"}, {Value: "30m", Title: "Every 30 minutes"}, {Value: "2h", Title: "Every 2 hours"}, {Value: "3h", Title: "Every 3 hours"},
	{Value: "4h", Title: "Every 4 hours"}, {Value: "6h", Title: "Every 6 hours"}, {Value: "8h", Title: "Every 8 hours"}, {Value: "12h", Title: "Every 12 hours"},
	{Value: "cron", Title: "By a cron expression"}}

var weekdays = []choice{{Value: "monday", Title: "Mon"}, {Value: "tuesday", Title: "Tue"}, {Value: "wednesday", Title: "Wed"}, {Value: "thursday", Title: "Thu"},
	{Value: "friday", Title: "Fri"}, {Value: "saturday", Title: "Sat"}, {Value: "sunday", Title: "Sun"}}

var jitters = []choice{{Title: "Not spread"}, {Value: "5m", Title: "Over 5 minutes"}, {Value: "15m", Title: "Over 15 minutes"}, {Value: "30m", Title: "Over 30 minutes"},
	{Value: "1h", Title: "Over an hour"}, {Value: "2h", Title: "Over 2 hours"}}

// newScheduleFields makes the fields of a schedule that is called name in JSON. The zone is the person's own, for a schedule that names none.
func newScheduleFields(name string, s schedule.Schedule, zone string) *scheduleFields {
	rhythm, interval := s.Every, "4h"
	switch {
	case s.Every == "":
		rhythm = byHand
	case !slices.ContainsFunc(rhythms, func(c choice) bool { return c.Value == s.Every }):
		rhythm, interval = ownRhythm, s.Every
	}
	var days []string
	for _, d := range s.Days {
		days = append(days, strings.Replace(strconv.Itoa(d), "-1", "last", 1))
	}
	if s.Every != "" {
		zone = cmp.Or(s.Zone, "UTC")
	}
	w := &scheduleFields{Name: name,
		Rhythm:   &field{Name: "rhythm", Title: "How often", Kind: radioField, Choices: rhythms, Value: rhythm},
		Interval: &field{Name: "interval", Title: "Rhythm", Kind: selectField, Choices: withChoice(intervals, interval), Value: interval},
		Cron:     &field{Name: "cron", Title: "Cron expression", Kind: textField, Value: s.Cron, Help: "Minute, hour, day, month, weekday, such as 30 2 * * 1-5"},
		At:       &field{Name: "at", Title: "At", Kind: timeField, Value: cmp.Or(s.At, "00:00"), Help: "A quiet hour is best. Of what is due more than once a day it is one of the times."},
		Weekdays: &field{Name: "weekdays", Title: "On", Kind: checksField, Choices: weekdays, Values: fullDays(s.Weekdays)},
		Days:     &field{Name: "days", Title: "Days of the month", Kind: textField, Value: cmp.Or(strings.Join(days, ", "), "1"), Help: "Such as 1, 15, last"},
		Zone:     &field{Name: "zone", Title: "Time zone", Kind: textField, Value: zone, Help: "Such as Europe/Vienna. Taken from your profile at first."},
		CatchUp:  &field{Name: "catch_up", Title: "If the server was off when it was due, start it once as soon as it is back", Kind: switchField, Value: strconv.FormatBool(s.CatchUp)},
		From:     &field{Name: "window.from", Title: "Only from", Kind: timeField, Value: s.Window.From, Optional: true, Help: "What is due outside of this time waits for it."},
		To:       &field{Name: "window.to", Title: "Only to", Kind: timeField, Value: s.Window.To, Optional: true},
		Jitter:   &field{Name: "jitter", Title: "Spread starts", Kind: selectField, Choices: withChoice(jitters, s.Jitter), Value: s.Jitter, Optional: true, Help: "So that plans of the same time don't all start at once."},
	}
	for _, f := range w.fields() {
		f.Name = name + "." + f.Name
	}
	return w
}

// withChoice adds a value to the choices that is none of them, since somebody has chosen it elsewhere.
func withChoice(all []choice, value string) []choice {
	if slices.ContainsFunc(all, func(c choice) bool { return c.Value == value }) {
		return all
	}
	return append(slices.Clone(all), choice{Value: value, Title: "Every " + value})
}

// fullDays are weekdays as the form has them: a schedule may have them cut to three letters.
func fullDays(names []string) (full []string) {
	for _, name := range names {
		for _, c := range weekdays {
			if len(name) >= 3 && strings.HasPrefix(c.Value, strings.ToLower(name)) {
				full = append(full, c.Value)
			}
		}
	}
	return full
}

// fields are all of them, for the form's groups.
func (w *scheduleFields) fields() []*field {
	return []*field{w.Rhythm, w.Interval, w.Cron, w.At, w.Weekdays, w.Days, w.Zone, w.CatchUp, w.From, w.To, w.Jitter}
}

// ID is that of the part.
func (w *scheduleFields) ID() string { return strings.ReplaceAll(w.Name, ".", "-") }

// MoreOpen reports whether something is entered where most people enter nothing.
func (w *scheduleFields) MoreOpen() bool {
	return w.From.Value+w.To.Value+w.Jitter.Value != "" || w.From.Error+w.To.Error+w.Jitter.Error != ""
}

// schedule is what was entered. An entry that can't be read is an error of its field, and nothing is ok.
func (w *scheduleFields) schedule() (s schedule.Schedule, ok bool) {
	switch w.Rhythm.Value {
	case byHand:
		return s, true
	case ownRhythm:
		s.Every = w.Interval.Value
	default:
		s.Every = w.Rhythm.Value
	}
	s.Zone, s.CatchUp, s.Jitter = w.Zone.Value, w.CatchUp.On(), w.Jitter.Value
	s.Window = schedule.Window{From: w.From.Value, To: w.To.Value}
	switch s.Every {
	case "cron":
		s.Cron = w.Cron.Value
		return s, true
	case "week":
		s.Weekdays = w.Weekdays.Values
	case "month":
		if s.Days, ok = daysOf(w.Days.Value); !ok {
			w.Days.Error = "Enter days from 1 to 31, or last, with commas between them."
			return s, false
		}
	}
	s.At = w.At.Value
	return s, true
}

// daysOf reads days of the month, such as "1, 15, last".
func daysOf(text string) (days []int, ok bool) {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		if strings.EqualFold(word, "last") {
			word = "-1"
		}
		d, err := strconv.Atoi(word)
		if err != nil {
			return nil, false
		}
		days = append(days, d)
	}
	return days, true
}

// patchOf is a schedule as a change of JSON that leaves nothing of the one before.
func patchOf(s schedule.Schedule) map[string]any {
	return map[string]any{"every": s.Every, "at": s.At, "weekdays": s.Weekdays, "days": s.Days, "cron": s.Cron, "zone": s.Zone, "jitter": s.Jitter,
		"window": map[string]string{"from": s.Window.From, "to": s.Window.To}, "catch_up": s.CatchUp}
}

// note puts what is wrong with the schedule beside its field. It reports whether err is about a field of it.
func (w *scheduleFields) note(err error) bool {
	var wrong *schedule.Error
	if !errors.As(err, &wrong) {
		return false
	}
	at := w.At
	for _, f := range w.fields() {
		if f.Name == w.Name+"."+wrong.Field {
			at = f
		}
	}
	at.Error = sentence(wrong.Why)
	return true
}

// scheduleSaid says a schedule in words, with its next starts, or what is wrong with it.
type scheduleSaid struct {
	Words   string
	CatchUp bool
	Next    []html
	Problem string
}

// say says what was entered.
func (w *scheduleFields) say(v *visit) {
	s, ok := w.schedule()
	if !ok {
		w.Said.Problem = w.Days.Error
		return
	}
	w.Said = v.sayPlanned(s, w.Plan)
}

// sayPlanned says a schedule in words, with its next three starts.
func (v *visit) sayPlanned(s schedule.Schedule, id string) (said scheduleSaid) {
	var wrong *schedule.Error
	if err := s.Check(); errors.As(err, &wrong) {
		said.Problem = sentence(wrong.Why)
		return said
	}
	said.CatchUp, s.CatchUp = s.CatchUp, false
	said.Words = sentence(s.String())
	at := v.App.Clock.Now()
	for range 3 {
		next, err := s.Next(at, id)
		if err != nil || next.IsZero() {
			break
		}
		said.Next, at = append(said.Next, v.startOf(next)), next
	}
	return said
}

// startOf is a start: the day and the time where the plan is, with the zone where that is not the person's.
func (v *visit) startOf(t time.Time) html {
	if t.Format("15:04") != t.In(v.zone).Format("15:04") {
		return v.moment(t, t.Format("Mon 2 Jan, 15:04 MST")+" (yours: "+t.In(v.zone).Format("Mon 15:04")+")")
	}
	return v.when(t)
}

// scheduleFragment answers what somebody is entering: the words of the schedule that the address names.
func (v *visit) scheduleFragment() error {
	name := v.query("name")
	w := newScheduleFields(name, schedule.Schedule{}, v.zone.String())
	(&form{Groups: []group{{Fields: w.fields()}}}).read(v.r)
	w.Plan = v.query("plan")
	w.say(v)
	return v.piece("plan-edit", "schedule-said", w.Said)
}

// piece answers with a part of a page.
func (v *visit) piece(page, part string, data any) error {
	text, err := v.templates.part(page, part, data)
	if err != nil {
		return err
	}
	return v.write(http.StatusOK, text)
}
