package catalog

import "context"

var background = context.Background()

// Tiny makes everything that is done in pieces be done in tiny ones.
func (c *Catalog) Tiny() {
	c.limits = limits{chunk: 3, few: 4, patience: 150, slice: 2, maxSlice: 4, moments: 2}
}

// Rows returns how many rows a table has.
func (c *Catalog) Rows(table string) (n int64, err error) {
	err = c.read(background, func(s session) error {
		return s.row(background, `SELECT count(*) FROM `+table, nil, &n)
	})
	return n, err
}

// Tables are those that grow with what is added.
var Tables = []string{"snapshots", "moments", "series", "names", "dirs", "versions"}

// Fold and Matches are what searching by text means.
var Fold = fold

// Matches reports whether a path matches the text of a query.
func Matches(text, path string) bool {
	dir, name := split(path)
	return patternOf(text).matches(fold(name), dir)
}

// Below reports whether a path is a prefix or in it.
var Below = below
