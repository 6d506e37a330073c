package app

import (
	"context"
	"slices"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/alert"
	"github.com/backstay/backstay/internal/db"
)

// Safety says in a word how well a source is protected.
type Safety string

// The words. A source is safe when its newest backup is in time and verified as its plans ask for.
const (
	Safe           Safety = "safe"
	Unverified     Safety = "unverified" // in time, but not verified, or not as closely as its plans ask for
	NeedsAttention Safety = "attention"
)

// Concern is why a source needs attention.
type Concern string

// The concerns, the worst first.
const (
	ConcernDamaged      Concern = "damaged"         // its newest backup is damaged, in one of its repositories at least
	ConcernFailed       Concern = "backup-failed"   // the last backup of a plan of it failed, for it
	ConcernOverdue      Concern = "overdue"         // a plan has made no good backup of it for two periods of its schedule
	ConcernNever        Concern = "never-backed-up" // there is no backup of it
	ConcernNoPlan       Concern = "no-plan"         // no plan backs it up
	ConcernPlanInactive Concern = "plan-inactive"   // plans back it up, but none of them is active
)

var concerns = []Concern{ConcernDamaged, ConcernFailed, ConcernOverdue, ConcernNever, ConcernNoPlan, ConcernPlanInactive}

// compare puts the worse concern first.
func (c Concern) compare(other Concern) int {
	return slices.Index(concerns, c) - slices.Index(concerns, other)
}

// Reason is a concern about a source, with what to look at. What the actor may not see is left out.
type Reason struct {
	Concern  Concern `json:"concern" enum:"damaged,backup-failed,overdue,never-backed-up,no-plan,plan-inactive"`
	Plan     string  `json:"plan,omitempty" doc:"The id of the plan that it is about"`
	Run      string  `json:"run,omitempty" doc:"The id of the run that failed"`
	Snapshot string  `json:"snapshot,omitempty" doc:"The id of the damaged snapshot"`
}

// judged is what is known of how well a source is protected.
type judged struct {
	id      string
	asked   int // as of db.PlanLook; -2 without a plan
	newest  *int
	reasons []Reason
}

const unplannedSource = -2

func (j judged) covered() bool { return j.asked >= 0 }

func (j judged) safety() Safety {
	switch {
	case len(j.reasons) > 0:
		return NeedsAttention
	case *j.newest < j.asked:
		return Unverified
	}
	return Safe
}

// judge looks at the sources of a region, in the order of their names; only at some of them if ids are given. Facts about a source are told to whoever may see it,
// also where they come from a plan that they may not see.
func (t *task) judge(r db.Region, ids []string) ([]judged, error) {
	looks, err := t.tx.SourceLooks(t.ctx, r, ids)
	if err != nil || len(looks) == 0 {
		return nil, err
	}
	all, at := make([]judged, len(looks)), make(map[string]int, len(looks))
	for i, l := range looks {
		all[i], at[l.ID] = judged{id: l.ID, asked: unplannedSource, newest: l.Newest}, i
	}
	plans, err := t.tx.PlanLooks(t.ctx)
	if err != nil {
		return nil, err
	}
	for _, p := range plans {
		for _, id := range p.Sources {
			if i, ok := at[id]; ok {
				all[i].asked = max(all[i].asked, p.Asked)
			}
		}
	}
	troubles, err := t.troubles(at)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].reasons = reasons(all[i], troubles[all[i].id])
	}
	return all, nil
}

// reasons are those why a source needs attention, the worst first.
func reasons(j judged, troubles []Reason) []Reason {
	all := troubles
	if j.newest == nil {
		all = append(all, Reason{Concern: ConcernNever})
	} else if *j.newest == db.NewestDamaged {
		all = append(all, Reason{Concern: ConcernDamaged})
	}
	switch {
	case j.asked == unplannedSource:
		all = append(all, Reason{Concern: ConcernNoPlan})
	case !j.covered():
		all = append(all, Reason{Concern: ConcernPlanInactive})
	}
	slices.SortStableFunc(all, func(a, b Reason) int { return a.Concern.compare(b.Concern) })
	return all
}

