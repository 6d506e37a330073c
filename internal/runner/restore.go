package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/restorer"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/source"
)

// RestoreOptions say what to restore and how.
type RestoreOptions struct {
	Entries restorer.Options
	Lock    repo.LockOptions
	NoLock  bool // of a repository that can't be written to; what is deleted from it meanwhile is lost
	Workers int  // packs read at once; by default one for each processor
	DryRun  bool
	// Decide is asked for each change of the plan before anything is done, and returns it as it shall be: an action turned
	// into Skip, a Conflict resolved. Nil leaves the plan as it is.
	Decide func(entry.Change) (entry.Change, error)
	// Recheck is asked for each change of the plan right before it is done, and returns it as it shall be, as Decide does. Nil leaves it.
	Recheck func(entry.Change) (entry.Change, error)
	// Planned is told the totals of the plan before it is applied; may be nil.
	Planned func(entry.Totals)
	// Report is told every change as it was done, or as it would be in a dry run. What of the snapshot can't be restored,
	// because the repository is damaged, is a change with the action Failed.
	Report func(entry.Change)
}

// Restore brings a snapshot back to a target: it plans, has the plan decided upon, and applies just that. Entries that are
// lost are reported and the rest is restored; the error is nil then.
func Restore(ctx context.Context, r *repo.Repo, s *snapshot.Snapshot, to source.Restorer, opt RestoreOptions) (err error) {
	return reading(ctx, r, opt, func(ctx context.Context) (err error) {
		file, err := os.CreateTemp("", "backstay-plan-*")
		if err != nil {
			return fmt.Errorf("make a file for the restore plan: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		if err := os.Remove(file.Name()); err != nil { // an open file needs no name, and has none to leave when this is killed
			return fmt.Errorf("make a file for the restore plan: %w", err)
		}
		totals, err := plan(ctx, r, s, to, file, opt)
		if err != nil {
			return err
		}
		if opt.Planned != nil {
			opt.Planned(totals)
		}
		if opt.DryRun {
			return each(file, opt.Report)
		}
		return apply(ctx, r, s, to, file, opt)
	})
}

// PlanRestore writes to w what Restore would do, and does nothing of it.
func PlanRestore(ctx context.Context, r *repo.Repo, s *snapshot.Snapshot, to source.Restorer, w io.Writer, opt RestoreOptions) (totals entry.Totals, err error) {
	err = reading(ctx, r, opt, func(ctx context.Context) (err error) {
		totals, err = plan(ctx, r, s, to, w, opt)
		return err
	})
	return totals, err
}

// ApplyRestore does what PlanRestore has written, with the same snapshot, target and entries. A plan that is cut or was changed is refused
// before anything is done.
func ApplyRestore(ctx context.Context, r *repo.Repo, s *snapshot.Snapshot, to source.Restorer, planned io.ReadSeeker, opt RestoreOptions) error {
	if err := each(planned, func(entry.Change) {}); err != nil {
		return err
	}
	return reading(ctx, r, opt, func(ctx context.Context) error { return apply(ctx, r, s, to, planned, opt) })
}

// reading does something with a repository whose data stays meanwhile.
func reading(ctx context.Context, r *repo.Repo, opt RestoreOptions, do func(ctx context.Context) error) (err error) {
	if !opt.NoLock {
		var unlock func() error
		if ctx, unlock, err = r.Lock(ctx, repo.Shared, opt.Lock); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	if err := r.LoadIndex(ctx); err != nil {
		return err
	}
	return do(ctx)
}

func plan(ctx context.Context, r *repo.Repo, s *snapshot.Snapshot, to source.Restorer, w io.Writer, opt RestoreOptions) (entry.Totals, error) {
	// The target gets the lost entries too: where they would be, nothing must be deleted.
	entries := restorer.Entries(ctx, r, s.Tree, opt.Entries)
	totals, err := entry.WritePlan(w, decide(to.Plan(ctx, entries, restorer.NewContents(r, opt.Workers)), opt.Decide))
	if err != nil {
		return nil, fmt.Errorf("plan restore: %w", err)
	}
	return totals, nil
}

func apply(ctx context.Context, r *repo.Repo, s *snapshot.Snapshot, to source.Restorer, planned io.ReadSeeker, opt RestoreOptions) error {
	if _, err := planned.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read restore plan: %w", err)
	}
	return to.Apply(ctx, decide(entry.ReadPlan(planned), opt.Recheck), restorer.Entries(ctx, r, s.Tree, opt.Entries), restorer.NewContents(r, opt.Workers), opt.Report)
}

func decide(plan iter.Seq2[entry.Change, error], decide func(entry.Change) (entry.Change, error)) iter.Seq2[entry.Change, error] {
	if decide == nil {
		return plan
	}
	return func(yield func(entry.Change, error) bool) {
		for c, err := range plan {
			if err == nil {
				c, err = decide(c)
			}
			if !yield(c, err) {
				return
			}
		}
	}
}

// each reads the plan from its beginning.
func each(file io.ReadSeeker, fn func(entry.Change)) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read restore plan: %w", err)
	}
	for c, err := range entry.ReadPlan(file) {
		if err != nil {
			return fmt.Errorf("read restore plan: %w", err)
		}
		fn(c)
	}
	return nil
}
