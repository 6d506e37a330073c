package app

import (
	"cmp"
	"errors"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

func (a *App) groups() *Noun[backstay.Group, *backstay.Group] {
	return &Noun[backstay.Group, *backstay.Group]{app: a, Kind: "group", Read: backstay.ReadUsers, Manage: backstay.ManageUsers, anywhere: true,
		Filters: []string{"members"},
		name:    func(g *backstay.Group) string { return g.Name },
		scope:   func(*backstay.Group) backstay.Scope { return backstay.System },
		prepare: func(t *task, g, old *backstay.Group) error {
			for _, id := range g.Members {
				if _, err := db.Find[backstay.User](t.ctx, t.tx, id); err != nil {
					return missing(err, "person", "members")
				}
			}
			if err := t.keepsOwnersOf(g, old); err != nil {
				return err
			}
			return g.Check()
		},
		remove: func(t *task, g *backstay.Group) error {
			if err := t.tx.ForgetSubject(t.ctx, g.ID); err != nil {
				return err
			}
			return t.keepsAnOwner("")
		},
	}
}

// keepsOwnersOf refuses to put people into a group with rights that the actor doesn't hold.
func (t *task) keepsOwnersOf(g, old *backstay.Group) error {
	if old == nil {
		return nil
	}
	rights, err := t.tx.GroupRights(t.ctx, g.ID)
	if err != nil {
		return err
	}
	for _, right := range rights {
		if err := t.holds(right.Role, right.Scope); err != nil { // of a denial, too: who leaves the group is free of it
			return err
		}
	}
	return nil
}

func (a *App) roles() *Noun[backstay.Role, *backstay.Role] {
	return &Noun[backstay.Role, *backstay.Role]{app: a, Kind: "role", Manage: backstay.ManageRoles, open: true, fixed: backstay.BuiltInRoles,
		name:  func(r *backstay.Role) string { return r.Name },
		scope: func(*backstay.Role) backstay.Scope { return backstay.System },
		prepare: func(t *task, r, _ *backstay.Role) error {
			if err := cmp.Or(errBuiltIn(r), r.Check()); err != nil {
				return err
			}
			return t.holds(*r, backstay.Everywhere)
		},
		remove: func(t *task, r *backstay.Role) error {
			if err := errBuiltIn(r); err != nil {
				return err
			}
			n, err := db.Count[backstay.Grant](t.ctx, t.tx, db.Condition{Column: "role", Op: db.Is, Value: r.ID})
			if err == nil && n > 0 {
				err = db.ErrInUse
			}
			return err
		},
	}
}

// errBuiltIn refuses to change what every installation has.
func errBuiltIn(r *backstay.Role) error {
	if !r.BuiltIn {
		return nil
	}
	return backstay.Errorf(backstay.Conflict, "role %q is built in and can't be changed", r.ID).WithHint("Create a role of your own with the permissions that you want.")
}

func (a *App) grants() *Noun[backstay.Grant, *backstay.Grant] {
	return &Noun[backstay.Grant, *backstay.Grant]{app: a, Kind: "grant", Read: backstay.ReadUsers, Manage: backstay.ManageGrants,
		Filters: []string{"subject", "role", "scope"},
		name:    func(g *backstay.Grant) string { return string(g.Role) },
		scope:   func(g *backstay.Grant) backstay.Scope { return g.Scope },
		prepare: func(t *task, g, old *backstay.Grant) error {
			if g.Effect == "" {
				g.Effect = backstay.Allow
			}
			if err := g.Check(); err != nil {
				return err
			}
			if err := t.allow(backstay.ManageGrants, g.Scope, ""); err != nil { // it may have been moved here
				return err
			}
			if err := t.givesBack(old); err != nil {
				return err
			}
			if err := t.isSubject(g); err != nil {
				return err
			}
			role, err := t.role(g.Role)
			if err != nil {
				return err
			}
			return t.holds(role, g.Scope)
		},
		saved:  func(t *task, _, _ *backstay.Grant) error { return t.keepsAnOwner("") },
		remove: func(t *task, g *backstay.Grant) error { return errors.Join(t.givesBack(g), t.keepsAnOwnerWithout(g)) },
	}
}

// givesBack refuses to take a denial away unless the actor has what it denies: else who is denied something could end that by themselves.
func (t *task) givesBack(g *backstay.Grant) error {
	if g == nil || g.Effect != backstay.Deny {
		return nil
	}
	role, err := t.role(g.Role)
	if err != nil {
		return err
	}
	return t.holds(role, g.Scope)
}

// isSubject refuses a grant to nobody, and one that takes rights from an owner.
func (t *task) isSubject(g *backstay.Grant) error {
	var err error
	if g.SubjectKind == backstay.SubjectUser {
		_, err = db.Find[backstay.User](t.ctx, t.tx, g.Subject)
	} else {
		_, err = db.Find[backstay.Group](t.ctx, t.tx, g.Subject)
	}
	return missing(err, string(g.SubjectKind), "subject")
}

// role finds a built-in role or one that people made.
func (t *task) role(name backstay.RoleName) (backstay.Role, error) {
	if r, ok := t.app.Roles.fixedOne(string(name)); ok {
		return r, nil
	}
	r, err := db.Find[backstay.Role](t.ctx, t.tx, string(name))
	return r, missing(err, "role", "role")
}

// holds refuses unless the actor has all in a scope that the role has: nobody gives what they don't have.
func (t *task) holds(role backstay.Role, scope backstay.Scope) error {
	for _, p := range role.Permissions {
		if d := backstay.Decide(t.who, p, scope, ""); !d.Allowed && !d.NeedFresh {
			return backstay.Errorf(backstay.Denied, "you can't give %q, which you don't have there yourself", p).WithHint("Ask somebody who has it.")
		}
	}
	return nil
}

// keepsAnOwnerWithout refuses to take the grant that makes the last owner one.
func (t *task) keepsAnOwnerWithout(g *backstay.Grant) error {
	if g.Role != backstay.RoleOwner || g.Scope != backstay.Everywhere || g.Effect != backstay.Allow {
		return nil
	}
	owners, err := t.tx.Owners(t.ctx)
	if err != nil {
		return err
	}
	if len(owners) <= 1 {
		return errors.Join(t.keepsAnOwner(g.Subject))
	}
	return nil
}
