package web

import (
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// registerModules registers the pages of modules. Those of a source are listed with it; this list is for who may see a module and no source.
func (s *Site) registerModules() {
	registerNoun(s, nounPages[backstay.Module, *backstay.Module]{
		noun: s.App.Modules, path: "/modules", icon: "source", one: "module", many: "modules", filters: []string{"source"},
		lead:    "A named part of a source, such as some of its folders, that is backed up, restored and granted as one.",
		columns: []string{"Paths", "Changed"},
		row: func(v *visit, m *backstay.Module) row {
			return row{Name: m.Name, Cells: []cell{{Text: some(m.Paths, 3)}, {Text: v.ago(m.UpdatedAt)}}}
		},
		fields: (*visit).moduleFields,
		facts: func(v *visit, m *backstay.Module) ([]fact, error) {
			names, err := v.App.Names(v.ctx, v.who, []string{m.Source})
			return []fact{{Name: "Part of", Text: links("/sources/", []string{m.Source}, names)}, {Name: "Paths", Text: strings.Join(m.Paths, "\n")},
				{Name: "Snapshots", Text: link("/modules/"+m.ID+"/snapshots", "The snapshots that it is in")}}, err
		},
		create: func(v *visit, m backstay.Module) (backstay.Module, error) {
			if s, err := v.App.Sources.Find(v.ctx, v.who, m.Source); err == nil {
				m.Project = s.Project
			}
			return v.App.Modules.Create(v.ctx, v.who, m)
		},
		goes: func(*visit, *backstay.Module) string {
			return "Whoever has rights by it loses them. What it names stays in the source and in all snapshots."
		},
		made: func(_ *visit, m *backstay.Module) (to, done string) {
			return "/sources/" + m.Source + "/modules", m.Name + " was added."
		},
	})
	s.get("/modules/{id}/snapshots", (*visit).moduleSnapshots)
}

func (v *visit) moduleFields(m *backstay.Module) ([]group, error) {
	source := &field{Name: "source", Title: "Source", Kind: hiddenField, Value: m.Source}
	if m.Source == "" {
		choices, err := choicesOf(v, v.App.Sources, v.project(), func(s *backstay.Source) string { return s.Name })
		if err != nil {
			return nil, err
		}
		source.Kind, source.Choices, source.Value = selectField, choices, v.query("source")
	}
	return []group{{Fields: []*field{source, {Name: "name", Title: "Name", Kind: textField, Value: m.Name},
		{Name: "paths", Title: "Folders and files", Kind: linesField, Value: strings.Join(m.Paths, "\n"), Help: "Paths within the source, one a line"}}}}, nil
}

// modulePage lists the snapshots that a module is in.
func (v *visit) moduleSnapshots() error {
	m, err := v.App.Modules.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	all, next, err := v.App.ModuleSnapshots(v.ctx, v.who, m.ID, app.List{Limit: pageSize, Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	page := listPage{frame: v.frame("Snapshots of " + m.Name), Heading: "Snapshots of " + m.Name, Lead: "The newest first. What else is in them only those see who may."}
	page.Table, err = v.snapshotRows(all, page.Heading)
	page.Table.Next = v.nextPage(next)
	if err != nil {
		return err
	}
	return v.show("list", page)
}
