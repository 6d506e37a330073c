package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/doctor"
	"github.com/backstay/backstay/progress"
)

// Why a run was ended before its time.
var (
	errCancelled = errors.New("somebody cancelled it")
	errLost      = errors.New("another process has taken it over")
	errTimeout   = doctor.Mark(errors.New("it took longer than its plan allows"), "run-timeout")
	errStopped   = errors.New("the server was stopped")
)

// ErrStopped is the cause of a context by which a server ends its runs because it ends itself: they are done again by the next one.
var ErrStopped = errStopped

// maxAway is how long the end of a run waits for a database that is away.
const maxAway = 2 * time.Minute

// execution is a run at work in this process.
type execution struct {
	app *App
	run backstay.Run

	mu    sync.Mutex // guards what follows and the figures of run
	lines []backstay.RunLine
	seq   int64
}

// Work claims a run and does it. It reports false if there is none to be done now.
func (a *App) Work(ctx context.Context, worker string) (worked bool, err error) {
	now := a.now()
	waiting := false
	err = a.DB.Read(ctx, func(tx *db.Tx) error {
		waiting, err = tx.Waiting(ctx, now)
		return err
	})
	if err != nil || !waiting {
		return false, err
	}
	e := &execution{app: a}
	err = a.DB.Write(ctx, func(tx *db.Tx) error {
		fits, err := a.limits(ctx, tx)
		if err == nil {
			e.run, err = tx.ClaimRun(ctx, worker, now, now.Add(leaseFor), fits)
		}
		return err
	})
	if errors.Is(err, db.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, explain(err, "run")
	}
	a.watch.begin(e.run.ID)
	defer a.watch.end(e.run.ID)
	return true, e.do(ctx)
}

// limits returns which runs fit beside those at work.
func (a *App) limits(ctx context.Context, tx *db.Tx) (fits func(run backstay.Run, working []backstay.Run) bool, err error) {
	storageOf, most, err := tx.Narrow(ctx)
	if err != nil {
		return nil, err
	}
	held, err := a.clockHeld(ctx, tx)
	if err != nil {
		return nil, err
	}
	return func(run backstay.Run, working []backstay.Run) bool {
		if held && alone(run.Kind) {
			return false
		}
		used := map[string]int{}
		for _, other := range working {
			if clash(run, other) {
				return false
			}
			for _, id := range other.Repositories {
				used[storageOf[id]]++
			}
		}
		return !slices.ContainsFunc(run.Repositories, func(id string) bool {
			s := storageOf[id]
			return most[s] > 0 && used[s] >= most[s]
		})
	}, nil
}

// clash reports whether two runs must not be at work at the same time: two that read the same source, or two on a repository of which one
// needs it for itself.
func clash(a, b backstay.Run) bool {
	share := func(x, y []string) bool {
		return slices.ContainsFunc(x, func(id string) bool { return slices.Contains(y, id) })
	}
	switch {
	case a.Kind == backstay.RunBackup && b.Kind == backstay.RunBackup:
		return a.Plan == b.Plan || share(a.Sources, b.Sources)
	case alone(a.Kind) || alone(b.Kind):
		return share(a.Repositories, b.Repositories)
	}
	return false
}

// alone reports whether runs of a kind remove something, and need a repository for themselves.
func alone(k backstay.RunKind) bool { return k == backstay.RunForget || k == backstay.RunPrune }

// do does the run that was claimed, and records how it ended.
func (e *execution) do(ctx context.Context) error {
	work, cancel := context.WithCancelCause(ctx)
	var beating sync.WaitGroup
	stop := make(chan struct{})
	beating.Go(func() { e.beat(ctx, cancel, stop) })
	state, err := e.perform(work)
	close(stop)
	beating.Wait()
	cause := context.Cause(work)
	cancel(nil)
	if errors.Is(cause, errLost) {
		return nil // what it says no longer counts
	}
	if err != nil && cause != nil {
		err = cause
	}
	switch {
	case errors.Is(err, errCancelled):
		state = backstay.Stopped
	case err != nil:
		state = backstay.RunFailed
		e.run.Failure = e.failure(err)
		e.log("error", err.Error())
	}
	return e.end(context.WithoutCancel(ctx), state)
}

func (e *execution) failure(err error) *backstay.Failure {
	if errors.Is(err, errStopped) {
		return &backstay.Failure{Code: goneCode, Text: err.Error(), Hint: "It is repeated when the server runs again."}
	}
	return failure("", err)
}

