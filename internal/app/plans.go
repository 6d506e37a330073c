package app

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/retention"
)

func (a *App) plans() *Noun[backstay.Plan, *backstay.Plan] {
	return &Noun[backstay.Plan, *backstay.Plan]{app: a, Kind: "plan", Read: backstay.ReadSources, Manage: backstay.ManagePlans,
		Filters: []string{"active", "sources", "repositories"},
		name:    func(p *backstay.Plan) string { return p.Name },
		prepare: func(t *task, p, old *backstay.Plan) error {
			if err := p.Check(); err != nil {
				return err
			}
			if err := a.Places.CheckRate(p.Upload); err != nil {
				return backstay.Errorf(backstay.Invalid, "plan %q: %w", p.Name, err).OnField("upload")
			}
			if err := t.planNames(p); err != nil {
				return err
			}
			if err := t.planHooks(p, old); err != nil {
				return err
			}
			if old != nil && keepsLess(old.Retention, p.Retention) {
				if err := t.allow(backstay.ShortenRetention, p.Scope, p.Owner); err != nil {
					return err
				}
			}
			return t.planNext(p, old)
		},
		remove: func(t *task, p *backstay.Plan) error {
			n, err := db.Count[backstay.Run](t.ctx, t.tx, db.Condition{Column: "plan", Op: db.Is, Value: p.ID},
				db.Condition{Column: "state", Op: db.OneOf, Value: []string{string(backstay.Pending), string(backstay.Running)}})
			if err == nil && n > 0 {
				err = backstay.Errorf(backstay.Conflict, "plan %q has a run that is not over", p.Name).WithHint("Cancel it, or wait for its end.")
			}
			return err
		},
		show: func(_ context.Context, _ *task, p *backstay.Plan) { a.showPlan(p) },
	}
}

// planNames refuses a plan that names what is not there, or what is in another project.
func (t *task) planNames(p *backstay.Plan) error {
	for _, id := range p.Sources {
		s, err := db.Find[backstay.Source](t.ctx, t.tx, id)
		if err == nil && s.Project != p.Project {
			err = db.ErrNotFound
		}
		if err != nil {
			return missing(err, "source", "sources")
		}
	}
	for _, id := range p.Repositories {
		r, err := db.Find[backstay.Repository](t.ctx, t.tx, id)
		if err == nil && r.Project != p.Project {
			err = db.ErrNotFound
		}
		if err != nil {
			return missing(err, "repository", "repositories")
		}
	}
	return t.modulesAreOf(p.Modules, p.Sources)
}

// modulesAreOf refuses modules that are not parts of the sources.
func (t *task) modulesAreOf(modules, sources []string) error {
	for _, id := range modules {
		m, err := db.Find[backstay.Module](t.ctx, t.tx, id)
		if err == nil && !slices.Contains(sources, m.Source) {
			err = db.ErrNotFound
		}
		if err != nil {
			return missing(err, "module of the plan's sources", "modules")
		}
	}
	return nil
}

// planHooks refuses commands where nobody has allowed them.
func (t *task) planHooks(p, old *backstay.Plan) error {
	if p.BeforeHook == "" && p.AfterHook == "" || old != nil && old.BeforeHook == p.BeforeHook && old.AfterHook == p.AfterHook {
		return nil
	}
	set, err := t.tx.Settings(t.ctx)
	if err != nil || set.Hooks {
		return err
	}
	return backstay.Errorf(backstay.Denied, "plans may not run commands on this server").WithHint("The owner can allow it in the settings of the server.").OnField("before_hook")
}

// keepsLess reports whether a policy might remove what the one before keeps.
func keepsLess(old, now retention.Policy) bool {
	return !now.IsEmpty() && (old.IsEmpty() || !now.Covers(old))
}

// planNext computes when the plan is due next. What was due before it was active is not made up for.
func (t *task) planNext(p, old *backstay.Plan) error {
	if old != nil && old.Active == p.Active && reflect.DeepEqual(old.Schedule, p.Schedule) {
		return nil
	}
	now := t.app.now()
	p.HandledAt, p.NextAt = &now, nil
	if !p.Active {
		return nil
	}
	next, err := p.Schedule.Next(now, p.ID)
	if err != nil {
		return backstay.Errorf(backstay.Invalid, "schedule of plan %q: %w", p.Name, err).OnField("schedule")
	}
	if !next.IsZero() {
		next = next.UTC()
		p.NextAt = &next
	}
	return nil
}

