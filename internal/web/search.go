package web

import (
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// searchPage finds sources, plans, snapshots and files by their names.
type searchPage struct {
	frame
	Text   string
	Told   string // how much was found, for those who hear it
	Groups []foundGroup
	Files  []foundFile
	Next   string // the address of more files
	Empty  *empty
}

// foundGroup is what was found of one noun.
type foundGroup struct {
	Title, Icon string
	Rows        []tab
}

// foundFile is a path that was found in snapshots.
type foundFile struct {
	Href, Name, Folder, Source, Icon, Size string
	Changed, Last                          html
}

// What a search answers of each noun, and of files.
const (
	foundNouns = 10
	foundFiles = 50
)

// registerSearch registers the page that finds everything.
func (s *Site) registerSearch() { s.get("/search", (*visit).search) }

func (v *visit) search() error {
	page := searchPage{frame: v.frame("Search"), Text: strings.TrimSpace(v.query("q"))}
	if page.Text == "" {
		return v.show("search", page)
	}
	page.Title = "Search for " + page.Text
	if v.query("cursor") == "" {
		if err := v.findNouns(&page); err != nil {
			return err
		}
	}
	if err := v.findFiles(&page); err != nil {
		return err
	}
	n := len(page.Files)
	for _, g := range page.Groups {
		n += len(g.Rows)
	}
	page.Told = counted(n, "thing", "things") + " found"
	if page.Next != "" {
		page.Told = "More than " + page.Told
	}
	if n == 0 && page.Next == "" {
		page.Empty = &empty{Icon: "search", Title: "Nothing is called so", Text: "Any part of a name finds it, whatever its case. With a slash it is a part of the path, such as letters/2024.", Filtered: true}
	}
	return v.show("search", page)
}

// findNouns finds sources, plans and snapshots.
func (v *visit) findNouns(page *searchPage) error {
	l := app.List{Limit: foundNouns, Project: v.project(), Search: page.Text}
	add := func(title, icon string, rows []tab) {
		if len(rows) > 0 {
			page.Groups = append(page.Groups, foundGroup{title, icon, rows})
		}
	}
	var rows []tab
	sources, _, err := v.App.Sources.List(v.ctx, v.who, l)
	if err != nil {
		return err
	}
	for _, s := range sources {
		rows = append(rows, tab{Href: "/sources/" + s.ID, Word: s.Name})
	}
	add("Sources", "source", rows)
	plans, _, err := v.App.Plans.List(v.ctx, v.who, l)
	if err != nil {
		return err
	}
	rows = nil
	for _, p := range plans {
		rows = append(rows, tab{Href: "/plans/" + p.ID, Word: p.Name})
	}
	add("Plans", "plan", rows)
	snapshots, _, err := v.App.Snapshots.List(v.ctx, v.who, l)
	if err != nil {
		return err
	}
	rows = nil
	for _, s := range snapshots {
		rows = append(rows, tab{Href: "/snapshots/" + s.ID, Word: s.Handle[:8] + " of " + v.day(s.Time) + ", " + s.Time.In(v.zone).Format("15:04")})
	}
	add("Snapshots", "restore", rows)
	return nil
}

// findFiles finds paths in all snapshots; nothing where the person may browse none.
func (v *visit) findFiles(page *searchPage) error {
	if !v.somewhere(backstay.BrowseSnapshots) {
		return nil
	}
	found, next, err := v.App.Search(v.ctx, v.who, app.Search{Text: page.Text, Project: v.project(), Source: v.query("source"), Limit: foundFiles, Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	names := map[string]string{}
	for _, f := range found {
		if _, ok := names[f.Source]; !ok && f.Source != "" {
			if s, err := v.App.Sources.Find(v.ctx, v.who, f.Source); err == nil {
				names[f.Source] = s.Name
			} else {
				names[f.Source] = "" // who has a role in a module alone does not see the source
			}
		}
		row := foundFile{Name: baseName(f.Path), Folder: folderOf(f.Path), Source: names[f.Source], Icon: "file", Size: bytesText(int64(f.Size)), Changed: v.when(f.Modified), Last: v.when(f.Last)}
		row.Href = addressOf("/restore/file", "source", f.Source, "repository", f.Repository, "original", f.Original, "path", f.Path)
		if f.Type == "dir" {
			row.Icon, row.Size = "folder", ""
		}
		page.Files = append(page.Files, row)
	}
	page.Next = v.nextPage(next)
	return nil
}
