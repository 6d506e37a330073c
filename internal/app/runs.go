package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/doctor"
)

var (
	missedCode = doctor.Named("schedule-missed").Code
	goneCode   = doctor.Named("worker-gone").Code
	awayCode   = doctor.Named("database-unreachable").Code
)

// The queue's times. A worker says every beat that it is there; one that hasn't for a lease is taken for gone.
const (
	leaseFor = 15 * time.Second
	beat     = 2 * time.Second
)

// maxInterrupted is how often a run is begun anew whose process ended, if its plan has no more retries: it may be the run that ends it.
const maxInterrupted = 5

// retryAfter is how long the first retry of a run waits; each further one waits twice as long, up to maxRetry.
const (
	retryAfter = time.Minute
	maxRetry   = time.Hour
)

func (a *App) runs() *Noun[backstay.Run, *backstay.Run] {
	return &Noun[backstay.Run, *backstay.Run]{app: a, Kind: "run", Read: backstay.ReadSources, Manage: backstay.StartRuns,
		Filters: []string{"kind", "state", "plan", "sources", "repositories", "trigger"},
		name:    func(r *backstay.Run) string { return string(r.Kind) }}
}

// CancelRun ends a run: one that waits at once, one at work within seconds, whichever process works on it.
func (a *App) CancelRun(ctx context.Context, who backstay.Actor, id string) (run backstay.Run, err error) {
	err = a.change(ctx, who, "run.cancelled", func(t *task) error {
		if run, err = a.Runs.find(t, id); err != nil {
			return err
		}
		if err := t.allow(backstay.StartRuns, run.Scope, run.Owner); err != nil {
			return err
		}
		t.event.Run = id
		switch {
		case run.State == backstay.Pending:
			now := a.now()
			ended := run
			ended.State, ended.EndedAt, ended.UpdatedAt, ended.Cancel = backstay.Stopped, &now, now, true
			if err := db.Update(ctx, t.tx, &ended); !errors.Is(err, db.ErrChanged) {
				run = ended
				return errors.Join(err, t.follow(run))
			} // somebody has claimed it just now
		case run.State.Ended():
			return backstay.Errorf(backstay.Conflict, "the run is over already")
		}
		run.Cancel = true
		return t.tx.CancelRun(ctx, id)
	})
	return run, err
}

// RetryRun begins a run that did not succeed once more.
func (a *App) RetryRun(ctx context.Context, who backstay.Actor, id string) (again backstay.Run, err error) {
	err = a.change(ctx, who, "run.retried", func(t *task) error {
		run, err := a.Runs.find(t, id)
		if err != nil {
			return err
		}
		if err := t.allow(backstay.StartRuns, run.Scope, run.Owner); err != nil {
			return err
		}
		if !run.State.Ended() || run.State == backstay.Succeeded {
			return backstay.Errorf(backstay.Conflict, "a run that is %s is not repeated", run.State)
		}
		again = a.repeat(run, "person")
		again.Owner, t.event.Run = who.User, again.ID
		return db.Insert(ctx, t.tx, &again)
	})
	return again, err
}

// repeat is a new run that does the same; only in the repositories that have no snapshot of it yet.
func (a *App) repeat(run backstay.Run, trigger string) backstay.Run {
	again := backstay.Run{Placed: run.Placed, Kind: run.Kind, State: backstay.Pending, Plan: run.Plan, Sources: run.Sources, Modules: run.Modules,
		Repositories: run.Repositories, Snapshots: run.Snapshots, Type: run.Type, Options: run.Options, Trigger: trigger, Attempt: run.Attempt + 1,
		RetryOf: run.ID, Priority: run.Priority}
	if run.State == backstay.RanPartly {
		again.Repositories = nil
		for _, o := range run.Outcomes {
			if o.Failure != nil && !slices.Contains(again.Repositories, o.Repository) {
				again.Repositories = append(again.Repositories, o.Repository)
			}
		}
	}
	a.stamp(again.Base())
	again.DueAt, again.Scope = again.CreatedAt, runScope(again)
	return again
}

// RunLines returns the log of a run after a line.
func (a *App) RunLines(ctx context.Context, who backstay.Actor, id string, after int64, limit int) (lines []backstay.RunLine, err error) {
	err = a.look(ctx, who, "run.read", func(t *task) error {
		if _, err := a.Runs.find(t, id); err != nil {
			return err
		}
		lines, err = t.tx.Lines(ctx, id, after, max(1, min(limit, db.MaxPage)))
		return err
	})
	return lines, err
}

// StartVerification begins a verification of repositories.
func (a *App) StartVerification(ctx context.Context, who backstay.Actor, repository, level string) (run backstay.Run, err error) {
	if !slices.Contains([]string{"", "structure", "sample", "full"}, level) {
		return run, backstay.Errorf(backstay.Invalid, "there is no verification of the level %q", level).WithHint("It is structure, sample or full.").OnField("level")
	}
	return a.startOn(ctx, who, repository, backstay.StartVerification, backstay.Run{Kind: backstay.RunVerification, Options: backstay.RunOptions{Level: level}})
}

// StartPrune begins to free the space that no snapshot needs.
func (a *App) StartPrune(ctx context.Context, who backstay.Actor, repository string) (run backstay.Run, err error) {
	return a.startOn(ctx, who, repository, backstay.ManageRepository, backstay.Run{Kind: backstay.RunPrune})
}

