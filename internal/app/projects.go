package app

import "github.com/backstay/backstay"

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
	}
}
