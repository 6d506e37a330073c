package web

import (
	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// registerProjects registers the pages of projects.
func (s *Site) registerProjects() {
	registerNoun(s, nounPages[backstay.Project, *backstay.Project]{
		noun: s.App.Projects, path: "/settings/projects", icon: "folder", one: "project", many: "projects", order: "name", typed: true,
		lead:    "Each keeps its sources, storages, plans and people apart from those of the others.",
		columns: []string{"Since"},
		lies:    func(p *backstay.Project) backstay.Scope { return p.Scope },
		row: func(v *visit, p *backstay.Project) row {
			return row{Name: p.Name, Sub: p.Help, Cells: []cell{{Text: v.when(p.CreatedAt)}}}
		},
		fields: func(_ *visit, p *backstay.Project) ([]group, error) {
			return []group{{Fields: []*field{
				{Name: "name", Title: "Name", Kind: textField, Value: p.Name},
				{Name: "help", Title: "What is in it", Kind: textField, Value: p.Help, Optional: true},
			}}}, nil
		},
		facts: projectFacts,
		about: func(_ *visit, p *backstay.Project) string { return p.Help },
		acts: func(v *visit, p *backstay.Project) []act {
			look := func(to string) []sent { return []sent{{"project", p.ID}, {"next", to}} }
			acts := []act{{Word: "Look at this project only", Icon: "overview", Href: "/project", Post: true, Hidden: look("/")}}
			if v.may(backstay.ReadUsers, p.Scope, "") {
				acts = append(acts, act{Word: "Members", Icon: "people", Href: "/project", Post: true, Hidden: look("/settings/members")})
			}
			return acts
		},
		goes: func(*visit, *backstay.Project) string {
			return "It can be deleted once nothing is in it: no sources, storages, repositories, plans or channels. Rights that were given in it go."
		},
	})
}

// projectFacts are what is in a project.
func projectFacts(v *visit, p *backstay.Project) (facts []fact, err error) {
	facts = []fact{{Name: "Since", Text: v.when(p.CreatedAt)}}
	for _, c := range []struct {
		name  string
		count func(app.List) (int, string, error)
	}{{"Sources", countOf(v, v.App.Sources)}, {"Plans", countOf(v, v.App.Plans)}, {"Repositories", countOf(v, v.App.Repositories)}} {
		n, next, err := c.count(app.List{Limit: 100, Project: p.ID})
		if err != nil {
			return nil, err
		}
		text := countText(n)
		if next != "" {
			text += " or more"
		}
		facts = append(facts, fact{Name: c.name, Text: text})
	}
	return facts, nil
}

// countOf counts what is on a page of a list.
func countOf[T any, P record[T]](v *visit, noun *app.Noun[T, P]) func(app.List) (int, string, error) {
	return func(l app.List) (int, string, error) {
		things, next, err := noun.List(v.ctx, v.who, l)
		return len(things), next, err
	}
}
