package web

import (
	"net/http"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

const grantsPath = "/settings/grants"

// registerGrants registers the pages of grants: who has which role where.
func (s *Site) registerGrants() {
	n := s.grantPages()
	s.get(grantsPath+"/new", func(v *visit) error {
		if v.query("subject") == "" {
			return chooseSubject(v)
		}
		return n.fresh(v)
	})
	s.get(grantsPath, n.listing)
	s.post(grantsPath, n.add)
	s.get(grantsPath+"/{id}", n.show)
	s.get(grantsPath+"/{id}/edit", n.edit)
	s.post(grantsPath+"/{id}/edit", n.change)
	s.get(grantsPath+"/{id}/delete", n.question)
	s.post(grantsPath+"/{id}/delete", n.remove)
}

func (s *Site) grantPages() nounPages[backstay.Grant, *backstay.Grant] {
	return nounPages[backstay.Grant, *backstay.Grant]{
		noun: s.App.Grants, path: grantsPath, icon: "shield", one: "grant", many: "grants", first: "Who", adds: "Give a right",
		lead:    "Who has which role, and where. Rights add up on the way down; one that is taken always wins.",
		filters: []string{"subject", "role", "scope"},
		columns: []string{"Role", "Does", "Where", "Since"},
		lies:    func(g *backstay.Grant) backstay.Scope { return g.Scope },
		row:     func(v *visit, g *backstay.Grant) row { return v.names().grant(g) },
		pick: func(v *visit) ([]*field, error) {
			roles, err := v.roleChoices(choice{Title: "Any"})
			return []*field{{Name: "role", Title: "Role", Kind: selectField, Choices: roles, Value: v.query("role")}}, err
		},
		fields: grantFields,
		facts:  grantFacts,
		about: func(v *visit, g *backstay.Grant) string {
			n := v.names()
			if g.Effect == backstay.Deny {
				return n.place(g.Scope) + ": what " + n.role(g.Role) + " allows is taken from them, whatever else they have."
			}
			return n.place(g.Scope) + ": they have what " + n.role(g.Role) + " allows."
		},
		goes: func(_ *visit, g *backstay.Grant) string {
			if g.Effect == backstay.Deny {
				return "What it took away holds again, as far as other grants give it."
			}
			return "What they have by it they lose at once. What other grants give stays."
		},
	}
}

// effectPill is what a grant does.
func effectPill(e backstay.Effect) *pill {
	if e == backstay.Deny {
		return &pill{"fail", "cancel", "Takes away", true}
	}
	return &pill{"ok", "plus", "Gives", true}
}

// grant is the row of a grant.
func (n *names) grant(g *backstay.Grant) row {
	sub := "Person"
	if g.SubjectKind == backstay.SubjectGroup {
		sub = "Group"
	}
	return row{Name: n.subject(g.SubjectKind, g.Subject), Sub: sub,
		Cells: []cell{{Text: n.role(g.Role), Href: rolesPath + "/" + string(g.Role)}, {Pill: effectPill(g.Effect)}, {Text: n.place(g.Scope)}, {Text: n.v.ago(g.CreatedAt)}}}
}

// grantsTable are some grants, each with the way to it.
func (v *visit) grantsTable(grants []backstay.Grant) *table {
	t := &table{Label: "Rights", Columns: []column{{Title: "Who"}, {Title: "Role"}, {Title: "Does"}, {Title: "Where"}, {Title: "Since"}}}
	n := v.names()
	for i := range grants {
		r := n.grant(&grants[i])
		r.Href = grantsPath + "/" + grants[i].ID
		t.Rows = append(t.Rows, r)
	}
	return t
}

// grantsPart are the grants to some people and groups.
func (v *visit) grantsPart(subjects ...string) (thingPart, error) {
	var all []backstay.Grant
	for _, id := range subjects {
		grants, _, err := v.App.Grants.List(v.ctx, v.who, app.List{Limit: 1000, Filters: map[string]string{"subject": id}})
		if err != nil {
			return thingPart{}, err
		}
		all = append(all, grants...)
	}
	part := thingPart{Title: "Rights", Table: v.grantsTable(all)}
	part.Table.Empty = &empty{Title: "No rights", Text: "Nothing is given here that you may see: without a grant all is refused."}
	return part, nil
}

func grantFields(v *visit, g *backstay.Grant) ([]group, error) {
	if g.ID == "" {
		g.SubjectKind, g.Subject = backstay.SubjectKind(v.r.FormValue("subject_kind")), v.r.FormValue("subject")
		g.Scope, g.Effect = backstay.Scope(v.r.FormValue("scope")), backstay.Allow
	}
	roles, err := v.roleChoices()
	if err != nil {
		return nil, err
	}
	p, err := v.placesFor(backstay.ManageGrants, v.query("search"), g.Scope)
	if err != nil {
		return nil, err
	}
	role := string(g.Role)
	if role == "" {
		role = string(backstay.RoleViewer)
	}
	return []group{{Title: v.names().subject(g.SubjectKind, g.Subject), Fields: []*field{
		{Name: "subject_kind", Kind: hiddenField, Value: string(g.SubjectKind)},
		{Name: "subject", Title: "Who", Kind: hiddenField, Value: g.Subject},
		{Name: "role", Title: "Role", Kind: selectField, Choices: roles, Value: role, Wide: true},
		{Name: "effect", Title: "What it does", Kind: radioField, Value: string(g.Effect), Choices: []choice{{Value: "allow", Title: "Give what the role allows"}, {Value: "deny", Title: "Take away what the role allows"}},
			Help: "What is taken away stays away, whatever else is given."},
		p.field("Where", "All of it, one project, one source, or one module.", g.Scope),
	}}}, nil
}

func grantFacts(v *visit, g *backstay.Grant) ([]fact, error) {
	n := v.names()
	r := n.grant(g)
	return []fact{{Name: r.Sub, Text: r.Name}, {Name: "Does", Pill: effectPill(g.Effect)}, {Name: "Role", Text: n.role(g.Role)}, {Name: "Where", Text: n.place(g.Scope)}, {Name: "Since", Text: v.when(g.CreatedAt)}}, nil
}

// chooseSubject asks who gets a right: groups first, then the people whom a search finds.
func chooseSubject(v *visit) error {
	page := listPage{frame: v.frame("Give a right"), Heading: "Who gets the right?", Lead: "A right that is given to a group holds for everybody in it.", Back: tab{Href: grantsPath, Word: "Grants"}}
	page.Search = &search{Label: "Search people and groups", Value: v.query("search")}
	if scope := v.query("scope"); scope != "" {
		page.Search.Keep = []sent{{"scope", scope}}
	}
	page.Table = table{Label: "People and groups", Columns: []column{{Title: "Name"}, {Title: "Kind"}}, Empty: &empty{Title: "Nobody is called so", Text: "Search for a part of the name."}}
	l := app.List{Limit: 20, Sort: "name", Search: v.query("search")}
	groups, _, err := v.App.Groups.List(v.ctx, v.who, l)
	if err != nil {
		return err
	}
	give := func(kind backstay.SubjectKind, id, name, sub, word string) {
		to := address(grantsPath+"/new", queryOf("subject_kind", string(kind), "subject", id, "scope", v.query("scope")))
		page.Table.Rows = append(page.Table.Rows, row{Name: name, Sub: sub, Href: to, Cells: []cell{{Text: word}}})
	}
	for _, g := range groups {
		give(backstay.SubjectGroup, g.ID, g.Name, counted(len(g.Members), "person", "people"), "Group")
	}
	people, _, err := v.App.Users.List(v.ctx, v.who, l)
	if err != nil {
		return err
	}
	for _, u := range people {
		give(backstay.SubjectUser, u.ID, u.Name, u.Email, "Person")
	}
	return v.answer(http.StatusOK, "list", page)
}
