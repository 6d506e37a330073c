package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// restoreStart asks what is needed back.
type restoreStart struct {
	frame
	Rows []restoreSource
	Next string
	More string // what the list is of
}

// restoreSource is something that can be brought back, by its points in time.
type restoreSource struct{ Href, Name, Sub string }

// restorePoints is the page of the points in time of a source, or of one of its modules.
type restorePoints struct {
	frame
	Steps   []restoreStep
	Name    string
	Days    []pointsDay
	Next    string
	Missing *empty
}

// restoreStep is one of the steps of a restore.
type restoreStep struct {
	Word string
	Href string // of one that is done
	Done bool
	Now  bool
}

// restoreSteps are the steps of a restore, of which some are done: where each was is given.
func restoreSteps(done ...string) (all []restoreStep) {
	for i, word := range []string{"What", "Which version", "Where", "Restore plan", "Result"} {
		s := restoreStep{Word: word, Done: i < len(done), Now: i == len(done)}
		if s.Done {
			s.Href = done[i]
		}
		all = append(all, s)
	}
	return all
}

// pointsDay is the points of one day.
type pointsDay struct {
	Title  string
	Points []timePoint
}

// timePoint is a snapshot to choose.
type timePoint struct {
	Href, Clock, Time string
	Pill              pill
	Sub               string
	Current           bool
}

// registerRestore registers the pages that lead to what is to be brought back.
func (s *Site) registerRestore() {
	s.get("/restore", (*visit).restore)
	s.get("/restore/file", (*visit).newestOf)
	s.registerSearch()
	s.registerFolders()
	s.registerFiles()
	s.registerRestores()
}

func (v *visit) restore() error {
	if id := v.query("source"); id != "" {
		return v.pointsOfSource(id)
	}
	if id := v.query("module"); id != "" {
		return v.pointsOfModule(id)
	}
	page := restoreStart{frame: v.frame("Restore"), More: "Or choose a source"}
	sources, next, err := v.App.Sources.List(v.ctx, v.who, app.List{Limit: pageSize, Cursor: v.query("cursor"), Sort: "name", Project: v.project()})
	if err != nil {
		return err
	}
	for _, s := range sources {
		page.Rows = append(page.Rows, restoreSource{"/restore?source=" + s.ID, s.Name, s.Kind})
	}
	page.Next = v.nextPage(next)
	if len(sources) == 0 { // who has a role in modules alone
		modules, _, err := v.App.Modules.List(v.ctx, v.who, app.List{Limit: pageSize, Sort: "name", Project: v.project()})
		if err != nil {
			return err
		}
		page.More = "Or choose a module"
		for _, m := range modules {
			page.Rows = append(page.Rows, restoreSource{"/restore?module=" + m.ID, m.Name, strings.Join(m.Paths, ", ")})
		}
	}
	return v.show("restore", page)
}

func (v *visit) pointsOfSource(id string) error {
	s, err := v.App.Sources.Find(v.ctx, v.who, id)
	if err != nil {
		return err
	}
	all, next, err := v.App.Snapshots.List(v.ctx, v.who, app.List{Limit: pageSize, Cursor: v.query("cursor"), Sort: "-time", Filters: map[string]string{"source": id}})
	if err != nil {
		return err
	}
	return v.points(s.Name, all, next, v.insideOf)
}

