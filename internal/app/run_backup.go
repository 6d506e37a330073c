package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/source"
)

// patience is how long a repository may keep the others waiting where the plan says drop, as with backup --slow-repository drop.
const patience = 2 * time.Minute

// errNothing means that a run has nothing to work on any more.
var errNothing = backstay.Errorf(backstay.NotFound, "nothing that the run was to work on is there any more")

// backup makes a snapshot of each source of the run in each repository. Each source is read once.
func (e *execution) backup(ctx context.Context) (backstay.RunState, error) {
	p, err := e.plan(ctx)
	if err != nil {
		return "", err
	}
	if p.TimeoutMin > 0 {
		var stop context.CancelFunc
		ctx, stop = e.timeout(ctx, time.Duration(p.TimeoutMin)*time.Minute)
		defer stop()
	}
	if err := e.hook(ctx, "before", p.BeforeHook); err != nil {
		return "", err
	}
	state, err := e.backupAll(ctx, p)
	told := string(state)
	if err != nil {
		told = string(backstay.RunFailed)
	}
	after, done := context.WithTimeout(context.WithoutCancel(ctx), hookTimeout)
	if ctx.Err() != nil { // it tidies up, and nobody waits long for it
		after, done = context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	}
	defer done()
	if herr := e.hook(after, "after", p.AfterHook, "BACKSTAY_STATE="+told); herr != nil && err == nil {
		e.log("error", herr.Error())
		if state == backstay.Succeeded {
			state = backstay.Warned
		}
		e.run.Failure = failure("after hook", herr)
	}
	return state, err
}

// backupAll backs up each source of the run.
func (e *execution) backupAll(ctx context.Context, p backstay.Plan) (backstay.RunState, error) {
	repositories, broken := e.openAll(ctx, openOptions{compression: p.Compression, upload: p.Upload, progress: e.event})
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	for _, id := range e.run.Sources {
		e.outcomes(e.backupSource(ctx, p, id, repositories))
		for repository, err := range broken {
			e.outcomes([]backstay.Outcome{{Source: id, Repository: repository, Failure: failure("open repository", err)}})
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
	}
	for _, r := range repositories {
		err := e.app.recordSnapshots(ctx, r)
		if errors.Is(err, db.ErrUnreachable) { // the snapshots are made: a repetition would make others
			e.log("warning", "the snapshots are not recorded yet: "+err.Error())
		} else if err != nil {
			return "", err
		}
	}
	return e.summed(), nil
}

// summed is the state that the outcomes sum up to. The first failure is the run's.
func (e *execution) summed() backstay.RunState {
	e.mu.Lock()
	defer e.mu.Unlock()
	if i := slices.IndexFunc(e.run.Outcomes, func(o backstay.Outcome) bool { return o.Failure != nil }); i >= 0 {
		e.run.Failure = e.run.Outcomes[i].Failure
	}
	return backstay.StateOf(e.run.Outcomes, e.run.Figures.Lost)
}

// timeout ends a run that takes too long.
func (e *execution) timeout(ctx context.Context, after time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		if e.app.Clock.Sleep(ctx, after) == nil {
			cancel(errTimeout)
		}
	}()
	return ctx, func() { cancel(nil) }
}

// plan is the plan of the run as it is today.
func (e *execution) plan(ctx context.Context) (p backstay.Plan, err error) {
	err = e.app.DB.Read(ctx, func(tx *db.Tx) error {
		p, err = db.Find[backstay.Plan](ctx, tx, e.run.Plan)
		return err
	})
	if err != nil {
		return p, explain(err, "plan")
	}
	return p, nil
}

// openAll opens the repositories of the run. Those that can't be opened are returned with the reason, and the others go on.
func (e *execution) openAll(ctx context.Context, opt openOptions) (open []*opened, broken map[string]error) {
	broken = map[string]error{}
	for _, id := range e.run.Repositories {
		r, err := e.app.openRepository(ctx, id, opt)
		if err != nil {
			e.log("error", fmt.Sprintf("repository %s drops out: %v", id, err))
			broken[id] = err
			continue
		}
		open = append(open, r)
	}
	return open, broken
}

