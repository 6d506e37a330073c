package db

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/backstay/backstay"
)

// Region is what somebody may see, all of it or what is in one project.
type Region struct {
	Reach   []backstay.Reach
	Denied  []backstay.Scope
	Project string // "" for all
}

// in keeps what lies in the region; alone says that nothing else is asked.
func (r Region) in(tx *Tx, q *bun.SelectQuery, model any, alone bool) *bun.SelectQuery {
	if r.Project != "" {
		q = q.Where("project = ?", r.Project)
	}
	return within(q, tx.tx.Dialect().Tables().Get(reflect.TypeOf(model)), r.Reach, r.Denied, alone)
}

// AtWork returns the runs of a region that are in a state which is not their last, those that have waited longest first, and how many there are.
func (tx *Tx) AtWork(ctx context.Context, r Region, state backstay.RunState, limit int) (runs []backstay.Run, total int, err error) {
	q := func(q *bun.SelectQuery) *bun.SelectQuery {
		return r.in(tx, q, backstay.Run{}, false).Where("state = ?", state)
	}
	n, err := q(tx.tx.NewSelect().Model((*backstay.Run)(nil))).Count(ctx)
	if err != nil || n == 0 || limit == 0 {
		return nil, int(n), explain("count runs", err)
	}
	err = q(tx.tx.NewSelect().Model(&runs)).OrderExpr("started_at, id").Limit(int64(limit)).Scan(ctx)
	return runs, int(n), explain("list runs", err)
}

// Coming returns the active plans of a region that start next, with nothing but their names and times.
func (tx *Tx) Coming(ctx context.Context, r Region, limit int) (plans []backstay.Plan, err error) {
	q := tx.tx.NewSelect().Model(&plans).Column("id", "name", "project", "next_at").Where("active and next_at is not null")
	err = r.in(tx, q, backstay.Plan{}, false).OrderExpr("next_at, id").Limit(int64(limit)).Scan(ctx)
	return plans, explain("find next starts", err)
}

// Day counts the runs that were due between two moments by how they ended.
type Day struct{ Succeeded, Warned, Partial, Failed, Missed int }

// counted are the states in the order of the fields of Day.
var counted = []backstay.RunState{backstay.Succeeded, backstay.Warned, backstay.RanPartly, backstay.RunFailed, backstay.Missed}

// Days counts the ended runs of a region between each two of the bounds. Each number is a question of its own, that a part of an index answers: to sort all runs into
// days takes several times as long.
func (tx *Tx) Days(ctx context.Context, r Region, bounds []time.Time) ([]Day, error) {
	var counts []string
	var runs []any
	for _, state := range counted {
		q := tx.tx.NewSelect().Model((*backstay.Run)(nil)).ColumnExpr("count(*)").Where("state = ? and ended_at is not null and due_at >= d.begins and due_at < d.ends", state)
		counts, runs = append(counts, "cast((?) as text)"), append(runs, r.in(tx, q, backstay.Run{}, false))
	}
	value, values, args := "(?, ?, ?)", []string{}, []any{}
	if tx.postgres {
		value = "(?, timestamptz ?, timestamptz ?)"
	}
	for i := range len(bounds) - 1 {
		values, args = append(values, value), append(args, i, bounds[i].UTC(), bounds[i+1].UTC())
	}
	var rows []struct{ Counts string }
	err := tx.tx.NewRaw("with d(n, begins, ends) as (values "+strings.Join(values, ", ")+") select "+strings.Join(counts, " || ' ' || ")+" as counts from d order by n", append(args, runs...)...).Scan(ctx, &rows)
	if err != nil {
		return nil, explain("count runs by day", err)
	}
	days := make([]Day, len(rows))
	for i, row := range rows {
		d := &days[i]
		if _, err := fmt.Sscan(row.Counts, &d.Succeeded, &d.Warned, &d.Partial, &d.Failed, &d.Missed); err != nil {
			return nil, fmt.Errorf("count runs by day: %w", err)
		}
	}
	return days, nil
}
