package app

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/secret"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/source"
)

func (a *App) sources() *Noun[backstay.Source, *backstay.Source] {
	return &Noun[backstay.Source, *backstay.Source]{app: a, Kind: "source", Read: backstay.ReadSources, Manage: backstay.ManageSources, Filters: []string{"kind"},
		name: func(s *backstay.Source) string { return s.Name },
		prepare: func(t *task, s, before *backstay.Source) error {
			if err := s.Check(); err != nil {
				return err
			}
			p, fields, old, err := t.checkedSource(s, before)
			if err != nil {
				return err
			}
			s.Local = p.Guard == nil
			s.Settings, s.Sealed, err = a.split(fields, s.Settings, old, sourcePlace(s.ID))
			return err
		},
		remove: func(t *task, s *backstay.Source) error { return t.unplanned("sources", s.ID) },
		show: func(_ context.Context, _ *task, s *backstay.Source) {
			if hidden, err := a.hidden(sourcePlace(s.ID), s.Sealed); err == nil {
				s.Secrets = slices.Sorted(maps.Keys(hidden))
			}
		},
	}
}

// checkedSource returns where a source is that is to be saved, the fields of its kind and the secrets it had before, or what is wrong with it.
func (t *task) checkedSource(s, before *backstay.Source) (p Place, fields []settings.Field, old map[string]string, err error) {
	local := backstay.Decide(t.who, backstay.ManageSources, backstay.Everywhere, "").Allowed
	if before != nil {
		local = stillLocal(before.Local, local, before.Kind != s.Kind, before.Settings, s.Settings)
	}
	if t.app.readsThisMachine(s.Kind) && !local {
		return p, nil, nil, backstay.Errorf(backstay.Denied, "only administrators of the server can back up its own files").WithHint("Choose a folder on a server instead, or ask an administrator.").OnField("kind")
	}
	if old, err = t.app.hidden(sourcePlace(s.ID), s.Sealed); err != nil {
		return p, nil, nil, err
	}
	if before != nil && (before.Kind != s.Kind || before.Settings["location"] != s.Settings["location"]) {
		if err := givenAgain(old, s.Settings); err != nil {
			return p, nil, nil, err
		}
	}
	g, err := t.guard(local)
	if err != nil {
		return p, nil, nil, err
	}
	all := join(s.Settings, old)
	maps.Copy(all, s.Settings) // what is given now wins over what was hidden
	p = Place{Kind: s.Kind, Settings: all, Guard: g}
	if fields, err = t.app.Places.CheckSource(p); err != nil {
		return p, nil, nil, wrongSetting(err)
	}
	return p, fields, old, nil
}

func (a *App) readsThisMachine(kind string) bool {
	return slices.ContainsFunc(a.Places.SourceKinds(), func(k Kind) bool { return k.Kind == kind && k.Local })
}

func sourcePlace(id string) secret.Place {
	return secret.Place{Table: "sources", Row: id, Column: "sealed"}
}

// unplanned refuses to remove what a plan still names.
func (t *task) unplanned(column, id string) error {
	n, err := db.Count[backstay.Plan](t.ctx, t.tx, db.Condition{Column: column, Op: db.Has, Value: id})
	if err == nil && n > 0 {
		err = db.ErrInUse
	}
	return err
}

// placeOfSource is where a stored source is.
func (t *task) placeOfSource(id string) (backstay.Source, Place, error) {
	s, err := db.Find[backstay.Source](t.ctx, t.tx, id)
	if err != nil {
		return s, Place{}, missing(err, "source", "source")
	}
	hidden, err := t.app.hidden(sourcePlace(s.ID), s.Sealed)
	if err != nil {
		return s, Place{}, err
	}
	g, err := t.guard(s.Local)
	return s, Place{Kind: s.Kind, Settings: join(s.Settings, hidden), Guard: g}, err
}

func (a *App) modules() *Noun[backstay.Module, *backstay.Module] {
	return &Noun[backstay.Module, *backstay.Module]{app: a, Kind: "module", Read: backstay.ReadSources, Manage: backstay.ManageModules, Filters: []string{"source"},
		name: func(m *backstay.Module) string { return m.Name },
		prepare: func(t *task, m, old *backstay.Module) error {
			if err := m.Check(); err != nil {
				return err
			}
			s, p, err := t.placeOfSource(m.Source)
			if err == nil && s.Project != m.Project {
				err = missing(db.ErrNotFound, "source", "source") // whether it is there in another project, nobody learns
			}
			if err != nil {
				return err
			}
			if old != nil && old.Source != m.Source {
				return backstay.Errorf(backstay.Invalid, "the source of a module stays").WithHint("Make another module of the other source.").OnField("source")
			}
			m.Scope = s.Scope.Of("module", m.ID)
			if _, _, err := a.Places.OpenSource(p, source.Part{Paths: m.Paths}, func(string) {}); err != nil {
				return backstay.Errorf(backstay.Invalid, "module %q: %w", m.Name, err).OnField("paths")
			}
			return nil
		},
		remove: func(t *task, m *backstay.Module) error { return t.unplanned("modules", m.ID) },
	}
}

// TestSource begins to read a source, to know whether it can be.
func (a *App) TestSource(ctx context.Context, who backstay.Actor, id string) (found []string, err error) {
	var p Place
	err = a.look(ctx, who, "source.tested", func(t *task) error {
		s, err := a.Sources.find(t, id)
		if err != nil {
			return err
		}
		if err := t.allow(backstay.ManageSources, s.Scope, s.Owner); err != nil {
			return err
		}
		_, p, err = t.placeOfSource(id)
		return err
	})
	if err != nil {
		return nil, err
	}
	if found, err = a.firstEntries(ctx, p); err != nil {
		return nil, storageError(err)
	}
	return found, nil
}

// TestSourceDraft is TestSource for what is not saved. With the id of a source it is how that one would be: the secrets that are left out are
// those that it has.
func (a *App) TestSourceDraft(ctx context.Context, who backstay.Actor, s backstay.Source) (found []string, err error) {
	var p Place
	err = a.look(ctx, who, "source.tested", func(t *task) error {
		var before *backstay.Source
		scope, owner := backstay.ProjectScope(s.Project), ""
		if s.Sealed = ""; s.ID != "" {
			old, err := a.Sources.find(t, s.ID)
			if err != nil {
				return err
			}
			before, s.Sealed, scope, owner = &old, old.Sealed, old.Scope, old.Owner
		}
		if err := t.allow(backstay.ManageSources, scope, owner); err != nil {
			return err
		}
		p, _, _, err = t.checkedSource(&s, before)
		return err
	})
	if err != nil {
		return nil, err
	}
	if found, err = a.firstEntries(ctx, p); err != nil {
		return nil, storageError(err)
	}
	return found, nil
}

// enoughEntries is how many show a person that a source is the right one.
const enoughEntries = 20

// firstEntries returns the paths of the first entries of a source.
func (a *App) firstEntries(ctx context.Context, p Place) (found []string, err error) {
	p.Patience = personPatience
	src, _, err := a.Places.OpenSource(p, source.Part{}, func(string) {})
	if err != nil {
		return nil, err
	}
	view, err := src.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = view.Close() }() // nothing is kept of it
	for e, err := range view.Entries(ctx) {
		if err != nil {
			return nil, err
		}
		if found = append(found, "/"+strings.TrimPrefix(e.Path, "/")); len(found) == enoughEntries {
			break
		}
	}
	return found, nil
}
