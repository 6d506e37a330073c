package app

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/retention"
	"github.com/backstay/backstay/schedule"
)

// RetentionQuestion asks what a policy keeps: of the snapshots that a plan has made, or of those of a source in one repository.
type RetentionQuestion struct {
	Plan       string             `json:"plan,omitempty" maxLength:"64" doc:"The id of a plan"`
	Repository string             `json:"repository,omitempty" maxLength:"64" doc:"Without a plan: the id of a repository"`
	Source     string             `json:"source,omitempty" maxLength:"64" doc:"Without a plan: the id of a source"`
	Policy     *retention.Policy  `json:"policy,omitempty" doc:"By default that of the plan"`
	Schedule   *schedule.Schedule `json:"schedule,omitempty" doc:"For the forecast; by default that of the plan"`
	Days       int                `json:"days,omitempty" minimum:"0" maximum:"3660" doc:"How many days to forecast; 0: none"`
}

// Fate is what becomes of a snapshot.
type Fate string

// The fates.
const (
	FateKept      Fate = "kept"
	FateRemoved   Fate = "removed"
	FateProtected Fate = "protected" // the policy would remove it, and a person protects it
	FateHeld      Fate = "held"      // the policy would remove it, and object lock keeps it for now
)

// RetentionPreview is what a policy would do with the snapshots that there are. Nothing is done.
type RetentionPreview struct {
	Policy   retention.Policy `json:"policy"`
	Groups   []RetentionGroup `json:"groups" doc:"The policy is applied to each of them by itself"`
	Kept     int              `json:"kept" doc:"How many stay, whatever keeps them"`
	Removed  int              `json:"removed"`
	Freed    int64            `json:"freed" doc:"Bytes that the removed ones had added. A prune frees so many at most: others may need some of it"`
	Forecast *Forecast        `json:"forecast,omitempty"`
}

// RetentionGroup is the snapshots of the same host and paths in one repository.
type RetentionGroup struct {
	Repository string              `json:"repository"`
	Host       string              `json:"host"`
	Paths      []string            `json:"paths"`
	Snapshots  []RetentionSnapshot `json:"snapshots" doc:"The newest first"`
}

// RetentionSnapshot is what would become of one snapshot.
type RetentionSnapshot struct {
	ID        string     `json:"id"`
	Handle    string     `json:"handle"`
	Time      time.Time  `json:"time"`
	Fate      Fate       `json:"fate" enum:"kept,removed,protected,held"`
	Reasons   []string   `json:"reasons,omitempty" doc:"Which rules keep it"`
	Protected bool       `json:"protected"`
	KeptUntil *time.Time `json:"kept_until,omitempty"`
	Added     int64      `json:"added" doc:"Bytes that it added to the repository"`
}

// PreviewRetention tells what a policy would remove by what the server knows of the snapshots, and what it would come to if it went on so. It
// chooses as the runs do that apply retention; these ask the repository itself once more.
func (a *App) PreviewRetention(ctx context.Context, who backstay.Actor, q RetentionQuestion) (p RetentionPreview, err error) {
	var opt runner.ForgetOptions
	var found map[string][]backstay.Snapshot
	err = a.look(ctx, who, "retention.previewed", func(t *task) (err error) {
		if q.Plan != "" {
			opt, found, err = t.snapshotsOfPlan(&q)
		} else {
			opt, found, err = t.snapshotsOfSource(q)
		}
		return err
	})
	if err != nil {
		return p, err
	}
	p = RetentionPreview{Policy: opt.Policy, Groups: []RetentionGroup{}}
	now := a.Clock.Now()
	for _, repository := range slices.Sorted(maps.Keys(found)) {
		if err := p.preview(repository, found[repository], opt, now); err != nil {
			return p, refusedPolicy(err)
		}
	}
	if q.Days > 0 {
		p.Forecast, err = a.forecast(ctx, q, opt.Policy)
	}
	return p, err
}

// refusedPolicy says what is wrong with a policy that is not applied.
func refusedPolicy(err error) error {
	e := backstay.Errorf(backstay.Invalid, "%w", err).OnField("policy")
	if errors.Is(err, retention.ErrNothingKept) {
		return e.WithHint("Such a policy is never applied. Let it keep the last one at least.")
	}
	return e
}

