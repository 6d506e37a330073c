package retention

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrNothingKept is returned for a policy that would remove every snapshot of a group, which is what a list of tags that
// none of them has would do. It is refused, since it is far more often a mistake than a wish.
var ErrNothingKept = errors.New("the policy would remove every snapshot")

// Snapshot is what a policy looks at.
type Snapshot struct {
	ID   string
	Time time.Time // in the zone its periods are counted in
	Tags []string
}

// Decision is what becomes of one snapshot.
type Decision struct {
	Snapshot
	Keep    bool
	Reasons []string // which rules keep it, such as "daily snapshot"; nil where none does
}

// Apply decides for each snapshot of one group whether p keeps it. The decisions are sorted newest first, snapshots of
// the same moment by their IDs; the order of the argument is of no importance. An empty policy keeps everything.
//
// Snapshots dated after now do not count as the newest one when a Duration is measured, so that one wrong clock does not
// age all others. They do count for the counting rules: who can't trust the dates hands in times of its own.
func Apply(p Policy, now time.Time, snapshots []Snapshot) ([]Decision, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	decisions := newestFirst(snapshots)
	rules := p.rules(newest(decisions, now))
	for i := range decisions {
		d := &decisions[i]
		d.Reasons = p.standing(d.Snapshot)
		for r := range rules {
			if reason, ok := rules[r].keep(d.Time, i == len(decisions)-1); ok {
				d.Reasons = append(d.Reasons, reason)
			}
		}
		d.Keep = len(d.Reasons) > 0
	}
	if len(decisions) > 0 && !slices.ContainsFunc(decisions, func(d Decision) bool { return d.Keep }) {
		return nil, ErrNothingKept
	}
	return decisions, nil
}

func newestFirst(snapshots []Snapshot) []Decision {
	decisions := make([]Decision, len(snapshots))
	for i, s := range snapshots {
		decisions[i].Snapshot = s
	}
	slices.SortFunc(decisions, func(a, b Decision) int {
		return cmp.Or(b.Time.Compare(a.Time), strings.Compare(a.ID, b.ID))
	})
	return decisions
}

// newest returns the time of the newest snapshot that is not dated after now, or the zero time.
func newest(decisions []Decision, now time.Time) time.Time {
	for _, d := range decisions {
		if !d.Time.After(now) {
			return d.Time
		}
	}
	return time.Time{}
}

// standing returns the reasons to keep s that do not depend on the other snapshots.
func (p Policy) standing(s Snapshot) []string {
	var reasons []string
	if p.IsEmpty() {
		reasons = append(reasons, "policy is empty")
	}
	if slices.Contains(s.Tags, Protected) {
		reasons = append(reasons, Protected)
	}
	for _, tags := range p.Tags {
		if s.hasAll(tags) {
			reasons = append(reasons, fmt.Sprintf("has tags [%s]", strings.Join(tags, ", ")))
		}
	}
	return reasons
}

func (s Snapshot) hasAll(tags []string) bool {
	for _, tag := range tags {
		if !slices.Contains(s.Tags, tag) && (tag != "" || len(s.Tags) > 0) {
			return false
		}
	}
	return true
}

// rule is one rule of a policy on its way through the snapshots of a group.
type rule struct {
	reason string
	period func(time.Time) string // names the period a time lies in; nil: each snapshot is a period of its own
	left   Count                  // periods still to be kept
	after  time.Time              // younger snapshots only; zero: all
	last   string                 // the period kept last
}

// rules returns the rules of p, in the order in which their reasons are given.
func (p Policy) rules(newest time.Time) []rule {
	periods := []struct {
		name   string
		period func(time.Time) string
		count  Count
		within Duration
	}{
		{"last", nil, p.Last, Duration{}},
		{"hourly", layout("2006-01-02 15"), p.Hourly, p.WithinHourly},
		{"daily", layout("2006-01-02"), p.Daily, p.WithinDaily},
		{"weekly", isoWeek, p.Weekly, p.WithinWeekly},
		{"monthly", layout("2006-01"), p.Monthly, p.WithinMonthly},
		{"yearly", layout("2006"), p.Yearly, p.WithinYearly},
	}
	var within, counting, thinning []rule
	if p.Within != (Duration{}) {
		within = []rule{{reason: "within " + p.Within.String(), left: Unlimited, after: p.Within.Before(newest)}}
	}
	for _, r := range periods {
		if r.count != 0 {
			counting = append(counting, rule{reason: r.name + " snapshot", period: r.period, left: r.count})
		}
		if r.within != (Duration{}) {
			reason := r.name + " within " + r.within.String()
			thinning = append(thinning, rule{reason: reason, period: r.period, left: Unlimited, after: r.within.Before(newest)})
		}
	}
	return slices.Concat(within, counting, thinning)
}

func layout(s string) func(time.Time) string { return func(t time.Time) string { return t.Format(s) } }

func isoWeek(t time.Time) string {
	year, week := t.ISOWeek()
	return fmt.Sprintf("%d-W%02d", year, week)
}

// keep is called for each snapshot, newest first, and says why the rule keeps it. A rule that has not used up its count
// when the oldest snapshot comes keeps that one too, though it may lie in a period that has one: so a history that is still
// shorter than the policy reaches as far back as it can.
func (r *rule) keep(t time.Time, oldest bool) (reason string, ok bool) {
	if r.left == 0 || !r.after.IsZero() && !t.After(r.after) {
		return "", false
	}
	reason = r.reason
	if r.period != nil {
		period := r.period(t)
		if period == r.last {
			if !oldest {
				return "", false
			}
			reason = "oldest " + reason
		}
		r.last = period
	}
	if r.left > 0 {
		r.left--
	}
	return reason, true
}
