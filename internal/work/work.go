// Package work is the door of time: it starts what is due, does the runs that wait, and keeps house.
//
// A worker is a goroutine that does one run after the other. Any number of processes work on one database; which of them does a run,
// the database decides. A process that ends in good order ends its runs, which are repeated; of one that is killed the others take them over.
package work

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/app"
)

// How often a process looks for what there is to do.
const (
	lookForRuns  = 500 * time.Millisecond
	lookForPlans = app.Look
	keepHouse    = 5 * time.Minute
	lookForMail  = 2 * time.Second
	lookForTrail = time.Second
	tidy         = time.Second
)

// senders is how many messages a process sends at once, so that a receiver that doesn't answer keeps no other one waiting.
const senders = 4

// trailSenders is how many sinks of the audit trail a process serves at once, for the same reason. There are few.
const trailSenders = 2

// Options say how a process works.
type Options struct {
	App   *app.App
	Clock clock.Clock
	Log   *slog.Logger
	Name  string // of the process, as runs say it
	Runs  int    // at once; by default 2
}

// Serve works until ctx ends, and until what was at work then has ended in good order.
func Serve(ctx context.Context, opt Options) {
	if opt.Runs == 0 {
		opt.Runs = 2
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	runs, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	context.AfterFunc(ctx, func() { stop(app.ErrStopped) })
	var all sync.WaitGroup
	for range opt.Runs {
		all.Go(func() { opt.every(ctx, lookForRuns, func(context.Context) error { return opt.work(ctx, runs) }) })
	}
	all.Go(func() { opt.every(ctx, lookForPlans, opt.start) })
	all.Go(func() { opt.every(ctx, app.ClockTick, opt.App.WatchClock) })
	all.Go(func() { opt.every(ctx, app.LookForNews, opt.App.TellNews) })
	all.Go(func() { opt.every(ctx, tidy, opt.App.TidyLibrary) })
	all.Go(func() { opt.every(ctx, keepHouse, opt.house) })
	for range senders {
		all.Go(func() { opt.every(ctx, lookForMail, opt.App.Deliver) })
	}
	for range trailSenders {
		all.Go(func() { opt.every(ctx, lookForTrail, opt.App.SendTrail) })
	}
	all.Wait()
}

// every does something again and again. What goes wrong is logged, and tried again the next time.
func (o Options) every(ctx context.Context, pause time.Duration, do func(context.Context) error) {
	for {
		if err := do(ctx); err != nil && ctx.Err() == nil {
			o.Log.ErrorContext(ctx, "background work failed", "error", errors.Join(err, errors.Unwrap(err)))
		}
		if o.Clock.Sleep(ctx, pause) != nil {
			return
		}
	}
}

// work does runs as long as there are any.
func (o Options) work(ctx, runs context.Context) error {
	for ctx.Err() == nil {
		if worked, err := o.App.Work(runs, o.Name); err != nil || !worked {
			return err
		}
	}
	return nil
}

// house keeps house, and gives back the memory that it took to look at everything.
func (o Options) house(ctx context.Context) error {
	defer debug.FreeOSMemory()
	return o.App.KeepHouse(ctx)
}

// start makes the runs of plans that are due, and takes over those whose process is gone.
func (o Options) start(ctx context.Context) error {
	if _, err := o.App.StartDue(ctx); err != nil {
		return err
	}
	_, err := o.App.TakeOver(ctx)
	return err
}
