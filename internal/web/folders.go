package web

import (
	"net/http"
	"net/url"
	"path"
	"strconv"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/app"
)

// folderPage is the browser of files: a folder of a snapshot, in which others open.
type folderPage struct {
	frame
	Steps    []restoreStep
	Crumbs   []tab
	ID       string
	Source   string // the id of what it is of
	When     html
	Versions []pointsDay
	All      string // the address of all versions
	Dir, At  string // as it is shown, and as forms have it
	Tree     treeRows
	First    int // the place of the first row
	Prev     string
	Next     string
	Than     []choice
	Compare  string // the address where all that differs from the chosen one is listed
	Damaged  bool
	Download bool
	Restore  bool
}

// treeRows are rows of a tree grid.
type treeRows struct {
	Rows  []treeRow
	Level int
	Total int
	Mark  bool // they are compared
}

// treeRow is one entry.
type treeRow struct {
	Pos                  int
	Name, At, Href, Icon string
	Dir                  bool
	Size                 string
	Bytes                uint64
	Changed              html
	Mark                 *pill
}

// How many rows a page of a folder has, and how many a script may ask for at once.
const (
	treePage = 200
	treeMost = 1000
)

// versionsShown is how many versions stand beside the files.
const versionsShown = 12

// registerFolders registers the browser of files.
func (s *Site) registerFolders() {
	s.get("/snapshots/{id}/files", (*visit).files)
	s.get("/snapshots/{id}/rows", (*visit).fileRows)
	s.post("/snapshots/{id}/size", (*visit).chosenSize)
}

func (v *visit) files() error {
	ways, err := v.App.RestoreWays(v.ctx, v.who, v.id(), nil)
	if err != nil {
		return err
	}
	s := ways.Snapshot
	versions, than, err := v.versionsOf(s)
	if err != nil {
		return err
	}
	l := app.Listing{Dir: v.query("dir"), From: v.number("from", 0), Limit: treePage, Than: than}
	f, err := v.beginAt(s, l)
	if err != nil {
		return err
	}
	dir := f.Dir
	page := folderPage{frame: v.frame("Files of " + v.day(s.Time)), ID: s.ID, Source: s.Source, When: v.when(s.Time), Steps: restoreSteps("/restore"), Dir: shownPath(dir), At: url.QueryEscape(dir),
		Tree: v.treeRows(f, 1), First: f.From, Damaged: f.Damaged, Download: ways.Download == nil, Restore: ways.Original == nil || ways.Folder == nil}
	page.Crumbs = crumbs(func(d string) string { return v.with("dir", d) }, dir)
	if f.From > 0 {
		page.Prev = v.with("from", strconv.Itoa(max(0, f.From-treePage)))
	}
	if end := f.From + len(f.Entries); end < f.Total {
		page.Next = v.with("from", strconv.Itoa(end))
	}
	v.besideFiles(&page, s, versions, dir)
	for _, o := range versions {
		if o.Repository == s.Repository && o.ID != s.ID {
			page.Than = append(page.Than, choice{Value: o.ID, Title: v.day(o.Time) + ", " + o.Time.In(v.zone).Format("15:04"), Chosen: o.ID == than})
		}
	}
	if than != "" {
		page.Compare = addressOf("/snapshots/"+s.ID+"/compare", "with", than)
	}
	return v.show("folder", page)
}

// beginAt lists the folder that the address names; without one what was backed up, as far as the person may see it.
func (v *visit) beginAt(s backstay.Snapshot, l app.Listing) (app.Folder, error) {
	if l.Dir != "" {
		return v.App.ListFolder(v.ctx, v.who, s.ID, l)
	}
	if len(s.Paths) == 1 {
		l.Dir = s.Paths[0]
		if f, err := v.App.ListFolder(v.ctx, v.who, s.ID, l); err == nil {
			return f, nil
		}
	}
	l.Dir = "/"
	return v.App.ListFolder(v.ctx, v.who, s.ID, l)
}

// besideFiles adds the versions to choose from.
func (v *visit) besideFiles(page *folderPage, s backstay.Snapshot, versions []backstay.Snapshot, dir string) {
	if s.Source == "" || len(versions) == 0 {
		return
	}
	page.All = "/restore?source=" + s.Source
	at := 0
	for i := range versions {
		if versions[i].ID == s.ID {
			at = i
		}
	}
	begin := max(0, min(at-versionsShown/2, len(versions)-versionsShown))
	page.Versions = v.days(versions[begin:min(begin+versionsShown, len(versions))], s.ID, func(o backstay.Snapshot) string {
		return addressOf("/snapshots/"+o.ID+"/files", "dir", dir)
	})
}

