package app_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/retention"
	"github.com/backstay/backstay/schedule"
)

// abroad sets the clock of a server that doesn't stand in Greenwich, where evenings lie in the next day of UTC.
func (r *rig) abroad() {
	r.t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		r.t.Fatal(err)
	}
	r.clock.now = time.Date(2026, 3, 1, 8, 0, 0, 0, zone) // a week before the clocks change
}

// doomed are the handles of what a preview would remove.
func doomed(p app.RetentionPreview) (handles []string) {
	for _, g := range p.Groups {
		for _, s := range g.Snapshots {
			if s.Fate == app.FateRemoved {
				handles = append(handles, s.Handle)
			}
		}
	}
	slices.Sort(handles)
	return handles
}

func TestWhatIsPreviewedIsWhatRetentionRemoves(t *testing.T) {
	eachRig(t, func(r *rig) {
		r.abroad()
		a := r.process()
		where := []string{r.repository(a, r.storage(a, "s", 0), "main"), r.repository(a, r.storage(a, "t", 0), "copy")}
		plan := r.plan(a, backstay.Plan{Name: "nightly", Sources: []string{r.source(a, "one"), r.source(a, "two")}, Repositories: where})
		other := r.plan(a, backstay.Plan{Name: "other", Sources: []string{r.source(a, "three")}, Repositories: where[:1]})
		r.start(a, other.ID)
		for range 9 {
			r.start(a, plan.ID)
			r.drain(a)
			r.clock.jump(7 * time.Hour)
		}
		policy, err := json.Marshal(map[string]any{"retention": retention.Policy{Daily: 2, Weekly: 2}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Plans.Update(r.ctx, backstay.Server, plan.ID, 0, policy); err != nil {
			t.Fatal(err)
		}
		last := r.start(a, plan.ID)
		for r.run(a, last.ID).State != backstay.Succeeded || len(r.snapshotsOf(a, plan.ID)) != 40 {
			r.work(a, "a")
		}
		before, err := a.PreviewRetention(r.ctx, backstay.Server, app.RetentionQuestion{Plan: plan.ID})
		if all := doomed(must(r, before, err)); len(all) != before.Removed || len(all) == 0 || before.Kept+before.Removed != 40 {
			t.Fatalf("the preview removes %d, and names %d", before.Removed, len(all))
		}
		protected := r.snapshotsOf(a, plan.ID)[slices.IndexFunc(r.snapshotsOf(a, plan.ID), func(s backstay.Snapshot) bool { return s.Handle == doomed(before)[0] })]
		if _, err := a.ProtectSnapshot(r.ctx, backstay.Server, protected.ID, true); err != nil {
			t.Fatal(err)
		}
		preview, err := a.PreviewRetention(r.ctx, backstay.Server, app.RetentionQuestion{Plan: plan.ID})
		want := doomed(must(r, preview, err))
		r.asShown(preview, protected.ID)
		all := r.snapshotsOf(a, plan.ID)
		r.drain(a)
		left := r.snapshotsOf(a, plan.ID)
		var gone []string
		var freed int64
		for _, s := range all {
			if !slices.ContainsFunc(left, func(l backstay.Snapshot) bool { return l.Handle == s.Handle }) {
				gone = append(gone, s.Handle)
				freed += s.Added
			}
		}
		if slices.Sort(gone); !slices.Equal(gone, want) || freed != preview.Freed || len(left) != preview.Kept {
			t.Errorf("the preview removes %d and frees %d, the run has removed %d that had added %d", len(want), preview.Freed, len(gone), freed)
		}
		if len(r.snapshotsOf(a, other.ID)) != 1 {
			t.Error("the snapshot of another plan is gone")
		}
	})
}

// asShown fails the test unless what is kept has a reason, and what is protected is shown so.
func (r *rig) asShown(p app.RetentionPreview, protected string) {
	r.t.Helper()
	for _, g := range p.Groups {
		for _, s := range g.Snapshots {
			if (len(s.Reasons) > 0) != (s.Fate == app.FateKept) || (s.Fate == app.FateProtected) != (s.ID == protected) || s.Protected != (s.ID == protected) {
				r.t.Errorf("shown is %+v", s)
			}
		}
	}
	if len(p.Groups) != 4 { // two sources in two repositories
		r.t.Errorf("there are %d groups", len(p.Groups))
	}
}

func TestAPreviewChangesNothingAndAsksForWhatItNeeds(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		main, one := r.repository(a, r.storage(a, "s", 0), "main"), r.source(a, "one")
		plan := r.plan(a, backstay.Plan{Name: "nightly", Sources: []string{one}, Repositories: []string{main}})
		for range 3 {
			r.start(a, plan.ID)
			r.drain(a)
			r.clock.jump(time.Hour)
		}
		last := &retention.Policy{Last: 1}
		for name, q := range map[string]app.RetentionQuestion{"the plan": {Plan: plan.ID, Policy: last}, "the source": {Repository: main, Source: one, Policy: last}} {
			p, err := a.PreviewRetention(r.ctx, backstay.Server, q)
			if must(r, p, err); p.Removed != 2 || p.Kept != 1 || p.Groups[0].Snapshots[0].Reasons[0] != "last snapshot" {
				t.Errorf("of %s the preview is %+v", name, p)
			}
		}
		for name, q := range map[string]app.RetentionQuestion{
			"no policy":                 {Repository: main, Source: one},
			"a policy that keeps none":  {Plan: plan.ID, Policy: &retention.Policy{Tags: [][]string{{"nobody's"}}}},
			"a policy below zero":       {Plan: plan.ID, Policy: &retention.Policy{Last: -7}},
			"a plan without a schedule": {Plan: plan.ID, Days: 7},
			"a source without one":      {Repository: main, Source: one, Policy: last, Days: 7},
		} {
			if _, err := a.PreviewRetention(r.ctx, backstay.Server, q); kindOf(err) != backstay.Invalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		if r.drain(a); len(r.snapshotsOf(a, plan.ID)) != 3 {
			t.Error("a preview has removed something")
		}
	})
}

func TestAForecastKeepsWhatThePolicySays(t *testing.T) {
	eachRig(t, func(r *rig) {
		r.abroad()
		a := r.process()
		daily, hourly := schedule.Schedule{Every: "day", At: "23:30", Zone: "America/New_York"}, schedule.Schedule{Every: "hour"}
		plan := r.plan(a, backstay.Plan{Name: "nightly", Sources: []string{r.source(a, "one")}, Repositories: []string{r.repository(a, r.storage(a, "s", 0), "main")}, Schedule: daily})
		for name, c := range map[string]struct {
			q          app.RetentionQuestion
			made, kept int
			oldest     float64 // in days
		}{
			"a week of days, and all kept":   {app.RetentionQuestion{Days: 5, Policy: &retention.Policy{Daily: 7}}, 5, 5, 5},
			"a year of days, seven kept":     {app.RetentionQuestion{Days: 365, Policy: &retention.Policy{Daily: 7}}, 365, 7, 7},
			"a year of hours, seven days":    {app.RetentionQuestion{Days: 365, Policy: &retention.Policy{Daily: 7}, Schedule: &hourly}, 8760, 7, 6},
			"days and months":                {app.RetentionQuestion{Days: 365, Policy: &retention.Policy{Daily: 7, Monthly: 12}}, 365, 18, 334},
			"within ten days":                {app.RetentionQuestion{Days: 100, Policy: &retention.Policy{Within: retention.Duration{Days: 10}}}, 100, 10, 10},
			"everything, by an empty policy": {app.RetentionQuestion{Days: 30}, 30, 30, 30},
		} {
			c.q.Plan = plan.ID
			p, err := a.PreviewRetention(r.ctx, backstay.Server, c.q)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			f := p.Forecast
			if oldest := f.Kept[len(f.Kept)-1]; f.Made != c.made || len(f.Kept) != c.kept || math.Abs(oldest.AgeDays-c.oldest) > 1.1 || len(oldest.Reasons) == 0 || f.Most < len(f.Kept) {
				t.Errorf("%s: made %d, kept %d, the oldest is %+v", name, f.Made, len(f.Kept), oldest)
			}
		}
		minutes := schedule.Schedule{Every: "cron", Cron: "* * * * *"}
		for name, q := range map[string]app.RetentionQuestion{"a year of minutes": {Schedule: &minutes, Days: 365}, "a year of hours, of which a thousand are kept": {Schedule: &hourly, Days: 365, Policy: &retention.Policy{Last: 1000}}} {
			q.Plan = plan.ID
			begun := time.Now()
			if _, err := a.PreviewRetention(r.ctx, backstay.Server, q); kindOf(err) != backstay.Invalid {
				t.Errorf("a forecast of %s: %v", name, err)
			}
			t.Logf("%s is refused after %v", name, time.Since(begun))
		}
	})
}

// kindOf is the kind of an error that people are shown; "" for none.
func kindOf(err error) backstay.Kind {
	var e *backstay.Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}
