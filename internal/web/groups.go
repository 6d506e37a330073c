package web

import (
	"encoding/json"
	"slices"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

const groupsPath = "/settings/groups"

// registerGroups registers the pages of groups of people.
func (s *Site) registerGroups() {
	registerNoun(s, s.groupPages())
	s.post(groupsPath+"/{id}/members", changeMembers)
}

func (s *Site) groupPages() nounPages[backstay.Group, *backstay.Group] {
	return nounPages[backstay.Group, *backstay.Group]{
		noun: s.App.Groups, path: groupsPath, icon: "people", one: "group", many: "groups", order: "name",
		lead:    "People who have the same rights. A grant to a group holds for everybody in it.",
		columns: []string{"People", "Changed"},
		row: func(v *visit, g *backstay.Group) row {
			return row{Name: g.Name, Sub: g.Help, Cells: []cell{{Text: countText(len(g.Members))}, {Text: v.ago(g.UpdatedAt)}}}
		},
		fields: func(_ *visit, g *backstay.Group) ([]group, error) {
			return []group{{Fields: []*field{
				{Name: "name", Title: "Name", Kind: textField, Value: g.Name},
				{Name: "help", Title: "Who belongs to it", Kind: textField, Value: g.Help, Optional: true},
			}}}, nil
		},
		facts: func(v *visit, g *backstay.Group) ([]fact, error) {
			return []fact{{Name: "People", Text: countText(len(g.Members))}, {Name: "Changed", Text: v.ago(g.UpdatedAt)}}, nil
		},
		about: func(_ *visit, g *backstay.Group) string { return g.Help },
		parts: groupParts,
		goes: func(*visit, *backstay.Group) string {
			return "Everybody in it loses the rights that they have by it, at once. The people themselves stay."
		},
	}
}

// groupParts are the rights of a group, the people in it, and those whom a search finds to be added. A group may have a thousand people: a
// page shows so many of them as a list does.
func groupParts(v *visit, g *backstay.Group) ([]thingPart, error) {
	rights, err := v.grantsPart(g.ID)
	if err != nil {
		return nil, err
	}
	if v.somewhere(backstay.ManageGrants) {
		rights.Acts = []act{{Word: "Give a right", Icon: "plus", Href: grantsPath + "/new?subject_kind=group&subject=" + g.ID}}
	}
	may := v.may(backstay.ManageUsers, backstay.System, "")
	first, last, next := v.pageOf(len(g.Members))
	in := table{Label: "People in the group", Columns: []column{{Title: "Name"}}, Next: next, Empty: &empty{Title: "Nobody is in it", Text: "Search for people below to add them."}}
	names := v.names()
	for _, id := range g.Members[first:last] {
		r := row{Name: names.person(id), Href: peoplePath + "/" + id}
		if may {
			r.Acts = []act{{Word: "Remove", Of: r.Name, Icon: "close", Tone: "quiet", Href: groupsPath + "/" + g.ID + "/members", Post: true, Hidden: []sent{{"remove", id}}}}
		}
		in.Rows = append(in.Rows, r)
	}
	parts := []thingPart{rights, {Title: counted(len(g.Members), "person", "people"), Table: &in}}
	if !may {
		return parts, nil
	}
	add, err := v.addable(g)
	return append(parts, add), err
}

// addable are people who are not in a group yet, as a search finds them.
func (v *visit) addable(g *backstay.Group) (thingPart, error) {
	part := thingPart{Title: "Add people", Search: &search{Label: "Search people", Value: v.query("search")}}
	l := app.List{Limit: 20 + len(g.Members), Sort: "name", Search: v.query("search")}
	people, _, err := v.App.Users.List(v.ctx, v.who, l)
	part.Table = &table{Label: "People who are not in it", Columns: []column{{Title: "Name"}}, Empty: &empty{Title: "Nobody is left", Text: "Everybody that is called so is in it already, or nobody is called so."}}
	for i := range people {
		u := &people[i]
		if slices.Contains(g.Members, u.ID) || len(part.Table.Rows) == 20 {
			continue
		}
		part.Table.Rows = append(part.Table.Rows, row{Name: u.Name, Sub: u.Email, Acts: []act{{Word: "Add", Of: u.Name, Icon: "plus",
			Href: groupsPath + "/" + g.ID + "/members", Post: true, Hidden: []sent{{"add", u.ID}, {"search", v.query("search")}}}}})
	}
	return part, err
}

// changeMembers puts somebody into a group, or takes them out of it.
func changeMembers(v *visit) error {
	g, err := v.App.Groups.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	add, remove := v.r.PostForm.Get("add"), v.r.PostForm.Get("remove")
	members := slices.DeleteFunc(slices.Clone(g.Members), func(id string) bool { return id == add || id == remove })
	who, done := remove, " is no longer in it."
	if add != "" {
		members, who, done = append(members, add), add, " was added."
	}
	patch, err := json.Marshal(map[string][]string{"members": append([]string{}, members...)})
	if err != nil {
		return err
	}
	if _, err := v.App.Groups.Update(v.ctx, v.who, g.ID, g.Version, patch); err != nil {
		return v.refusedOn(v.groupPages().showWith, err)
	}
	return v.redirect(address(groupsPath+"/"+g.ID, queryOf("search", v.r.PostForm.Get("search"))), v.names().person(who)+done)
}
