package web

import (
	"strings"

	"github.com/backstay/backstay/internal/app"
)

// comparePage shows what differs between two snapshots.
type comparePage struct {
	frame
	Back     tab
	Heading  string
	Lead     []html
	Kinds    []kindCount
	Filter   *field
	With     string
	Kind     string
	Table    table
	Less     string // said where not all that differs is listed
	Action   string
	Filtered bool
}

// kindCount is a way in which paths differ, and how many do.
type kindCount struct {
	Href, Word string
	Count      uint64
	Current    bool
}

const (
	comparedPaths = 10_000 // are looked through
	shownPaths    = 500    // are on the page
)

// differences are the ways in which paths differ, as the page calls them.
var differences = []struct{ kind, word, tone, icon string }{
	{"added", "Added", "ok", "plus"}, {"modified", "Changed", "run", "edit"}, {"removed", "Removed", "warn", "trash"}, {"retyped", "Another type", "warn", "warn"},
}

// compareSnapshots shows what differs between a snapshot and another one, from the older to the newer.
func (v *visit) compareSnapshots() error {
	older, err := v.App.Snapshots.Find(v.ctx, v.who, v.query("with"))
	if err != nil {
		return err
	}
	newer, err := v.App.Snapshots.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	here := "/snapshots/" + newer.ID
	if newer.Time.Before(older.Time) {
		older, newer = newer, older
	}
	found, err := v.App.DiffSnapshots(v.ctx, v.who, older.ID, newer.ID, false, comparedPaths)
	if err != nil {
		return err
	}
	page := comparePage{frame: v.frame("What has changed"), Back: tab{Href: here, Word: v.stamp(newer.Time)}, Heading: differ(found.Counts), Action: here + "/compare", With: v.query("with"), Kind: v.query("kind"),
		Filter: &field{Name: "path", Title: "Only paths with", Kind: textField, Value: strings.TrimSpace(v.query("path")), Optional: true}, Filtered: v.filtered("kind", "path")}
	page.Lead = []html{"From", link("/snapshots/"+older.ID, v.when(older.Time)), "to", link("/snapshots/"+newer.ID, v.when(newer.Time)) + "."}
	if found.Lost > 0 {
		page.Lead = append(page.Lead, html(counted(int64(found.Lost), "path", "paths")+" could not be read in one of the two.")) //nolint:gosec // a number
	}
	page.Kinds = []kindCount{{Href: v.with("kind", ""), Word: "All", Count: total(found.Counts), Current: page.Kind == ""}}
	for _, d := range differences {
		if n := found.Counts[d.kind]; n > 0 {
			page.Kinds = append(page.Kinds, kindCount{Href: v.with("kind", d.kind), Word: d.word, Count: n, Current: page.Kind == d.kind})
		}
	}
	page.list(v, found)
	return v.show("compare", page)
}

// list fills in the paths that are wanted.
func (c *comparePage) list(v *visit, found app.Comparison) {
	c.Table = table{Label: "Paths that differ", Columns: []column{{Title: "Path"}, {Title: "Change"}, {Title: "Before", End: true}, {Title: "After", End: true}}}
	c.Table.Empty = &empty{Icon: "ok", Title: "Nothing differs", Text: "The two snapshots hold the same files with the same content."}
	if c.Filtered {
		c.Table.Empty = &empty{Title: "Nothing found", Text: "None of the paths that differ is so.", Acts: []act{{Word: "Show all", Href: c.Action + "?with=" + c.With}}}
	}
	wanted := 0
	for _, d := range found.Items {
		if c.Kind != "" && string(d.Kind) != c.Kind || !strings.Contains(strings.ToLower(d.Path), strings.ToLower(c.Filter.Value)) {
			continue
		}
		if wanted++; wanted > shownPaths {
			continue
		}
		c.Table.Rows = append(c.Table.Rows, differenceRow(d))
	}
	switch {
	case found.More:
		c.Less = "Only the first " + countText(comparedPaths) + " of all paths were looked through."
	case wanted > shownPaths:
		c.Less = "These are the first " + countText(shownPaths) + " of " + countText(wanted) + "."
	}
}

func differenceRow(d app.Difference) row {
	r := row{Name: d.Path, Cells: []cell{{}, {}, {}}}
	for _, way := range differences {
		if way.kind == string(d.Kind) {
			r.Cells[0].Pill = &pill{way.tone, way.icon, way.word, true}
		}
	}
	if d.Type == "dir" {
		r.Sub = "Folder"
	} else {
		if d.Kind != "added" {
			r.Cells[1].Text = bytesText(int64(d.OldSize))
		}
		if d.Kind != "removed" {
			r.Cells[2].Text = bytesText(int64(d.NewSize))
		}
	}
	if d.Silent {
		r.Sub = "Its content differs and nothing else does: one of the two was probably read from a failing disk."
	}
	return r
}

func total(counts map[string]uint64) (n uint64) {
	for _, d := range differences {
		n += counts[d.kind]
	}
	return n
}

// differ says how many paths differ, as the page's heading.
func differ(counts map[string]uint64) string {
	if total(counts) == 0 {
		return "Nothing has changed"
	}
	var words []string
	for _, d := range differences {
		if n := counts[d.kind]; n > 0 {
			words = append(words, countText(int64(n))+" "+strings.ToLower(d.word))
		}
	}
	return strings.Join(words, ", ")
}
