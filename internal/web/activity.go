package web

import (
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// registerActivity registers the pages of runs.
func (s *Site) registerActivity() {
	s.get("/activity", (*visit).activity)
	s.get("/activity/live", (*visit).activityLive)
	s.get("/activity/{id}", (*visit).runPage)
	s.get("/activity/{id}/live", (*visit).runLive)
	s.get("/activity/{id}/log.txt", (*visit).runLogText)
	s.get("/activity/{id}/cancel", (*visit).askToCancelRun)
	s.post("/activity/{id}/cancel", (*visit).cancelRun)
	s.post("/activity/{id}/retry", (*visit).retryRun)
	s.get("/runs/{id}", func(v *visit) error { return v.redirect("/activity/"+v.id(), "") }) // as messages name it
	s.get("/errors/{code}", (*visit).errorPage)
}

// liveEvery is how often what is live in a list is looked at.
const liveEvery = 2 * time.Second

// activityPage lists runs.
type activityPage struct {
	frame
	Heading string
	Tabs    []tab
	Filters filterForm
	Runs    []runRow
	Follow  string // the address at which the rows that are not over are live; "" without any
	Next    string
	First   string // the address of the first page, on others
	Empty   *empty
}

// runRow is a run in a list.
type runRow struct {
	ID, Href   string
	Name, Kind string
	State      pill
	When       html
	Took       string
	Figures    string
	Meter      *meter
}

func (v *visit) activity() error {
	want, err := v.activityWanted()
	if err != nil {
		return err
	}
	runs, next, err := v.App.Activity(v.ctx, v.who, want)
	if err != nil {
		return err
	}
	page := activityPage{frame: v.frame("Activity"), Heading: runningText(v.desk.Running), Next: v.nextPage(next), Tabs: v.activityTabs()}
	if page.Filters, err = v.activityFilters(); err != nil {
		return err
	}
	if page.Runs, err = v.runRows(runs); err != nil {
		return err
	}
	page.Follow = followed(runs)
	if v.query("cursor") != "" {
		page.First = v.with("cursor", "")
	}
	page.Empty = &empty{Icon: "activity", Title: "No runs yet", Text: "Each backup, restore and verification stands here once it was started, with its log.", Acts: []act{{Word: "Go to the plans", Href: "/plans", Tone: "primary"}}}
	if v.filtered(activityFilters...) {
		page.Empty = &empty{Title: "Nothing found", Text: "No run is so.", Acts: []act{{Word: "Clear filters", Href: "/activity"}}}
	}
	return v.show("activity", page)
}

func runningText(n int) string {
	switch n {
	case 0:
		return "Nothing is running"
	case 1:
		return "1 run is at work"
	}
	return countText(n) + " runs are at work"
}

// activityTabs are what is asked for most.
func (v *visit) activityTabs() []tab {
	at := v.query("state")
	return []tab{
		{Href: v.with("state", ""), Word: "All", Current: at == ""},
		{Href: v.with("state", stateActive), Word: "Not over", Current: at == stateActive},
		{Href: v.with("state", stateProblem), Word: "With problems", Current: at == stateProblem},
	}
}

// followed is where those of the runs that are not over are live; "" if all are.
func followed(runs []backstay.Run) string {
	var ids []string
	for _, r := range runs {
		if !r.State.Ended() {
			ids = append(ids, r.ID)
		}
	}
	if len(ids) == 0 {
		return ""
	}
	return "/activity/live?ids=" + strings.Join(ids, ",")
}

// activityLive sends the rows of some runs until all are over. Rows that begin later are on the page when it is loaded again: nothing moves
// under the pointer.
func (v *visit) activityLive() error {
	ids := strings.Split(v.query("ids"), ",")
	ids = ids[:min(len(ids), pageSize)]
	return v.live(liveEvery, func() ([]byte, error) {
		runs, _, err := v.App.Activity(v.ctx, v.who, app.Activity{List: app.List{Limit: pageSize}, IDs: ids})
		if err != nil {
			return nil, err
		}
		rows, err := v.runRows(runs)
		if err != nil {
			return nil, err
		}
		part, err := v.templates.part("activity", "rows-live", rows)
		if err == nil && !slices.ContainsFunc(runs, func(r backstay.Run) bool { return !r.State.Ended() }) {
			err = errOver
		}
		return part, err
	})
}

// runRows puts runs in words.
func (v *visit) runRows(runs []backstay.Run) ([]runRow, error) {
	known, err := v.App.KnownOf(v.ctx, v.who, runs)
	rows := make([]runRow, len(runs))
	for i, r := range runs {
		rows[i] = v.runRow(r, known)
	}
	return rows, err
}

func (v *visit) runRow(r backstay.Run, known app.Known) runRow {
	row := runRow{ID: "run-" + r.ID, Href: "/activity/" + r.ID, Name: aboutRun(r, known), Kind: kindWord(r.Kind), State: statePill(r.State), When: v.when(r.DueAt), Figures: figuresText(r)}
	if p, ok := known.Plans[r.Plan]; ok && p.Name != row.Name {
		row.Kind += ", " + p.Name
	}
	now := v.App.Clock.Now()
	if r.StartedAt != nil {
		row.When = v.when(*r.StartedAt)
	}
	switch {
	case r.State == backstay.Running:
		row.Meter = meterOf(r, known, now)
		row.Took = spanText(now.Sub(*r.StartedAt).Truncate(time.Second))
	case r.Duration() > 0:
		row.Took = spanText(r.Duration())
	}
	return row
}

// aboutRun is what a run is about, as far as its names are known to the person.
func aboutRun(r backstay.Run, known app.Known) string {
	if r.Kind == backstay.RunServer {
		return "This server"
	}
	var names []string
	for _, id := range r.Sources {
		if s, ok := known.Sources[id]; ok {
			names = append(names, s.Name)
		}
	}
	if p, ok := known.Plans[r.Plan]; ok && len(names) == 0 {
		return p.Name
	}
	for _, id := range r.Repositories {
		if s, ok := known.Repositories[id]; ok && len(r.Sources) == 0 {
			names = append(names, s.Name)
		}
	}
	switch len(names) {
	case 0:
		return kindWord(r.Kind)
	case 1, 2:
		return strings.Join(names, " and ")
	}
	return names[0] + " and " + countText(len(names)-1) + " more"
}

// figuresText are the numbers of a run that ended, in a few words.
func figuresText(r backstay.Run) string {
	f := r.Figures
	var words []string
	switch r.Kind {
	case backstay.RunBackup, backstay.RunServer:
		if f.Files > 0 {
			words = append(words, counted(f.Files, "file", "files"), bytesText(f.Added)+" new")
		}
	case backstay.RunForget:
		if r.State.Good() {
			words = append(words, counted(f.Changed, "snapshot", "snapshots")+" removed")
		}
	default:
		if f.Bytes > 0 {
			words = append(words, bytesText(f.Bytes))
		}
	}
	if f.Lost > 0 {
		words = append(words, countText(f.Lost)+" not read")
	}
	return strings.Join(words, ", ")
}
