package app_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/schedule"
)

// small is a plan of one source in one repository.
func (r *rig) small(a *app.App, name string, p backstay.Plan) backstay.Plan {
	r.t.Helper()
	p.Name, p.Sources, p.Repositories = name, []string{r.source(a, name)}, []string{r.repository(a, r.storage(a, name, 0), name)}
	return r.plan(a, p)
}

func TestADuePlanIsStartedOnceHoweverManyProcessesLook(t *testing.T) {
	eachRig(t, func(r *rig) {
		processes := []*app.App{r.process(), r.process(), r.process()}
		p := r.small(processes[0], "a", backstay.Plan{Active: true, Schedule: schedule.Schedule{Every: "1h"}})
		for i := range 10 {
			r.clock.jump(time.Hour)
			var all sync.WaitGroup
			for _, a := range processes {
				all.Go(func() {
					if _, err := a.StartDue(r.ctx); err != nil {
						t.Errorf("StartDue = %v, %v", err, errors.Unwrap(err))
					}
				})
			}
			all.Wait()
			if runs := r.backups(processes[0], map[string]string{"plan": p.ID}); len(runs) != i+1 {
				t.Fatalf("after %d due times there are %d runs", i+1, len(runs))
			}
		}
	})
}

func TestRunsThatMustNotMeetWait(t *testing.T) {
	eachRig(t, func(r *rig) {
		a, b := r.process(), r.process()
		narrow := r.storage(a, "narrow", 1)
		one, two := r.repository(a, narrow, "one"), r.repository(a, narrow, "two")
		elsewhere := r.repository(a, r.storage(a, "wide", 0), "three")
		first, second := r.source(a, "first"), r.source(a, "second")
		plan := func(name, source string, repository string) string {
			return r.plan(a, backstay.Plan{Name: name, Sources: []string{source}, Repositories: []string{repository}}).ID
		}
		begun, release := r.hold("first")
		defer release()
		running := r.start(a, plan("running", first, one))
		ended := r.background(a, "a")
		soon(r, begun)
		waiting := map[string]backstay.Run{
			"the same plan":                  r.start(a, running.Plan),
			"the same source":                r.start(a, plan("same source", first, elsewhere)),
			"a full storage":                 r.start(a, plan("same storage", second, two)),
			"a prune of the same repository": must1(r)(a.StartPrune(r.ctx, backstay.Server, one)),
		}
		if r.work(b, "b") {
			t.Error("a run was begun that must not meet the one at work")
		}
		free := r.start(a, plan("free", second, elsewhere))
		if !r.work(b, "b") || r.run(a, free.ID).State != backstay.Succeeded {
			t.Errorf("a run that meets nobody is %s: %+v", r.run(a, free.ID).State, r.run(a, free.ID).Failure)
		}
		release()
		if err := soon(r, ended); err != nil {
			t.Fatal(err)
		}
		for r.work(b, "b") {
		}
		for why, run := range waiting {
			if run = r.run(a, run.ID); run.State != backstay.Succeeded {
				t.Errorf("%s: it is %s in the end: %+v", why, run.State, run.Failure)
			}
		}
	})
}

func must1(r *rig) func(run backstay.Run, err error) backstay.Run {
	return func(run backstay.Run, err error) backstay.Run {
		r.t.Helper()
		return must(r, run, err)
	}
}

func TestHigherPriorityGoesFirst(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		low := r.start(a, r.small(a, "low", backstay.Plan{Priority: -1}).ID)
		r.clock.jump(time.Second)
		normal := r.start(a, r.small(a, "normal", backstay.Plan{}).ID)
		r.clock.jump(time.Second)
		high := r.start(a, r.small(a, "high", backstay.Plan{Priority: 5}).ID)
		for r.work(a, "a") {
			r.clock.jump(time.Second)
		}
		var begun []time.Time
		for _, id := range []string{high.ID, normal.ID, low.ID} {
			begun = append(begun, *r.run(a, id).StartedAt)
		}
		if !slices.IsSortedFunc(begun, time.Time.Compare) {
			t.Errorf("high, normal and low priority begin at %s", begun)
		}
	})
}

