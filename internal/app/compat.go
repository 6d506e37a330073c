package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/schedule"
)

// Package says which backup is to be downloaded whole: a snapshot, or the newest of a plan or of modules that is not known to be damaged.
type Package struct {
	Snapshot, Plan string
	Modules        []string // ids or names: only these parts of it
}

// DownloadPackage sends a backup as a ZIP archive, called APPLICATION_TYPE_MODULES_TIME.zip.
func (a *App) DownloadPackage(ctx context.Context, who backstay.Actor, want Package, begin Begin) error {
	modules, err := a.findModules(ctx, who, want.Modules)
	if err != nil {
		return err
	}
	var s backstay.Snapshot
	var name string
	err = a.look(ctx, who, "snapshot.downloaded", func(t *task) error {
		if err := t.free(); err != nil {
			return err
		}
		if s, err = t.newest(want, modules); err != nil {
			return err
		}
		if _, _, err := t.sight(s.ID, backstay.ReadSnapshots); err != nil {
			return err
		}
		name, err = t.packageName(s, modules)
		return err
	})
	if err != nil {
		return err
	}
	var paths []string
	for _, m := range modules {
		paths = append(paths, m.Paths...)
	}
	return a.DownloadArchive(ctx, who, s.ID, paths, "zip", name, begin)
}

// findModules finds modules of one source by their ids or names.
func (a *App) findModules(ctx context.Context, who backstay.Actor, names []string) (modules []backstay.Module, err error) {
	for _, name := range names {
		m, err := a.Modules.Find(ctx, who, name)
		var e *backstay.Error
		if errors.As(err, &e) && e.Kind == backstay.NotFound {
			var all []backstay.Module
			if all, _, err = a.Modules.List(ctx, who, List{Limit: 2, Filters: map[string]string{"name": name}}); err != nil {
				return nil, err
			}
			if len(all) != 1 {
				return nil, backstay.Errorf(backstay.NotFound, "there are %d modules called %q", len(all), name).WithHint("Name one by its id.").OnField("modules")
			}
			m = all[0]
		}
		if err != nil {
			return nil, err
		}
		if len(modules) > 0 && m.Source != modules[0].Source {
			return nil, backstay.Errorf(backstay.Invalid, "the modules are of different sources").OnField("modules")
		}
		modules = append(modules, m)
	}
	return modules, nil
}

// newest finds the snapshot that is wanted. Whether the actor may read it is asked afterwards.
func (t *task) newest(want Package, modules []backstay.Module) (s backstay.Snapshot, err error) {
	if want.Snapshot != "" {
		t.on("snapshot", want.Snapshot, "")
		return db.Find[backstay.Snapshot](t.ctx, t.tx, want.Snapshot)
	}
	sound := []string{string(backstay.HealthGood), string(backstay.HealthRepaired), string(backstay.HealthUnverified)}
	q := db.Query{Reach: db.Everything, Sort: "time", Desc: true, Limit: 1, Where: []db.Condition{{Column: "health", Op: db.OneOf, Value: sound}}}
	switch {
	case want.Plan != "":
		if _, err := t.app.Plans.find(t, want.Plan); err != nil {
			return s, err
		}
		q.Where = append(q.Where, db.Condition{Column: "plan", Op: db.Is, Value: want.Plan})
	case len(modules) == 0:
		return s, backstay.Errorf(backstay.Invalid, "no backup is named").WithHint("Name a snapshot, a plan or modules.").OnField("snapshot")
	}
	if len(modules) > 0 {
		q.Where = append(q.Where, db.Condition{Column: "source", Op: db.Is, Value: modules[0].Source})
	}
	page, _, err := db.List[backstay.Snapshot](t.ctx, t.tx, q)
	if err == nil && len(page) == 0 {
		err = backstay.Errorf(backstay.NotFound, "there is no good backup yet").WithHint("Start the plan.")
	}
	if err != nil {
		return s, err
	}
	return page[0], nil
}

// packageName names application, type, modules and time of a snapshot.
func (t *task) packageName(s backstay.Snapshot, modules []backstay.Module) (string, error) {
	application, kind := s.Host, s.Type
	source, err := db.Find[backstay.Source](t.ctx, t.tx, s.Source)
	if err == nil {
		application = source.Name
	} else if !errors.Is(err, db.ErrNotFound) {
		return "", err
	}
	if kind == "" {
		kind = "full"
	}
	names := []string{}
	for _, m := range modules {
		names = append(names, word(m.Name))
	}
	if len(names) == 0 {
		names = []string{"all"}
	}
	return strings.Join([]string{word(application), word(kind), strings.Join(names, "-"), s.Time.UTC().Format("20060102T150405Z")}, "_"), nil
}

// word is a name in small letters, digits and hyphens.
func word(name string) string {
	parts := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return strings.Join(parts, "-")
}

