package app_test

import (
	"context"
	crand "crypto/rand"
	"database/sql"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/secret"
	"github.com/backstay/backstay/retention"
	"github.com/backstay/backstay/schedule"
	"github.com/backstay/backstay/storage/mem"
)

// copied returns a copy of the rig's SQLite database as it is now.
func (r *rig) copied() string {
	r.t.Helper()
	to := filepath.Join(r.t.TempDir(), "copy.db")
	d, err := sql.Open("sqlite", "file:"+(&url.URL{Path: r.location}).EscapedPath())
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if _, err := d.ExecContext(r.ctx, "vacuum into ?", to); err != nil {
		r.t.Fatal(err)
	}
	return to
}

// lite is a rig with SQLite.
func lite(t *testing.T) *rig {
	t.Helper()
	key, err := secret.NewKey(crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, ctx: t.Context(), location: filepath.Join(t.TempDir(), "backstay.db"), ring: secret.NewRing(key), clock: &wall{now: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)},
		storages: map[string]*mem.Backend{}, gates: map[string]func(context.Context) error{}}
}

// pass lets time pass, a third of an hour at a time, and does all that is to be done.
func (r *rig) pass(a *app.App, d time.Duration) {
	r.t.Helper()
	for until := r.clock.Now().Add(d); r.clock.Now().Before(until); {
		r.clock.jump(20*time.Minute - app.ClockTick)
		r.tick(a, 1)
		if _, err := a.StartDue(r.ctx); err != nil {
			r.t.Fatal(err)
		}
		for r.work(a, "a") {
		}
	}
}

// handles are what the repository calls the snapshots that are recorded.
func (r *rig) handles(a *app.App) (all []string) {
	r.t.Helper()
	page, _, err := a.Snapshots.List(r.ctx, backstay.Server, app.List{Limit: 1000})
	for _, s := range must(r, page, err) {
		all = append(all, s.Handle)
	}
	return all
}

// TestACopyOfYesterdayNeverCausesDeletes puts back a database that is a day old, in which a plan kept less, nothing was protected and a run was
// waiting, and lets hours pass.
func TestACopyOfYesterdayNeverCausesDeletes(t *testing.T) {
	rounds, kept, repeated := 5, 0, 0
	rng := rand.New(rand.NewPCG(14, 1))
	for range rounds {
		func(r *rig) {
			a := r.process()
			p := r.small(a, "a", backstay.Plan{Active: true, Schedule: schedule.Schedule{Every: "8h", CatchUp: true}, Retention: retention.Policy{Last: 2}})
			r.pass(a, time.Duration(rng.Int64N(int64(8*time.Hour)))+8*time.Hour)
			waiting := r.start(a, p.ID)
			yesterday := r.copied()
			if _, err := a.Plans.Update(r.ctx, backstay.Server, p.ID, 0, []byte(`{"retention": {"last": "100"}}`)); err != nil {
				t.Fatal(err)
			}
			r.pass(a, 24*time.Hour)
			want := r.handles(a)
			newest := r.snapshotsOf(a, p.ID)
			before := len(r.repositorySnapshots(a, p))

			r.location = yesterday
			b := r.process()
			r.pass(b, 5*time.Hour)
			r.tick(b, 70) // the time alone would be trusted now
			r.pass(b, time.Minute)
			there := r.repositorySnapshots(b, p)
			for _, handle := range want {
				if !slices.Contains(there, handle) {
					t.Errorf("a snapshot is gone that was made since the copy")
					continue
				}
				kept++
			}
			if run := r.run(b, waiting.ID); run.State != backstay.Succeeded || !run.Outcomes[0].Unchanged {
				t.Errorf("the run of yesterday is %s, %+v", run.State, run.Outcomes)
				repeated++
			}
			for _, s := range r.snapshotsOf(b, p.ID)[len(newest):] {
				if s.Time.Before(newest[len(newest)-1].Time) {
					t.Errorf("a snapshot of %s was made anew", s.Time)
					repeated++
				}
			}
			if n := len(there) - before; n > 2 {
				t.Errorf("%d snapshots were made in six hours, want one each eight hours", n)
			}
			clock, err := b.ServerClock(r.ctx, backstay.Server)
			if must(r, clock, err); !clock.Held || !clock.Older {
				t.Errorf("clock = %+v", clock)
			}
			if _, err := b.ConfirmClock(r.ctx, backstay.Server); err != nil {
				t.Fatal(err)
			}
			r.pass(b, time.Minute)
			if n := len(r.handles(b)); n != 2 {
				t.Errorf("once a person confirmed, %d snapshots are left, want 2", n)
			}
		}(lite(t))
	}
	t.Logf("R14: a database a day old, %d times: %d snapshots made since are kept, 0 deleted, %d runs of yesterday repeated", rounds, kept, repeated)
}