func TestARunIsCancelledFromAnotherProcess(t *testing.T) {
	eachRig(t, func(r *rig) {
		a, b := r.process(), r.process()
		p := r.small(a, "a", backstay.Plan{Retries: 3})
		begun, release := r.hold("a")
		defer release()
		running := r.start(a, p.ID)
		waiting := r.start(a, p.ID)
		ended := r.background(a, "a")
		soon(r, begun)
		for _, run := range []backstay.Run{waiting, running} {
			if _, err := b.CancelRun(r.ctx, backstay.Server, run.ID); err != nil {
				t.Fatal(err)
			}
		}
		asked := r.clock.Now()
		if err := soon(r, ended); err != nil {
			t.Fatal(err)
		}
		if took := r.clock.Now().Sub(asked); took > 5*time.Second {
			t.Errorf("the end came after %s, want 5 s", took)
		}
		for _, run := range []backstay.Run{waiting, running} {
			if run = r.run(b, run.ID); run.State != backstay.Stopped {
				t.Errorf("a cancelled run is %s", run.State)
			}
		}
		if all := r.backups(a, nil); len(all) != 2 {
			t.Errorf("there are %d runs, want 2: what was cancelled is not repeated", len(all))
		}
	})
}

// die claims a run as a process does that is killed right after.
func (r *rig) die(a *app.App) (run backstay.Run) {
	r.t.Helper()
	now := r.clock.Now()
	err := a.DB.Write(r.ctx, func(tx *db.Tx) (err error) {
		run, err = tx.ClaimRun(r.ctx, "dead", now, now.Add(15*time.Second), func(backstay.Run, []backstay.Run) bool { return true })
		return err
	})
	return must(r, run, err)
}

func TestTheRunOfAKilledProcessIsTakenOver(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		p := r.small(a, "a", backstay.Plan{})
		r.start(a, p.ID)
		dead := r.die(a)
		looks := 0
		for taken := 0; taken == 0 && looks < 31; looks++ {
			r.clock.jump(app.Look)
			n, err := a.TakeOver(r.ctx)
			taken = must(r, n, err)
		}
		if looks < 15 || looks > 30 {
			t.Errorf("it was taken over after %d s, want 15 to 30", looks)
		}
		if run := r.run(a, dead.ID); run.State != backstay.RunFailed || run.Failure.Code == "" || run.Failure.Hint == "" {
			t.Errorf("the run is %s, %+v", run.State, run.Failure)
		}
		// The process was not dead after all, and goes on.
		err := a.DB.Write(r.ctx, func(tx *db.Tx) error {
			mine, _, err := tx.KeepRun(r.ctx, dead, r.clock.Now())
			if err != nil || mine {
				t.Errorf("KeepRun of the old claim = %t, %v", mine, err)
			}
			dead.State = backstay.Succeeded
			mine, err = tx.EndRun(r.ctx, dead)
			if err != nil || mine {
				t.Errorf("EndRun of the old claim = %t, %v", mine, err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if !r.work(a, "a") {
			t.Fatal("the run was not begun anew")
		}
		all := r.backups(a, nil)
		if len(all) != 2 || all[0].State != backstay.RunFailed || all[1].State != backstay.Succeeded || all[1].RetryOf != dead.ID || all[1].Attempt != 2 {
			t.Errorf("runs = %+v", all)
		}
	})
}

func TestALiveRunIsNotTakenOverHoweverClocksJump(t *testing.T) {
	eachRig(t, func(r *rig) {
		a, b := r.process(), r.process(&wall{now: r.clock.Now().AddDate(10, 0, 0)})
		p := r.small(a, "a", backstay.Plan{})
		begun, release := r.hold("a")
		defer release()
		run := r.start(a, p.ID)
		ended := r.background(a, "a")
		soon(r, begun)
		for range 40 { // each a second of steady time: two beats of the other's fall into four of them
			for _, process := range []*app.App{a, b} {
				if n, err := process.TakeOver(r.ctx); err != nil || n != 0 {
					t.Fatalf("TakeOver = %d, %v", n, err)
				}
			}
			time.Sleep(app.Look / 50)
			r.clock.jump(24 * time.Hour)
		}
		release()
		if err := soon(r, ended); err != nil {
			t.Fatal(err)
		}
		if run = r.run(a, run.ID); run.State != backstay.Succeeded {
			t.Errorf("the run is %s: %+v", run.State, run.Failure)
		}
	})
}

func TestACancelledRunOfAKilledProcessIsNotRepeated(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		r.start(a, r.small(a, "a", backstay.Plan{Retries: 2}).ID)
		dead := r.die(a)
		if _, err := a.CancelRun(r.ctx, backstay.Server, dead.ID); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if _, err := a.TakeOver(r.ctx); err != nil {
				t.Fatal(err)
			}
		}
		if all := r.backups(a, nil); len(all) != 1 || all[0].State != backstay.Stopped {
			t.Errorf("runs = %+v", all)
		}
	})
}

