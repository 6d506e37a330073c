package app_test

import (
	"context"
	crand "crypto/rand"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/retention"
	"github.com/backstay/backstay/schedule"
)

func jumps() int {
	if os.Getenv("BACKSTAY_SOAK") != "" {
		return 5000
	}
	return 200
}

// forgetting makes a forget run due, as a backup does at its end.
func (r *rig) forgetting(a *app.App, p backstay.Plan) backstay.Run {
	r.t.Helper()
	run := backstay.Run{Kind: backstay.RunForget, Plan: p.ID, Placed: p.Placed, Repositories: p.Repositories, State: backstay.Pending, Trigger: "server", Attempt: 1, DueAt: r.clock.Now()}
	run.Record = backstay.Record{ID: crand.Text(), CreatedAt: run.DueAt, UpdatedAt: run.DueAt, Version: 1}
	err := a.DB.Write(r.ctx, func(tx *db.Tx) error { return db.Insert(r.ctx, tx, &run) })
	return must(r, run, err)
}

func (r *rig) tick(a *app.App, n int) {
	r.t.Helper()
	for range n {
		r.clock.jump(app.ClockTick)
		if err := a.WatchClock(r.ctx); err != nil {
			r.t.Fatal(err)
		}
	}
}

func TestClockJumpsStartNothingTwiceAndForgetNothing(t *testing.T) {
	eachRig(t, func(r *rig) {
		a, b := r.process(), r.process()
		p := r.small(a, "a", backstay.Plan{Active: true, Schedule: schedule.Schedule{Every: "hour", CatchUp: true}})
		r.tick(a, 1)
		rng := rand.New(rand.NewPCG(1, 2))
		started := map[time.Time]int{}
		for range jumps() {
			by := time.Duration(rng.Int64N(int64([]time.Duration{time.Minute, 2 * time.Hour, 24 * time.Hour, 10 * 365 * 24 * time.Hour}[rng.IntN(4)])))
			if rng.IntN(2) == 0 {
				by = -by
			}
			r.clock.jump(by)
			doubted := by > time.Hour || by < -time.Minute
			for _, process := range []*app.App{a, b} {
				if _, err := process.StartDue(r.ctx); err != nil {
					t.Fatal(err)
				}
			}
			for _, run := range r.backups(a, map[string]string{"state": "pending"}) {
				if started[run.DueAt]++; started[run.DueAt] > 1 {
					t.Fatalf("a second run is started for %s", run.DueAt)
				}
				if _, err := a.CancelRun(r.ctx, backstay.Server, run.ID); err != nil { // that it is done is not the question here
					t.Fatal(err)
				}
			}
			forget := r.forgetting(a, p)
			if r.work(b, "b") && doubted {
				t.Fatalf("a forget was begun after a jump of %s", by)
			}
			if run := r.run(a, forget.ID); run.State == backstay.Pending {
				if _, err := a.CancelRun(r.ctx, backstay.Server, run.ID); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := a.ConfirmClock(r.ctx, backstay.Server); err != nil {
				t.Fatal(err)
			}
		}
		r.clock.set(time.Date(2026, 12, 24, 12, 30, 0, 0, time.UTC)) // and a clock that is right again starts what is due next
		if _, err := a.StartDue(r.ctx); err != nil {
			t.Fatal(err)
		}
		before := len(r.backups(a, map[string]string{"trigger": "schedule", "plan": p.ID}))
		r.clock.jump(time.Hour)
		if _, err := a.StartDue(r.ctx); err != nil {
			t.Fatal(err)
		}
		if after := len(r.backups(a, map[string]string{"trigger": "schedule", "plan": p.ID})); after != before+1 && started[r.clock.Now().Truncate(time.Hour)] == 0 {
			t.Errorf("the plan stands still: %d runs before its due time, %d after", before, after)
		}
	})
}

func TestAJumpIsTrustedAfterAnHourOrByAPerson(t *testing.T) {
	for name, c := range map[string]struct {
		by      time.Duration
		minutes int // until it is trusted by itself; 0: never
	}{
		"a night asleep":   {8 * time.Hour, 60},
		"an hour set back": {-time.Hour, 0},
		"a year ahead":     {365 * 24 * time.Hour, 0},
		"a second":         {time.Second, -1},
	} {
		t.Run(name, func(t *testing.T) {
			eachRig(t, func(r *rig) {
				a := r.process()
				p := r.small(a, "a", backstay.Plan{Retention: retention.Policy{Last: 1}})
				r.tick(a, 1)
				r.clock.jump(c.by)
				if err := a.WatchClock(r.ctx); err != nil {
					t.Fatal(err)
				}
				forget := r.forgetting(a, p)
				if c.minutes < 0 {
					if !r.work(a, "a") {
						t.Error("a forget waits for no reason")
					}
					return
				}
				if r.tick(a, 58); r.work(a, "a") {
					t.Fatal("a forget was begun within an hour of the jump")
				}
				if r.tick(a, 3); r.work(a, "a") != (c.minutes > 0) {
					t.Errorf("after an hour the forget is %s", r.run(a, forget.ID).State)
				}
				if c.minutes == 0 {
					state, err := a.ConfirmClock(r.ctx, backstay.Server)
					if must(r, state, err); state.Held || !r.work(a, "a") {
						t.Error("the forget waits after a person confirmed the time")
					}
				}
				if run := r.run(a, forget.ID); run.State != backstay.Succeeded {
					t.Errorf("the forget is %s: %+v", run.State, run.Failure)
				}
				events, err := a.AuditEvents(r.ctx, backstay.Server, app.AuditQuery{Action: "clock.", Limit: 10})
				if must(r, events, err); len(events) != 2 || events[1].Action != "clock.jumped" || events[1].Reason == "" {
					t.Errorf("events = %+v", events)
				}
			})
		})
	}
}

func TestAForgetWaitsWhenTheClockHasJumpedJustNow(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		p := r.small(a, "a", backstay.Plan{Retention: retention.Policy{Last: 1}})
		r.tick(a, 1)
		for range 3 {
			r.start(a, p.ID)
			for r.work(a, "a") {
			}
		}
		if n := r.snapshots(a); n != 1 {
			t.Fatalf("%d snapshots are kept, want 1", n)
		}
		r.gate("a", func(context.Context) error { r.clock.jump(time.Minute); return nil })
		r.start(a, p.ID)
		if !r.work(a, "a") { // the backup
			t.Fatal("no run")
		}
		r.clock.jump(2 * time.Hour)
		for r.work(a, "a") {
		}
		if r.snapshots(a) != 2 {
			t.Errorf("%d snapshots are left, want 2", r.snapshots(a))
		}
	})
}

func (r *rig) snapshots(a *app.App) int {
	r.t.Helper()
	all, _, err := a.Snapshots.List(r.ctx, backstay.Server, app.List{})
	return len(must(r, all, err))
}
