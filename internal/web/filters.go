package web

import (
	"cmp"

	"github.com/backstay/backstay/internal/app"
)

// filters ask which of a list are wanted.
type filters struct {
	Action string
	Fields []*field
	Clear  bool // some are asked for
}

// filterField chooses one value of a filter, or all of them.
func (v *visit) filterField(name, title, all string, choices []choice) *field {
	return &field{Name: name, Title: title, Kind: selectField, Value: v.query(name), Choices: append([]choice{{Title: all}}, choices...)}
}

// choicesOf are the things of a noun that the person may see, by their names.
func choicesOf[T any, P record[T]](v *visit, n *app.Noun[T, P], project string, name func(P) string) (all []choice, err error) {
	things, _, err := n.List(v.ctx, v.who, app.List{Limit: 1000, Sort: "name", Project: project})
	for i := range things {
		all = append(all, choice{Value: P(&things[i]).Base().ID, Title: cmp.Or(name(&things[i]), "without a name")})
	}
	return all, err
}
