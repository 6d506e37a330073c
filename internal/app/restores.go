package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/source"
)

// planLife is how long a plan that nobody applies is kept: the target changes meanwhile.
const planLife = 7 * 24 * time.Hour

func (a *App) restores() *Noun[backstay.Restore, *backstay.Restore] {
	return &Noun[backstay.Restore, *backstay.Restore]{app: a, Kind: "restore", Read: backstay.PlanRestores, Manage: backstay.PlanRestores,
		Filters: []string{"snapshot", "source", "state", "target"},
		name:    func(*backstay.Restore) string { return "" }}
}

// PlanRestore begins to find out what a restore would do. Nothing is changed by it.
func (a *App) PlanRestore(ctx context.Context, who backstay.Actor, want backstay.Restore) (r backstay.Restore, err error) {
	err = a.change(ctx, who, "restore.planned", func(t *task) error {
		s, see, err := t.sight(want.Snapshot, backstay.PlanRestores)
		if err != nil {
			return err // whether there is one that they may not see, nobody learns
		}
		r = backstay.Restore{Placed: backstay.Placed{Project: s.Project, Owner: who.User}, Snapshot: s.ID, Source: s.Source, Target: want.Target, Folder: want.Folder,
			Conflicts: want.Conflicts, State: backstay.RestorePlanning, Totals: entry.Totals{}, Result: entry.Totals{}}
		if want.Project != "" && want.Project != s.Project {
			return backstay.Errorf(backstay.Invalid, "the snapshot is in another project").WithHint("Leave the project out: a restore is in that of its snapshot.").OnField("project")
		}
		if r.Conflicts == "" {
			r.Conflicts = "overwrite"
		}
		if err := r.Check(); err != nil {
			return err
		}
		denied, err := t.deniedIn(s.Source, r.Permission())
		if err != nil {
			return err
		}
		see.without = append(see.without, denied...)
		if see, err = t.restoreSight(r, see.narrow(cleanAll(want.Paths))); err != nil {
			return err
		}
		r.Paths, r.Without = see.only, see.without
		a.stamp(r.Base())
		r.Scope = backstay.Scope(strings.TrimSuffix(string(see.scope), "/snapshot/"+s.ID)).Of("restore", r.ID)
		run := a.restoreRun(r, s, false)
		r.Run, t.event.Run = run.ID, run.ID
		t.on("restore", r.ID, "")
		if err := db.Insert(ctx, t.tx, &r); err != nil {
			return err
		}
		if err := db.Insert(ctx, t.tx, &run); err != nil {
			return err
		}
		return t.changed(nil, r)
	})
	return r, err
}

// restoreSight refuses a target that the actor may not choose, and keeps a restore to the original place within what the source is. What
// a snapshot holds beside that somebody else may have put there.
func (t *task) restoreSight(r backstay.Restore, see sight) (sight, error) {
	if see.only != nil && len(see.only) == 0 {
		return see, backstay.Errorf(backstay.NotFound, "nothing of what is wanted is in the snapshot").OnField("paths")
	}
	if r.Target == backstay.TargetFolder {
		return see, t.mayUseFolder(r.Folder)
	}
	elsewhere := "Download the files, or have them restored to a folder."
	if r.Source == "" {
		return see, backstay.Errorf(backstay.Conflict, "nobody knows what the snapshot is of").WithHint(elsewhere).OnField("target")
	}
	s, p, err := t.placeOfSource(r.Source)
	if err != nil {
		return see, err
	}
	if !s.Local || !t.app.readsThisMachine(s.Kind) {
		return see, backstay.Errorf(backstay.Conflict, "what source %q holds can't be restored to its place from here", s.Name).WithHint(elsewhere).OnField("target")
	}
	_, paths, err := t.app.Places.OpenSource(p, source.Part{}, func(string) {})
	if err != nil {
		return see, err
	}
	if see = see.narrow(cleanAll(paths)); len(see.only) == 0 {
		return see, backstay.Errorf(backstay.Conflict, "nothing of what is wanted lies in source %q", s.Name).WithHint(elsewhere).OnField("paths")
	}
	return see, nil
}

