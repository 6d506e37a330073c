package app

import (
	"context"
	"slices"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// Activity says which runs are wanted, beside what a List says.
type Activity struct {
	List
	States        []backstay.RunState // none: all
	Since, Before time.Time           // when they were due; the zero times bound nothing
	IDs           []string            // only some of these; nil: all
}

// Activity returns a page of the runs that the actor may see, and the cursor of the next page.
func (a *App) Activity(ctx context.Context, who backstay.Actor, want Activity) (page []backstay.Run, next string, err error) {
	q, err := want.query(a.Runs.Filters)
	if err != nil {
		return nil, "", err
	}
	if len(want.States) > 0 {
		q.Where = append(q.Where, db.Condition{Column: "state", Op: db.OneOf, Value: want.States})
	}
	if !want.Since.IsZero() {
		q.Where = append(q.Where, db.Condition{Column: "due_at", Op: db.Since, Value: want.Since.UTC()})
	}
	if !want.Before.IsZero() {
		q.Where = append(q.Where, db.Condition{Column: "due_at", Op: db.Before, Value: want.Before.UTC()})
	}
	if want.IDs != nil {
		q.Where = append(q.Where, db.Condition{Column: "id", Op: db.OneOf, Value: append([]string{""}, want.IDs...)})
	}
	err = a.look(ctx, who, "run.listed", func(t *task) error {
		if err := t.free(); err != nil {
			return err
		}
		q.Reach, q.Denied = backstay.ReachOf(who, backstay.ReadSources)
		page, next, err = db.List[backstay.Run](ctx, t.tx, q)
		return err
	})
	return page, next, err
}

// Known are things by their ids.
type Known struct {
	Plans        map[string]backstay.Plan
	Sources      map[string]backstay.Source
	Repositories map[string]backstay.Repository
}

// KnownOf returns those of the things that runs are about which the actor may see, such as to name them.
func (a *App) KnownOf(ctx context.Context, who backstay.Actor, runs []backstay.Run) (k Known, err error) {
	var plans, sources, repositories []string
	for _, r := range runs {
		plans, sources, repositories = append(plans, r.Plan), append(sources, r.Sources...), append(repositories, r.Repositories...)
	}
	err = a.look(ctx, who, "run.listed", func(t *task) (err error) {
		if err := t.free(); err != nil {
			return err
		}
		if k.Plans, err = known[backstay.Plan](t, plans); err != nil {
			return err
		}
		if k.Sources, err = known[backstay.Source](t, sources); err != nil {
			return err
		}
		k.Repositories, err = known[backstay.Repository](t, repositories)
		return err
	})
	return k, err
}

// known returns those of some ids that the actor may see.
func known[T any, P record[T]](t *task, ids []string) (map[string]T, error) {
	found := map[string]T{}
	if len(ids) == 0 {
		return found, nil
	}
	q := db.Query{Limit: db.MaxPage, Where: []db.Condition{{Column: "id", Op: db.OneOf, Value: slices.Compact(slices.Sorted(slices.Values(ids)))}}}
	q.Reach, q.Denied = backstay.ReachOf(t.who, backstay.ReadSources)
	all, _, err := db.List[T](t.ctx, t.tx, q)
	for i := range all {
		found[P(&all[i]).Base().ID] = all[i]
	}
	return found, err
}
