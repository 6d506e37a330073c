package app

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// How much of each part the overview lists; of all it tells how many there are.
const (
	listedSources  = 20
	listedRuns     = 10
	listedStorages = 20
	calendarWeeks  = 12
)

// Overview is how everything stands that somebody may see.
type Overview struct {
	Sources       SourcesOverview `json:"sources"`
	Running       RunsOverview    `json:"running"`
	Pending       int             `json:"pending" doc:"Runs that wait"`
	Coming        []Coming        `json:"coming" doc:"The next starts of plans"`
	Calendar      []CalendarDay   `json:"calendar" doc:"Each day of the last 12 weeks, the oldest first; they begin with a Monday"`
	Storages      []StorageState  `json:"storages" doc:"Those that are full first, at most 20"`
	StoragesTotal int             `json:"storages_total" doc:"How many storages there are"`
}

// SourcesOverview counts sources by how well they are protected.
type SourcesOverview struct {
	Total      int            `json:"total"`
	Safe       int            `json:"safe" doc:"Their newest backup is in time, and verified as their plans ask for"`
	Unverified int            `json:"unverified" doc:"It is in time, but not verified so"`
	Attention  int            `json:"attention"`
	Concerns   []ConcernCount `json:"concerns" doc:"How many sources need attention for each reason, the worst first; one may have several"`
	Uncovered  int            `json:"uncovered" doc:"No active plan backs them up"`
	Listed     []SourceState  `json:"listed" doc:"Those that need attention, the worst first, at most 20"`
	Bare       []SourceState  `json:"bare" doc:"Those that no active plan backs up, at most 20"`
}

// ConcernCount is how many sources have a concern.
type ConcernCount struct {
	Concern Concern `json:"concern" enum:"damaged,backup-failed,overdue,never-backed-up,no-plan,plan-inactive"`
	Sources int     `json:"sources"`
}

// RunsOverview are runs of which there may be more than are listed.
type RunsOverview struct {
	Total int            `json:"total"`
	Runs  []backstay.Run `json:"runs" doc:"Those that began first, at most 10"`
}

// Coming is a start of a plan that is to come.
type Coming struct {
	Plan string    `json:"plan" doc:"Its id"`
	Name string    `json:"name"`
	At   time.Time `json:"at"`
}

// CalendarDay counts the runs that were due on a day by how they ended. Those that somebody cancelled, and those that aren't over, are left out.
type CalendarDay struct {
	Day     string `json:"day" doc:"Such as 2026-11-28, in the zone that was asked for"`
	Runs    int    `json:"runs"`
	Good    int    `json:"good"`
	Warning int    `json:"warning" doc:"Done, but some files could not be read"`
	Partial int    `json:"partial" doc:"Some repositories have it, others don't"`
	Failed  int    `json:"failed"`
	Missed  int    `json:"missed"`
}

// Overview tells how everything stands that the actor may see, of one project or of all for "". Days are those of the zone.
func (a *App) Overview(ctx context.Context, who backstay.Actor, project string, zone *time.Location) (o Overview, err error) {
	err = a.look(ctx, who, "overview.read", func(t *task) error {
		if err := t.free(); err != nil {
			return err
		}
		r := t.region(backstay.ReadSources, project)
		if o.Sources, err = t.sourcesOverview(r); err != nil {
			return err
		}
		if err := t.runsOverview(&o, r); err != nil {
			return err
		}
		if o.Calendar, err = t.calendar(r, zone); err != nil {
			return err
		}
		storages, err := t.storageStates(r, backstay.TrendDays)
		for _, s := range storages {
			o.Storages = append(o.Storages, s.StorageState)
		}
		o.StoragesTotal = len(o.Storages)
		slices.SortStableFunc(o.Storages, fullest)
		o.Storages = append([]StorageState{}, o.Storages[:min(len(o.Storages), listedStorages)]...)
		return err
	})
	return o, err
}

// fullest puts the storage first of which the larger part is used. One without a limit is never full.
func fullest(a, b StorageState) int {
	part := func(s StorageState) float64 {
		return float64(s.Bytes) / max(1, float64(s.Limit)) * float64(min(1, s.Limit))
	}
	return cmp.Compare(part(b), part(a))
}