// mayUseFolder refuses folders of the server's machine to all but its administrators, and those in which restored files would do harm.
func (t *task) mayUseFolder(folder string) error {
	if !backstay.Decide(t.who, backstay.ManageSources, backstay.Everywhere, "").Allowed {
		return backstay.Errorf(backstay.Denied, "only administrators of the server can restore to its folders").WithHint("Restore over the original, or download the files.").OnField("folder")
	}
	storages, err := db.All[backstay.Storage](t.ctx, t.tx)
	if err != nil {
		return err
	}
	kept := []string{t.app.Data}
	for _, s := range storages {
		_, p, err := t.placeOfStorage(s.ID)
		if err != nil {
			return err
		}
		if local, ok := t.app.Places.LocalPath(p); ok {
			kept = append(kept, local)
		}
	}
	for _, dir := range kept {
		if within(realPath(folder), realPath(dir)) {
			return backstay.Errorf(backstay.Invalid, "folder %q lies in a storage or in the server's own data", folder).WithHint("Choose another folder.").OnField("folder")
		}
	}
	return nil
}

// realPath is a path without links, as far as it is there.
func realPath(name string) string {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		return real
	}
	if dir := filepath.Dir(name); dir != name {
		return filepath.Join(realPath(dir), filepath.Base(name))
	}
	return name
}

// restoreRun is a run that plans or applies a restore. It is not repeated by itself.
func (a *App) restoreRun(r backstay.Restore, s backstay.Snapshot, apply bool) backstay.Run {
	run := backstay.Run{Placed: backstay.Placed{Owner: r.Owner}, Kind: backstay.RunRestore, Snapshots: []string{s.ID}, Options: backstay.RunOptions{Restore: r.ID, Apply: apply}, Priority: 5}
	if s.Source != "" {
		run.Sources = []string{s.Source}
	}
	a.fill(&run, r.Project, []string{s.Repository}, "person")
	return run
}

// Choice says what becomes of changes of a plan.
type Choice struct {
	Paths    []string     `json:"paths,omitempty" maxItems:"10000" doc:"These, as the plan shows them, and all in them"`
	Alone    bool         `json:"alone,omitempty" doc:"The paths themselves, not what is in them"`
	Action   entry.Action `json:"action,omitempty" enum:"create,overwrite,update,conflict,delete" doc:"All that the plan does in this way; together with paths only those of them"`
	Decision string       `json:"decision" enum:"skip,overwrite" default:"skip" doc:"skip leaves what is there; overwrite settles a conflict"`
}

// concerns reports whether a change is one of those that were chosen.
func (c Choice) concerns(change entry.Change) bool {
	if c.Action != "" && change.Action != c.Action {
		return false
	}
	return len(c.Paths) == 0 || slices.ContainsFunc(c.Paths, func(p string) bool { return change.Path == p || !c.Alone && within(change.Path, p) })
}

// decide returns a change as it shall be.
func (c Choice) decide(change entry.Change) entry.Change {
	if !c.concerns(change) {
		return change
	}
	switch {
	case c.Decision == "overwrite" && change.Action == entry.Conflict && change.Type == "":
		change.Action = entry.Delete
	case c.Decision == "overwrite" && change.Action == entry.Conflict:
		change.Action = entry.Overwrite
	case c.Decision == "skip" && slices.Contains([]entry.Action{entry.Create, entry.Overwrite, entry.Update, entry.Conflict, entry.Delete}, change.Action):
		change.Action, change.Reason = entry.Skip, "it was decided so"
	}
	return change
}

// DecideRestore changes what becomes of chosen changes of a plan.
func (a *App) DecideRestore(ctx context.Context, who backstay.Actor, id string, version int64, c Choice) (r backstay.Restore, err error) {
	c.Paths = cleanAll(c.Paths)
	if len(c.Paths) == 0 && c.Action == "" {
		return r, backstay.Errorf(backstay.Invalid, "nothing is chosen").WithHint("Name paths or an action.").OnField("paths")
	}
	if r, err = a.plannedRestore(ctx, who, id, version); err != nil {
		return r, err
	}
	old := r
	// The new plan is a file of its own, so that of two who decide at once one is refused and neither plan is half of each.
	if err := a.writePlan(&r, a.planChanges(old, c.decide)); err != nil {
		return old, planError(err)
	}
	err = a.change(ctx, who, "restore.decided", func(t *task) error {
		t.on("restore", id, "")
		if err := t.allow(backstay.PlanRestores, r.Scope, r.Owner); err != nil {
			return err
		}
		r.UpdatedAt = a.now()
		if err := db.Update(ctx, t.tx, &r); err != nil {
			return err
		}
		return t.changed(old, struct {
			backstay.Restore
			Choice Choice `json:"choice"`
		}{r, c})
	})
	gone := old
	if err != nil {
		gone, r = r, old
	}
	a.removePlan(gone)
	return r, err
}

