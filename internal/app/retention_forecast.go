package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/retention"
)

// A person waits for a forecast. The policy is applied after each backup, as that of a plan is: what comes of applying it less often differs.
const (
	mostForecast = 10_000    // backups: a year of hourly ones, with some to spare
	mostLooked   = 3_000_000 // snapshots that the policy looks at, which takes a second or two
)

// Forecast is what a schedule and a policy come to: it begins now with nothing, a backup is made whenever one is due, and the policy is applied
// all along, as it is to those of a plan.
type Forecast struct {
	Days int                `json:"days"`
	Made int                `json:"made" doc:"How many backups were made"`
	Most int                `json:"most" doc:"How many snapshots there were at most"`
	Kept []ForecastSnapshot `json:"kept" doc:"Those at the end, the newest first"`
}

// ForecastSnapshot is one that is there at the end.
type ForecastSnapshot struct {
	Time    time.Time `json:"time"`
	AgeDays float64   `json:"age_days"`
	Reasons []string  `json:"reasons" doc:"Which rules keep it"`
}

func (a *App) forecast(ctx context.Context, q RetentionQuestion, policy retention.Policy) (*Forecast, error) {
	now := a.Clock.Now()
	end := now.AddDate(0, 0, q.Days)
	if q.Schedule == nil {
		return nil, backstay.Errorf(backstay.Invalid, "a forecast needs a schedule").OnField("schedule")
	}
	made, err := backupsOf(q, now, end)
	if err != nil {
		return nil, err
	}
	there, most, err := play(ctx, policy, made)
	if err != nil {
		return nil, err
	}
	f := &Forecast{Days: q.Days, Made: len(made), Most: most, Kept: []ForecastSnapshot{}}
	for _, d := range there {
		f.Kept = append(f.Kept, ForecastSnapshot{Time: d.Time.UTC(), AgeDays: end.Sub(d.Time).Hours() / 24, Reasons: d.Reasons})
	}
	return f, nil
}

// backupsOf are the snapshots that a schedule makes, in the zone of the server, as its backups are.
func backupsOf(q RetentionQuestion, from, to time.Time) (made []retention.Snapshot, err error) {
	for at := from; ; {
		at, err = q.Schedule.Next(at, q.Plan)
		switch {
		case err != nil:
			return nil, backstay.Errorf(backstay.Invalid, "%w", err).OnField("schedule")
		case (at.IsZero() || at.After(to)) && len(made) == 0:
			return nil, backstay.Errorf(backstay.Invalid, "the schedule starts nothing within %d days", q.Days).WithHint("Give it a time, or ask for more days.").OnField("schedule")
		case at.IsZero() || at.After(to):
			return made, nil
		case len(made) == mostForecast:
			return nil, backstay.Errorf(backstay.Invalid, "a forecast plays no more than %d backups", mostForecast).WithHint("Ask for fewer days.").OnField("days")
		}
		made = append(made, retention.Snapshot{ID: fmt.Sprintf("%08d", len(made)), Time: at.In(from.Location())})
	}
}

// play makes backups, and applies a policy after each.
func play(ctx context.Context, policy retention.Policy, made []retention.Snapshot) (there []retention.Decision, most int, err error) {
	if policy.IsEmpty() { // it is not applied at all
		there, err = playOn(policy, nil, made)
		return there, len(there), err
	}
	looked := 0
	for i := range made {
		if looked += len(there) + 1; looked > mostLooked {
			return nil, 0, backstay.Errorf(backstay.Invalid, "the policy keeps too much of so many backups for a forecast").WithHint("Ask for fewer days.").OnField("days")
		}
		if ctx.Err() != nil {
			return nil, 0, backstay.Errorf(backstay.Cancelled, "cancelled: %w", context.Cause(ctx))
		}
		if there, err = playOn(policy, there, made[i:i+1]); err != nil {
			return nil, 0, refusedPolicy(err)
		}
		most = max(most, len(there))
	}
	return there, most, nil
}

// playOn applies a policy to what is there and what was made since.
func playOn(policy retention.Policy, there []retention.Decision, made []retention.Snapshot) (kept []retention.Decision, err error) {
	given := slices.Clone(made)
	for _, d := range there {
		given = append(given, d.Snapshot)
	}
	decisions, err := retention.Apply(policy, made[len(made)-1].Time, given)
	for _, d := range decisions {
		if d.Keep {
			kept = append(kept, d)
		}
	}
	return kept, err
}
