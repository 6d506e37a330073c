package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// record is a noun that has a backstay.Record.
type record[T any] interface {
	*T
	Base() *backstay.Record
}

// placed is a noun that lies in a scope and may belong to somebody.
type placed interface{ Place() *backstay.Placed }

// Noun has the use cases that all nouns have alike: create, find, list, update, delete. What is special about one is a function in
// its file.
type Noun[T any, P record[T]] struct {
	app          *App
	Kind         string // as in audit events and scopes: "plan"
	Read, Manage backstay.Permission
	Erase        backstay.Permission // to delete one; by default Manage
	open         bool                // whoever signed in may read them
	anywhere     bool                // whoever has Read somewhere may read them
	global       bool                // one may belong to no project, but to the server itself
	Filters      []string            // columns that a list can be filtered by, beside the project and a part of the name
	named        string              // the column that a search looks in; by default the name
	fixed        func() []T          // those that always are there and are no records, such as built-in roles; may be nil
	name         func(v P) string
	scope        func(v P) backstay.Scope                // of nouns that are not placed; nil for those that are
	prepare      func(t *task, v P, old *T) error        // checks and completes what is to be saved; old is nil for a new one; may be nil
	saved        func(t *task, v P, old *T) error        // what follows from it, in the same transaction; may be nil
	remove       func(t *task, v P) error                // what goes with it, before it goes; may be nil
	show         func(ctx context.Context, t *task, v P) // fills in what is not stored; may be nil
}

// Create makes a new one. What is read-only in v is ignored.
func (n *Noun[T, P]) Create(ctx context.Context, who backstay.Actor, v T) (T, error) {
	err := n.app.change(ctx, who, n.Kind+".created", func(t *task) error {
		keepReadOnly(reflect.ValueOf(&v).Elem(), reflect.Value{})
		p := P(&v)
		n.app.stamp(p.Base())
		if pl, ok := any(p).(placed); ok {
			place := pl.Place()
			place.Owner, place.Scope = who.User, n.home(place.Project).Of(n.Kind, p.Base().ID)
		}
		t.on(n.Kind, p.Base().ID, n.name(p))
		if err := n.allow(t, n.Manage, p); err != nil {
			return err
		}
		if err := n.save(t, p, nil); err != nil {
			return err
		}
		return t.changed(nil, v)
	})
	return v, err
}

// home is where what belongs to a project lies, or to none.
func (n *Noun[T, P]) home(project string) backstay.Scope {
	if project == "" && n.global {
		return backstay.System
	}
	return backstay.ProjectScope(project)
}

// stamp makes a record a new one.
func (a *App) stamp(r *backstay.Record) {
	now := a.now()
	*r = backstay.Record{ID: a.newID(), CreatedAt: now, UpdatedAt: now, Version: 1}
}

// save writes a new or a changed one.
func (n *Noun[T, P]) save(t *task, v P, old *T) error {
	if pl, ok := any(v).(placed); ok && old == nil && !(n.global && pl.Place().Project == "") {
		if _, err := db.Find[backstay.Project](t.ctx, t.tx, pl.Place().Project); err != nil {
			return missing(err, "project", "project")
		}
	}
	if n.prepare != nil {
		if err := n.prepare(t, v, old); err != nil {
			return err
		}
	}
	t.event.Name = n.name(v)
	var err error
	if old == nil {
		err = db.Insert(t.ctx, t.tx, (*T)(v))
	} else {
		err = db.Update(t.ctx, t.tx, v)
	}
	if err == nil && n.saved != nil {
		err = n.saved(t, v, old)
	}
	if err == nil && n.show != nil {
		n.show(t.ctx, t, v)
	}
	return err
}

// missing says that something which a field names is not there.
func missing(err error, kind, field string) error {
	if errors.Is(err, db.ErrNotFound) {
		return backstay.Errorf(backstay.Invalid, "there is no such %s", kind).OnField(field)
	}
	return err
}

