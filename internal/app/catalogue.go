package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/catalog"
	"github.com/backstay/backstay/internal/db"
)

// unknownSource is what the catalogue calls the source of snapshots in a repository that no source here made.
func unknownSource(repository string) string { return "repository/" + repository }

// catalogue lists what is in repositories: which snapshots there are, and which paths are in them.
func (e *execution) catalogue(ctx context.Context) (backstay.RunState, error) {
	return e.eachRepository(ctx, func(ctx context.Context, r *opened) (err error) {
		ctx, unlock, err := r.Lock(ctx, repo.Shared, repo.LockOptions{Wait: lockWait})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unlock()) }()
		if err := e.app.recordSnapshots(ctx, r); err != nil {
			return err
		}
		sources, err := e.app.sourcesOf(ctx, r.record.Project)
		if err != nil {
			return err
		}
		err = catalog.Fill(ctx, e.app.Catalog, r.Repo, catalog.FillOptions{Repository: r.record.ID, Progress: e.event, Source: func(s *snapshot.Snapshot) string {
			if id := s.Fact(factSource); slices.Contains(sources, id) { // a tag that somebody else wrote gives nobody rights
				return id
			}
			return unknownSource(r.record.ID)
		}})
		return errors.Join(err, e.app.measure(ctx, r), e.app.recordLocks(ctx, r, false))
	})
}

// sourcesOf returns the ids of a project's sources.
func (a *App) sourcesOf(ctx context.Context, project string) (ids []string, err error) {
	err = a.DB.Read(ctx, func(tx *db.Tx) error {
		all, err := db.All[backstay.Source](ctx, tx, db.Condition{Column: "project", Op: db.Is, Value: project})
		for _, s := range all {
			ids = append(ids, s.ID)
		}
		return err
	})
	if err != nil {
		return nil, explain(err, "source")
	}
	return ids, nil
}

// Search says what is looked for in all snapshots.
type Search struct {
	Text     string // any part of a name; with a slash, a part of the path
	Project  string // only there; "" for everywhere
	Source   string // only that; "" for all
	Type     string
	From, To time.Time
	Limit    int
	Cursor   string
}

// Found is one version of a path.
type Found struct {
	Repository string    `json:"repository"`
	Source     string    `json:"source,omitempty"`
	Path       string    `json:"path"`
	Type       string    `json:"type"`
	Size       uint64    `json:"size"`
	Modified   time.Time `json:"modified_at"`
	First      time.Time `json:"first_at" doc:"Of the first snapshot that holds it like this"`
	Last       time.Time `json:"last_at" doc:"Of the last one"`
	Original   string    `json:"original" doc:"The last snapshot that holds it, by the id that its copies share"`
}

// Search finds paths in all snapshots of what the actor may browse.
func (a *App) Search(ctx context.Context, who backstay.Actor, s Search) (found []Found, next string, err error) {
	var seen map[string]sight
	err = a.look(ctx, who, "snapshot.searched", func(t *task) error {
		if err := t.allowAnywhere(backstay.BrowseSnapshots); err != nil {
			return err
		}
		seen, err = t.browsable(s)
		return err
	})
	if err != nil || len(seen) == 0 {
		return nil, "", err
	}
	var scopes []catalog.Scope
	for source, see := range seen {
		scopes = append(scopes, catalog.Scope{Source: source, Prefixes: see.only})
	}
	page, err := a.Catalog.Search(ctx, catalog.Query{Text: s.Text, In: scopes, Type: entry.Type(s.Type), From: s.From, To: s.To, Limit: s.Limit, Cursor: s.Cursor})
	if err != nil {
		return nil, "", explain(err, "search")
	}
	for _, h := range page.Hits {
		if take, _ := seen[h.Source].sees(h.Path, h.Type == entry.Dir); !take {
			continue
		}
		found = append(found, Found{Repository: h.Repository, Source: shownSource(h.Source), Path: "/" + h.Path, Type: string(h.Type), Size: h.Size, Modified: h.ModTime.UTC(),
			First: h.First.Time.UTC(), Last: h.Last.Time.UTC(), Original: h.Last.ID.String()})
	}
	return found, page.Next, nil
}

