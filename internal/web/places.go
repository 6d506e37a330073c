package web

import (
	"slices"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// maxPlaces is how many places of a kind can be chosen from at once. Where there are more, they are searched.
const maxPlaces = 100

// places are where somebody has a permission, to choose from: the widest first, then what is in the projects. Of very many only those are
// there that a search finds.
type places struct {
	names    *names
	needs    backstay.Permission
	choices  []choice
	searched bool // there are more than it lists
}

// placesFor lists the places in which the person has a permission. The chosen one is always among them.
func (v *visit) placesFor(needs backstay.Permission, search string, chosen backstay.Scope) (*places, error) {
	p := &places{names: v.names(), needs: needs}
	for _, scope := range []backstay.Scope{backstay.Everywhere, backstay.System} {
		p.add(v, scope, "")
	}
	for _, project := range v.desk.Projects {
		p.add(v, project.Scope, "")
	}
	l := app.List{Limit: maxPlaces, Sort: "name", Search: search}
	if err := addPlaces(v, p, v.App.Sources, l, func(s *backstay.Source) string { return s.Name }); err != nil {
		return nil, err
	}
	if err := addPlaces(v, p, v.App.Modules, l, func(m *backstay.Module) string { return m.Name }); err != nil {
		return nil, err
	}
	if err := addPlaces(v, p, v.App.Repositories, l, func(r *backstay.Repository) string { return r.Name }); err != nil {
		return nil, err
	}
	if chosen != "" && !slices.ContainsFunc(p.choices, func(c choice) bool { return c.Value == string(chosen) }) && chosen.Check() == nil {
		p.add(v, chosen, "")
	}
	return p, nil
}

// add lists a place if the person has the permission there.
func (p *places) add(v *visit, scope backstay.Scope, owner string) {
	if v.may(p.needs, scope, owner) {
		p.choices = append(p.choices, choice{Value: string(scope), Title: p.names.place(scope)})
	}
}

// addPlaces lists the things of a noun.
func addPlaces[T any, P record[T]](v *visit, p *places, noun *app.Noun[T, P], l app.List, name func(P) string) error {
	things, next, err := noun.List(v.ctx, v.who, l)
	p.searched = p.searched || next != "" || l.Search != ""
	for i := range things {
		x := P(&things[i])
		scope, owner := placeOf(x)
		p.names.known[noun.Kind+"/"+x.Base().ID] = name(x)
		p.add(v, scope, owner)
	}
	return err
}

// field asks for one of them.
func (p *places) field(title, help string, chosen backstay.Scope) *field {
	f := &field{Name: "scope", Title: title, Help: help, Kind: selectField, Choices: p.choices, Value: string(chosen), Wide: true}
	if chosen == "" && len(p.choices) > 0 {
		f.Value = p.choices[0].Value
	}
	return f
}

// search finds places where there are too many to list, and keeps what else the address says.
func (p *places) search(v *visit) *search {
	if !p.searched {
		return nil
	}
	s := &search{Label: "Find a source, module or repository to choose", Value: v.query("search")}
	q := v.r.URL.Query()
	for name := range q {
		if name != "search" && !strings.HasPrefix(name, confirmField) {
			s.Keep = append(s.Keep, sent{name, q.Get(name)})
		}
	}
	slices.SortFunc(s.Keep, func(a, b sent) int { return strings.Compare(a.Name, b.Name) })
	return s
}