func (n *Noun[T, P]) allow(t *task, p backstay.Permission, v P) error {
	scope, owner := n.placeOf(v)
	return t.allow(p, scope, owner)
}

// mayRead refuses unless the actor may see v.
func (n *Noun[T, P]) mayRead(t *task, v P) error {
	switch {
	case n.open:
		return t.free()
	case n.anywhere:
		return t.allowAnywhere(n.Read)
	}
	return n.allow(t, n.Read, v)
}

func (n *Noun[T, P]) placeOf(v P) (backstay.Scope, string) {
	if pl, ok := any(v).(placed); ok {
		return pl.Place().Scope, pl.Place().Owner
	}
	return n.scope(v), ""
}

// find returns the one of an id if the actor may see it. For whoever may not, it is not there.
func (n *Noun[T, P]) find(t *task, id string) (v T, err error) {
	t.on(n.Kind, id, "")
	if err := t.free(); err != nil {
		return v, err
	}
	v, fixed := n.fixedOne(id)
	if !fixed {
		if v, err = db.Find[T](t.ctx, t.tx, id); err != nil {
			return v, err
		}
	}
	t.on(n.Kind, id, n.name(&v))
	return v, unseen(n.mayRead(t, &v), n.Kind)
}

// unseen makes a denial one that doesn't tell that the thing is there.
func unseen(err error, kind string) error {
	var e *backstay.Error
	if errors.As(err, &e) && e.Kind == backstay.Denied {
		return hidden{e, kind}
	}
	return err
}

// hidden is a refusal that must not tell that the thing is there.
type hidden struct {
	refusal *backstay.Error
	kind    string
}

func (h hidden) Error() string { return h.refusal.Error() }
func (h hidden) Unwrap() error { return h.refusal }

// Find returns the one of an id.
func (n *Noun[T, P]) Find(ctx context.Context, who backstay.Actor, id string) (v T, err error) {
	err = n.app.look(ctx, who, n.Kind+".read", func(t *task) (err error) {
		if v, err = n.find(t, id); err == nil && n.show != nil {
			n.show(ctx, t, &v)
		}
		return err
	})
	return v, err
}

// List says which things are wanted. The zero List is the newest hundred.
type List struct {
	Limit   int
	Cursor  string // what the page before gave as the next one
	Sort    string // a field; with "-" before it the largest first
	Project string
	Search  string            // a part of the name
	Filters map[string]string // values of fields that the noun can be filtered by
}

// query puts what is wanted in the words of the database. Which fields there are it knows itself.
func (l List) query(filters []string) (db.Query, error) {
	q := db.Query{Limit: l.Limit, Cursor: l.Cursor}
	if q.Limit == 0 {
		q.Limit = 100
	}
	q.Sort, q.Desc = strings.CutPrefix(l.Sort, "-")
	if l.Project != "" {
		q.Where = append(q.Where, db.Condition{Column: "project", Op: db.Is, Value: l.Project})
	}
	if l.Search != "" {
		q.Where = append(q.Where, db.Condition{Column: "name", Op: db.Contains, Value: l.Search})
	}
	for name, value := range l.Filters {
		if name != "name" && !slices.Contains(filters, name) {
			return q, backstay.Errorf(backstay.Invalid, "there is nothing called %q to filter by", name).WithHint("Known are name, " + strings.Join(filters, ", ") + ".")
		}
		q.Where = append(q.Where, db.Condition{Column: name, Op: db.Is, Value: value})
	}
	return q, nil
}

