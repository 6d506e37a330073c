package app

import (
	"slices"
	"strconv"
	"strings"
)

// fixedCursor begins the cursor of a page that has to go on among the things that always are there.
const fixedCursor = "fixed."

// fixedPage returns those of the things that always are there which a page begins with, and the list of what follows from the database. They
// come before all others, whatever the list is sorted by. With next the page is full.
func (n *Noun[T, P]) fixedPage(l List) (page []T, rest List, next string) {
	if l.Limit == 0 {
		l.Limit = 100
	}
	after, among := strings.CutPrefix(l.Cursor, fixedCursor)
	if n.fixed == nil || l.Cursor != "" && !among {
		return nil, l, ""
	}
	begin, _ := strconv.Atoi(after) // of the first page: 0
	all := slices.DeleteFunc(n.fixed(), func(v T) bool { return !n.wanted(&v, l) })
	begin = max(0, min(begin, len(all)))
	page = all[begin:min(begin+l.Limit, len(all))]
	if l.Cursor = ""; len(page) == l.Limit {
		return page, l, fixedCursor + strconv.Itoa(begin+l.Limit)
	}
	l.Limit -= len(page)
	return page, l, ""
}

// wanted reports whether a list asks for a thing of that name.
func (n *Noun[T, P]) wanted(v P, l List) bool {
	name, named := l.Filters["name"]
	return (!named || n.name(v) == name) && strings.Contains(strings.ToLower(n.name(v)), strings.ToLower(l.Search)) && l.Project == ""
}

// fixedOne returns the one of an id that always is there.
func (n *Noun[T, P]) fixedOne(id string) (v T, ok bool) {
	if n.fixed == nil {
		return v, false
	}
	all := n.fixed()
	i := slices.IndexFunc(all, func(v T) bool { return P(&v).Base().ID == id })
	if i < 0 {
		return v, false
	}
	return all[i], true
}