// LogEntry is a backup as the log of backups has it.
type LogEntry struct {
	ID        string          `json:"id" doc:"Of the run"`
	Status    string          `json:"status" enum:"pending,in progress,success,failed"`
	State     string          `json:"state" doc:"The state of the run, which says more"`
	Type      string          `json:"type,omitempty"`
	Modules   []string        `json:"modules,omitempty" doc:"Ids; none: everything"`
	Size      int64           `json:"size" doc:"Bytes that were read"`
	Stored    int64           `json:"stored" doc:"Bytes that were new to the repositories, as they are stored"`
	CreatedAt time.Time       `json:"created_at"`
	Seconds   float64         `json:"duration_seconds"`
	Creator   string          `json:"creator" doc:"The name of the person; schedule where nobody started it"`
	Health    backstay.Health `json:"health,omitempty" doc:"The worst of its snapshots"`
	Snapshots []string        `json:"snapshots" doc:"Ids of what was made"`
	Failure   string          `json:"failure,omitempty"`
}

// logStatus is a state of a run in the four words of the log.
func logStatus(s backstay.RunState) string {
	switch {
	case s == backstay.Pending:
		return "pending"
	case s == backstay.Running:
		return "in progress"
	case s.Good():
		return "success"
	}
	return "failed"
}

// BackupLog returns a page of the backups, the newest first, and the cursor of the next one.
func (a *App) BackupLog(ctx context.Context, who backstay.Actor, l List) (page []LogEntry, next string, err error) {
	l.Filters = map[string]string{"kind": string(backstay.RunBackup)}
	runs, next, err := a.Runs.List(ctx, who, l)
	if err != nil {
		return nil, "", err
	}
	err = a.look(ctx, who, "run.listed", func(t *task) error {
		if err := t.free(); err != nil {
			return err
		}
		for _, run := range runs {
			e, err := t.logEntry(run)
			if err != nil {
				return err
			}
			page = append(page, e)
		}
		return nil
	})
	return page, next, err
}

func (t *task) logEntry(run backstay.Run) (e LogEntry, err error) {
	e = LogEntry{ID: run.ID, Status: logStatus(run.State), State: string(run.State), Type: run.Type, Modules: run.Modules, Size: run.Figures.Bytes, Stored: run.Figures.Stored,
		CreatedAt: run.CreatedAt, Seconds: run.Duration().Seconds(), Creator: "schedule", Snapshots: []string{}}
	if run.Failure != nil {
		e.Failure = run.Failure.Text
	}
	if run.Owner != "" {
		u, err := db.Find[backstay.User](t.ctx, t.tx, run.Owner)
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			return e, err
		}
		e.Creator = u.Name
	}
	q := db.Query{Where: []db.Condition{{Column: "run", Op: db.Is, Value: run.ID}}}
	q.Reach, q.Denied = backstay.ReachOf(t.who, backstay.ListSnapshots)
	made, _, err := db.List[backstay.Snapshot](t.ctx, t.tx, q)
	worst := []backstay.Health{backstay.HealthGood, backstay.HealthRepaired, backstay.HealthUnverified, backstay.HealthGone, backstay.HealthDamaged}
	for _, s := range made {
		e.Snapshots = append(e.Snapshots, s.ID)
		if slices.Index(worst, s.Health) >= slices.Index(worst, e.Health) {
			e.Health = s.Health
		}
	}
	return e, err
}

// BackupSchedule is a plan as a schedule of backups has it.
type BackupSchedule struct {
	ID           string     `json:"id" readOnly:"true" doc:"Of the plan"`
	Name         string     `json:"name" required:"true" maxLength:"100"`
	Frequency    string     `json:"frequency" required:"true" enum:"hourly,daily,weekly,monthly,custom" doc:"custom is what only the plan can say"`
	Time         string     `json:"time,omitempty" doc:"Such as 02:30"`
	Weekday      string     `json:"weekday,omitempty" doc:"Of weekly ones, such as monday"`
	Day          int        `json:"day,omitempty" minimum:"-1" maximum:"31" doc:"Of monthly ones; -1 is the last day"`
	Zone         string     `json:"zone,omitempty" doc:"Such as Europe/Berlin; by default UTC"`
	Type         string     `json:"type,omitempty" enum:"full,incremental,differential" default:"incremental"`
	Modules      []string   `json:"modules,omitempty" doc:"Ids or names; none: all of the sources"`
	Active       *bool      `json:"active,omitempty" doc:"By default it is"`
	Sources      []string   `json:"sources,omitempty" doc:"Ids; by default that of the modules"`
	Repositories []string   `json:"repositories" required:"true" doc:"Ids of where to"`
	NextRun      *time.Time `json:"next_run,omitempty" readOnly:"true"`
}

var frequencies = map[string]string{"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month"}