// showPlan fills in when a plan is due, in words and times.
func (a *App) showPlan(p *backstay.Plan) {
	p.When = p.Schedule.String()
	at := a.now()
	for range 3 {
		next, err := p.Schedule.Next(at, p.ID)
		if err != nil || next.IsZero() || !p.Active {
			return
		}
		p.Next, at = append(p.Next, next.UTC()), next
	}
}

// duePlans is how many plans one transaction starts.
const duePlans = 100

// StartDue makes the runs of all plans that are due, and records those that were missed. Any number of processes may call it: a due moment
// is used up by one run.
func (a *App) StartDue(ctx context.Context) (started int, err error) {
	due, err := a.anyDue(ctx)
	if err != nil {
		return 0, explain(err, "plan")
	}
	for due {
		n := 0
		err := a.DB.Write(ctx, func(tx *db.Tx) error {
			plans, err := tx.DuePlans(ctx, a.now(), duePlans)
			n = len(plans)
			var missed []backstay.Run
			for _, p := range plans {
				run, err := a.startDue(ctx, tx, p)
				if err != nil {
					return err
				}
				if run.State == backstay.Missed {
					missed = append(missed, run)
				}
			}
			return errors.Join(err, a.recordMissed(ctx, tx, missed))
		})
		if err != nil {
			return started, explain(err, "plan")
		}
		started += n
		due = n == duePlans
	}
	return started, nil
}

// anyDue reports whether a plan is due. Most of the time none is, and nobody has to wait for what only looks.
func (a *App) anyDue(ctx context.Context) (due bool, err error) {
	err = a.DB.Read(ctx, func(tx *db.Tx) error {
		plans, err := tx.DuePlans(ctx, a.now(), 1)
		due = len(plans) > 0
		return err
	})
	return due, err
}

// recordMissed writes the events of runs that were missed: as the last thing of a transaction, since nobody else can write one from then on.
func (a *App) recordMissed(ctx context.Context, tx *db.Tx, missed []backstay.Run) error {
	for _, run := range missed {
		if err := a.ended(ctx, tx, run); err != nil {
			return err
		}
		t := a.task(ctx, backstay.Server, "schedule.missed")
		t.tx, t.event.Project, t.event.Run = tx, run.Project, run.ID
		t.on("plan", run.Plan, "")
		if err := t.log(backstay.ResultFailed, run.Failure.Text); err != nil {
			return err
		}
	}
	return nil
}

// startDue makes the run of a plan that is due, or that was missed; a zero one if there is nothing to do.
func (a *App) startDue(ctx context.Context, tx *db.Tx, p backstay.Plan) (run backstay.Run, err error) {
	now := a.now()
	last, err := a.handled(ctx, tx, p, now)
	if err != nil {
		return run, err
	}
	due, err := p.Schedule.Due(last, now, p.ID)
	if err != nil {
		return run, err
	}
	handled := last
	if !due.At.IsZero() {
		handled = due.At.UTC()
	}
	var next *time.Time
	if !due.Next.IsZero() {
		at := due.Next.UTC()
		next = &at
	}
	mine, err := tx.PlanHandled(ctx, p, handled, next)
	if err != nil || !mine || due.At.IsZero() {
		return run, err
	}
	made := a.runOf(p, backstay.Server, "schedule")
	made.DueAt = handled
	if made.Type, err = fullOrNot(ctx, tx, p, now); err != nil {
		return run, err
	}
	if !due.Start {
		made.State, made.EndedAt = backstay.Missed, &now
		made.Failure = &backstay.Failure{Code: missedCode, Text: "the server did not run when it was due", Hint: "Let the plan catch up on missed runs, or start it now."}
	}
	added, err := tx.StartRun(ctx, &made)
	if err != nil || !added {
		return run, err
	}
	return made, nil
}

