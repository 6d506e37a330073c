package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/doctor"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/retention"
	"github.com/backstay/backstay/storage"
)

// lockWait is how long a run waits for the lock of another program to go.
const lockWait = 10 * time.Minute

// sampled is the part of the packs that a verification of the level "sample" reads.
const sampled = "5%"

// errJumped means that the time is not sure enough to remove anything by it.
var errJumped = backstay.Errorf(backstay.Conflict, "the clock of the server has jumped: nothing is removed until the time is sure")

// eachRepository does something with each repository of the run. One that fails does not keep the others from it.
func (e *execution) eachRepository(ctx context.Context, do func(ctx context.Context, r *opened) error) (backstay.RunState, error) {
	if len(e.run.Repositories) == 0 {
		return "", errNothing
	}
	for _, id := range e.run.Repositories {
		r, err := e.app.openRepository(ctx, id, openOptions{progress: e.event})
		if err == nil {
			err = do(ctx, r)
		}
		if err != nil && ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		e.outcomes([]backstay.Outcome{{Repository: id, Failure: failure(string(e.run.Kind), err)}})
		if err != nil {
			e.log("error", err.Error())
		}
	}
	return e.summed(), nil
}

// verify checks repositories, and marks the snapshots by what was found.
func (e *execution) verify(ctx context.Context) (backstay.RunState, error) {
	return e.eachRepository(ctx, func(ctx context.Context, r *opened) (err error) {
		ctx, unlock, err := r.Lock(ctx, repo.Shared, repo.LockOptions{Wait: lockWait})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unlock()) }()
		opt := checker.Options{ReadData: e.run.Options.Level == "full" || e.run.Options.Level == "sample", Progress: e.event}
		if e.run.Options.Level == "sample" {
			if opt.Subset, err = checker.ParseSubset(cmp.Or(e.run.Options.Slice, sampled)); err != nil {
				return err
			}
		}
		damaged := map[string]bool{}
		opt.Found = func(f checker.Finding) {
			level := "warning"
			if f.Severity == checker.Error {
				level = "error"
			}
			e.log(level, fmt.Sprintf("%s: %s. %s", f.Object, f.Message, f.Remedy))
			for _, id := range f.Snapshots {
				damaged[id.String()] = true
			}
		}
		report, err := checker.Check(ctx, r.Repo, opt)
		if err != nil {
			return err
		}
		e.mu.Lock()
		e.run.Figures.Bytes += report.BytesRead
		e.mu.Unlock()
		if err := e.app.markHealth(ctx, r, e.run.Options.Level, damaged, report.Errors > 0); err != nil {
			return err
		}
		if report.Errors > 0 {
			return doctor.Mark(fmt.Errorf("repository %q: %d errors were found, %d snapshots are hit", r.record.Name, report.Errors, len(damaged)), "verification-failed")
		}
		return nil
	})
}

// markHealth notes what a verification has found of each snapshot. Where errors were found, those that no error is known to hit keep what
// was known of them.
func (a *App) markHealth(ctx context.Context, r *opened, level string, damaged map[string]bool, errorsFound bool) error {
	if level == "" {
		level = "structure"
	}
	err := a.DB.Write(ctx, func(tx *db.Tx) error {
		now := a.now()
		for handle := range damaged {
			if err := tx.MarkDamaged(ctx, r.record.ID, handle, level, now); err != nil {
				return err
			}
		}
		if errorsFound {
			return nil
		}
		if level == "full" {
			if err := tx.VerifiedRepository(ctx, r.record.ID, now); err != nil {
				return err
			}
		}
		return tx.MarkGood(ctx, r.record.ID, level, now)
	})
	if err != nil {
		return explain(err, "snapshot")
	}
	return nil
}

// forget applies the retention of the run's plan. What is protected at the moment stays, whatever the policy says.
func (e *execution) forget(ctx context.Context) (backstay.RunState, error) {
	policy, err := e.policy(ctx)
	if err != nil {
		return "", err
	}
	if policy.Policy.IsEmpty() {
		return backstay.Succeeded, nil
	}
	return e.eachRepository(ctx, func(ctx context.Context, r *opened) (err error) {
		e.app.yield(r.record.ID)
		ctx, unlock, err := r.Lock(ctx, repo.Exclusive, repo.LockOptions{Wait: lockWait})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unlock()) }()
		if err := e.app.recordSnapshots(ctx, r); err != nil { // it finds out whether the database is an old one
			return err
		}
		groups, _, err := runner.Forget(ctx, r.Repo, policy)
		if err != nil {
			return err
		}
		held := map[string]time.Time{}
		for _, g := range groups {
			for id, until := range g.Held {
				held[id.String()] = until
			}
		}
		doomed, err := e.unprotected(ctx, r, groups, held)
		if err != nil {
			return err
		}
		if len(doomed) > 0 {
			removed := func(crypto.ID) { e.count(func(f *backstay.Figures) { f.Changed++ }) }
			if _, _, err = runner.Forget(ctx, r.Repo, runner.ForgetOptions{IDs: doomed, Removed: removed}); err != nil {
				return err
			}
		}
		e.log("info", fmt.Sprintf("repository %q: the policy removes %d snapshots, object lock keeps %d more for now", r.record.Name, len(doomed), len(held)))
		return errors.Join(e.app.recordSnapshots(ctx, r), e.app.recordHeld(ctx, r, held))
	})
}