func TestAFailedRunIsRepeatedLaterEachTime(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		r.gate("a", func(context.Context) error { return errors.New("the disk is on fire") })
		r.start(a, r.small(a, "a", backstay.Plan{Retries: 3}).ID)
		begun := r.clock.Now()
		var waits []time.Duration
		for range 4 {
			if !r.work(a, "a") {
				t.Fatal("no run is due")
			}
			for _, run := range r.backups(a, map[string]string{"state": "pending"}) {
				waits = append(waits, run.DueAt.Sub(r.clock.Now()).Round(time.Second))
				if r.work(a, "a") {
					t.Error("a run was repeated before its time")
				}
				r.clock.set(run.DueAt)
			}
		}
		if diff := cmp.Diff([]time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute}, waits); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
		all := r.backups(a, map[string]string{"state": "failed"})
		if len(all) != 4 || all[3].Attempt != 4 || all[0].Failure == nil {
			t.Errorf("%d runs failed since %s", len(all), begun)
		}
	})
}

func TestOnlyTheRepositoriesThatFailedAreRepeated(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		good, bad := r.repository(a, r.storage(a, "good", 0), "good"), r.repository(a, r.storage(a, "bad", 0), "bad")
		p := r.plan(a, backstay.Plan{Name: "both", Sources: []string{r.source(a, "s")}, Repositories: []string{good, bad}, Retries: 1})
		broken := r.storages["mem:bad/bad"]
		r.mu.Lock()
		delete(r.storages, "mem:bad/bad")
		r.mu.Unlock()
		first := r.start(a, p.ID)
		r.work(a, "a")
		if first = r.run(a, first.ID); first.State != backstay.RanPartly {
			t.Fatalf("the run is %s: %+v", first.State, first)
		}
		r.mu.Lock()
		r.storages["mem:bad/bad"] = broken
		r.mu.Unlock()
		r.clock.jump(time.Minute)
		for r.work(a, "a") {
		}
		all := r.backups(a, map[string]string{"plan": p.ID})
		if len(all) != 2 || all[1].State != backstay.Succeeded || !cmp.Equal(all[1].Repositories, []string{bad}) {
			t.Errorf("runs = %+v", all)
		}
	})
}

func TestMissedRunsAreRecordedOrCaughtUp(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		daily := schedule.Schedule{Every: "day", At: "02:30"}
		caught := daily
		caught.CatchUp = true
		lost, made := r.small(a, "lost", backstay.Plan{Active: true, Schedule: daily}), r.small(a, "made", backstay.Plan{Active: true, Schedule: caught})
		r.clock.jump(3 * 24 * time.Hour)
		if _, err := a.StartDue(r.ctx); err != nil {
			t.Fatal(err)
		}
		if runs := r.backups(a, map[string]string{"plan": lost.ID}); len(runs) != 1 || runs[0].State != backstay.Missed || runs[0].Failure == nil {
			t.Errorf("runs of a plan that doesn't catch up: %+v", runs)
		}
		if runs := r.backups(a, map[string]string{"plan": made.ID}); len(runs) != 1 || runs[0].State != backstay.Pending {
			t.Errorf("runs of a plan that catches up: %+v", runs)
		}
	})
}
