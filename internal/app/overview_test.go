package app_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/schedule"
)

// standing is what the overview says of sources, by their names: their safety, and why they need attention.
func (r *rig) standing(a *app.App) map[string]string {
	r.t.Helper()
	all := map[string]string{}
	page, _, err := a.Sources.List(r.ctx, backstay.Server, app.List{})
	var ids []string
	for _, s := range must(r, page, err) {
		ids = append(ids, s.ID)
	}
	states, err := a.SourceStates(r.ctx, backstay.Server, ids)
	for _, s := range must(r, states, err) {
		all[s.Name] = string(s.Safety)
		for _, reason := range s.Reasons {
			all[s.Name] += " " + string(reason.Concern)
		}
	}
	return all
}

func (r *rig) wantStanding(a *app.App, want map[string]string) {
	r.t.Helper()
	if got := r.standing(a); fmt.Sprint(got) != fmt.Sprint(want) {
		r.t.Errorf("sources stand\n%v, want\n%v", got, want)
	}
}

// workAll does all runs that can be done now.
func (r *rig) workAll(a *app.App) {
	r.t.Helper()
	for r.work(a, "a") {
	}
}

var daily = schedule.Schedule{Every: "day", At: "02:30"}

func TestASourceNeedsAttentionForWhatIsReallySo(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		main := r.repository(a, r.storage(a, "disk", 0), "main")
		plan := func(name string, active bool, sources ...string) backstay.Plan {
			return r.plan(a, backstay.Plan{Name: name, Active: active, Sources: sources, Repositories: []string{main}, Schedule: daily})
		}
		r.source(a, "bare")
		plan("idle", false, r.source(a, "idle"))
		good := plan("good", true, r.source(a, "good"))
		broken := plan("broken", true, r.source(a, "broken"))
		fine, bad := r.source(a, "fine"), r.source(a, "bad")
		both := plan("both", true, fine, bad)
		r.wantStanding(a, map[string]string{"bare": "attention never-backed-up no-plan", "idle": "attention never-backed-up plan-inactive", "good": "attention never-backed-up",
			"broken": "attention never-backed-up", "fine": "attention never-backed-up", "bad": "attention never-backed-up"})
		for _, path := range []string{"broken", "bad"} {
			r.gate(path, func(context.Context) error { return errors.New("the disk is on fire") })
		}
		for _, p := range []backstay.Plan{good, broken, both} {
			r.start(a, p.ID)
		}
		r.workAll(a)
		after := map[string]string{"bare": "attention never-backed-up no-plan", "idle": "attention never-backed-up plan-inactive", "good": "safe",
			"broken": "attention backup-failed never-backed-up", "fine": "safe", "bad": "attention backup-failed never-backed-up"}
		r.wantStanding(a, after)
		r.reasonsNameTheRun(a, broken)

		r.clock.jump(72 * time.Hour)
		r.start(a, good.ID)
		r.workAll(a)
		if err := a.LookAround(r.ctx); err != nil {
			t.Fatal(err)
		}
		after["broken"], after["bad"] = "attention backup-failed overdue never-backed-up", "attention backup-failed overdue never-backed-up"
		after["fine"] = "attention overdue" // no backup of it for three days
		r.wantStanding(a, after)

		r.damage(a, main, "good")
		after["good"] = "attention damaged"
		r.wantStanding(a, after)
		r.countsAgree(a, after)
	})
}

// reasonsNameTheRun fails the test unless the state of a plan's source names the plan and the run that failed.
func (r *rig) reasonsNameTheRun(a *app.App, p backstay.Plan) {
	r.t.Helper()
	runs := r.backups(a, map[string]string{"plan": p.ID})
	s, err := a.SourceState(r.ctx, backstay.Server, p.Sources[0])
	reason := must(r, s, err).Reasons[0]
	if reason.Plan != p.ID || reason.Run != runs[len(runs)-1].ID || len(s.Plans) != 1 || s.Plans[0].ID != p.ID || s.NextAt == nil || s.Snapshots != 0 || s.Newest != nil || s.BackedUpAt != nil {
		r.t.Errorf("state = %+v, want plan %s and run %s", s, p.ID, runs[len(runs)-1].ID)
	}
}

