// Package schedule decides when a plan is due.
//
// A schedule names wall-clock times: minutes of days, as a clock in its time zone shows them. Each of them is due at one
// moment of real time, by a rule that loses none where clocks are changed:
//
//   - A schedule by the day (daily, weekly, monthly, cron with hours that are listed) is due at the first moment at which the
//     clock shows the time or a later one. So a time that is skipped when clocks go forward is due once, right after; one that
//     comes twice when they go back is due once, the first time.
//   - A schedule finer than a day (every hour, every N minutes or hours, cron with "*" or a step in the hour field) goes on by
//     real time: what comes twice is due both times, and what is skipped is due as much later as clocks went forward, which is
//     often the next time anyway. So an hour stays an hour; a longer interval is at most as much longer as clocks went back.
//
// A day that a month hasn't got, such as the 31st of April, is not due in that month; the last day of each month is day -1. Then
// the jitter moves each moment of a plan by the same time, and one outside of the window waits until the window opens.
//
// The invariant: however clocks are changed, each moment comes once, later than the one before. This package does no I/O but for
// reading the rules of time zones, and does not read the clock.
package schedule

import (
	"fmt"
	"time"
)

// Schedule says when a plan is due. The zero Schedule is due only by hand. A field that its frequency has no use for is refused
// by Check, so that nobody relies on it.
type Schedule struct {
	// Every is the frequency: "hour", "day", "week", "month", "cron", or an interval that divides a day, such as "15m" or "2h".
	// "" is only by hand.
	Every string `json:"every,omitempty"`
	// At is the time of day, such as "02:30"; of an hour or an interval it is one of the times, from which the others follow.
	// "" is "00:00".
	At       string   `json:"at,omitempty"`
	Weekdays []string `json:"weekdays,omitempty"` // of a week: "monday" or "mon"
	Days     []int    `json:"days,omitempty"`     // of a month: 1 to 31, or -1 for the last one
	Cron     string   `json:"cron,omitempty"`     // five fields, or a word such as "@daily"
	Zone     string   `json:"zone,omitempty"`     // a name of the IANA, such as "Europe/Berlin"; "" is UTC

	// Jitter, such as "10m", spreads plans that are due at the same time: each is moved by a part of it of its own.
	Jitter string `json:"jitter,omitempty"`
	// Window is when runs may start. One that is due outside starts when it opens, together with all that wait for it.
	Window Window `json:"window,omitzero"`
	// CatchUp starts one run for those that were missed, such as while the server was down. Otherwise they stay missed.
	CatchUp bool `json:"catch_up,omitempty"`
}

// Window is a part of each day. It goes over midnight if it ends before it begins. The zero Window is the whole day.
type Window struct {
	From string `json:"from,omitempty"` // such as "22:00"
	To   string `json:"to,omitempty"`   // such as "06:00", which is the first minute outside
}

// Error is about the value of one field.
type Error struct {
	Field string // its name in JSON, such as "window.from"
	Why   string // what is wrong, and what would be right
}

func (e *Error) Error() string { return fmt.Sprintf("schedule: %s: %s", e.Field, e.Why) }

func errorf(field, format string, args ...any) *Error {
	return &Error{field, fmt.Sprintf(format, args...)}
}

// Check returns an *Error about the first field that makes no sense, or that makes the schedule never due, such as a 30th of
// February.
func (s Schedule) Check() error {
	_, err := s.compile("")
	return err
}

// Next returns the first moment after the given one at which the plan is due, in the schedule's zone; the zero time if it is
// due only by hand. The seed, such as the plan's ID, says which part of the jitter is the plan's: it is always the same one. The
// error is that of Check.
func (s Schedule) Next(after time.Time, seed string) (time.Time, error) {
	t, err := s.compile(seed)
	if err != nil {
		return time.Time{}, err
	}
	return t.time(t.next(after.Unix())), nil
}
