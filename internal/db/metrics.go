package db

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"time"

	"github.com/uptrace/bun"

	"github.com/backstay/backstay"
)

// Counts are how many there are of what.
type Counts struct {
	Pending, Running              int
	Oldest                        time.Time // since when the first of the pending runs could have begun; zero without any that is due
	Snapshots, Alerts, Deliveries map[string]int
}

// Counts counts what is at work, and what is not as it should be.
func (tx *Tx) Counts(ctx context.Context, now time.Time) (c Counts, err error) {
	runs, err := tx.countBy(ctx, "runs", "state", "state in ('pending', 'running')")
	if err != nil {
		return c, err
	}
	c.Pending, c.Running = runs["pending"], runs["running"]
	err = tx.tx.NewRaw("select due_at from runs where state = 'pending' and due_at <= ? order by due_at limit 1", now).Scan(ctx, &c.Oldest)
	if err := explain("find oldest run", err); err != nil && !errors.Is(err, ErrNotFound) {
		return c, err
	}
	if c.Snapshots, err = tx.countBy(ctx, "snapshots", "health", "1 = 1"); err != nil {
		return c, err
	}
	if c.Alerts, err = tx.countBy(ctx, "alerts", "severity", "open"); err != nil {
		return c, err
	}
	c.Deliveries, err = tx.countBy(ctx, "deliveries", "state", "1 = 1")
	return c, err
}

func (tx *Tx) countBy(ctx context.Context, table, column, where string) (map[string]int, error) {
	var rows []struct {
		What string
		N    int
	}
	err := tx.tx.NewRaw("select ? as what, count(*) as n from ? where "+where+" group by ?", bun.Ident(column), bun.Ident(table), bun.Ident(column)).Scan(ctx, &rows)
	all := map[string]int{}
	for _, r := range rows {
		all[r.What] = r.N
	}
	return all, explain("count "+table, err)
}

// PlanNames returns all plans with nothing but their ids, names and projects: there may be very many.
func (tx *Tx) PlanNames(ctx context.Context) (plans []backstay.Plan, err error) {
	err = tx.tx.NewSelect().Model(&plans).Column("id", "name", "project").Order("created_at", "id").Scan(ctx)
	return plans, explain("list names of plans", err)
}

// TrendQuery says which backups are summed up.
type TrendQuery struct {
	Reach   []backstay.Reach
	Denied  []backstay.Scope
	Project string // "" for all
	Since   time.Time
}

// TrendRow sums up the backups of a day that ended in a state.
type TrendRow struct {
	Day     string
	State   backstay.RunState
	Runs    int64
	Seconds float64
	Bytes   int64
	Added   int64
}

// Trend sums up backups by day and state, the oldest day first. Those that somebody cancelled say nothing.
func (tx *Tx) Trend(ctx context.Context, q TrendQuery) (rows []TrendRow, err error) {
	seconds, number := "(julianday(ended_at) - julianday(started_at)) * 86400", "json_extract(figures, '$.' || ?)"
	if tx.postgres {
		seconds, number = "extract(epoch from ended_at - started_at)", "(figures::json ->> ?)::bigint"
	}
	err = tx.backups(q).ColumnExpr("substr(cast(ended_at as text), 1, 10) as day, state, count(*) as runs, coalesce(sum("+seconds+"), 0) as seconds").
		ColumnExpr("cast(coalesce(sum("+number+"), 0) as bigint) as bytes", "bytes").ColumnExpr("cast(coalesce(sum("+number+"), 0) as bigint) as added", "added").
		GroupExpr("day, state").OrderExpr("day, state").Scan(ctx, &rows)
	return rows, explain("sum up runs", err)
}

// ModuleCounts returns how often each module was backed up well, by the ids of the modules.
func (tx *Tx) ModuleCounts(ctx context.Context, q TrendQuery) (map[string]int64, error) {
	var rows []struct {
		Modules string
		N       int64
	}
	err := tx.backups(q).ColumnExpr("modules, count(*) as n").Where("state in ('succeeded', 'warning')").GroupExpr("modules").Scan(ctx, &rows)
	all := map[string]int64{}
	for _, r := range rows {
		var ids []string
		if err := json.Unmarshal([]byte(r.Modules), &ids); err != nil {
			return nil, err
		}
		for _, id := range ids {
			all[id] += r.N
		}
	}
	return all, explain("count modules", err)
}

// backups selects the ended backups that are asked for.
func (tx *Tx) backups(q TrendQuery) *bun.SelectQuery {
	s := tx.tx.NewSelect().Model((*backstay.Run)(nil)).Where("kind = 'backup' and ended_at >= ? and state <> 'cancelled'", q.Since)
	if q.Project != "" {
		s = s.Where("project = ?", q.Project)
	}
	return within(s, tx.tx.Dialect().Tables().Get(reflect.TypeFor[backstay.Run]()), q.Reach, q.Denied, false)
}