// StartCatalogue begins to list what is in a repository, such as after somebody else wrote to it.
func (a *App) StartCatalogue(ctx context.Context, who backstay.Actor, repository string) (run backstay.Run, err error) {
	return a.startOn(ctx, who, repository, backstay.ManageRepository, backstay.Run{Kind: backstay.RunCatalogue})
}

// startOn begins a run that works on one repository.
func (a *App) startOn(ctx context.Context, who backstay.Actor, repository string, p backstay.Permission, run backstay.Run) (backstay.Run, error) {
	err := a.change(ctx, who, string(run.Kind)+".started", func(t *task) error {
		r, err := a.Repositories.find(t, repository)
		if err != nil {
			return err
		}
		if err := t.allow(p, r.Scope, r.Owner); err != nil {
			return err
		}
		a.fill(&run, r.Project, []string{r.ID}, "person")
		run.Owner, t.event.Run = who.User, run.ID
		return db.Insert(ctx, t.tx, &run)
	})
	return run, err
}

// fill completes a new run that works on repositories.
func (a *App) fill(run *backstay.Run, project string, repositories []string, trigger string) {
	a.stamp(run.Base())
	run.Project, run.Repositories, run.Trigger, run.State, run.Attempt, run.DueAt = project, repositories, trigger, backstay.Pending, 1, run.CreatedAt
	run.Scope = runScope(*run)
}

// endRun records how a run ended, with its audit event and what follows from it. It reports false if the run is no longer this claim's.
func (a *App) endRun(ctx context.Context, tx *db.Tx, run *backstay.Run, state backstay.RunState) (bool, error) {
	now := a.now()
	run.State, run.EndedAt, run.UpdatedAt, run.LeaseUntil, run.Figures.Item = state, &now, now, nil, ""
	mine, err := tx.EndRun(ctx, *run)
	if err != nil || !mine {
		return false, err
	}
	t := a.task(ctx, backstay.Server, string(run.Kind)+"."+string(state))
	t.tx, t.event.Run, t.event.Project = tx, run.ID, run.Project
	t.on("run", run.ID, string(run.Kind))
	if err := t.follow(*run); err != nil {
		return true, err
	}
	if err := a.ended(ctx, tx, *run); err != nil {
		return true, err
	}
	result, reason := backstay.ResultAllowed, ""
	if run.Failure != nil {
		result, reason = backstay.ResultFailed, run.Failure.Text
	}
	return true, t.log(result, reason)
}

// follow enqueues what follows from the end of a run.
func (t *task) follow(run backstay.Run) error {
	switch {
	case run.Kind == backstay.RunRestore:
		return t.endRestore(run)
	case run.Kind == backstay.RunServer && run.State.Good():
		return t.forgetServer(run)
	}
	var p backstay.Plan
	if run.Plan != "" {
		var err error
		if p, err = db.Find[backstay.Plan](t.ctx, t.tx, run.Plan); err != nil && !errors.Is(err, db.ErrNotFound) {
			return err
		}
	}
	if err := t.again(run, p); err != nil || run.Kind != backstay.RunBackup || p.ID == "" {
		return err
	}
	var good []string
	for _, id := range run.Repositories {
		if slices.ContainsFunc(run.Outcomes, func(o backstay.Outcome) bool { return o.Repository == id && o.Failure == nil && !o.Unchanged }) {
			good = append(good, id)
		}
	}
	if len(good) == 0 {
		return nil
	}
	scan := backstay.Run{Kind: backstay.RunCatalogue, Plan: p.ID}
	t.app.fill(&scan, run.Project, good, "server")
	if err := db.Insert(t.ctx, t.tx, &scan); err != nil {
		return err
	}
	if p.Verify != "none" && p.Verify != "" {
		next := backstay.Run{Kind: backstay.RunVerification, Plan: p.ID, Options: backstay.RunOptions{Level: p.Verify}}
		t.app.fill(&next, run.Project, good, "server")
		if err := db.Insert(t.ctx, t.tx, &next); err != nil {
			return err
		}
	}
	if p.Retention.IsEmpty() {
		return nil
	}
	next := backstay.Run{Kind: backstay.RunForget, Plan: p.ID}
	t.app.fill(&next, run.Project, good, "server")
	next.Priority = -1 // after the verification
	return db.Insert(t.ctx, t.tx, &next)
}

// again enqueues the next attempt at a run that failed: at once if only its process ended, otherwise later each time. Of what failed by
// itself only backups are repeated: all else comes again anyway, or a person sees to it.
func (t *task) again(run backstay.Run, p backstay.Plan) error {
	if run.State != backstay.RunFailed && run.State != backstay.RanPartly {
		return nil
	}
	again := t.app.repeat(run, "retry")
	switch {
	case interrupted(run) && run.Kind != backstay.RunRestore && run.Attempt <= max(p.Retries, maxInterrupted):
	case !interrupted(run) && run.Kind == backstay.RunBackup && run.Attempt <= p.Retries:
		again.DueAt = again.DueAt.Add(min(retryAfter<<min(run.Attempt-1, 10), maxRetry))
	default:
		return nil
	}
	return db.Insert(t.ctx, t.tx, &again)
}

// interrupted reports whether a run ended because its process did, or the database was away.
func interrupted(run backstay.Run) bool {
	return run.Failure != nil && (run.Failure.Code == goneCode || run.Failure.Code == awayCode)
}
