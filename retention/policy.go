// Package retention decides which snapshots a policy keeps.
//
// A policy is a set of rules. Each rule looks at the snapshots of one group (as a rule those of one host and the same
// paths), newest first, by itself; a snapshot stays if any rule keeps it. A counting rule, such as "daily 7", keeps the
// newest snapshot of each of the last 7 days that have one; a within rule keeps what is younger than a Duration, counted
// from the newest snapshot and not from today, so that a host that was switched off for a year loses nothing. Hours, days,
// ISO weeks, months and years are those of the time zone each snapshot was made in. The rules, and the words of the
// reasons, are those of restic's forget, so that both programs decide alike.
//
// The invariant: a further rule never removes what the others keep, and no policy removes all. This package does no I/O, holds no
// state and does not read the clock.
package retention

import (
	"fmt"
	"slices"
	"strconv"
)

// Protected is the tag of snapshots that no policy removes.
const Protected = "protected"

// Count is how many snapshots a counting rule keeps. Zero is no rule.
type Count int

// Unlimited keeps the newest snapshot of every period there is.
const Unlimited Count = -1

// ParseCount reads a number, or "unlimited" or "-1" for Unlimited.
func ParseCount(s string) (Count, error) {
	if s == "unlimited" || s == "-1" {
		return Unlimited, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("count %q: want a number of snapshots, or \"unlimited\"", s)
	}
	return Count(n), nil
}

// String returns what ParseCount reads.
func (c Count) String() string {
	if c == Unlimited {
		return "unlimited"
	}
	return strconv.Itoa(int(c))
}

// MarshalText returns what ParseCount reads.
func (c Count) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText is ParseCount for flags and JSON.
func (c *Count) UnmarshalText(text []byte) (err error) {
	*c, err = ParseCount(string(text))
	return err
}

// Policy is the set of rules. A zero field is no rule; the zero Policy has none and keeps everything.
type Policy struct {
	Last    Count `json:"last,omitzero"`    // the newest snapshots, whenever they were made
	Hourly  Count `json:"hourly,omitzero"`  // the newest snapshot of each hour that has one
	Daily   Count `json:"daily,omitzero"`   // of each day
	Weekly  Count `json:"weekly,omitzero"`  // of each ISO week, which starts on Monday
	Monthly Count `json:"monthly,omitzero"` // of each month
	Yearly  Count `json:"yearly,omitzero"`  // of each year

	Within        Duration `json:"within,omitzero"`        // every snapshot younger than this
	WithinHourly  Duration `json:"within_hourly,omitzero"` // the newest of each hour younger than this
	WithinDaily   Duration `json:"within_daily,omitzero"`
	WithinWeekly  Duration `json:"within_weekly,omitzero"`
	WithinMonthly Duration `json:"within_monthly,omitzero"`
	WithinYearly  Duration `json:"within_yearly,omitzero"`

	// Tags keeps each snapshot that has all tags of one of the lists. The tag "" stands for having no tags.
	Tags [][]string `json:"tags,omitempty"`
}

// IsEmpty reports whether the policy has no rule.
func (p Policy) IsEmpty() bool {
	return len(p.Tags) == 0 && p.counts() == [6]Count{} && p.durations() == [6]Duration{}
}

// Covers reports whether p surely keeps all that other keeps: each of its rules reaches at least as far.
func (p Policy) Covers(other Policy) bool {
	if p.IsEmpty() {
		return true
	}
	if other.IsEmpty() {
		return false
	}
	counts, others := p.counts(), other.counts()
	for i, n := range counts {
		if n != Unlimited && (others[i] == Unlimited || n < others[i]) {
			return false
		}
	}
	durations, within := p.durations(), other.durations()
	for i, d := range durations {
		if d != within[i] && (d.Years < within[i].Years || d.Months < within[i].Months || d.Days < within[i].Days || d.Hours < within[i].Hours) {
			return false
		}
	}
	for _, tags := range other.Tags {
		if !slices.ContainsFunc(p.Tags, func(mine []string) bool { return slices.Equal(mine, tags) }) {
			return false
		}
	}
	return true
}

// Validate returns an error that names the rule that makes no sense.
func (p Policy) Validate() error {
	for _, c := range p.counts() {
		if c < Unlimited {
			return fmt.Errorf("retention policy: count %d: want 0 or more, or unlimited", c)
		}
	}
	for _, d := range p.durations() {
		if d.Years < 0 || d.Months < 0 || d.Days < 0 || d.Hours < 0 {
			return fmt.Errorf("retention policy: duration %q: want no negative number", d)
		}
	}
	for _, tags := range p.Tags {
		if len(tags) == 0 {
			return fmt.Errorf("retention policy: empty list of tags")
		}
	}
	return nil
}

func (p Policy) counts() [6]Count {
	return [6]Count{p.Last, p.Hourly, p.Daily, p.Weekly, p.Monthly, p.Yearly}
}

func (p Policy) durations() [6]Duration {
	return [6]Duration{p.Within, p.WithinHourly, p.WithinDaily, p.WithinWeekly, p.WithinMonthly, p.WithinYearly}
}
