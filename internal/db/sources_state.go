package db

import (
	"context"
	"encoding/json"

	"github.com/uptrace/bun"

	"github.com/backstay/backstay"
)

// What is known of the newest backup of a source, worst first. A backup has a snapshot in each of its repositories, and the worst of them counts.
const (
	NewestDamaged    = -1
	NewestUnverified = 0 // and then as many as levels of verifications: structure, sample, full
)

// rank is the expression of how well a snapshot was verified.
const rank = `case when health in ('damaged', 'gone') then -1 when health = 'unverified' then 0 else case health_level when 'full' then 3 when 'sample' then 2 when 'structure' then 1 else 0 end end`

// SourceLook is a source at a glance.
type SourceLook struct {
	ID     string
	Newest *int // how well its newest backup was verified; nil without one
}

// SourceLooks looks at the sources of a region, in the order of their names; only at some of them if ids are given.
func (tx *Tx) SourceLooks(ctx context.Context, r Region, ids []string) (all []SourceLook, err error) {
	seen := r.in(tx, tx.tx.NewSelect().Model((*backstay.Source)(nil)).Column("id", "name"), backstay.Source{}, ids == nil)
	if ids != nil {
		seen = seen.Where("id in (?)", list(ids))
	}
	err = tx.tx.NewSelect().TableExpr("(?) as s", seen).ColumnExpr("s.id").
		ColumnExpr("(select min("+rank+") from snapshots n where n.source = s.id and n.time = (select time from snapshots where source = s.id order by time desc limit 1)) as newest").
		OrderExpr("lower(s.name), s.id").Scan(ctx, &all)
	return all, explain("look at sources", err)
}

// PlanLook is what the plans that back up the same sources ask for.
type PlanLook struct {
	Sources []string
	Asked   int // how well the active ones want backups to be verified, as of SourceLook.Newest; -1 if none is active
}

// PlanLooks looks at all plans.
func (tx *Tx) PlanLooks(ctx context.Context) ([]PlanLook, error) {
	var rows []struct {
		Sources string
		Asked   int
	}
	err := tx.tx.NewRaw(`select sources, max(case when active then case verify when 'full' then 3 when 'sample' then 2 when 'none' then 0 else 1 end else -1 end) as asked
		from plans group by sources`).Scan(ctx, &rows)
	if err != nil {
		return nil, explain("look at plans", err)
	}
	all := make([]PlanLook, len(rows))
	for i, r := range rows {
		all[i].Asked = r.Asked
		if all[i].Sources, err = ids(r.Sources); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Trouble is an open alert about an active plan that has no good backup.
type Trouble struct {
	Kind    backstay.AlertKind
	Run     string
	Plan    string
	Scope   backstay.Scope // of the plan
	Owner   string
	Sources []string
	Several bool // the plan has several sources
}

// Troubles returns those of all plans.
func (tx *Tx) Troubles(ctx context.Context) (all []Trouble, err error) {
	var rows []struct {
		Kind                             backstay.AlertKind
		Run, Plan, Scope, Owner, Sources string
	}
	err = tx.tx.NewRaw(`select a.kind, a.run, p.id as plan, p.scope, p.owner, p.sources from alerts a join plans p on p.id = a.object_id
		where a.open and a.kind in ('run-failed', 'backup-overdue') and p.active order by p.name, p.id`).Scan(ctx, &rows)
	if err != nil {
		return nil, explain("find troubles of plans", err)
	}
	for _, r := range rows {
		sources, err := ids(r.Sources)
		if err != nil {
			return nil, err
		}
		all = append(all, Trouble{r.Kind, r.Run, r.Plan, backstay.Scope(r.Scope), r.Owner, sources, len(sources) > 1})
	}
	return all, nil
}

// NewestBackups returns the newest snapshot of each source that isn't damaged, by the ids of the sources: of its copies the one of which least was verified.
func (tx *Tx) NewestBackups(ctx context.Context, sources []string) (map[string]backstay.Snapshot, error) {
	var rows []backstay.Snapshot
	err := tx.tx.NewSelect().Model(&rows).Where(`id in (select (select id from snapshots where source = s.id and health not in ('damaged', 'gone') order by time desc, `+rank+` limit 1)
		from sources s where s.id in (?))`, list(sources)).Scan(ctx)
	all := make(map[string]backstay.Snapshot, len(rows))
	for _, s := range rows {
		all[s.Source] = s
	}
	return all, explain("find newest backups", err)
}

// DamagedBackups returns a snapshot of the newest backup of each source that is damaged, by the ids of the sources.
func (tx *Tx) DamagedBackups(ctx context.Context, sources []string) (map[string]string, error) {
	var rows []struct{ Source, ID string }
	err := tx.tx.NewRaw(`select n.source, n.id from snapshots n where n.source in (?) and n.health in ('damaged', 'gone')
		and n.time = (select max(time) from snapshots where source = n.source) order by n.id`, list(sources)).Scan(ctx, &rows)
	all := make(map[string]string, len(rows))
	for _, r := range rows {
		all[r.Source] = r.ID
	}
	return all, explain("find damaged backups", err)
}

// SnapshotCounts returns how many snapshots there are of each source.
func (tx *Tx) SnapshotCounts(ctx context.Context, sources []string) (map[string]int64, error) {
	var rows []struct {
		Source string
		N      int64
	}
	err := tx.tx.NewRaw("select source, count(*) as n from snapshots where source in (?) group by source", list(sources)).Scan(ctx, &rows)
	all := make(map[string]int64, len(rows))
	for _, r := range rows {
		all[r.Source] = r.N
	}
	return all, explain("count snapshots", err)
}

// PlansOf returns the plans that back up one of some sources, by their names, with nothing but what tells when that is.
func (tx *Tx) PlansOf(ctx context.Context, sources []string) (plans []backstay.Plan, err error) {
	each := "json_each(plan.sources)"
	if tx.postgres {
		each = "json_array_elements_text(plan.sources::json) as j(value)"
	}
	err = tx.tx.NewSelect().Model(&plans).Column("id", "name", "project", "owner", "scope", "sources", "active", "next_at").
		Where("exists (select 1 from "+each+" where value in (?))", list(sources)).OrderExpr("lower(name), id").Scan(ctx)
	return plans, explain("find plans of sources", err)
}

// LastGoodRuns returns the last good backup of each of some plans.
func (tx *Tx) LastGoodRuns(ctx context.Context, plans []string) (runs []backstay.Run, err error) {
	err = tx.tx.NewSelect().Model(&runs).Column("plan", "sources", "ended_at").Where(`id in (
		select (select id from runs where plan = p.id and kind = 'backup' and state in ('succeeded', 'warning') order by created_at desc limit 1) from plans p where p.id in (?))`, list(plans)).Scan(ctx)
	return runs, explain("find last good runs", err)
}

// list is a list of ids that may be empty.
func list(ids []string) any { return bun.List(append([]string{""}, ids...)) }

// ids reads a list of ids as a column has it.
func ids(text string) (all []string, err error) {
	return all, json.Unmarshal([]byte(text), &all)
}