// damage marks all snapshots of a source as a verification does, and looks whether its state names the newest.
func (r *rig) damage(a *app.App, repository, name string) {
	r.t.Helper()
	page, _, err := a.Snapshots.List(r.ctx, backstay.Server, app.List{Sort: "-time", Filters: map[string]string{"repository": repository}})
	page = slices.DeleteFunc(must(r, page, err), func(s backstay.Snapshot) bool { return !slices.Contains(s.Paths, name) })
	err = a.DB.Write(r.ctx, func(tx *db.Tx) error { return tx.MarkDamaged(r.ctx, repository, page[0].Handle, "full", r.clock.Now()) })
	must(r, 0, err)
	s, err := a.SourceState(r.ctx, backstay.Server, page[0].Source)
	if must(r, s, err).Reasons[0].Snapshot != page[0].ID || s.Newest == nil || s.Newest.Snapshot != page[1].ID || s.Snapshots != int64(len(page)) {
		r.t.Errorf("state = %+v, want snapshot %s to be damaged and %s to be the newest that isn't", s, page[0].ID, page[1].ID)
	}
}

// countsAgree compares what the overview counts with how the sources stand.
func (r *rig) countsAgree(a *app.App, standing map[string]string) {
	r.t.Helper()
	o, err := a.Overview(r.ctx, backstay.Server, "", time.UTC)
	must(r, o, err)
	want := app.SourcesOverview{Total: len(standing)}
	counts := map[string]int{}
	for _, s := range standing {
		words := strings.Fields(s)
		if words[0] == "attention" {
			want.Attention++
		}
		for _, w := range words[1:] {
			counts[w]++
		}
	}
	got := map[string]int{}
	for _, c := range o.Sources.Concerns {
		got[string(c.Concern)] = c.Sources
	}
	if s := o.Sources; s.Total != want.Total || s.Attention != want.Attention || s.Safe != want.Total-want.Attention || s.Uncovered != 2 || len(s.Listed) != want.Attention || len(s.Bare) != 2 ||
		fmt.Sprint(got) != fmt.Sprint(counts) || s.Listed[0].Name != "good" || s.Bare[0].Name != "bare" || s.Bare[1].Name != "idle" {
		r.t.Errorf("the overview counts %+v, want %+v with %v", s, want, counts)
	}
	if len(o.Coming) != 3 || o.Coming[0].At.After(o.Coming[2].At) {
		r.t.Errorf("coming = %+v, want the three active plans", o.Coming)
	}
}

func TestASourceIsSafeOnceItsBackupIsVerifiedAsItsPlanAsks(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		main := r.repository(a, r.storage(a, "disk", 0), "main")
		p, err := a.Plans.Create(r.ctx, backstay.Server, backstay.Plan{Placed: r.placed(a), Name: "nightly", Active: true, Sources: []string{r.source(a, "files")}, Repositories: []string{main}, Type: "full", Verify: "full"})
		r.start(a, must(r, p, err).ID)
		for r.work(a, "a") {
			if runs := r.backups(a, nil); runs[0].State.Ended() {
				break
			}
		}
		r.wantStanding(a, map[string]string{"files": "unverified"})
		run, err := a.StartVerification(r.ctx, backstay.Server, main, "structure")
		must(r, run, err)
		must(r, 0, a.DB.Write(r.ctx, func(tx *db.Tx) error { return tx.MarkGood(r.ctx, main, "structure", r.clock.Now()) }))
		r.wantStanding(a, map[string]string{"files": "unverified"}) // it asks for all of it
		r.workAll(a)
		r.wantStanding(a, map[string]string{"files": "safe"})
	})
}