// perform does what the kind of run is.
func (e *execution) perform(ctx context.Context) (backstay.RunState, error) {
	kinds := map[backstay.RunKind]func(*execution, context.Context) (backstay.RunState, error){
		backstay.RunBackup: (*execution).backup, backstay.RunVerification: (*execution).verify, backstay.RunForget: (*execution).forget,
		backstay.RunPrune: (*execution).prune, backstay.RunCatalogue: (*execution).catalogue,
		backstay.RunRestore: (*execution).restore, backstay.RunServer: (*execution).server,
	}
	do, ok := kinds[e.run.Kind]
	if !ok {
		return backstay.RunFailed, fmt.Errorf("this program can't do runs of the kind %q", e.run.Kind)
	}
	return do(e, ctx)
}

// beat tells the database, until stop, that the run is at work and how far it has come; and the run, if it is to end.
func (e *execution) beat(ctx context.Context, cancel context.CancelCauseFunc, stop <-chan struct{}) {
	ctx = context.WithoutCancel(ctx) // a run that is stopped still ends in good order
	pause, end := context.WithCancel(ctx)
	defer end()
	go func() {
		<-stop
		end()
	}()
	failed := time.Duration(0) // for how long nothing could be told
	for e.app.Clock.Sleep(pause, beat) == nil {
		mine, ended, err := e.keep(ctx)
		switch {
		case err != nil:
			e.app.Log.WarnContext(ctx, "a run could not tell that it is at work", "run", e.run.ID, "error", err)
			if failed += beat; failed >= leaseFor {
				cancel(errLost)
				return
			}
			continue
		case !mine:
			cancel(errLost)
			return
		case ended:
			cancel(errCancelled)
		}
		failed = 0
	}
}

// keep prolongs the lease, and writes figures and log.
func (e *execution) keep(ctx context.Context) (mine, cancel bool, err error) {
	run, lines := e.take()
	err = e.app.DB.Write(ctx, func(tx *db.Tx) error {
		if mine, cancel, err = tx.KeepRun(ctx, run, e.app.now().Add(leaseFor)); err != nil || !mine {
			return err
		}
		return tx.AddLines(ctx, lines)
	})
	if err != nil {
		e.mu.Lock()
		e.lines = append(lines, e.lines...)
		e.mu.Unlock()
	}
	return mine, cancel, err
}

// take returns the run as it is now, and the lines that are not written yet.
func (e *execution) take() (backstay.Run, []backstay.RunLine) {
	e.mu.Lock()
	defer e.mu.Unlock()
	lines := e.lines
	e.lines = nil
	return e.run, lines
}

// end records how the run ended.
func (e *execution) end(ctx context.Context, state backstay.RunState) error {
	run, lines := e.take()
	mine := false
	write := func() error {
		return e.app.DB.Write(ctx, func(tx *db.Tx) (err error) {
			if err := tx.AddLines(ctx, lines); err != nil {
				return err
			}
			mine, err = e.app.endRun(ctx, tx, &run, state)
			if err == nil && !mine {
				err = errLost // and nothing of this is written
			}
			return err
		})
	}
	err := write()
	for waited := time.Duration(0); errors.Is(err, db.ErrUnreachable) && waited < maxAway && e.app.Clock.Sleep(ctx, beat) == nil; waited += beat {
		err = write() // else what was done would be done again
	}
	if err != nil && !errors.Is(err, errLost) {
		return explain(err, "run")
	}
	if mine {
		e.app.observe(run)
	}
	return nil
}

// log adds a line to the log of the run.
func (e *execution) log(level, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seq++
	e.lines = append(e.lines, backstay.RunLine{Run: e.run.ID, Seq: e.seq, Time: e.app.now(), Level: level, Text: text})
}

// event counts what a backup or another run tells of.
func (e *execution) event(ev progress.Event) {
	switch ev.Kind {
	case progress.Failed:
		e.log("warning", ev.Item+": "+ev.Err.Error())
	case progress.Notice:
		e.log("info", ev.Text)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	f := &e.run.Figures
	switch ev.Kind {
	case progress.Total:
		f.TotalFiles, f.TotalBytes = ev.Files, ev.Bytes
	case progress.Started:
		f.Item = ev.Item
	case progress.Finished:
		f.Files++
		f.Bytes += ev.Bytes
		switch ev.State {
		case "new":
			f.New++
		case "changed":
			f.Changed++
		case "unmodified":
			f.Unchanged++
		}
	case progress.Failed:
		f.Lost++
	}
}
