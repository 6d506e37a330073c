package web

import (
	"cmp"
	"html/template"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// registerSnapshots registers the pages of snapshots, but for those of the files in them.
func (s *Site) registerSnapshots() {
	s.get("/snapshots", (*visit).snapshots)
	s.get("/snapshots/{id}", (*visit).snapshot)
	s.post("/snapshots/{id}/protect", (*visit).protectSnapshot)
	s.post("/snapshots/{id}/tags", (*visit).tagSnapshot)
	s.post("/snapshots/{id}/verify", (*visit).verifySnapshot)
	s.get("/snapshots/{id}/compare", (*visit).compareSnapshots)
	s.get("/snapshots/{id}/delete", (*visit).askToDeleteSnapshot)
	s.post("/snapshots/{id}/delete", (*visit).deleteSnapshot)
}

// htmlText is a text as HTML has it.
func htmlText(s string) string { return template.HTMLEscapeString(s) }

// snapshotFilters are what the list can be filtered by.
var snapshotFilters = []string{"source", "plan", "repository", "health", "protected", "run", "host"}

var healths = []choice{{Value: string(backstay.HealthGood), Title: "Good"}, {Value: string(backstay.HealthUnverified), Title: "Unverified"}, {Value: string(backstay.HealthDamaged), Title: "Damaged"},
	{Value: string(backstay.HealthRepaired), Title: "Repaired"}, {Value: string(backstay.HealthGone), Title: "Gone"}}

// snapshotsPage is the list.
type snapshotsPage struct {
	frame
	Filters filters
	Table   table
}

// snapshots is the list.
func (v *visit) snapshots() error {
	l := v.list(snapshotFilters...)
	l.Sort, l.Search = "-time", ""
	all, next, err := v.App.Snapshots.List(v.ctx, v.who, l)
	if err != nil {
		return err
	}
	page := snapshotsPage{frame: v.frame("Snapshots"), Filters: filters{Action: "/snapshots", Clear: v.filtered(snapshotFilters...)}}
	if page.Table, err = v.snapshotRows(all, "Snapshots"); err != nil {
		return err
	}
	page.Table.Next = v.nextPage(next)
	if page.Filters.Clear {
		page.Table.Empty = &empty{Title: "Nothing found", Text: "None of the snapshots is so.", Acts: []act{{Word: "Clear filters", Href: "/snapshots"}}}
	}
	page.Filters.Fields, err = v.snapshotFilterFields()
	if err != nil {
		return err
	}
	return v.show("snapshots", page)
}

func (v *visit) snapshotFilterFields() (all []*field, err error) {
	sources, err := choicesOf(v, v.App.Sources, v.project(), func(s *backstay.Source) string { return s.Name })
	if err != nil {
		return nil, err
	}
	plans, err := choicesOf(v, v.App.Plans, v.project(), func(p *backstay.Plan) string { return p.Name })
	if err != nil {
		return nil, err
	}
	repositories, err := choicesOf(v, v.App.Repositories, v.project(), func(r *backstay.Repository) string { return r.Name })
	all = []*field{v.filterField("source", "Source", "All sources", sources), v.filterField("plan", "Plan", "All plans", plans), v.filterField("repository", "Repository", "All repositories", repositories),
		v.filterField("health", "Health", "Any", healths), v.filterField("protected", "Protection", "Any", []choice{{Value: "true", Title: "Protected"}, {Value: "false", Title: "Not protected"}})}
	for _, name := range []string{"run", "host"} {
		if value := v.query(name); value != "" {
			all = append(all, &field{Name: name, Kind: hiddenField, Value: value})
		}
	}
	return all, err
}

// snapshotTable lists the newest snapshots that are so.
func (v *visit) snapshotTable(filters map[string]string, label string) (table, error) {
	all, _, err := v.App.Snapshots.List(v.ctx, v.who, app.List{Limit: listedHere, Sort: "-time", Filters: filters})
	if err != nil {
		return table{}, err
	}
	return v.snapshotRows(all, label)
}

// snapshotRows are snapshots as rows of a table.
func (v *visit) snapshotRows(all []backstay.Snapshot, label string) (t table, err error) {
	var named []string
	for _, s := range all {
		named = append(named, s.Source, s.Repository)
	}
	names, err := v.App.Names(v.ctx, v.who, named)
	t = table{Label: label, Columns: []column{{Title: "Snapshot"}, {Title: "Health"}, {Title: "Repository"}, {Title: "Size", End: true}, {Title: "New in it", End: true, Drop: true}}}
	t.Empty = &empty{Icon: "restore", Title: "No snapshots yet", Text: "Each backup makes one in each of its repositories."}
	for _, s := range all {
		health := healthPill(s.Health)
		r := row{Name: v.stamp(s.Time), Href: "/snapshots/" + s.ID, Sub: cmp.Or(names[s.Source], s.Host), Cells: []cell{{Pill: &health}, {Text: cmp.Or(names[s.Repository], "one you may not see")}, {Text: bytesText(s.Bytes)}, {Text: bytesText(s.Added)}}}
		if s.Protected {
			r.Sub += ", protected"
		}
		t.Rows = append(t.Rows, r)
	}
	return t, err
}