// troubles are what the open alerts about active plans mean for each of some sources. A plan of several sources may have failed for some of them only.
func (t *task) troubles(of map[string]int) (map[string][]Reason, error) {
	all, err := t.tx.Troubles(t.ctx)
	if err != nil {
		return nil, err
	}
	found := map[string][]Reason{}
	for _, tr := range all {
		tr.Sources = slices.DeleteFunc(tr.Sources, func(id string) bool { _, ok := of[id]; return !ok })
		hit := tr.Sources
		if tr.Several && len(hit) > 0 {
			if hit, err = t.hit(tr); err != nil {
				return nil, err
			}
		}
		reason := Reason{Concern: ConcernFailed}
		if tr.Kind == backstay.AlertBackupOverdue {
			reason.Concern = ConcernOverdue
		}
		if backstay.Decide(t.who, backstay.ReadSources, tr.Scope, tr.Owner).Allowed {
			reason.Plan = tr.Plan
		}
		for _, id := range hit {
			mine := reason
			if scope := t.runScope(tr, id); tr.Run != "" && backstay.Decide(t.who, backstay.ReadSources, scope, "").Allowed {
				mine.Run = tr.Run
			}
			found[id] = append(found[id], mine)
		}
	}
	return found, nil
}

// runScope is where the run lies that a trouble is about.
func (t *task) runScope(tr db.Trouble, source string) backstay.Scope {
	scope := backstay.ProjectScope(tr.Scope.Project())
	if !tr.Several {
		scope = scope.Of("source", source)
	}
	return scope.Of("run", tr.Run)
}

// hit are the sources of a plan of several that a trouble is about.
func (t *task) hit(tr db.Trouble) (hit []string, err error) {
	if tr.Kind == backstay.AlertRunFailed {
		run, err := db.Find[backstay.Run](t.ctx, t.tx, tr.Run)
		if ignoreMissing(err) != nil {
			return nil, err
		}
		return slices.DeleteFunc(tr.Sources, func(id string) bool { return reached(run, id) }), nil
	}
	p, err := db.Find[backstay.Plan](t.ctx, t.tx, tr.Plan)
	if err != nil {
		return nil, err
	}
	newest, err := t.tx.NewestBackups(t.ctx, tr.Sources)
	for _, id := range tr.Sources {
		var good time.Time
		if s, ok := newest[id]; ok {
			good = s.Time
		}
		if _, is := alert.Overdue(p, good, t.app.now()); is {
			hit = append(hit, id)
		}
	}
	return hit, err
}

// reached reports whether a run has backed up a source to all of its repositories, although it may have failed for others.
func reached(run backstay.Run, source string) bool {
	n := 0
	for _, o := range run.Outcomes {
		if o.Source != source {
			continue
		}
		if n++; o.Failure != nil {
			return false
		}
	}
	return n > 0
}

// NewestBackup is the newest backup of a source that isn't damaged.
type NewestBackup struct {
	Snapshot   string          `json:"snapshot" doc:"Its id, of the one in the repository where least of it was verified"`
	Repository string          `json:"repository"`
	Time       time.Time       `json:"time"`
	Health     backstay.Health `json:"health" enum:"unverified,good,repaired"`
	Level      string          `json:"level,omitempty" enum:"structure,sample,full" doc:"How much of it was read"`
	VerifiedAt *time.Time      `json:"verified_at,omitempty"`
	Files      int64           `json:"files"`
	Bytes      int64           `json:"bytes"`
}

// PlanOfSource is a plan that backs up a source.
type PlanOfSource struct {
	ID     string     `json:"id"`
	Name   string     `json:"name"`
	Active bool       `json:"active"`
	NextAt *time.Time `json:"next_at,omitempty" doc:"When it is started next"`
}

// SourceState is how well a source is protected.
type SourceState struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Project    string         `json:"project"`
	Kind       string         `json:"kind"`
	Safety     Safety         `json:"safety" enum:"safe,unverified,attention"`
	Reasons    []Reason       `json:"reasons" doc:"Why it needs attention, the worst first"`
	Newest     *NewestBackup  `json:"newest,omitempty"`
	BackedUpAt *time.Time     `json:"backed_up_at,omitempty" doc:"When the last good backup ended; later than the newest snapshot if nothing had changed"`
	NextAt     *time.Time     `json:"next_at,omitempty" doc:"When a plan backs it up next"`
	Plans      []PlanOfSource `json:"plans" doc:"Those that one may see"`
	Snapshots  int64          `json:"snapshots" doc:"How many there are, in all repositories"`
}

// SourceStates tells how well some sources are protected, in the order of their names. Those that the actor may not see are left out.
func (a *App) SourceStates(ctx context.Context, who backstay.Actor, ids []string) (all []SourceState, err error) {
	err = a.look(ctx, who, "source.listed", func(t *task) error {
		if err := t.free(); err != nil {
			return err
		}
		js, err := t.judge(t.region(backstay.ReadSources, ""), slices.Concat([]string{}, ids))
		if err != nil {
			return err
		}
		all, err = t.sourceStates(js)
		return err
	})
	return all, err
}