func TestTheWorstCopyOfTheNewestBackupCounts(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		disk := r.storage(a, "disk", 0)
		one, two := r.repository(a, disk, "one"), r.repository(a, disk, "two")
		p, err := a.Plans.Create(r.ctx, backstay.Server, backstay.Plan{Placed: r.placed(a), Name: "nightly", Active: true, Sources: []string{r.source(a, "files")}, Repositories: []string{one, two}, Type: "full", Verify: "full"})
		r.start(a, must(r, p, err).ID)
		r.work(a, "a")
		for _, c := range []struct {
			repository string
			health     backstay.Health
			want       string
		}{{one, backstay.HealthGood, "unverified"}, {two, backstay.HealthGood, "safe"}, {one, backstay.HealthDamaged, "attention damaged"}} {
			must(r, 0, a.DB.Write(r.ctx, func(tx *db.Tx) error {
				if c.health == backstay.HealthGood {
					return tx.MarkGood(r.ctx, c.repository, "full", r.clock.Now())
				}
				page, err := db.All[backstay.Snapshot](r.ctx, tx, db.Condition{Column: "repository", Op: db.Is, Value: c.repository})
				return errors.Join(err, tx.MarkDamaged(r.ctx, c.repository, page[0].Handle, "full", r.clock.Now()))
			}))
			r.wantStanding(a, map[string]string{"files": c.want})
		}
		s, err := a.SourceState(r.ctx, backstay.Server, p.Sources[0])
		if must(r, s, err); s.Newest == nil || s.Newest.Repository != two || s.Snapshots != 2 {
			t.Errorf("state = %+v, want its newest to be the copy in repository %s", s, two)
		}
	})
}

func TestWhoMaySeeOneSourceSeesOnlyThatInEachPartOfTheOverview(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		main := r.repository(a, r.storage(a, "disk", 0), "main")
		mine, other := r.source(a, "mine"), r.source(a, "other")
		var plans []backstay.Plan
		for _, id := range []string{mine, other} {
			plans = append(plans, r.plan(a, backstay.Plan{Name: "plan of " + id, Active: true, Sources: []string{id}, Repositories: []string{main}, Schedule: daily}))
		}
		r.gate("mine", func(context.Context) error { return errors.New("the disk is on fire") })
		r.start(a, plans[0].ID)
		r.start(a, plans[1].ID)
		r.workAll(a)
		waits := r.start(a, plans[0].ID)
		r.start(a, plans[1].ID)
		narrow := r.viewer(r.scope(mine))
		o, err := a.Overview(r.ctx, narrow, "", time.UTC)
		must(r, o, err)
		today := o.Calendar[len(o.Calendar)-1]
		if o.Sources.Total != 1 || len(o.Sources.Listed) != 1 || o.Sources.Listed[0].ID != mine || o.Pending != 1 || today.Runs != 1 || today.Failed != 1 || len(o.Coming) != 0 || len(o.Storages) != 0 || o.StoragesTotal != 0 {
			t.Errorf("with a role in one source: %+v", o)
		}
		s := o.Sources.Listed[0]
		if len(s.Plans) != 0 || s.Reasons[0].Concern != app.ConcernFailed || s.Reasons[0].Plan != "" || s.Reasons[0].Run == "" || s.NextAt == nil {
			t.Errorf("of the source is told %+v, want its run, and when it is backed up next, but not the plan", s)
		}
		all, err := a.Overview(r.ctx, backstay.Server, r.project, time.UTC)
		if today = must(r, all, err).Calendar[len(o.Calendar)-1]; all.Sources.Total != 2 || all.Pending != 2 || today.Runs < 3 || today.Failed != 1 || len(all.Coming) != 2 || len(all.Storages) != 1 {
			t.Errorf("with every right: %+v", all)
		}
		waits, err = a.CancelRun(r.ctx, backstay.Server, waits.ID)
		must(r, waits, err)
		begun, release := r.hold("other")
		ended := r.background(a, "a")
		soon(r, begun)
		for who, want := range map[string]int{"narrow": 0, "server": 1} {
			o, err := a.Overview(r.ctx, map[string]backstay.Actor{"narrow": narrow, "server": backstay.Server}[who], "", time.UTC)
			if must(r, o, err).Running.Total != want || len(o.Running.Runs) != want {
				t.Errorf("%s sees %+v at work, want %d", who, o.Running, want)
			}
		}
		release()
		must(r, 0, soon(r, ended))
		elsewhere, err := a.Overview(r.ctx, backstay.Server, "another project", time.UTC)
		if must(r, elsewhere, err); elsewhere.Sources.Total != 0 || elsewhere.Calendar[len(o.Calendar)-1].Runs != 0 || len(elsewhere.Coming)+len(elsewhere.Storages)+elsewhere.Pending != 0 {
			t.Errorf("of another project: %+v", elsewhere)
		}
		if states, err := a.SourceStates(r.ctx, narrow, []string{other, mine}); err != nil || len(states) != 1 || states[0].ID != mine {
			t.Errorf("the states of both = %+v, %v", states, err)
		}
		var refused *backstay.Error
		if _, err := a.SourceState(r.ctx, narrow, other); !errors.As(err, &refused) || refused.Kind != backstay.NotFound {
			t.Errorf("the state of the other source: %v, want it not to be there", err)
		}
		if _, err := a.Overview(r.ctx, backstay.Actor{Kind: backstay.ActorNobody}, "", time.UTC); !errors.As(err, &refused) || refused.Kind != backstay.SignIn {
			t.Errorf("for nobody: %v", err)
		}
	})
}

