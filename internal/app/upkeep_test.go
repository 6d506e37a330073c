package app_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/retention"
)

func (r *rig) snapshotsOf(a *app.App, plan string) []backstay.Snapshot {
	r.t.Helper()
	all, _, err := a.Snapshots.List(r.ctx, backstay.Server, app.List{Sort: "time", Filters: map[string]string{"plan": plan}})
	return must(r, all, err)
}

func (r *rig) drain(a *app.App) {
	r.t.Helper()
	for r.work(a, "a") {
	}
}

func TestRetentionRemovesWhatIsThePlansAndUnprotectedAndPruneFreesIt(t *testing.T) {
	eachRig(t, func(r *rig) {
		a := r.process()
		where := []string{r.repository(a, r.storage(a, "s", 0), "main")}
		short := r.plan(a, backstay.Plan{Name: "short", Sources: []string{r.source(a, "one")}, Repositories: where, Retention: retention.Policy{Last: 1}})
		long := r.plan(a, backstay.Plan{Name: "long", Sources: []string{r.source(a, "two")}, Repositories: where})
		for range 2 {
			r.start(a, long.ID)
			r.drain(a)
			r.clock.jump(time.Minute)
		}
		r.start(a, short.ID)
		r.drain(a)
		r.clock.jump(time.Minute)
		first := r.snapshotsOf(a, short.ID)[0]
		second := r.start(a, short.ID)
		for r.run(a, second.ID).State != backstay.Succeeded {
			r.work(a, "a")
		}
		if _, err := a.ProtectSnapshot(r.ctx, backstay.Server, first.ID, true); err != nil { // while the forget waits
			t.Fatal(err)
		}
		r.drain(a)
		if got := r.snapshotsOf(a, short.ID); len(got) != 2 || got[0].Handle != first.Handle {
			t.Fatalf("the protected snapshot is gone: %+v", got)
		}
		if _, err := a.ProtectSnapshot(r.ctx, backstay.Server, first.ID, false); err != nil {
			t.Fatal(err)
		}
		r.clock.jump(time.Minute)
		r.start(a, short.ID)
		r.drain(a)
		if got := r.snapshotsOf(a, short.ID); len(got) != 1 {
			t.Errorf("the policy keeps one snapshot, and there are %d", len(got))
		}
		if got := r.snapshotsOf(a, long.ID); len(got) != 2 {
			t.Errorf("of the plan without a policy %d snapshots are left of 2", len(got))
		}
		before, err := a.Repositories.Find(r.ctx, backstay.Server, where[0])
		must(r, before, err)
		if err := a.KeepHouse(r.ctx); err != nil {
			t.Fatal(err)
		}
		r.drain(a)
		after, err := a.Repositories.Find(r.ctx, backstay.Server, where[0])
		if must(r, after, err); after.Bytes >= before.Bytes || after.Bytes == 0 {
			t.Errorf("the repository has %d bytes before and %d after the prune", before.Bytes, after.Bytes)
		}
	})
}

func TestEachSliceIsReadWithinTheDays(t *testing.T) {
	const days = 7
	eachRig(t, func(r *rig) {
		a := r.process()
		p := r.small(a, "a", backstay.Plan{})
		r.start(a, p.ID)
		r.drain(a)
		_, err := a.Repositories.Update(r.ctx, backstay.Server, p.Repositories[0], 0, fmt.Appendf(nil, `{"verify_days":%d}`, days))
		must(r, 0, err)
		begun := r.clock.Now()
		for range 4 * 20 {
			if err := a.KeepHouse(r.ctx); err != nil {
				t.Fatal(err)
			}
			r.drain(a)
			r.clock.jump(6 * time.Hour)
		}
		last, perDay := map[string]time.Time{}, map[int]int{}
		runs, _, err := a.Runs.List(r.ctx, backstay.Server, app.List{Limit: 1000, Sort: "created_at", Filters: map[string]string{"kind": "verification"}})
		for _, run := range must(r, runs, err) {
			if run.State != backstay.Succeeded {
				t.Fatalf("verification %s is %s: %+v", run.Options.Slice, run.State, run.Failure)
			}
			before, ok := last[run.Options.Slice]
			if !ok && len(last) < days && len(perDay) > len(last) {
				t.Errorf("a slice was read again before %s was at all", run.Options.Slice)
			}
			if !ok {
				before = begun
			}
			if age := run.StartedAt.Sub(before); age > days*24*time.Hour {
				t.Errorf("slice %s was read after %s", run.Options.Slice, age)
			}
			last[run.Options.Slice] = *run.StartedAt
			perDay[int(run.StartedAt.Sub(begun)/(24*time.Hour))]++
		}
		if len(runs) > 20*(days+1)/days+1 {
			t.Errorf("%d slices were read in 20 days", len(runs))
		}
		if len(last) != days {
			t.Errorf("%d slices were read, want %d", len(last), days)
		}
		for d, n := range perDay {
			if n > 2 {
				t.Errorf("on day %d there were %d readings", d, n)
			}
		}
		got, err := a.Repositories.Find(r.ctx, backstay.Server, p.Repositories[0])
		if must(r, got, err); got.VerifiedAt == nil || r.clock.Now().Sub(*got.VerifiedAt) > (days+1)*24*time.Hour {
			t.Errorf("the repository is said to be verified at %v", got.VerifiedAt)
		}
	})
}
