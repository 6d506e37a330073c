package app

import (
	"context"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// Desk is what stands around every page: whose it is, and what wants to be known wherever somebody is.
type Desk struct {
	User         backstay.User
	Installation string             // its name
	Projects     []backstay.Project // that the person may see; at most 100
	Alerts       int                // that are open
	Running      int                // runs
}

// Desk tells what stands around the pages of a person. With a project the counts are of it alone. It works while a second factor is still
// demanded; then it tells of nothing but the person.
func (a *App) Desk(ctx context.Context, who backstay.Actor, project string) (d Desk, err error) {
	err = a.look(ctx, who, "desk.read", func(t *task) (err error) {
		if t.asked = true; who.User == "" {
			return t.free()
		}
		set, err := t.tx.Settings(ctx)
		if err != nil {
			return err
		}
		d.Installation = set.Name
		if d.User, err = db.Find[backstay.User](ctx, t.tx, who.User); err != nil || who.Limited {
			return err
		}
		if d.Alerts, err = number[backstay.Alert](t, backstay.ReadSources, project, db.Condition{Column: "open", Op: db.Is, Value: true}); err != nil {
			return err
		}
		if d.Running, err = number[backstay.Run](t, backstay.ReadSources, project, db.Condition{Column: "state", Op: db.Is, Value: backstay.Running}); err != nil {
			return err
		}
		q := db.Query{Sort: "name"}
		q.Reach, q.Denied = backstay.ReachOf(who, backstay.ReadSources)
		d.Projects, _, err = db.List[backstay.Project](ctx, t.tx, q)
		return err
	})
	return d, err
}

// number counts what the actor may see of what meets a condition.
func number[T any](t *task, p backstay.Permission, project string, c db.Condition) (int, error) {
	q := db.Query{Where: []db.Condition{c}}
	q.Reach, q.Denied = backstay.ReachOf(t.who, p)
	if project != "" {
		q.Where = append(q.Where, db.Condition{Column: "project", Op: db.Is, Value: project})
	}
	return db.Number[T](t.ctx, t.tx, q)
}
