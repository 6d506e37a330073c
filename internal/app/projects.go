package app

import (
	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

func (a *App) projects() *Noun[backstay.Project, *backstay.Project] {
	return &Noun[backstay.Project, *backstay.Project]{app: a, Kind: "project", Read: backstay.ReadSources, Manage: backstay.ManageProjects,
		name: func(p *backstay.Project) string { return p.Name },
		scope: func(p *backstay.Project) backstay.Scope {
			if p.ID == "" {
				return backstay.Everywhere
			}
			return backstay.ProjectScope(p.ID)
		},
		prepare: func(_ *task, p *backstay.Project, _ *backstay.Project) error {
			p.Scope = backstay.ProjectScope(p.ID)
			return p.Check()
		},
		remove: func(t *task, p *backstay.Project) error {
			n, err := db.Count[backstay.Channel](t.ctx, t.tx, db.Condition{Column: "project", Op: db.Is, Value: p.ID}) // the server's own have none, so no key refers to it
			if err == nil && n > 0 {
				err = db.ErrInUse
			}
			return err
		},
	}
}