// plannedRestore finds a restore about which can be decided.
func (a *App) plannedRestore(ctx context.Context, who backstay.Actor, id string, version int64) (r backstay.Restore, err error) {
	err = a.look(ctx, who, "restore.decided", func(t *task) error {
		if r, err = t.wholeRestore(id, backstay.PlanRestores); err != nil {
			return err
		}
		return undecided(r, version)
	})
	return r, err
}

// undecided refuses a restore that is not planned, or no longer what the actor has seen.
func undecided(r backstay.Restore, version int64) error {
	if version != 0 && r.Version != version {
		return db.ErrChanged
	}
	if r.State != backstay.RestorePlanned {
		return backstay.Errorf(backstay.Conflict, "the restore is %s", r.State).WithHint("Only what is planned can be decided upon and applied. Plan another one.")
	}
	return nil
}

// ApplyRestore begins to do just what the plan says. Over the original it asks for more than elsewhere.
func (a *App) ApplyRestore(ctx context.Context, who backstay.Actor, id string, version int64) (r backstay.Restore, err error) {
	err = a.change(ctx, who, "restore.applied", func(t *task) error {
		if r, err = a.Restores.find(t, id); err != nil {
			return err
		}
		if err := t.allow(r.Permission(), r.Scope, r.Owner); err != nil {
			return err
		}
		if err := t.allowParts(r, r.Permission()); err != nil {
			return err
		}
		if err := undecided(r, version); err != nil {
			return err
		}
		if r.Target == backstay.TargetFolder {
			if err := t.mayUseFolder(r.Folder); err != nil {
				return err
			}
		}
		s, err := db.Find[backstay.Snapshot](ctx, t.tx, r.Snapshot)
		if err != nil {
			return missing(err, "snapshot any more", "snapshot")
		}
		old := r
		run := a.restoreRun(r, s, true)
		run.Owner = who.User
		r.State, r.Run, r.UpdatedAt, t.event.Run = backstay.RestoreApplying, run.ID, a.now(), run.ID
		if err := db.Insert(ctx, t.tx, &run); err != nil {
			return err
		}
		if err := db.Update(ctx, t.tx, &r); err != nil {
			return err
		}
		return t.changed(old, r)
	})
	return r, err
}

// DiscardRestore ends a restore that was not applied.
func (a *App) DiscardRestore(ctx context.Context, who backstay.Actor, id string) (r backstay.Restore, err error) {
	err = a.change(ctx, who, "restore.discarded", func(t *task) error {
		if r, err = a.Restores.find(t, id); err != nil {
			return err
		}
		if r.State != backstay.RestorePlanning && r.State != backstay.RestorePlanned {
			return backstay.Errorf(backstay.Conflict, "the restore is %s", r.State).WithHint("To end one at work, cancel its run.")
		}
		old := r
		if err := t.discard(&r); err != nil {
			return err
		}
		return t.changed(old, r)
	})
	return r, err
}

func (t *task) discard(r *backstay.Restore) error {
	gone := *r
	if err := errors.Join(t.tx.CancelRun(t.ctx, r.Run), t.tx.DropRun(t.ctx, r.Run, t.app.now())); err != nil {
		return err
	}
	r.State, r.PlanFile, r.UpdatedAt = backstay.RestoreDiscarded, "", t.app.now()
	t.commit = append(t.commit, func() { t.app.removePlan(gone) })
	return db.Update(t.ctx, t.tx, r)
}