// SourceState tells how well a source is protected.
func (a *App) SourceState(ctx context.Context, who backstay.Actor, id string) (s SourceState, err error) {
	err = a.look(ctx, who, "source.read", func(t *task) error {
		v, err := a.Sources.find(t, id)
		if err != nil {
			return err
		}
		js, err := t.judge(db.Region{Reach: []backstay.Reach{{Scope: v.Scope}}}, []string{id})
		if err != nil {
			return err
		}
		all, err := t.sourceStates(js)
		if err == nil {
			s = all[0]
		}
		return err
	})
	return s, err
}

// region is what the actor has a permission in, of one project or of all for "".
func (t *task) region(p backstay.Permission, project string) db.Region {
	r := db.Region{Project: project}
	r.Reach, r.Denied = backstay.ReachOf(t.who, p)
	return r
}

// sourceStates tells all there is to know of sources that were judged.
func (t *task) sourceStates(js []judged) ([]SourceState, error) {
	ids := make([]string, len(js))
	for i, j := range js {
		ids[i] = j.id
	}
	sources, err := db.All[backstay.Source](t.ctx, t.tx, db.Condition{Column: "id", Op: db.OneOf, Value: append([]string{""}, ids...)})
	if err != nil {
		return nil, err
	}
	of := make(map[string]backstay.Source, len(sources))
	for _, s := range sources {
		of[s.ID] = s
	}
	all, at := make([]SourceState, len(js)), make(map[string]*SourceState, len(js))
	for i, j := range js {
		s := of[j.id]
		all[i] = SourceState{ID: j.id, Name: s.Name, Project: s.Project, Kind: s.Kind, Safety: j.safety(), Reasons: append([]Reason{}, j.reasons...), Plans: []PlanOfSource{}}
		at[j.id] = &all[i]
	}
	if err := t.addPlans(ids, at); err != nil {
		return nil, err
	}
	return all, t.addSnapshots(of, ids, at)
}

// addPlans says which plans back sources up, and when.
func (t *task) addPlans(ids []string, at map[string]*SourceState) error {
	plans, err := t.tx.PlansOf(t.ctx, ids)
	if err != nil {
		return err
	}
	var planIDs []string
	for _, p := range plans {
		planIDs = append(planIDs, p.ID)
		seen := backstay.Decide(t.who, backstay.ReadSources, p.Scope, p.Owner).Allowed
		for _, id := range p.Sources {
			s := at[id]
			if s == nil {
				continue
			}
			if seen {
				s.Plans = append(s.Plans, PlanOfSource{p.ID, p.Name, p.Active, p.NextAt})
			}
			if p.Active {
				s.NextAt = earlier(s.NextAt, p.NextAt)
			}
		}
	}
	runs, err := t.tx.LastGoodRuns(t.ctx, planIDs)
	for _, run := range runs {
		for _, id := range run.Sources {
			if s := at[id]; s != nil && (s.BackedUpAt == nil || s.BackedUpAt.Before(*run.EndedAt)) {
				s.BackedUpAt = run.EndedAt
			}
		}
	}
	return err
}

func earlier(a, b *time.Time) *time.Time {
	if a == nil || b != nil && b.Before(*a) {
		return b
	}
	return a
}

// addSnapshots says what is known of the newest backups of sources.
func (t *task) addSnapshots(of map[string]backstay.Source, ids []string, at map[string]*SourceState) error {
	newest, err := t.tx.NewestBackups(t.ctx, ids)
	if err != nil {
		return err
	}
	damaged, err := t.tx.DamagedBackups(t.ctx, ids)
	if err != nil {
		return err
	}
	counts, err := t.tx.SnapshotCounts(t.ctx, ids)
	if err != nil {
		return err
	}
	for id, s := range at {
		source := of[id]
		if n, ok := newest[id]; ok && (s.BackedUpAt == nil || s.BackedUpAt.Before(n.Time)) {
			s.BackedUpAt = &n.Time
		}
		if !backstay.Decide(t.who, backstay.ListSnapshots, source.Scope, source.Owner).Allowed {
			continue
		}
		s.Snapshots = counts[id]
		for i := range s.Reasons {
			if s.Reasons[i].Concern == ConcernDamaged {
				s.Reasons[i].Snapshot = damaged[id]
			}
		}
		if n, ok := newest[id]; ok {
			s.Newest = &NewestBackup{Snapshot: n.ID, Repository: n.Repository, Time: n.Time, Health: n.Health, Level: n.HealthLevel, VerifiedAt: n.HealthAt, Files: n.Files, Bytes: n.Bytes}
		}
	}
	return nil
}