func (v *visit) pointsOfModule(id string) error {
	m, err := v.App.Modules.Find(v.ctx, v.who, id)
	if err != nil {
		return err
	}
	all, next, err := v.App.ModuleSnapshots(v.ctx, v.who, id, app.List{Limit: pageSize, Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	inside := v.insideOf
	if v.may(backstay.BrowseSnapshots, m.Scope, m.Owner) {
		inside = func(s backstay.Snapshot) string { return "/snapshots/" + s.ID + "/files" }
	}
	return v.points(m.Name, all, next, inside)
}

// insideOf is where somebody looks into a snapshot: at its files, or, who may not, at what it is.
func (v *visit) insideOf(s backstay.Snapshot) string {
	if v.may(backstay.BrowseSnapshots, s.Scope, s.Owner) {
		return "/snapshots/" + s.ID + "/files"
	}
	return "/snapshots/" + s.ID
}

// points shows the points in time of something.
func (v *visit) points(name string, all []backstay.Snapshot, next string, inside func(backstay.Snapshot) string) error {
	page := restorePoints{frame: v.frame("Restore " + name), Name: name, Steps: restoreSteps("/restore"), Next: v.nextPage(next)}
	page.Days = v.days(all, "", inside)
	if len(all) == 0 {
		page.Missing = &empty{Icon: "restore", Title: "No backup yet", Text: "There is nothing to bring back of " + name + ". Its first backup makes the first point.", Acts: []act{{Word: "Choose something else", Href: "/restore"}}}
	}
	return v.show("points", page)
}

// days groups snapshots by their days. Of copies in several repositories there is one point.
func (v *visit) days(all []backstay.Snapshot, current string, href func(backstay.Snapshot) string) (days []pointsDay) {
	last, copies := "", map[string]bool{}
	for _, s := range all {
		if copies[s.Original] && s.ID != current {
			continue
		}
		copies[s.Original] = true
		if title := v.dayTitle(s.Time); title != last {
			days, last = append(days, pointsDay{Title: title}), title
		}
		d := &days[len(days)-1]
		d.Points = append(d.Points, v.point(s, s.ID == current, href(s)))
	}
	return days
}

func (v *visit) point(s backstay.Snapshot, current bool, href string) timePoint {
	t := s.Time.In(v.zone)
	p := timePoint{Href: href, Clock: t.Format("15:04"), Time: t.Format(time.RFC3339), Pill: healthPill(s.Health), Current: current}
	p.Sub = counted(s.Files, "file", "files") + ", " + bytesText(s.Bytes)
	if s.Protected {
		p.Pill, p.Sub = pill{"lock", "lock", "Protected, " + strings.ToLower(p.Pill.Word), true}, "Protected, "+p.Sub
	}
	if s.Health == backstay.HealthDamaged {
		p.Sub = "Damaged, " + p.Sub
	}
	return p
}

// dayTitle is a day as a heading.
func (v *visit) dayTitle(t time.Time) string {
	now, t := v.App.Clock.Now().In(v.zone), t.In(v.zone)
	switch {
	case t.Format(time.DateOnly) == now.Format(time.DateOnly):
		return "Today"
	case t.Format(time.DateOnly) == now.AddDate(0, 0, -1).Format(time.DateOnly):
		return "Yesterday"
	case t.Year() == now.Year():
		return t.Format("Monday 2 January")
	}
	return t.Format("2 January 2006")
}

// newestOf goes on to the newest version of a path that a search has found.
func (v *visit) newestOf() error {
	path := v.query("path")
	if source := v.query("source"); source != "" {
		stays, err := v.App.History(v.ctx, v.who, source, path)
		if err != nil {
			return err
		}
		id, newest := "", time.Time{}
		for _, stay := range stays {
			for _, m := range stay.Snapshots {
				if m.ID != "" && m.Time.After(newest) {
					id, newest = m.ID, m.Time
				}
			}
		}
		if id != "" {
			return v.seeFile(id, path)
		}
	}
	found, _, err := v.App.Snapshots.List(v.ctx, v.who, app.List{Limit: 1, Filters: map[string]string{"original": v.query("original"), "repository": v.query("repository")}})
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return backstay.Errorf(backstay.NotFound, "no snapshot holds %q any more", path).WithHint("It was found in the catalogue of before. Look at the newest point of its source.")
	}
	return v.seeFile(found[0].ID, path)
}

func (v *visit) seeFile(snapshot, path string) error {
	http.Redirect(v.w, v.r, addressOf("/snapshots/"+snapshot+"/file", "path", path), http.StatusSeeOther)
	return nil
}
