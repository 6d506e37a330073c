package app

import (
	"context"
	"slices"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// Names tells what sources, modules, plans and repositories are called, by their ids. What the actor may not see has no name here.
func (a *App) Names(ctx context.Context, who backstay.Actor, ids []string) (names map[string]string, err error) {
	names = map[string]string{}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	if len(ids) == 0 {
		return names, a.SignedIn(who)
	}
	err = a.look(ctx, who, "source.listed", func(t *task) error {
		if err := t.free(); err != nil {
			return err
		}
		if err := addNames(t, a.Sources, ids, names); err != nil {
			return err
		}
		if err := addNames(t, a.Modules, ids, names); err != nil {
			return err
		}
		if err := addNames(t, a.Plans, ids, names); err != nil {
			return err
		}
		return addNames(t, a.Repositories, ids, names)
	})
	return names, err
}

// addNames adds the names of those of a kind that the actor may see.
func addNames[T any, P record[T]](t *task, n *Noun[T, P], ids []string, names map[string]string) error {
	for some := range slices.Chunk(ids, db.MaxPage) {
		q := db.Query{Where: []db.Condition{{Column: "id", Op: db.OneOf, Value: some}}, Limit: db.MaxPage}
		q.Reach, q.Denied = backstay.ReachOf(t.who, n.Read)
		page, _, err := db.List[T](t.ctx, t.tx, q)
		if err != nil {
			return err
		}
		for i := range page {
			names[P(&page[i]).Base().ID] = n.name(&page[i])
		}
	}
	return nil
}

// LastRuns returns the newest backup of each plan, by the plans' ids, as far as the actor may see it.
func (a *App) LastRuns(ctx context.Context, who backstay.Actor, plans []string) (runs map[string]backstay.Run, err error) {
	runs = map[string]backstay.Run{}
	err = a.look(ctx, who, "run.listed", func(t *task) error {
		if err := t.free(); err != nil {
			return err
		}
		q := db.Query{Sort: "created_at", Desc: true, Limit: 1}
		q.Reach, q.Denied = backstay.ReachOf(who, backstay.ReadSources)
		for _, id := range plans {
			q.Where = []db.Condition{{Column: "plan", Op: db.Is, Value: id}, {Column: "kind", Op: db.Is, Value: backstay.RunBackup}}
			page, _, err := db.List[backstay.Run](ctx, t.tx, q)
			if err != nil {
				return err
			}
			if len(page) > 0 {
				runs[id] = page[0]
			}
		}
		return nil
	})
	return runs, err
}
