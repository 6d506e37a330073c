package app

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// sight is what of a snapshot somebody may work with. Paths are cleaned, without a leading slash; "" is the root.
type sight struct {
	only    []string // just these and what is in them; nil: everything
	without []string // but not these
	scope   backstay.Scope
	owner   string
}

// clean is a path of a snapshot as trees have it.
func clean(name string) string { return strings.TrimPrefix(path.Clean("/"+name), "/") }

func cleanAll(names []string) []string {
	var all []string
	for _, name := range names {
		all = append(all, clean(name))
	}
	return all
}

// within reports whether a path is dir or lies in it.
func within(name, dir string) bool {
	return dir == "" || name == dir || strings.HasPrefix(name, dir+"/")
}

// sees says whether a path may be seen, and of a directory whether something in it may be.
func (s sight) sees(name string, dir bool) (take, descend bool) {
	if slices.ContainsFunc(s.without, func(p string) bool { return within(name, p) }) {
		return false, false
	}
	if s.only == nil || slices.ContainsFunc(s.only, func(p string) bool { return within(name, p) }) {
		return true, true
	}
	return false, dir && slices.ContainsFunc(s.only, func(p string) bool { return within(p, name) })
}

// shows reports whether a path appears at all: seen, or leading to something that is.
func (s sight) shows(name string, dir bool) bool {
	take, descend := s.sees(name, dir)
	return take || descend
}

// narrow keeps only what lies in some of the paths, too; nil narrows nothing.
func (s sight) narrow(paths []string) sight {
	if paths == nil {
		return s
	}
	if s.only == nil {
		s.only = paths
		return s
	}
	both := []string{}
	for _, p := range paths {
		for _, of := range s.only {
			switch {
			case within(p, of):
				both = append(both, p)
			case within(of, p):
				both = append(both, of)
			}
		}
	}
	slices.Sort(both)
	s.only = slices.Compact(both)
	return s
}

// sight finds a snapshot in which the actor has a permission, and how much of it they may work with: all of it, or, who has the permission
// in modules of its source only, what belongs to these. What belongs to modules in which it is denied them is left out.
func (t *task) sight(id string, p backstay.Permission) (s backstay.Snapshot, see sight, err error) {
	t.on("snapshot", id, "")
	if err := t.free(); err != nil {
		return s, see, err
	}
	if s, err = db.Find[backstay.Snapshot](t.ctx, t.tx, id); err != nil {
		return s, see, err
	}
	t.on("snapshot", id, t.app.Snapshots.name(&s))
	modules, err := t.modulesOf(s.Source)
	if err != nil {
		return s, see, err
	}
	if see, ok := t.sightOfModules(s, p, modules); ok {
		return s, see, nil
	}
	see = sight{scope: s.Scope, owner: s.Owner, without: t.deniedOf(modules, p)}
	if _, err = t.app.Snapshots.find(t, id); err == nil {
		err = t.allow(p, s.Scope, s.Owner)
	}
	return s, see, err
}

func (t *task) modulesOf(source string) ([]backstay.Module, error) {
	if source == "" {
		return nil, nil
	}
	return db.All[backstay.Module](t.ctx, t.tx, db.Condition{Column: "source", Op: db.Is, Value: source})
}

// deniedOf are the paths of those modules in which the actor is denied a permission.
func (t *task) deniedOf(modules []backstay.Module, p backstay.Permission) (paths []string) {
	for _, m := range modules {
		if t.denied(p, m.Scope) {
			paths = append(paths, cleanAll(m.Paths)...)
		}
	}
	return paths
}

// deniedIn are the paths of a source that belong to modules in which the actor is denied a permission.
func (t *task) deniedIn(source string, p backstay.Permission) ([]string, error) {
	modules, err := t.modulesOf(source)
	return t.deniedOf(modules, p), err
}

// sightOfSource is what of all snapshots of a source the actor may work with, as sight has it for one of them; false for nothing.
func (t *task) sightOfSource(s *backstay.Placed, modules []backstay.Module, p backstay.Permission) (see sight, ok bool) {
	if backstay.Decide(t.who, p, s.Scope, s.Owner).Allowed {
		return sight{without: t.deniedOf(modules, p)}, true
	}
	if t.denied(p, s.Scope) {
		return see, false
	}
	for _, m := range modules {
		if backstay.Decide(t.who, p, m.Scope, m.Owner).Allowed {
			see.only = append(see.only, cleanAll(m.Paths)...)
		}
	}
	see.without = t.deniedOf(modules, p)
	return see, len(see.only) > 0
}

// denied reports whether a grant denies the actor the permission just there.
func (t *task) denied(p backstay.Permission, scope backstay.Scope) bool {
	return slices.ContainsFunc(t.who.Rights, func(r backstay.Right) bool {
		return r.Effect == backstay.Deny && r.Scope.Covers(scope) && r.Role.Allowance(p) != backstay.Never
	})
}

// sightOfModules is what the actor may work with by grants of modules alone; false if they have none, or more than that.
func (t *task) sightOfModules(s backstay.Snapshot, p backstay.Permission, modules []backstay.Module) (see sight, ok bool) {
	if d := backstay.Decide(t.who, p, s.Scope, s.Owner); d.Allowed || d.NeedFresh || t.denied(p, s.Scope) {
		return see, false
	}
	for _, m := range modules {
		if !backstay.Decide(t.who, p, m.Scope, m.Owner).Allowed {
			continue
		}
		see.only = append(see.only, cleanAll(m.Paths)...)
		see.scope, see.owner = m.Scope.Of("snapshot", s.ID), m.Owner
	}
	if len(see.only) == 0 {
		return see, false
	}
	t.asked = true
	if t.event.Project == "" {
		t.event.Project = s.Project
	}
	return see, true
}

// errUnseen says that a path is not in a snapshot, or that the actor must not know.
func errUnseen(name string) error {
	return backstay.Errorf(backstay.NotFound, "there is no %q in the snapshot", "/"+clean(name)).OnField("path")
}

// ModuleSnapshots returns a page of the snapshots in which a module is, the newest first: who has a role in nothing but the module finds
// them here.
func (a *App) ModuleSnapshots(ctx context.Context, who backstay.Actor, id string, l List) (page []backstay.Snapshot, next string, err error) {
	l.Sort = "-time"
	q, err := l.query(nil)
	if err != nil {
		return nil, "", err
	}
	err = a.look(ctx, who, "snapshot.listed", func(t *task) error {
		m, err := a.Modules.find(t, id)
		if err != nil {
			return err
		}
		if err := t.allow(backstay.ListSnapshots, m.Scope, m.Owner); err != nil {
			return err
		}
		q.Reach = db.Everything
		_, q.Denied = backstay.ReachOf(who, backstay.ListSnapshots)
		q.Where = append(q.Where, db.Condition{Column: "source", Op: db.Is, Value: m.Source}, db.Condition{Column: "project", Op: db.Is, Value: m.Project})
		page, next, err = db.List[backstay.Snapshot](ctx, t.tx, q)
		return err
	})
	return page, next, err
}