// viewer is somebody with the role of a viewer in a scope.
func (r *rig) viewer(scope backstay.Scope) backstay.Actor {
	r.t.Helper()
	return backstay.Actor{Kind: backstay.ActorUser, User: "narrow", Rights: []backstay.Right{{Role: viewer(), Scope: scope, Effect: backstay.Allow}}}
}

func (r *rig) scope(source string) backstay.Scope {
	return backstay.ProjectScope(r.project).Of("source", source)
}

func TestADayOfTheCalendarIsOneOfItsZoneAlsoWhenClocksAreSet(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		place := r.placed(a)
		for _, c := range []struct{ zone, now, day, before, first, last, after string }{
			{"Europe/Berlin", "2026-11-01T12:00:00Z", "2026-10-25", "2026-10-24T21:59:59Z", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z"}, // it has 25 hours
			{"Africa/Cairo", "2026-05-01T12:00:00Z", "2026-04-24", "2026-04-23T21:59:59Z", "2026-04-23T22:00:00Z", "2026-04-24T20:59:59Z", "2026-04-24T21:00:00Z"},  // it begins at one
			{"Asia/Kathmandu", "2026-02-01T12:00:00Z", "2026-01-20", "2026-01-19T18:14:59Z", "2026-01-19T18:15:00Z", "2026-01-20T18:14:59Z", "2026-01-20T18:15:00Z"},
		} {
			zone, err := time.LoadLocation(c.zone)
			must(r, zone, err)
			r.clock.set(at(r, c.now))
			for i, due := range []string{c.before, c.first, c.last, c.after} {
				state := []backstay.RunState{backstay.Missed, backstay.Succeeded, backstay.RanPartly, backstay.RunFailed}[i]
				ended := at(r, due).Add(time.Minute)
				run := backstay.Run{Record: backstay.Record{ID: c.day + due, CreatedAt: ended, UpdatedAt: ended, Version: 1}, Placed: place, Kind: backstay.RunBackup, State: state, Plan: "p", Trigger: "schedule", DueAt: at(r, due), EndedAt: &ended}
				run.Scope = backstay.ProjectScope(place.Project).Of("run", run.ID)
				must(r, 0, a.DB.Write(r.ctx, func(tx *db.Tx) error { return db.Insert(r.ctx, tx, &run) }))
			}
			o, err := a.Overview(r.ctx, backstay.Server, "", zone)
			days := must(r, o, err).Calendar
			i := slices.IndexFunc(days, func(d app.CalendarDay) bool { return d.Day == c.day })
			if i < 1 || days[i] != (app.CalendarDay{Day: c.day, Runs: 2, Good: 1, Partial: 1}) || days[i-1].Missed != 1 || days[i-1].Runs != 1 || days[i+1].Failed != 1 || days[i+1].Runs != 1 {
				t.Errorf("%s: the days = %+v", c.zone, days[max(0, i-1):min(len(days), i+2)])
			}
			first, last := at(r, days[0].Day+"T12:00:00Z"), days[len(days)-1].Day
			if first.Weekday() != time.Monday || last != c.now[:10] || len(days) < 78 || len(days) > 84 {
				t.Errorf("%s: %d days from %s to %s", c.zone, len(days), days[0].Day, last)
			}
		}
	})
}

