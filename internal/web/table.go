package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// table is a list of things, one a row. In a narrow place each row is a card.
type table struct {
	Label   string // what it lists, for those who hear it
	Columns []column
	Rows    []row
	Next    string // the address of the next page; "" on the last one
	Empty   *empty // what stands there without rows
}

// HasActs reports whether there is something to do with any of them.
func (t table) HasActs() bool {
	return slices.ContainsFunc(t.Rows, func(r row) bool { return len(r.Acts) > 0 })
}

// column is one fact of every thing.
type column struct {
	Title string
	Sort  string // the address that sorts by it; "" where that can't be
	Order string // ascending or descending where the list is sorted by it
	End   bool   // numbers, at the right
	Drop  bool   // only where there is room
}

// row is one thing: its name, and what the columns after the first say.
type row struct {
	Name, Href, Sub string
	Tone            string
	Cells           []cell
	Acts            []act
}

// IsState reports whether a cell says the state of the thing: the first that is a pill does. On a card it stands beside the name.
func (r row) IsState(i int) bool {
	return i == slices.IndexFunc(r.Cells, func(c cell) bool { return c.Pill != nil })
}

// cell is one fact: a pill, or a text with a second line.
type cell struct {
	Pill *pill
	Text any // a string, or html such as a moment
	Sub  any
	Href string
}

// act is something that can be done at once, by a link or a form.
type act struct {
	Word, Of, Icon string // Of says to those who hear it which thing it is about
	Href           string
	Post           bool
	Tone           string // primary, second, quiet, danger
	Hidden         []sent // what the form sends
}

// empty is what stands in the place of a list without rows.
type empty struct {
	Icon, Title, Text string
	Acts              []act
	Filtered          bool // something is there, but nothing that was asked for
}

// nextPage is the address of a page of the same list with another cursor; "" without one.
func (v *visit) nextPage(cursor string) string {
	if cursor == "" {
		return ""
	}
	return v.with("cursor", cursor)
}

// pageOf is which of so many rows the page has that the address asks for, where a list is no list of the database; and the address of the next.
func (v *visit) pageOf(rows int) (first, last int, next string) {
	first = min(max(0, v.number("from", 0)), rows)
	if last = min(first+pageSize, rows); last < rows {
		next = v.with("from", strconv.Itoa(last))
	}
	return first, last, next
}

// with is the address of this page with another value; what is there of a cursor is not good for it.
func (v *visit) with(name, value string) string {
	q := v.r.URL.Query()
	q.Del("cursor")
	q.Set(name, value)
	if value == "" {
		q.Del(name)
	}
	return address(v.r.URL.Path, q)
}

func address(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// sortable is a column that the list can be sorted by.
func (v *visit) sortable(title, by string) column {
	c := column{Title: title, Sort: v.with("sort", by)}
	switch v.query("sort") {
	case by:
		c.Order, c.Sort = "ascending", v.with("sort", "-"+by)
	case "-" + by:
		c.Order = "descending"
	}
	return c
}

// filtered reports whether the address asks for some of a list only.
func (v *visit) filtered(names ...string) bool {
	for _, name := range append(names, "search", "cursor") {
		if strings.TrimSpace(v.query(name)) != "" {
			return true
		}
	}
	return false
}

// queryOf are the values of an address: names and values in turn, but for what is empty.
func queryOf(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}