func shownSource(name string) string {
	if len(name) >= len(unknownSource("")) && name[:len(unknownSource(""))] == unknownSource("") {
		return ""
	}
	return name
}

// browsable returns where in the catalogue the actor may look, and what they may see there.
func (t *task) browsable(s Search) (map[string]sight, error) {
	sources, err := db.All[backstay.Source](t.ctx, t.tx)
	if err != nil {
		return nil, err
	}
	all, err := db.All[backstay.Module](t.ctx, t.tx)
	if err != nil {
		return nil, err
	}
	modules := map[string][]backstay.Module{}
	for _, m := range all {
		modules[m.Source] = append(modules[m.Source], m)
	}
	wanted := func(p *backstay.Placed) bool { return s.Project == "" || s.Project == p.Project }
	seen := map[string]sight{}
	for _, v := range sources {
		see, ok := t.sightOfSource(&v.Placed, modules[v.ID], backstay.BrowseSnapshots)
		if ok && wanted(&v.Placed) && (s.Source == "" || s.Source == v.ID) {
			seen[v.ID] = see
		}
	}
	if s.Source != "" {
		return seen, nil
	}
	repositories, err := db.All[backstay.Repository](t.ctx, t.tx)
	for _, v := range repositories {
		if wanted(&v.Placed) && backstay.Decide(t.who, backstay.BrowseSnapshots, v.Scope, v.Owner).Allowed {
			seen[unknownSource(v.ID)] = sight{}
		}
	}
	return seen, err
}

// Stay is a version of a path and the snapshots it is in.
type Stay struct {
	Repository string    `json:"repository"`
	Type       string    `json:"type"`
	Size       uint64    `json:"size"`
	Modified   time.Time `json:"modified_at"`
	Snapshots  []Moment  `json:"snapshots"`
}

// Moment is a snapshot in the history of a path.
type Moment struct {
	ID       string    `json:"id,omitempty" doc:"Of the snapshot; none if it is gone since the repository was listed"`
	Original string    `json:"original"`
	Time     time.Time `json:"time"`
}

// History returns every version of one path of a source.
func (a *App) History(ctx context.Context, who backstay.Actor, source, path string) (all []Stay, err error) {
	var see sight
	type place struct{ repository, original string }
	ids := map[place]string{} // of snapshots
	err = a.look(ctx, who, "snapshot.searched", func(t *task) (err error) {
		if see, err = t.sightOf(source, backstay.BrowseSnapshots); err != nil {
			return err
		}
		known, err := db.All[backstay.Snapshot](ctx, t.tx, db.Condition{Column: "source", Op: db.Is, Value: source})
		for _, s := range known {
			ids[place{s.Repository, s.Original}] = s.ID
		}
		return err
	})
	if take, _ := see.sees(clean(path), false); err != nil || !take {
		return nil, err
	}
	stays, err := a.Catalog.History(ctx, catalog.Scope{Source: source}, path)
	if err != nil {
		return nil, explain(err, "history")
	}
	for _, s := range stays {
		stay := Stay{Repository: s.Repository, Type: string(s.Type), Size: s.Size, Modified: s.ModTime.UTC()}
		for _, m := range s.Snapshots {
			original := m.ID.String()
			stay.Snapshots = append(stay.Snapshots, Moment{ids[place{s.Repository, original}], original, m.Time.UTC()})
		}
		all = append(all, stay)
	}
	return all, nil
}

// sightOf is what of all snapshots of a source the actor may work with; who has a role in some of its modules alone sees just these.
func (t *task) sightOf(source string, p backstay.Permission) (see sight, err error) {
	modules, err := t.modulesOf(source)
	if err != nil {
		return see, err
	}
	s, err := db.Find[backstay.Source](t.ctx, t.tx, source)
	if d := backstay.Decide(t.who, p, s.Scope, s.Owner); err == nil && !d.Allowed && !d.NeedFresh {
		if see, ok := t.sightOfSource(&s.Placed, modules, p); ok {
			return see, t.free()
		}
	}
	if s, err = t.app.Sources.find(t, source); err != nil {
		return see, err
	}
	return sight{without: t.deniedOf(modules, p)}, t.allow(p, s.Scope, s.Owner)
}
