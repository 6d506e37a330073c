package web

import (
	"net/http"
	"net/url"
	"path"
	"strconv"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/door"
)

// filePage is one path of a snapshot, with all its versions.
type filePage struct {
	frame
	Crumbs   []tab
	ID, At   string
	Name     string
	Dir      bool
	When     html
	Facts    []fact
	Versions table
	Download bool
	Restore  bool
	Preview  *preview
	Folder   string // the address of its folder
}

// registerFiles registers the pages of single files, and what is downloaded.
func (s *Site) registerFiles() {
	s.get("/snapshots/{id}/file", (*visit).file)
	s.post("/snapshots/{id}/file", (*visit).confirmedFile)
	s.get("/snapshots/{id}/image", (*visit).image)
	s.post("/snapshots/{id}/download", (*visit).download)
	s.post("/snapshots/{id}/content", (*visit).downloadFile)
}

func (v *visit) file() error {
	paths, err := v.paths()
	if err != nil {
		return err
	}
	if len(paths) != 1 {
		return errNoPage
	}
	s, e, err := v.App.FindEntry(v.ctx, v.who, v.id(), paths[0])
	if err != nil {
		return err
	}
	raw := path.Clean("/" + paths[0])
	ways, err := v.App.RestoreWays(v.ctx, v.who, v.id(), []string{raw})
	if err != nil {
		return err
	}
	page := filePage{frame: v.frame(baseName(raw)), ID: s.ID, At: url.QueryEscape(raw), Name: baseName(raw), Dir: e.Type == entry.Dir, When: v.when(s.Time), Facts: v.fileFacts(e),
		Download: ways.Download == nil && (e.Type == entry.Dir || e.Type == entry.File), Restore: ways.Original == nil || ways.Folder == nil}
	at := func(dir string) string { return addressOf("/snapshots/"+s.ID+"/files", "dir", dir) }
	page.Crumbs, page.Folder = crumbs(at, raw), at(path.Dir(raw))
	if page.Dir {
		page.Folder = at(raw)
	}
	if page.Versions, err = v.versionsOfFile(s, raw); err != nil {
		return err
	}
	if page.Preview, err = v.preview(s, e, raw, ways.Download == nil); err != nil {
		return err
	}
	return v.show("file", page)
}

// confirmedFile shows the file again to somebody who has confirmed that it is them.
func (v *visit) confirmedFile() error {
	if !v.who.Fresh {
		return backstay.Errorf(backstay.Unconfirmed, "confirm first that it is you")
	}
	return v.redirect(v.r.URL.RequestURI(), "")
}

func (v *visit) fileFacts(e app.SnapshotEntry) []fact {
	types := map[entry.Type]string{entry.File: "File", entry.Dir: "Folder", entry.Symlink: "Link"}
	kind, ok := types[e.Type]
	if !ok {
		kind = upper(string(e.Type))
	}
	facts := []fact{{Name: "Path", Text: shownPath(rawPath(e))}, {Name: "Kind", Text: kind}}
	if e.Type == entry.File {
		facts = append(facts, fact{Name: "Size", Text: bytesText(int64(e.Size)) + " (" + countText(int64(e.Size)) + " bytes)"})
	}
	if e.LinkTarget != "" {
		facts = append(facts, fact{Name: "Leads to", Text: shownPath(e.LinkTarget)})
	}
	owner := e.User
	if e.Group != "" {
		owner += ", group " + e.Group
	}
	return append(facts, fact{Name: "Last changed", Text: v.when(e.ModTime)}, fact{Name: "Owner", Text: owner}, fact{Name: "Mode", Text: e.Mode})
}

// versionsOfFile are the versions of a path that the snapshots of its source hold, the newest first.
func (v *visit) versionsOfFile(s backstay.Snapshot, raw string) (table, error) {
	t := table{Label: "Versions of this path", Columns: []column{{Title: "Changed"}, {Title: "Size", End: true}, {Title: "In snapshots"}, {Title: "From"}, {Title: "To"}}}
	t.Empty = &empty{Title: "No other version is known", Text: "The catalogue of the repository lists versions once it has read it."}
	if s.Source == "" {
		return t, nil
	}
	stays, err := v.App.History(v.ctx, v.who, s.Source, raw)
	if err != nil {
		return t, err
	}
	for _, stay := range stays {
		if len(stay.Snapshots) == 0 {
			continue
		}
		t.Rows = append(t.Rows, v.versionRow(stay, s, raw))
	}
	return t, nil
}

func (v *visit) versionRow(stay app.Stay, s backstay.Snapshot, raw string) row {
	first, last, here, id := stay.Snapshots[0].Time, stay.Snapshots[0].Time, false, ""
	for _, m := range stay.Snapshots {
		if m.Time.Before(first) {
			first = m.Time
		}
		if !m.Time.Before(last) || id == "" {
			last, id = m.Time, m.ID
		}
		here = here || m.ID == s.ID
	}
	r := row{Name: v.day(stay.Modified) + ", " + stay.Modified.In(v.zone).Format("15:04"), Cells: []cell{{Text: bytesText(int64(stay.Size))}, {Text: strconv.Itoa(len(stay.Snapshots))}, {Text: v.when(first)}, {Text: v.when(last)}}}
	if id != "" {
		r.Href = addressOf("/snapshots/"+id+"/file", "path", raw)
	}
	if here {
		r.Sub, r.Href = "This version", ""
	}
	return r
}

// downloadFile sends one file.
func (v *visit) downloadFile() error {
	paths, err := v.paths()
	if err != nil || len(paths) != 1 {
		return errNoPage
	}
	return v.attach("application/octet-stream", func(begin app.Begin) error {
		return v.App.DownloadFile(v.ctx, v.who, v.id(), paths[0], begin)
	})
}

// attach answers with a download; what goes wrong before its first byte is a page.
func (v *visit) attach(contentType string, send func(app.Begin) error) error {
	begun, err := door.Attach(v.w, v.App.Clock, contentType, send)
	if err != nil && begun {
		v.Log.WarnContext(v.ctx, "a download broke off", "request", v.who.From.Request, "error", err)
		panic(http.ErrAbortHandler) // a part must not look like the whole
	}
	return err
}