// discardOldRestores gives up plans that nobody has applied for long.
func (a *App) discardOldRestores(ctx context.Context) error {
	var old []backstay.Restore
	err := a.DB.Read(ctx, func(tx *db.Tx) (err error) {
		old, err = db.All[backstay.Restore](ctx, tx, db.Condition{Column: "created_at", Op: db.Before, Value: a.now().Add(-planLife)},
			db.Condition{Column: "state", Op: db.OneOf, Value: []string{string(backstay.RestorePlanning), string(backstay.RestorePlanned)}})
		return err
	})
	for _, r := range old {
		_, derr := a.DiscardRestore(ctx, backstay.Server, r.ID)
		err = errors.Join(err, derr)
	}
	return errors.Join(err, a.sweepRestores("*.plan", a.now().Add(-planLife-24*time.Hour)))
}

// sweepRestores removes the files that nobody needs any more, also those that a killed process left behind: those of a pattern that were written
// before a time.
func (a *App) sweepRestores(pattern string, before time.Time) error {
	files, err := filepath.Glob(a.restoreFile(pattern))
	for _, name := range files {
		info, serr := os.Stat(name)
		if serr == nil && info.ModTime().Before(before) {
			serr = os.Remove(name)
		}
		if serr != nil && !errors.Is(serr, os.ErrNotExist) {
			err = errors.Join(err, serr)
		}
	}
	return err
}

// endRestore notes that the run of a restore ended before its work was done.
func (t *task) endRestore(run backstay.Run) error {
	r, err := db.Find[backstay.Restore](t.ctx, t.tx, run.Options.Restore)
	if errors.Is(err, db.ErrNotFound) {
		return nil
	}
	if err != nil || r.Run != run.ID || r.State != backstay.RestorePlanning && r.State != backstay.RestoreApplying {
		return err
	}
	r.State, r.Failure, r.UpdatedAt = backstay.RestoreFailed, run.Failure, t.app.now()
	if r.Failure == nil {
		r.Failure = failure(string(run.Kind), errCancelled)
	}
	return db.Update(t.ctx, t.tx, &r)
}

// restoreFile is a file of a restore in the data folder.
func (a *App) restoreFile(name string) string { return filepath.Join(a.Data, "restores", name) }

// reportEnd is how the names of reports end.
const reportEnd = ".report"

func reportName(r backstay.Restore) string { return r.ID + reportEnd }

// writePlan writes a plan to a new file, whose name and totals are the restore's afterwards.
func (a *App) writePlan(r *backstay.Restore, changes func(func(entry.Change, error) bool)) error {
	file, err := a.newPlanFile(*r)
	if err != nil {
		return err
	}
	totals, err := entry.WritePlan(file, changes)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	r.PlanFile, r.Totals = filepath.Base(file.Name()), totals
	return nil
}

// newPlanFile makes a file that only this server reads.
func (a *App) newPlanFile(r backstay.Restore) (*os.File, error) {
	if err := os.MkdirAll(a.restoreFile(""), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of restores: %w", err)
	}
	name := a.restoreFile(r.ID + "." + a.newID() + ".plan")
	file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the plan: %w", err)
	}
	return file, nil
}

func (a *App) removePlan(r backstay.Restore) {
	if r.PlanFile == "" {
		return
	}
	if err := os.Remove(a.restoreFile(r.PlanFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		a.Log.Warn("a plan could not be removed", "restore", r.ID, "error", err)
	}
}

// planChanges yields the changes of a plan as decide makes them.
func (a *App) planChanges(r backstay.Restore, decide func(entry.Change) entry.Change) func(func(entry.Change, error) bool) {
	return func(yield func(entry.Change, error) bool) {
		file, err := os.Open(a.restoreFile(r.PlanFile))
		if err != nil {
			yield(entry.Change{}, err)
			return
		}
		defer func() { _ = file.Close() }() // it was only read
		for c, err := range entry.ReadPlan(file) {
			if err == nil {
				c = decide(c)
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// planError says what is wrong with a plan file.
func planError(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return backstay.Errorf(backstay.NotFound, "the plan is not on this server").WithHint("Plan the restore anew.")
	}
	if errors.Is(err, entry.ErrPlan) {
		return backstay.Errorf(backstay.Damaged, "%w", err).WithHint("Plan the restore anew.")
	}
	return err
}
