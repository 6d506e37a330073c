package app

import (
	"context"
	"time"

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
	Ends         time.Time          // the session, if nobody uses it from now on; zero for a program's
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
		if d.Ends, err = t.sessionEnd(set); err != nil {
			return err
		}
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

// sessionEnd is when the actor's session ends unless somebody uses it again.
func (t *task) sessionEnd(set backstay.Settings) (end time.Time, err error) {
	if t.who.Session == "" {
		return end, nil
	}
	s, err := db.Find[backstay.Session](t.ctx, t.tx, t.who.Session)
	if end = s.LastUsedAt.Add(set.SessionIdle.Duration()); s.ExpiresAt.Before(end) {
		end = s.ExpiresAt
	}
	return end, err
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
