package app_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/schedule"
)

// How the hours of TestTenThousandSchedulesStartInTime are played: processes look for plans each second and for runs each half one, as they do, and a run takes
// a worker a fiftieth of a second.
const (
	schedules   = 10_000
	tick        = 500 * time.Millisecond
	runsPerTick = 50 // of two workers
	startLag    = 5 * time.Second
)

// TestTenThousandSchedulesStartInTime lets 10,000 plans fall due over a day, half of them at full minutes and half spread by their jitter, and looks at how long after
// it was due each run was claimed, in the time of a clock that a test moves. Without time for all of the day it looks at two hours of it.
func TestTenThousandSchedulesStartInTime(t *testing.T) {
	played := 2 * time.Hour
	if os.Getenv("BACKSTAY_SOAK") != "" {
		played = 24 * time.Hour
	}
	eachRig(t, func(r *rig) {
		a := r.process()
		begun := r.clock.Now()
		r.daily(a, begun)
		for until := begun.Add(played); r.clock.Now().Before(until); {
			r.clock.set(r.nextDue(a, until))
			for r.second(a) {
			}
		}
		lags := r.lags(a)
		if want := schedules * int(played/time.Hour) / 24; len(lags) < want*9/10 || len(lags) > want*11/10 {
			t.Errorf("%d runs were claimed, want about %d", len(lags), want)
		}
		p99 := lags[len(lags)*99/100]
		t.Logf("R17: %d schedules, %d of them due within %s: start lag p50 %s, p99 %s, most %s", schedules, len(lags), played, lags[len(lags)/2], p99, lags[len(lags)-1])
		if p99 > startLag {
			t.Errorf("the start lag is %s for 99 of 100, want at most %s", p99, startLag)
		}
	})
}

// daily makes plans that have nothing to back up, so that their runs end at once.
func (r *rig) daily(a *app.App, now time.Time) {
	r.t.Helper()
	place := r.placed(a)
	err := a.DB.Write(r.ctx, func(tx *db.Tx) error {
		for first := 0; first < schedules; first += 250 {
			var some []backstay.Plan
			for i := first; i < first+250; i++ {
				p := backstay.Plan{Record: backstay.Record{ID: fmt.Sprint("plan", i), CreatedAt: now, UpdatedAt: now, Version: 1}, Placed: place, Name: fmt.Sprint("plan ", i), Active: true, Type: "incremental", HandledAt: &now}
				p.Scope = backstay.ProjectScope(place.Project).Of("plan", p.ID)
				minute := i * 24 * 60 / schedules
				p.Schedule = schedule.Schedule{Every: "day", At: fmt.Sprintf("%02d:%02d", minute/60, minute%60)}
				if i%2 == 1 {
					p.Schedule = schedule.Schedule{Every: "day", At: fmt.Sprintf("%02d:00", minute/60), Jitter: "59m"}
				}
				next, err := p.Schedule.Next(now, p.ID)
				if err != nil {
					return err
				}
				next = next.UTC()
				p.NextAt = &next
				some = append(some, p)
			}
			if err := db.Insert(r.ctx, tx, &some); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// nextDue is the half second in which a plan is due next, at most until: in those before nothing happens.
func (r *rig) nextDue(a *app.App, until time.Time) time.Time {
	r.t.Helper()
	page, _, err := a.Plans.List(r.ctx, backstay.Server, app.List{Limit: 1, Sort: "next_at"})
	if must(r, page, err); len(page) == 0 || page[0].NextAt == nil || page[0].NextAt.After(until) {
		return until
	}
	return page[0].NextAt.Truncate(tick).Add(tick)
}

// second plays a second: two looks for runs, and one for plans. It reports whether there was something to do.
func (r *rig) second(a *app.App) (busy bool) {
	r.t.Helper()
	started, err := a.StartDue(r.ctx)
	busy = must(r, started, err) > 0
	for range time.Second / tick {
		r.clock.jump(tick)
		for n := 0; n < runsPerTick && r.work(a, "a"); n++ {
			busy = true
		}
	}
	return busy
}

// lags returns how long after they were due runs were claimed, the shortest first.
func (r *rig) lags(a *app.App) (lags []time.Duration) {
	r.t.Helper()
	var runs []backstay.Run
	err := a.DB.Read(r.ctx, func(tx *db.Tx) (err error) {
		runs, err = db.All[backstay.Run](r.ctx, tx)
		return err
	})
	for _, run := range must(r, runs, err) {
		if run.State != backstay.Succeeded {
			r.t.Fatalf("a run is %s: %+v", run.State, run.Failure)
		}
		lags = append(lags, run.StartedAt.Sub(run.DueAt))
	}
	slices.Sort(lags)
	return lags
}