// snapshotsOfPlan returns how the retention of a plan is applied, and to what, by the repositories. What the question leaves out is the plan's.
func (t *task) snapshotsOfPlan(q *RetentionQuestion) (opt runner.ForgetOptions, found map[string][]backstay.Snapshot, err error) {
	plan, err := t.app.Plans.find(t, q.Plan)
	if err != nil {
		return opt, nil, err
	}
	if err := t.allow(backstay.ListSnapshots, plan.Scope, plan.Owner); err != nil {
		return opt, nil, err
	}
	if q.Policy != nil {
		plan.Retention = *q.Policy
	}
	if q.Schedule == nil {
		q.Schedule = &plan.Schedule
	}
	opt, found = policyOf(plan), map[string][]backstay.Snapshot{}
	for _, id := range plan.Repositories {
		if found[id], err = t.selected(id, opt); err != nil {
			return opt, nil, err
		}
	}
	return opt, found, nil
}

// snapshotsOfSource returns how a policy is applied to the snapshots of a source in one repository, and what these are.
func (t *task) snapshotsOfSource(q RetentionQuestion) (opt runner.ForgetOptions, found map[string][]backstay.Snapshot, err error) {
	r, err := t.app.Repositories.find(t, q.Repository)
	if err != nil {
		return opt, nil, err
	}
	s, err := t.app.Sources.find(t, q.Source)
	if err != nil {
		return opt, nil, err
	}
	if err := t.allow(backstay.ListSnapshots, s.Scope, s.Owner); err != nil {
		return opt, nil, err
	}
	if q.Policy == nil {
		return opt, nil, backstay.Errorf(backstay.Invalid, "a policy is needed where no plan is named").OnField("policy")
	}
	opt = policyFor(factSource, s.ID, *q.Policy)
	all, err := t.selected(r.ID, opt)
	return opt, map[string][]backstay.Snapshot{r.ID: all}, err
}

// selected returns the snapshots of a repository that have a tag of the filter. Who may not see one of them is refused: a part would look
// like the whole.
func (t *task) selected(repository string, opt runner.ForgetOptions) ([]backstay.Snapshot, error) {
	all, err := db.All[backstay.Snapshot](t.ctx, t.tx, db.Condition{Column: "repository", Op: db.Is, Value: repository},
		db.Condition{Column: "tags", Op: db.Has, Value: opt.Filter.Tags[0][0]})
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if err := t.allow(backstay.ListSnapshots, s.Scope, s.Owner); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// preview adds what would become of the snapshots of one repository.
func (p *RetentionPreview) preview(repository string, all []backstay.Snapshot, opt runner.ForgetOptions, now time.Time) error {
	records := map[crypto.ID]backstay.Snapshot{}
	var given []*snapshot.Snapshot
	var kept []string
	for _, r := range all {
		s, err := recorded(r, now.Location())
		if err != nil {
			return err
		}
		records[s.ID], given = r, append(given, s)
		if r.Protected {
			kept = append(kept, r.Original)
		}
	}
	groups, err := runner.Choose(given, now, opt)
	if err != nil {
		return err
	}
	for _, g := range groups {
		shown := RetentionGroup{Repository: repository, Host: g.Host, Paths: g.Paths}
		for i := len(g.Snapshots) - 1; i >= 0; i-- {
			s := g.Snapshots[i]
			v := fateOf(s, records[s.ID], g.Reasons[s.ID], kept, now)
			if v.Fate == FateRemoved {
				p.Removed++
				p.Freed += v.Added
			} else {
				p.Kept++
			}
			shown.Snapshots = append(shown.Snapshots, v)
		}
		p.Groups = append(p.Groups, shown)
	}
	return nil
}

func fateOf(s *snapshot.Snapshot, r backstay.Snapshot, reasons, kept []string, now time.Time) RetentionSnapshot {
	v := RetentionSnapshot{ID: r.ID, Handle: r.Handle, Time: r.Time, Reasons: reasons, Protected: isProtected(s, kept), KeptUntil: r.KeptUntil, Added: r.Added}
	switch {
	case len(reasons) > 0:
		v.Fate = FateKept
	case v.Protected:
		v.Fate = FateProtected
	case r.KeptUntil != nil && r.KeptUntil.After(now):
		v.Fate = FateHeld
	default:
		v.Fate = FateRemoved
	}
	return v
}

// recorded is a snapshot as its repository has it, by what is recorded of it. The record doesn't tell the zone that its days are counted in: for
// what this server has made it is the server's own.
func recorded(r backstay.Snapshot, zone *time.Location) (*snapshot.Snapshot, error) {
	id, err := crypto.ParseID(r.Handle)
	if err != nil {
		return nil, err
	}
	original, err := crypto.ParseID(r.Original)
	if err != nil {
		return nil, err
	}
	return &snapshot.Snapshot{ID: id, Original: original, Time: r.Time.In(zone), Hostname: r.Host, Paths: r.Paths, Tags: r.Tags}, nil
}
