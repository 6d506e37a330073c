package app

import (
	"errors"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

func (a *App) rules() *Noun[backstay.NotificationRule, *backstay.NotificationRule] {
	return &Noun[backstay.NotificationRule, *backstay.NotificationRule]{app: a, Kind: "notification-rule", Read: backstay.ManageChannels, Manage: backstay.ManageChannels, global: true,
		Filters: []string{"plan", "channel", "user"},
		name:    func(*backstay.NotificationRule) string { return "" },
		prepare: func(t *task, r, _ *backstay.NotificationRule) error {
			if err := r.Check(); err != nil {
				return err
			}
			if err := t.ruleNames(r); err != nil {
				return err
			}
			return t.ruleUser(r)
		},
	}
}

// ruleNames refuses a rule that names what is not there, or a channel or a plan that the actor may not use for it.
func (t *task) ruleNames(r *backstay.NotificationRule) error {
	c, err := db.Find[backstay.Channel](t.ctx, t.tx, r.Channel)
	if err == nil && (c.Project != "" && c.Project != r.Project || !backstay.Decide(t.who, backstay.ManageChannels, c.Scope, c.Owner).Allowed) {
		err = db.ErrNotFound
	}
	if err != nil {
		return missing(err, "channel", "channel")
	}
	if r.Plan == "" {
		return nil
	}
	p, err := db.Find[backstay.Plan](t.ctx, t.tx, r.Plan)
	if err == nil && p.Project != r.Project {
		err = db.ErrNotFound
	}
	return missing(err, "plan", "plan")
}

// ruleUser makes a rule the actor's own unless they may say who is told of everything in its project.
func (t *task) ruleUser(r *backstay.NotificationRule) error {
	if r.User == t.who.User && r.User != "" {
		return nil
	}
	if !backstay.Decide(t.who, backstay.ManageChannels, r.Scope, "").Allowed || !t.readsAll(r) {
		if r.User != "" {
			return backstay.Errorf(backstay.Denied, "you may only make rules of your own").OnField("user")
		}
		r.User = t.who.User
		return nil
	}
	if r.User == "" {
		return nil
	}
	_, err := db.Find[backstay.User](t.ctx, t.tx, r.User)
	return missing(err, "person", "user")
}

// readsAll reports whether the actor may see all that the rule could tell of.
func (t *task) readsAll(r *backstay.NotificationRule) bool {
	where := backstay.Everywhere
	if r.Project != "" {
		where = backstay.ProjectScope(r.Project)
	}
	return backstay.Decide(t.who, backstay.ReadSources, where, "").Allowed
}

// mayHear reports whether whom a rule is for may know of what happened. A rule of a project outlives who made it; one of a person ends with
// their rights.
func (t *task) mayHear(r backstay.NotificationRule, h happening) (bool, error) {
	if r.User == "" {
		return true, nil
	}
	u, err := db.Find[backstay.User](t.ctx, t.tx, r.User)
	if errors.Is(err, db.ErrNotFound) || err == nil && u.Disabled {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	rights, err := t.tx.Rights(t.ctx, r.User)
	if err != nil {
		return false, err
	}
	who := backstay.Actor{Kind: backstay.ActorUser, User: r.User, Rights: rights}
	return backstay.Decide(who, backstay.ReadSources, h.scope, h.owner).Allowed, nil
}