// policy says what the run forgets: what the plan doesn't keep, or what the server doesn't of itself. It removes nothing yet.
func (e *execution) policy(ctx context.Context) (opt runner.ForgetOptions, err error) {
	if e.run.Options.Server {
		return serverPolicy, nil
	}
	p, err := e.plan(ctx)
	if err == nil {
		err = e.app.asSaid(ctx, p)
	}
	return policyOf(p), err
}

// policyOf says which snapshots of a plan its retention would remove.
func policyOf(p backstay.Plan) runner.ForgetOptions {
	return policyFor(snapshot.FactPlan, p.ID, p.Retention)
}

// policyFor says which snapshots that have a fact a policy would remove.
func policyFor(f snapshot.Fact, id string, policy retention.Policy) runner.ForgetOptions {
	return runner.ForgetOptions{Filter: snapshot.Filter{Tags: [][]string{{string(f) + "=" + id}}}, GroupBy: snapshot.GroupBy{Host: true, Paths: true}, Policy: policy, DryRun: true}
}

// asSaid refuses a plan whose retention is not what somebody has last set it to, as the audit trail has it: a bit of the database that is wrong
// must not remove a snapshot.
func (a *App) asSaid(ctx context.Context, p backstay.Plan) error {
	return a.DB.Read(ctx, func(tx *db.Tx) error {
		events, err := tx.AuditEvents(ctx, db.AuditQuery{Reach: db.Everything, ObjectID: p.ID, Action: "plan.", Result: backstay.ResultAllowed, Limit: 100})
		if err != nil {
			return err
		}
		for _, e := range events {
			if e.After == nil {
				continue
			}
			var said struct{ Retention retention.Policy }
			if err := json.Unmarshal(e.After, &said); err != nil || !reflect.DeepEqual(said.Retention, p.Retention) {
				return backstay.Errorf(backstay.Conflict, "the retention of plan %q is not what event %d of the audit trail says that it was set to", p.Name, e.Seq).
					WithHint("Look at the plan, and save what it is to keep again. If nobody has worked on the database, look at its disk.")
			}
			return nil
		}
		return nil
	})
}

func (e *execution) count(change func(*backstay.Figures)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.run.Figures)
}

// unprotected asks the database, at the moment of deleting, which of the snapshots may go that object lock doesn't keep.
func (e *execution) unprotected(ctx context.Context, r *opened, groups []runner.Forgotten, held map[string]time.Time) (doomed []crypto.ID, err error) {
	var kept []string
	err = e.app.DB.Read(ctx, func(tx *db.Tx) error {
		if held, err := e.app.clockHeld(ctx, tx); err != nil || held {
			return errors.Join(err, errJumped)
		}
		kept, err = tx.ProtectedSnapshots(ctx, r.record.ID)
		return err
	})
	if err != nil {
		return nil, explain(err, "snapshot")
	}
	for _, g := range groups {
		for _, s := range g.Remove {
			if _, locked := held[s.ID.String()]; !locked && !isProtected(s, kept) {
				doomed = append(doomed, s.ID)
			}
		}
	}
	return doomed, nil
}

// isProtected reports whether no retention removes a snapshot; kept are the originals of those that people protect.
func isProtected(s *snapshot.Snapshot, kept []string) bool {
	return s.HasTag(retention.Protected) || slices.Contains(kept, s.Identity().String())
}

// prune frees the space of what no snapshot needs.
func (e *execution) prune(ctx context.Context) (backstay.RunState, error) {
	return e.eachRepository(ctx, func(ctx context.Context, r *opened) (err error) {
		e.app.yield(r.record.ID)
		ctx, unlock, err := r.Lock(ctx, repo.Exclusive, repo.LockOptions{Wait: lockWait})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unlock()) }()
		plan, err := pruner.Prepare(ctx, r.Repo, pruner.Options{Progress: e.event})
		if err != nil {
			return err
		}
		if _, err := plan.Apply(ctx); err != nil {
			return err
		}
		if sweeper, ok := storage.As[storage.Sweeper](r.storage); ok { // what killed processes have left
			if err := sweeper.Sweep(ctx); err != nil {
				return err
			}
		}
		return e.app.measure(ctx, r)
	})
}