func at(r *rig, text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	return must(r, t, err)
}

func TestWhatAStorageTakesIsNotedADayAndTellsWhenItIsFull(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		disk := r.storage(a, "disk", 0)
		one, two := r.repository(a, disk, "one"), r.repository(a, disk, "two")
		s, err := a.Storages.Update(r.ctx, backstay.Server, disk, 0, []byte(`{"limit": 2000}`))
		must(r, s, err)
		for day := range 5 {
			if day > 0 {
				r.clock.jump(24 * time.Hour)
			}
			must(r, 0, a.DB.Write(r.ctx, func(tx *db.Tx) error {
				return errors.Join(tx.MeasuredRepository(r.ctx, one, int64(500+100*day)), tx.MeasuredRepository(r.ctx, two, 400))
			}))
			if day == 2 { // nobody kept house
				continue
			}
			must(r, 0, a.KeepHouse(r.ctx))
		}
		must(r, 0, a.DB.Write(r.ctx, func(tx *db.Tx) error { return tx.MeasuredRepository(r.ctx, one, 1000) })) // since then
		u, err := a.StorageUsage(r.ctx, backstay.Server, disk, 30)
		var days []string
		for _, d := range must(r, u, err).Days {
			days = append(days, fmt.Sprint(d.Day[8:], "=", d.Bytes))
		}
		if got, want := strings.Join(days, " "), "27=900 28=1000 30=1200 01=1400"; got != want || u.Bytes != 1400 || u.Repositories != 2 {
			t.Errorf("usage = %s of %+v, want %s", got, u.StorageState, want)
		}
		// Of the days 0, 1, 3, 4 the slope is 1200/10 = 120.
		if want := r.clock.Now().Add(time.Duration(600. / 120 * 24 * float64(time.Hour))); u.Growth < 119.9 || u.Growth > 120.1 || u.FullOn == nil || u.FullOn.Sub(want).Abs() > time.Minute {
			t.Errorf("it grows by %v a day and is full on %v, want 120 and %v", u.Growth, u.FullOn, want)
		}
		o, err := a.Overview(r.ctx, backstay.Server, "", time.UTC)
		if must(r, o, err); len(o.Storages) != 1 || o.Storages[0] != u.StorageState && o.Storages[0].FullOn.Sub(*u.FullOn) != 0 {
			t.Errorf("the overview has %+v, want %+v", o.Storages, u.StorageState)
		}
		last, err := a.RepositoryUsage(r.ctx, backstay.Server, one, 1)
		if must(r, last, err); len(last) != 2 || last[0].Bytes != 800 || last[1].Bytes != 1000 {
			t.Errorf("the last days of a repository = %+v", last)
		}
		r.clock.jump(401 * 24 * time.Hour)
		must(r, 0, a.KeepHouse(r.ctx))
		if u, err := a.StorageUsage(r.ctx, backstay.Server, disk, 1000); err != nil || len(u.Days) != 1 {
			t.Errorf("after 401 days: %+v, %v", u.Days, err)
		}
	})
}
