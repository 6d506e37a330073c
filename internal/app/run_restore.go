package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/source"
)

// restore plans a restore, or applies one.
func (e *execution) restore(ctx context.Context) (backstay.RunState, error) {
	r, s, err := e.restoreOf(ctx)
	if err != nil {
		return "", err
	}
	open, err := e.app.openRepository(ctx, s.Repository, openOptions{progress: e.event})
	if err != nil {
		return "", err
	}
	root, err := loadSnapshot(ctx, open, s)
	if err != nil {
		return "", err
	}
	folder := "/"
	if r.Target == backstay.TargetFolder {
		folder = r.Folder
	}
	to := e.app.Places.OpenTarget(folder, r.Conflicts)
	opt := runner.RestoreOptions{Entries: restorer.Options{Select: sightOf(r).sees}, Lock: repo.LockOptions{Wait: lockWait}}
	if e.run.Options.Apply {
		err = e.applyRestore(ctx, r, open.Repo, root, to, opt)
	} else {
		err = e.planRestore(ctx, r, open.Repo, root, to, opt)
	}
	if err != nil {
		return "", err
	}
	return e.summed(), nil
}

// sightOf is what of the snapshot a restore is about.
func sightOf(r backstay.Restore) sight { return sight{only: r.Paths, without: r.Without} }

// restoreOf is the restore of the run, if it still waits for just this run.
func (e *execution) restoreOf(ctx context.Context) (r backstay.Restore, s backstay.Snapshot, err error) {
	err = e.app.DB.Read(ctx, func(tx *db.Tx) error {
		if r, err = db.Find[backstay.Restore](ctx, tx, e.run.Options.Restore); err != nil {
			return err
		}
		if err := e.waitedFor(r); err != nil {
			return err
		}
		s, err = db.Find[backstay.Snapshot](ctx, tx, r.Snapshot)
		return err
	})
	if err != nil {
		return r, s, explain(err, "restore")
	}
	return r, s, nil
}

// waitedFor refuses a restore that no longer waits for this run: one that was discarded or has failed is never begun again.
func (e *execution) waitedFor(r backstay.Restore) error {
	want := backstay.RestorePlanning
	if e.run.Options.Apply {
		want = backstay.RestoreApplying
	}
	if r.Run != e.run.ID || r.State != want {
		return backstay.Errorf(backstay.Conflict, "the restore is %s", r.State).WithHint("Plan another one.")
	}
	return nil
}

// planRestore writes the plan.
func (e *execution) planRestore(ctx context.Context, r backstay.Restore, from *repo.Repo, root *snapshot.Snapshot, to source.Restorer, opt runner.RestoreOptions) error {
	begun := e.app.now()
	file, err := e.app.newPlanFile(r)
	if err != nil {
		return err
	}
	see := sightOf(r)
	opt.Decide = func(c entry.Change) (entry.Change, error) { return onlyWanted(see, c), nil }
	totals, err := runner.PlanRestore(ctx, from, root, to, file, opt)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		r.PlanFile = filepath.Base(file.Name())
		err = e.cameTo(ctx, func(now *backstay.Restore) {
			now.State, now.PlanFile, now.Totals, now.PlannedAt = backstay.RestorePlanned, r.PlanFile, totals, &begun
		})
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

// onlyWanted leaves what stands where the folders above what is wanted would be as it is: a folder with its owner and mode, and also a link.
func onlyWanted(see sight, c entry.Change) entry.Change {
	if take, _ := see.sees(c.Path, true); !take && (c.Action == entry.Update || c.Action == entry.Overwrite || c.Action == entry.Conflict) {
		c.Action, c.Reason = entry.Skip, "only what is in it is restored"
	}
	return c
}

// applyRestore does what the plan says, and reports each change in a file.
func (e *execution) applyRestore(ctx context.Context, r backstay.Restore, from *repo.Repo, root *snapshot.Snapshot, to source.Restorer, opt runner.RestoreOptions) (err error) {
	plan, err := os.Open(e.app.restoreFile(r.PlanFile))
	if err != nil {
		return fmt.Errorf("open the plan: %w", err)
	}
	defer func() { _ = plan.Close() }() // it was only read
	file, err := os.OpenFile(e.app.restoreFile(reportName(r)), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("make the report: %w", err)
	}
	var total progress.Event
	for _, n := range r.Totals {
		total.Files += n.Count
		total.Bytes += int64(n.Bytes)
	}
	total.Kind = progress.Total
	e.event(total)
	out := bufio.NewWriter(file)
	lines, done, unwritten := json.NewEncoder(out), entry.Totals{}, error(nil)
	opt.Report = func(c entry.Change) {
		done.Add(c)
		e.event(changeEvent(c))
		if unwritten == nil {
			unwritten = lines.Encode(c)
		}
	}
	opt.Recheck = onlyUnchanged(to, *r.PlannedAt)
	err = runner.ApplyRestore(ctx, from, root, to, plan, opt)
	if err = errors.Join(err, unwritten, out.Flush(), file.Sync(), file.Close()); err != nil {
		return err
	}
	return e.cameTo(ctx, func(now *backstay.Restore) { now.State, now.Result = backstay.RestoreDone, done })
}

// onlyUnchanged leaves files as they are that somebody has changed at the target since the plan was made: what was decided was not about them.
func onlyUnchanged(to source.Restorer, planned time.Time) func(entry.Change) (entry.Change, error) {
	target, ok := to.(interface {
		ChangedSince(name string, at time.Time) (bool, error)
	})
	return func(c entry.Change) (entry.Change, error) {
		if !ok || c.Type == entry.Dir || c.Action != entry.Overwrite && c.Action != entry.Update && c.Action != entry.Delete {
			return c, nil
		}
		changed, err := target.ChangedSince(c.Path, planned)
		if err == nil && changed {
			c.Action, c.Reason = entry.Skip, "it was changed since the plan was made"
		}
		return c, err
	}
}

func changeEvent(c entry.Change) progress.Event {
	if c.Action == entry.Failed {
		return progress.Event{Kind: progress.Failed, Item: c.Path, Err: errors.New(c.Reason)}
	}
	return progress.Event{Kind: progress.Finished, Item: c.Path, State: string(c.Action), Bytes: int64(c.Size)}
}

// cameTo notes how far the restore has come, unless it no longer waits for this run.
func (e *execution) cameTo(ctx context.Context, change func(*backstay.Restore)) error {
	err := e.app.DB.Write(context.WithoutCancel(ctx), func(tx *db.Tx) error {
		now, err := db.Find[backstay.Restore](ctx, tx, e.run.Options.Restore)
		if err != nil {
			return err
		}
		if err := e.waitedFor(now); err != nil {
			return err
		}
		change(&now)
		now.UpdatedAt = e.app.now()
		return db.Update(ctx, tx, &now)
	})
	if err != nil {
		return explain(err, "restore")
	}
	return nil
}