func scheduleOf(p backstay.Plan) BackupSchedule {
	s := BackupSchedule{ID: p.ID, Name: p.Name, Frequency: "custom", Time: p.Schedule.At, Zone: p.Schedule.Zone, Type: p.Type, Modules: p.Modules, Active: &p.Active,
		Sources: p.Sources, Repositories: p.Repositories, NextRun: p.NextAt}
	for frequency, every := range frequencies {
		if p.Schedule.Every == every && len(p.Schedule.Weekdays) <= 1 && len(p.Schedule.Days) <= 1 {
			s.Frequency = frequency
		}
	}
	if len(p.Schedule.Weekdays) == 1 {
		s.Weekday = p.Schedule.Weekdays[0]
	}
	if len(p.Schedule.Days) == 1 {
		s.Day = p.Schedule.Days[0]
	}
	return s
}

// CreateSchedule makes a plan.
func (a *App) CreateSchedule(ctx context.Context, who backstay.Actor, s BackupSchedule) (BackupSchedule, error) {
	modules, err := a.findModules(ctx, who, s.Modules)
	if err != nil {
		return s, err
	}
	every, ok := frequencies[s.Frequency]
	if !ok {
		return s, backstay.Errorf(backstay.Invalid, "there is no frequency %q here", s.Frequency).WithHint("It is hourly, daily, weekly or monthly. A plan can say more: POST /api/v1/plans.").OnField("frequency")
	}
	p := backstay.Plan{Name: s.Name, Active: s.Active == nil || *s.Active, Sources: s.Sources, Repositories: s.Repositories, Type: s.Type, Retries: 2, Compression: "auto",
		Verify: "structure", Slow: "wait", Schedule: schedule.Schedule{Every: every, At: s.Time, Zone: s.Zone}}
	if p.Type == "" {
		p.Type = "incremental"
	}
	if s.Weekday != "" {
		p.Schedule.Weekdays = []string{s.Weekday}
	}
	if s.Day != 0 {
		p.Schedule.Days = []int{s.Day}
	}
	for _, m := range modules {
		p.Modules = append(p.Modules, m.ID)
	}
	if len(modules) > 0 && len(p.Sources) == 0 {
		p.Sources = []string{modules[0].Source}
	}
	if len(p.Repositories) == 0 {
		return s, backstay.Errorf(backstay.Invalid, "schedule %q has no repository", s.Name).OnField("repositories")
	}
	r, err := a.Repositories.Find(ctx, who, p.Repositories[0])
	if err != nil {
		return s, err
	}
	p.Project = r.Project
	p, err = a.Plans.Create(ctx, who, p)
	return scheduleOf(p), err
}

// Schedules returns a page of the plans that are started by the clock.
func (a *App) Schedules(ctx context.Context, who backstay.Actor, l List) (page []BackupSchedule, next string, err error) {
	plans, next, err := a.Plans.List(ctx, who, l)
	for _, p := range plans {
		page = append(page, scheduleOf(p))
	}
	return page, next, err
}

// Verdict is what is known of a backup.
type Verdict struct {
	Snapshot   string          `json:"snapshot"`
	Health     backstay.Health `json:"health" enum:"unverified,good,damaged,repaired,gone"`
	Level      string          `json:"level,omitempty" doc:"How much of it was read"`
	VerifiedAt *time.Time      `json:"verified_at,omitempty"`
	Run        string          `json:"run,omitempty" doc:"The id of a verification that is not over"`
}

// VerifyBackup answers what the last verification of a backup has found, of a snapshot or of the first one of a run. One that was never
// verified, or is to be again, is now.
func (a *App) VerifyBackup(ctx context.Context, who backstay.Actor, id, level string, again bool) (v Verdict, err error) {
	var s backstay.Snapshot
	var run backstay.Run
	anew := false
	err = a.look(ctx, who, "snapshot.read", func(t *task) error {
		if err := t.free(); err != nil {
			return err
		}
		if of, err := db.FindBy[backstay.Snapshot](ctx, t.tx, "run", id); err == nil {
			id = of.ID
		} else if !errors.Is(err, db.ErrNotFound) {
			return err
		}
		if s, err = a.Snapshots.find(t, id); err != nil {
			return err
		}
		if anew = again || s.HealthAt == nil; anew { // also if one is under way, lest the answer depend on that
			r, err := a.Repositories.find(t, s.Repository)
			if err == nil {
				err = t.allow(backstay.StartVerification, r.Scope, r.Owner)
			}
			if err != nil {
				return err
			}
		}
		run, err = t.tx.LastRun(ctx, backstay.RunVerification, s.Repository, backstay.Pending, backstay.Running)
		if errors.Is(err, db.ErrNotFound) {
			return nil
		}
		return err
	})
	if err != nil {
		return v, err
	}
	if run.ID == "" && anew {
		if run, err = a.StartVerification(ctx, who, s.Repository, level); err != nil {
			return v, err
		}
	}
	return Verdict{Snapshot: s.ID, Health: s.Health, Level: s.HealthLevel, VerifiedAt: s.HealthAt, Run: run.ID}, nil
}