// handled is the latest moment that isn't after now up to which due times have their run. A moment after now was noted by a clock that was
// ahead: then the runs themselves tell, and when the plan was last changed.
func (a *App) handled(ctx context.Context, tx *db.Tx, p backstay.Plan, now time.Time) (time.Time, error) {
	if p.HandledAt != nil && !p.HandledAt.After(now) {
		return *p.HandledAt, nil
	}
	last, err := tx.LastHandled(ctx, p.ID, now)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return now, err
	}
	for _, at := range []time.Time{p.CreatedAt, p.UpdatedAt} {
		if at.After(last) && !at.After(now) {
			last = at
		}
	}
	if last.IsZero() {
		last = now
	}
	return last, nil
}

// fullOrNot returns the plan's type, or full if a full backup is due by the plan's other schedule.
func fullOrNot(ctx context.Context, tx *db.Tx, p backstay.Plan, now time.Time) (string, error) {
	if p.FullSchedule.Every == "" {
		return p.Type, nil
	}
	last, err := tx.LastFull(ctx, p.ID)
	if errors.Is(err, db.ErrNotFound) {
		return "full", nil
	}
	if err != nil {
		return "", err
	}
	due, err := p.FullSchedule.Next(last, p.ID)
	if err != nil || due.IsZero() || due.After(now) {
		return p.Type, err
	}
	return "full", nil
}

// runOf is a new run of a plan.
func (a *App) runOf(p backstay.Plan, who backstay.Actor, trigger string) backstay.Run {
	run := backstay.Run{Placed: backstay.Placed{Project: p.Project, Owner: who.User}, Kind: backstay.RunBackup, State: backstay.Pending, Plan: p.ID,
		Sources: p.Sources, Modules: p.Modules, Repositories: p.Repositories, Type: p.Type, Trigger: trigger, Attempt: 1, Priority: p.Priority}
	a.stamp(run.Base())
	run.DueAt, run.Scope = run.CreatedAt, runScope(run)
	return run
}

// runScope is where a run lies: in its source if it has just one, so that whoever may see that sees the run.
func runScope(run backstay.Run) backstay.Scope {
	scope := backstay.ProjectScope(run.Project)
	if len(run.Sources) == 1 {
		scope = scope.Of("source", run.Sources[0])
	}
	return scope.Of("run", run.ID)
}

// RunNow says what a person wants of a run that they start now, where it is not what the plan says.
type RunNow struct {
	Type         string   `json:"type,omitempty" enum:"full,incremental,differential"`
	Modules      []string `json:"modules,omitempty"`
	Repositories []string `json:"repositories,omitempty"`
}

// StartPlan begins a run of the plan now, outside its schedule.
func (a *App) StartPlan(ctx context.Context, who backstay.Actor, id string, now RunNow) (run backstay.Run, err error) {
	err = a.change(ctx, who, "run.started", func(t *task) error {
		p, err := a.Plans.find(t, id)
		if err != nil {
			return err
		}
		if err := t.allow(backstay.StartRuns, p.Scope, p.Owner); err != nil {
			return err
		}
		run = a.runOf(p, who, "person")
		if now.Type != "" {
			if !slices.Contains(backstay.PlanTypes, now.Type) {
				return backstay.Errorf(backstay.Invalid, "a backup is one of %s", strings.Join(backstay.PlanTypes, ", ")).OnField("type")
			}
			run.Type = now.Type
		}
		if run.Modules, err = some(p.Modules, now.Modules, "modules"); err != nil {
			return err
		}
		if err := t.modulesAreOf(now.Modules, p.Sources); err != nil {
			return err
		}
		if run.Repositories, err = some(p.Repositories, now.Repositories, "repositories"); err != nil {
			return err
		}
		t.event.Run = run.ID
		return db.Insert(ctx, t.tx, &run)
	})
	return run, err
}

// some picks what was chosen of what the plan has.
func some(all, chosen []string, field string) ([]string, error) {
	if len(chosen) == 0 {
		return all, nil
	}
	for _, id := range chosen {
		if len(all) > 0 && !slices.Contains(all, id) {
			return nil, backstay.Errorf(backstay.Invalid, "one of the %s is not the plan's", field).OnField(field)
		}
	}
	return chosen, nil
}