// sourcesOverview counts sources, and tells of those that somebody has to look at.
func (t *task) sourcesOverview(r db.Region) (o SourcesOverview, err error) {
	all, err := t.judge(r, nil)
	if err != nil {
		return o, err
	}
	var attention, bare []judged
	for _, j := range all {
		switch j.safety() {
		case Safe:
			o.Safe++
		case Unverified:
			o.Unverified++
		default:
			attention = append(attention, j)
		}
		if !j.covered() {
			bare = append(bare, j)
		}
	}
	o.Total, o.Attention, o.Uncovered, o.Concerns = len(all), len(attention), len(bare), countConcerns(attention)
	slices.SortStableFunc(attention, func(a, b judged) int { return a.reasons[0].Concern.compare(b.reasons[0].Concern) })
	attention, bare = attention[:min(len(attention), listedSources)], bare[:min(len(bare), listedSources)]
	states, err := t.sourceStates(union(attention, bare))
	if err != nil {
		return o, err
	}
	o.Listed, o.Bare = pick(states, attention), pick(states, bare)
	return o, nil
}

// countConcerns counts the sources that have each concern.
func countConcerns(all []judged) []ConcernCount {
	counts := []ConcernCount{}
	for _, c := range concerns {
		n := 0
		for _, j := range all {
			if slices.ContainsFunc(j.reasons, func(r Reason) bool { return r.Concern == c }) {
				n++
			}
		}
		if n > 0 {
			counts = append(counts, ConcernCount{c, n})
		}
	}
	return counts
}

// union are those of either list: much of both is the same, and to tell all of a source takes time.
func union(a, b []judged) []judged {
	return append(slices.Clone(a), slices.DeleteFunc(slices.Clone(b), func(j judged) bool {
		return slices.ContainsFunc(a, func(other judged) bool { return other.id == j.id })
	})...)
}

// pick returns the states of some sources, in their order.
func pick(states []SourceState, of []judged) []SourceState {
	some := []SourceState{}
	for _, j := range of {
		some = append(some, states[slices.IndexFunc(states, func(s SourceState) bool { return s.ID == j.id })])
	}
	return some
}

// runsOverview tells of the runs at work, of those that wait and of those to come.
func (t *task) runsOverview(o *Overview, r db.Region) (err error) {
	if o.Running.Runs, o.Running.Total, err = t.tx.AtWork(t.ctx, r, backstay.Running, listedRuns); err != nil {
		return err
	}
	o.Running.Runs = append([]backstay.Run{}, o.Running.Runs...)
	if _, o.Pending, err = t.tx.AtWork(t.ctx, r, backstay.Pending, 0); err != nil {
		return err
	}
	plans, err := t.tx.Coming(t.ctx, r, listedRuns)
	o.Coming = []Coming{}
	for _, p := range plans {
		o.Coming = append(o.Coming, Coming{Plan: p.ID, Name: p.Name, At: *p.NextAt})
	}
	return err
}

// calendar counts the runs of each day from the Monday eleven weeks ago until today. A day ends where the zone says, so that it may have 23 or 25 hours.
func (t *task) calendar(r db.Region, zone *time.Location) ([]CalendarDay, error) {
	bounds := calendarBounds(t.app.now(), zone)
	counts, err := t.tx.Days(t.ctx, r, bounds)
	if err != nil {
		return nil, err
	}
	days := make([]CalendarDay, len(counts))
	for i, c := range counts {
		days[i] = CalendarDay{Day: bounds[i].Format(time.DateOnly), Runs: c.Succeeded + c.Warned + c.Partial + c.Failed + c.Missed,
			Good: c.Succeeded, Warning: c.Warned, Partial: c.Partial, Failed: c.Failed, Missed: c.Missed}
	}
	return days, nil
}

// calendarBounds are the beginnings of the days of the calendar, and the end of the last one.
func calendarBounds(now time.Time, zone *time.Location) (bounds []time.Time) {
	year, month, day := now.In(zone).Date()
	since := (int(now.In(zone).Weekday())+6)%7 + 7*(calendarWeeks-1) // days since that Monday
	for i := -since; i <= 1; i++ {
		bounds = append(bounds, startOfDay(year, month, day+i, zone))
	}
	return bounds
}

// startOfDay is the first moment of a day. Where clocks are set forward at midnight that is one o'clock, and time.Date would give the hour before midnight.
func startOfDay(year int, month time.Month, day int, zone *time.Location) time.Time {
	noon := time.Date(year, month, day, 12, 0, 0, 0, zone)
	year, month, day = noon.Date()
	at := time.Date(year, month, day, 0, 0, 0, 0, zone)
	for at.Day() != day {
		at = at.Add(30 * time.Minute)
	}
	return at
}
