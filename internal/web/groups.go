package web

import (
	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// registerGroups registers the pages of groups of people.
func (s *Site) registerGroups() {
	registerNoun(s, nounPages[backstay.Group, *backstay.Group]{
		noun: s.App.Groups, path: "/settings/groups", icon: "people", one: "group", many: "groups",
		lead:    "People who have the same rights. A grant to a group holds for everybody in it.",
		columns: []string{"People", "Changed"},
		row: func(v *visit, g *backstay.Group) row {
			return row{Name: g.Name, Cells: []cell{{Text: countText(len(g.Members))}, {Text: v.ago(g.UpdatedAt)}}}
		},
		fields: func(v *visit, g *backstay.Group) ([]group, error) {
			people, err := v.peopleChoices()
			return []group{{Fields: []*field{
				{Name: "name", Title: "Name", Kind: textField, Value: g.Name},
				{Name: "members", Title: "People", Kind: checksField, Choices: people, Values: g.Members},
			}}}, err
		},
		goes: func(*visit, *backstay.Group) string {
			return "Everybody in it loses the rights that they have by it, at once. The people themselves stay."
		},
	})
}

// peopleChoices are all people, to choose from.
func (v *visit) peopleChoices() (all []choice, err error) {
	people, _, err := v.App.Users.List(v.ctx, v.who, app.List{Limit: 1000, Sort: "name"})
	for _, u := range people {
		all = append(all, choice{Value: u.ID, Title: u.Name, Help: u.Email})
	}
	return all, err
}
