package app_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/backstay/backstay"
)

func TestManyRecordTheSnapshotsOfARepositoryAtOnce(t *testing.T) {
	eachRig(t, func(r *rig) {
		a, b := r.process(), r.process()
		where := []string{r.repository(a, r.storage(a, "s", 0), "main")}
		var plans []string
		for i := range 8 {
			name := fmt.Sprint("p", i)
			plans = append(plans, r.plan(a, backstay.Plan{Name: name, Sources: []string{r.source(a, name)}, Repositories: where}).ID)
			r.start(a, plans[i])
		}
		var all sync.WaitGroup
		for i := range 8 {
			process := a
			if i%2 == 1 {
				process = b
			}
			all.Go(func() {
				for range 40 {
					if _, err := process.Work(r.ctx, fmt.Sprint("w", i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		for _, run := range r.runs(a) {
			if run.State != backstay.Succeeded {
				t.Errorf("a %s is %s: %+v", run.Kind, run.State, run.Failure)
			}
		}
		ids := map[string]bool{}
		for _, plan := range plans {
			for _, s := range r.snapshotsOf(a, plan) {
				ids[s.ID] = true
			}
		}
		if len(ids) != 8 {
			t.Errorf("%d snapshots are recorded of 8", len(ids))
		}
	})
}