// versionsOf are the newest snapshots of the same source, and the id of the one to compare with: the one before unless the address names another.
func (v *visit) versionsOf(s backstay.Snapshot) (all []backstay.Snapshot, than string, err error) {
	if s.Source != "" {
		all, _, err = v.App.Snapshots.List(v.ctx, v.who, app.List{Limit: treePage, Sort: "-time", Filters: map[string]string{"source": s.Source}})
	}
	if v.r.URL.Query().Has("than") {
		return all, v.query("than"), err
	}
	for _, o := range all {
		if o.Repository == s.Repository && o.Time.Before(s.Time) {
			return all, o.ID, err
		}
	}
	return all, "", err
}

// fileRows answers the script that shows folders: a part of one.
func (v *visit) fileRows() error {
	l := app.Listing{Dir: v.query("dir"), From: v.number("from", 0), Limit: min(max(v.number("limit", treePage), 1), treeMost), Find: v.query("find"), Than: v.query("than")}
	f, err := v.App.ListFolder(v.ctx, v.who, v.id(), l)
	if err != nil {
		return err
	}
	text, err := v.templates.part("folder", "rows", v.treeRows(f, max(1, v.number("level", 1))))
	if err != nil {
		return err
	}
	return v.write(http.StatusOK, text)
}

func (v *visit) treeRows(f app.Folder, level int) treeRows {
	t := treeRows{Level: level, Total: f.Total, Mark: f.Than.ID != ""}
	for i, e := range f.Entries {
		raw := rawPath(e.SnapshotEntry)
		r := treeRow{Pos: f.From + i + 1, Name: baseName(raw), At: url.QueryEscape(raw), Icon: "file", Dir: e.Type == entry.Dir, Bytes: e.Size, Changed: v.when(e.ModTime)}
		if r.Dir {
			r.Icon, r.Href = "folder", addressOf("/snapshots/"+f.Snapshot.ID+"/files", "dir", raw)
			if t.Mark {
				r.Href += "&than=" + f.Than.ID
			}
		} else {
			r.Size, r.Href = bytesText(int64(e.Size)), addressOf("/snapshots/"+f.Snapshot.ID+"/file", "path", raw)
		}
		if t.Mark {
			r.Mark = markPill(string(e.Differs), f.Than.Time.After(f.Snapshot.Time))
		}
		t.Rows = append(t.Rows, r)
	}
	return t
}

// markPill is how an entry differs from the other snapshot: later is whether that is the newer one.
func markPill(kind string, later bool) *pill {
	switch {
	case kind == "":
		return &pill{"idle", "check", "Same", true}
	case kind == "added" && later:
		return &pill{"fail", "trash", "Gone", true}
	case kind == "added":
		return &pill{"ok", "plus", "New", true}
	}
	return &pill{"warn", "edit", "Changed", true}
}

// chosenSize tells how much is chosen.
func (v *visit) chosenSize() error {
	paths, err := v.paths()
	if err != nil {
		return err
	}
	m, err := v.App.MeasurePaths(v.ctx, v.who, v.id(), paths)
	if err != nil {
		return err
	}
	text := counted(m.Files, "file", "files") + ", " + bytesText(int64(m.Bytes))
	if m.More {
		text = "more than " + text
	}
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = v.w.Write([]byte(text)) // who asked may have gone
	return nil
}

// chosen are the paths that a form of the browser sends; those of the folder as a whole where none is chosen.
func (v *visit) chosen() ([]string, error) {
	paths, err := v.paths()
	if err == nil && len(paths) == 0 {
		var dir string
		if dir, err = url.QueryUnescape(v.r.Form.Get("dir")); err == nil && dir != "" {
			paths = []string{path.Clean("/" + dir)}
		}
	}
	return paths, err
}

// download sends files and folders as an archive.
func (v *visit) download() error {
	paths, err := v.chosen()
	if err != nil {
		return err
	}
	format := v.r.PostForm.Get("format")
	types := map[string]string{"zip": "application/zip", "tar": "application/x-tar"}
	return v.attach(types[format], func(begin app.Begin) error {
		return v.App.DownloadArchive(v.ctx, v.who, v.id(), paths, format, "", begin)
	})
}