// repositorySnapshots lists what the first repository of a plan holds.
func (r *rig) repositorySnapshots(a *app.App, p backstay.Plan) (names []string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.storages {
		for f, err := range b.List(r.ctx, "snapshots") {
			if err != nil {
				r.t.Fatal(err)
			}
			names = append(names, filepath.Base(f.Name))
		}
	}
	return names
}

func TestARetentionThatNobodySetRemovesNothing(t *testing.T) {
	r := lite(t)
	a := r.process()
	p := r.small(a, "a", backstay.Plan{Retention: retention.Policy{Last: 3}})
	r.tick(a, 1)
	for range 3 {
		r.start(a, p.ID)
		r.drain(a)
	}
	d, err := sql.Open("sqlite", "file:"+(&url.URL{Path: r.location}).EscapedPath()+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	if _, err := d.ExecContext(r.ctx, `update plans set retention = replace(retention, '"3"', '"1"')`); err != nil { // one bit
		t.Fatal(err)
	}
	forget := r.forgetting(a, p)
	r.drain(a)
	if run := r.run(a, forget.ID); run.State != backstay.RunFailed || run.Failure == nil || run.Failure.Hint == "" || r.snapshots(a) != 3 {
		t.Errorf("the forget is %s, %+v, and %d snapshots are left", run.State, run.Failure, r.snapshots(a))
	}
	if _, err := a.Plans.Update(r.ctx, backstay.Server, p.ID, 0, []byte(`{"retention": {"last": "2"}}`)); err != nil { // a person says what is right
		t.Fatal(err)
	}
	forget = r.forgetting(a, p)
	r.drain(a)
	if run := r.run(a, forget.ID); run.State != backstay.Succeeded || r.snapshots(a) != 2 {
		t.Errorf("the forget is %s, %+v, and %d snapshots are left, want 2", run.State, run.Failure, r.snapshots(a))
	}
}

func TestTheServerBacksItselfUpEachDayAndSaysIfItDoesNot(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		p := r.small(a, "a", backstay.Plan{})
		if _, err := a.UpdateSettings(r.ctx, backstay.Server, 0, []byte(`{"backup_repository": "`+p.Repositories[0]+`"}`)); err != nil {
			t.Fatal(err)
		}
		day := func() {
			t.Helper()
			for range 2 { // the second time there is nothing to do
				if err := a.KeepHouse(r.ctx); err != nil {
					t.Fatal(err)
				}
				r.drain(a)
			}
		}
		for i := range 9 {
			day()
			if n := len(r.repositorySnapshots(a, p)); n != min(i+1, 8) && n != min(i+1, 7) {
				t.Fatalf("after %d days there are %d backups of the server", i+1, n)
			}
			r.clock.jump(24 * time.Hour)
			r.confirm(a)
		}
		alerts := func() []backstay.Alert {
			t.Helper()
			all, _, err := a.Alerts.List(r.ctx, backstay.Server, app.List{Filters: map[string]string{"kind": string(backstay.AlertServerBackup), "open": "true"}})
			return must(r, all, err)
		}
		if all := alerts(); len(all) != 0 {
			t.Errorf("alerts = %+v", all)
		}
		r.mu.Lock()
		kept := r.storages
		r.storages = map[string]*mem.Backend{} // the repository is away
		r.mu.Unlock()
		if day(); len(alerts()) != 1 || alerts()[0].Next == "" {
			t.Errorf("after a failure the alerts are %+v", alerts())
		}
		r.mu.Lock()
		r.storages = kept
		r.mu.Unlock()
		r.clock.jump(24 * time.Hour)
		r.confirm(a)
		if day(); len(alerts()) != 0 {
			t.Errorf("once it succeeded the alerts are %+v", alerts())
		}
		r.clock.jump(80 * time.Hour)
		r.confirm(a)
		if err := a.LookAround(r.ctx); err != nil {
			t.Fatal(err)
		}
		if all := alerts(); len(all) != 1 {
			t.Errorf("without a backup for three days the alerts are %+v", all)
		}
		if err := a.Repositories.Delete(r.ctx, backstay.Server, p.Repositories[0], 0); err == nil {
			t.Error("the repository of the server's backups can be deleted")
		}
	})
}

func (r *rig) confirm(a *app.App) {
	r.t.Helper()
	if _, err := a.ConfirmClock(r.ctx, backstay.Server); err != nil {
		r.t.Fatal(err)
	}
}
