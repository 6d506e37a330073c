package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// Look is how much steady time lies between two calls of TakeOver.
const Look = time.Second

// watch is what a process has seen of the runs at work. A worker is gone if its lease was not prolonged between so many looks as a lease has
// seconds. Times of the database are compared with themselves only: they are those of other clocks, which may jump.
type watch struct {
	mu   sync.Mutex
	mine map[string]bool // the runs that this process works on: it knows of itself that it is there
	seen map[string]glance
}

type glance struct {
	fence int64
	lease time.Time
	looks int // in a row in which nothing changed
}

// begin and end say that this process works on a run.
func (w *watch) begin(run string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mine == nil {
		w.mine = map[string]bool{}
	}
	w.mine[run] = true
}

func (w *watch) end(run string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.mine, run)
}

// look returns the runs whose worker is gone.
func (w *watch) look(working []backstay.Run) (lost []backstay.Run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := map[string]glance{}
	for _, run := range working {
		now := glance{fence: run.Fence}
		if run.LeaseUntil != nil {
			now.lease = *run.LeaseUntil
		}
		if before, ok := w.seen[run.ID]; ok && before.fence == now.fence && before.lease.Equal(now.lease) {
			now.looks = before.looks + 1
		}
		if w.mine[run.ID] {
			continue
		}
		if now.looks >= int(leaseFor/Look) {
			lost = append(lost, run)
		}
		seen[run.ID] = now
	}
	w.seen = seen
	return lost
}

// TakeOver ends the runs whose process is gone, and begins them anew. A process calls it once each Look.
func (a *App) TakeOver(ctx context.Context) (taken int, err error) {
	var working []backstay.Run
	err = a.DB.Read(ctx, func(tx *db.Tx) error {
		working, err = tx.RunsAtWork(ctx)
		return err
	})
	if err != nil {
		return 0, explain(err, "run")
	}
	lost := a.watch.look(working)
	if len(lost) == 0 {
		return 0, nil
	}
	var ended []backstay.Run
	err = a.DB.Write(ctx, func(tx *db.Tx) error {
		ended, err = a.takeOver(ctx, tx, lost)
		return err
	})
	if err != nil {
		return 0, explain(err, "run")
	}
	a.observe(ended...)
	return len(ended), nil
}

// takeOver takes all runs before it ends the first one: nobody else's audit event can come between from then on.
func (a *App) takeOver(ctx context.Context, tx *db.Tx, lost []backstay.Run) (ours []backstay.Run, err error) {
	for _, run := range lost {
		took, err := tx.TakeRun(ctx, &run)
		if err != nil {
			return nil, err
		}
		if took {
			ours = append(ours, run)
		}
	}
	for i := range ours {
		run, state := &ours[i], backstay.RunFailed
		if run.Cancel {
			state = backstay.Stopped
		}
		run.Failure = &backstay.Failure{Code: goneCode, Text: fmt.Sprintf("the process %s that worked on it is gone", run.Worker),
			Hint: "What was saved is kept: the next run goes on from there."}
		if _, err := a.endRun(ctx, tx, run, state); err != nil {
			return nil, err
		}
	}
	return ours, nil
}