// List returns a page of those that the actor may see, and the cursor of the next page.
func (n *Noun[T, P]) List(ctx context.Context, who backstay.Actor, l List) (page []T, next string, err error) {
	fixed, rest, more := n.fixedPage(l)
	q, err := rest.query(n.Filters)
	if err != nil {
		return nil, "", err
	}
	for i := range q.Where {
		if c := &q.Where[i]; c.Op == db.Contains && n.named != "" {
			c.Column = n.named
		}
	}
	err = n.app.look(ctx, who, n.Kind+".listed", func(t *task) (err error) {
		if err := t.free(); err != nil {
			return err
		}
		q.Reach, q.Denied = backstay.ReachOf(who, n.Read)
		if n.open {
			q.Reach, q.Denied = db.Everything, nil
		}
		if !n.open && n.scopeless() {
			if err := n.mayRead(t, new(T)); err != nil {
				return err
			}
		}
		if more != "" {
			page, next = fixed, more
			return nil
		}
		if page, next, err = db.List[T](ctx, t.tx, q); err != nil {
			return err
		}
		page = append(fixed, page...)
		for i := range page {
			if n.show != nil {
				n.show(ctx, t, &page[i])
			}
		}
		return nil
	})
	return page, next, err
}

// scopeless reports whether all of this kind lie in the same scope, which no column tells.
func (n *Noun[T, P]) scopeless() bool {
	_, has := reflect.TypeFor[T]().FieldByName("Scope")
	return !has
}

// Update changes what the JSON of patch names and leaves the rest. With a version it is refused if the thing has another one by now.
func (n *Noun[T, P]) Update(ctx context.Context, who backstay.Actor, id string, version int64, patch []byte) (v T, err error) {
	err = n.app.change(ctx, who, n.Kind+".updated", func(t *task) error {
		old, err := n.find(t, id)
		if err != nil {
			return err
		}
		if err := n.allow(t, n.Manage, &old); err != nil {
			return err
		}
		if version != 0 && P(&old).Base().Version != version {
			return db.ErrChanged
		}
		if v, err = patched(old, patch); err != nil {
			return err
		}
		p := P(&v)
		if pl, ok := any(p).(placed); ok {
			before := any(&old).(placed).Place()
			if pl.Place().Project != before.Project {
				return backstay.Errorf(backstay.Invalid, "a %s can't be moved to another project", n.Kind).WithHint("Leave the project out, and create another one there.").OnField("project")
			}
			*pl.Place() = *before
		}
		p.Base().UpdatedAt = n.app.now()
		if err := n.save(t, p, &old); err != nil {
			return err
		}
		return t.changed(old, v)
	})
	return v, err
}

// Delete removes the one of an id.
func (n *Noun[T, P]) Delete(ctx context.Context, who backstay.Actor, id string, version int64) error {
	return n.app.change(ctx, who, n.Kind+".deleted", func(t *task) error {
		old, err := n.find(t, id)
		if err != nil {
			return err
		}
		if err := n.allow(t, cmp.Or(n.Erase, n.Manage), &old); err != nil {
			return err
		}
		if version != 0 && P(&old).Base().Version != version {
			return db.ErrChanged
		}
		if n.remove != nil {
			if err := n.remove(t, &old); err != nil {
				return err
			}
		}
		if err := db.Delete[T](ctx, t.tx, id); err != nil {
			return err
		}
		return t.changed(old, nil)
	})
}

// patched returns old with what the JSON of patch names, but for what is read-only. The two share nothing.
func patched[T any](old T, patch []byte) (v T, err error) {
	text, err := json.Marshal(old)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return v, err
	}
	if err := json.Unmarshal(patch, &v); err != nil {
		return v, backstay.Errorf(backstay.Invalid, "what is to be changed is not JSON of the right form: %w", err)
	}
	keepReadOnly(reflect.ValueOf(&v).Elem(), reflect.ValueOf(&old).Elem())
	return v, nil
}

// keepReadOnly sets the fields that are read-only for people to those of old, to nothing without one.
func keepReadOnly(v, old reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		was := reflect.Zero(field.Type)
		if old.IsValid() {
			was = old.Field(i)
		}
		switch {
		case field.Anonymous:
			part := reflect.Value{}
			if old.IsValid() {
				part = was
			}
			keepReadOnly(v.Field(i), part)
		case field.Tag.Get("readOnly") == "true" || field.Tag.Get("json") == "-":
			v.Field(i).Set(was)
		}
	}
}