func (e *execution) outcomes(more []backstay.Outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.run.Outcomes = append(e.run.Outcomes, more...)
}

// backupSource backs one source up.
func (e *execution) backupSource(ctx context.Context, p backstay.Plan, id string, repositories []*opened) []backstay.Outcome {
	repositories, outcomes := e.notYet(ctx, id, repositories)
	if len(repositories) == 0 {
		return outcomes
	}
	src, name, paths, err := e.openSource(ctx, p, id)
	var results []runner.BackupResult
	if err == nil {
		e.log("info", fmt.Sprintf("backing up source %q", name))
		var open []*repo.Repo
		var names []string
		for _, r := range repositories {
			open, names = append(open, r.Repo), append(names, r.record.Name)
		}
		results, err = runner.Backup(ctx, src, open, e.backupOptions(p, id, paths, names))
	}
	for i, r := range repositories {
		o := backstay.Outcome{Source: id, Repository: r.record.ID}
		switch {
		case i < len(results) && results[i].Err == nil && results[i].Snapshot != nil:
			o.Snapshot, o.Unchanged = results[i].Snapshot.ID.String(), results[i].Skipped
			e.stored(results[i])
		case i < len(results) && results[i].Err != nil:
			o.Failure = failure("backup", results[i].Err)
		default:
			o.Failure = failure("read source", err)
		}
		outcomes = append(outcomes, o)
	}
	return outcomes
}

// stored counts what a repository got.
func (e *execution) stored(r runner.BackupResult) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.run.Figures.Added += r.Counts.Added
	e.run.Figures.Stored += r.Counts.AddedPacked
}

func (e *execution) backupOptions(p backstay.Plan, source string, paths, names []string) runner.BackupOptions {
	opt := runner.BackupOptions{Type: snapshot.Type(e.run.Type), Start: e.app.Clock.Now(), Names: names, Progress: e.event, Lock: repo.LockOptions{Wait: 10 * time.Minute}}
	if p.Slow == "drop" {
		opt.Patience = patience
	}
	s := &opt.Template
	s.Time, s.Hostname, s.Paths, s.Excludes, s.ProgramVersion = opt.Start, e.app.Hostname, paths, p.Excludes, "backstay "+e.app.Version
	s.SetFact(snapshot.FactRun, e.run.ID)
	s.SetFact(snapshot.FactPlan, p.ID)
	s.SetFact(factSource, source)
	return opt
}

// factSource names the source that a snapshot is of.
const factSource snapshot.Fact = "source"

// openSource opens a source of the run, or the modules of it that are wanted. What the run's own repositories are in is left out.
func (e *execution) openSource(ctx context.Context, p backstay.Plan, id string) (src source.Source, name string, paths []string, err error) {
	var place Place
	part := source.Part{Excludes: p.Excludes}
	err = e.app.DB.Read(ctx, func(tx *db.Tx) error {
		t := &task{app: e.app, ctx: ctx, tx: tx}
		s, at, err := t.placeOfSource(id)
		if err != nil {
			return err
		}
		name, place = s.Name, at
		for _, module := range e.run.Modules {
			m, err := db.Find[backstay.Module](ctx, tx, module)
			if err != nil {
				return missing(err, "module", "modules")
			}
			if m.Source == id {
				part.Paths = append(part.Paths, m.Paths...)
			}
		}
		repositories, err := db.All[backstay.Repository](ctx, tx)
		for _, r := range repositories {
			_, at, err := t.placeOfStorage(r.Storage)
			if err != nil {
				return err
			}
			if path, ok := e.app.Places.LocalPath(at.within(r.Path)); ok {
				part.Without = append(part.Without, path)
			}
		}
		return err
	})
	if err != nil {
		return nil, name, nil, explain(err, "source")
	}
	src, paths, err = e.app.Places.OpenSource(place, part, func(text string) { e.event(progress.Event{Kind: progress.Notice, Text: text}) })
	return src, name, paths, err
}
