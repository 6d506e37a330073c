package web

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/app"
)

// restorePage is a restore: how far it is, its plan and its report.
type restorePage struct {
	frame
	Steps   []restoreStep
	ID      string
	Version int64
	Heading string
	Lead    html
	Mark    pill
	Waiting bool // something is going on
	Meter   *restoreMeter
	Failure *backstay.Failure
	Run     string // the address of its run
	Changes *changeList
	Before  []restoreCheck
	Apply   string // the words of the button that does it; "" where it can't be
	Open    int64  // conflicts that nobody has decided about
	Planned bool
	Over    bool
	Again   string // where another one begins
}

// restoreMeter is how much is done.
type restoreMeter struct {
	Done, Of int64
	Text     string
	Item     string
}

// restoreCheck is a fact that matters before it begins.
type restoreCheck struct{ Tone, Icon, Fact, Text string }

// registerRestores registers the pages of restores.
func (s *Site) registerRestores() {
	s.get("/restore/new", (*visit).newRestore)
	s.post("/restore/new", (*visit).newRestore)
	s.get("/restores", (*visit).restores)
	s.post("/restores", (*visit).planRestore)
	s.get("/restores/{id}", (*visit).showRestore)
	s.get("/restores/{id}/state", (*visit).restoreState)
	s.post("/restores/{id}/decide", (*visit).decideRestore)
	s.post("/restores/{id}/apply", (*visit).applyRestore)
	s.post("/restores/{id}/discard", (*visit).discardRestore)
	s.get("/restores/{id}/report", (*visit).restoreReport)
}

// restoreStates are how the states of a restore look.
var restoreStates = map[backstay.RestoreState]pill{
	backstay.RestorePlanning:  {"run", "run", "Planning", false},
	backstay.RestorePlanned:   {"warn", "pending", "Waits for you", false},
	backstay.RestoreApplying:  {"run", "run", "Restoring", false},
	backstay.RestoreDone:      {"ok", "ok", "Done", false},
	backstay.RestoreFailed:    {"fail", "fail", "Failed", false},
	backstay.RestoreDiscarded: {"idle", "cancel", "Given up", false},
}

func (v *visit) restores() error {
	all, next, err := v.App.Restores.List(v.ctx, v.who, v.list("state", "source"))
	if err != nil {
		return err
	}
	page := listPage{frame: v.frame("Restores"), Heading: "Restores", Lead: "What was planned and what was brought back. A plan that nobody follows is given up after a week."}
	page.Table = table{Label: "Restores", Columns: []column{{Title: "Of"}, {Title: "State"}, {Title: "Where to"}, {Title: "Begun"}}, Next: v.nextPage(next)}
	for _, r := range all {
		state := restoreStates[r.State]
		page.Table.Rows = append(page.Table.Rows, row{Name: v.restoreName(r), Href: "/restores/" + r.ID, Sub: pathsText(r), Cells: []cell{{Pill: &state}, {Text: targetText(r)}, {Text: v.when(r.CreatedAt)}}})
	}
	page.Acts = []act{{Word: "Restore something", Icon: "restore", Href: "/restore", Tone: "primary"}}
	page.Table.Empty = &empty{Icon: "restore", Title: "No restores yet", Text: "Try one before you need it: bring a file back to another folder.", Acts: page.Acts}
	return v.show("list", page)
}

// restoreName is what a restore is of.
func (v *visit) restoreName(r backstay.Restore) string {
	if s, err := v.App.Sources.Find(v.ctx, v.who, r.Source); err == nil {
		return s.Name
	}
	return "Snapshot of " + v.day(r.CreatedAt)
}

func targetText(r backstay.Restore) string {
	if r.Target == backstay.TargetFolder {
		return r.Folder
	}
	return "Its place"
}

// pathsText names what a restore is about, not all of it.
func pathsText(r backstay.Restore) string {
	var shown []string
	for _, p := range r.Paths[:min(2, len(r.Paths))] {
		shown = append(shown, shownPath("/"+p))
	}
	text := cmp.Or(strings.Join(shown, ", "), "Everything")
	if more := len(r.Paths) - 2; more > 0 {
		text += " and " + countText(more) + " more"
	}
	return text
}

func (v *visit) showRestore() error {
	page, err := v.restorePage()
	if err != nil {
		return err
	}
	return v.show("restoreplan", page)
}

// restoreState answers a page that waits: the part that changes, or the word to load itself anew once that is over.
func (v *visit) restoreState() error {
	page, err := v.restorePage()
	if err != nil {
		return err
	}
	if !page.Waiting {
		v.w.Header().Set("HX-Refresh", "true")
		return nil
	}
	text, err := v.templates.part("restoreplan", "waiting", page)
	if err != nil {
		return err
	}
	return v.write(http.StatusOK, text)
}

// restorePage is the page of the restore that the address names.
func (v *visit) restorePage() (*restorePage, error) {
	r, err := v.App.Restores.Find(v.ctx, v.who, v.id())
	if err != nil {
		return nil, err
	}
	page := &restorePage{frame: v.frame("Restore"), ID: r.ID, Version: r.Version, Mark: restoreStates[r.State], Failure: r.Failure, Over: r.Over(), Planned: r.State == backstay.RestorePlanned}
	page.Again = "/snapshots/" + r.Snapshot + "/files"
	if r.Run != "" {
		page.Run = "/activity/" + r.Run
	}
	done := []string{"/restore?source=" + r.Source, page.Again, page.Again}
	if r.State == backstay.RestoreApplying || page.Over {
		done = append(done, "")
	}
	page.Steps = restoreSteps(done...)
	switch r.State {
	case backstay.RestorePlanning, backstay.RestoreApplying:
		err = v.waitForRestore(page, r)
	case backstay.RestorePlanned:
		err = v.planPage(page, r)
	case backstay.RestoreDone:
		err = v.reportPage(page, r)
	case backstay.RestoreFailed:
		page.Heading, page.Lead = "The restore did not come to its end", "What was brought back until then stays. Begin another one: what is equal already is left as it is."
		if r.PlannedAt == nil {
			page.Heading, page.Lead = "The plan could not be made", "Nothing has been changed."
		}
	case backstay.RestoreDiscarded:
		page.Heading, page.Lead = "This plan was given up", "Nothing was changed by it."
	}
	page.Title = page.Heading
	return page, err
}

// waitForRestore tells how far it is.
func (v *visit) waitForRestore(page *restorePage, r backstay.Restore) error {
	page.Waiting, page.Heading = true, "Finding out what would change"
	page.Lead = "Nothing is changed by that. The page goes on by itself."
	if r.State == backstay.RestoreApplying {
		page.Heading, page.Lead = "Bringing it back", "Just what the plan says is done. You may leave this page."
	}
	run, err := v.App.Runs.Find(v.ctx, v.who, r.Run)
	if err != nil {
		return nil // who may not see runs sees that it goes on
	}
	f := run.Figures
	done, of := f.Files, f.TotalFiles
	page.Meter = &restoreMeter{Done: done, Of: of, Text: counted(done, "path", "paths") + " so far", Item: shownPath(f.Item)}
	if of > 0 {
		page.Meter.Text = countText(done) + " of " + counted(of, "path", "paths")
	}
	return nil
}

func (v *visit) applyRestore() error {
	if _, err := v.App.ApplyRestore(v.ctx, v.who, v.id(), int64(v.number("version", 0))); err != nil {
		return err
	}
	return v.redirect("/restores/"+v.id(), "")
}

func (v *visit) discardRestore() error {
	if _, err := v.App.DiscardRestore(v.ctx, v.who, v.id()); err != nil {
		return err
	}
	return v.redirect("/restores", "The plan was given up. Nothing was changed.")
}

// leaveOut is the decision to restore nothing of a folder; the others are about one path alone.
const leaveOut = "leave-out"

// decideRestore settles changes: for each path that was decided, or for all open ones at once.
func (v *visit) decideRestore() error {
	version, id := int64(v.number("version", 0)), v.id()
	if all := v.r.PostForm.Get("all"); all != "" {
		if _, err := v.App.DecideRestore(v.ctx, v.who, id, version, app.Choice{Action: entry.Conflict, Decision: all}); err != nil {
			return err
		}
		return v.redirect("/restores/"+id, "All of them are decided.")
	}
	n, choices := 0, map[string][]string{}
	for _, one := range v.r.PostForm["decision"] {
		decision, coded, _ := strings.Cut(one, " ")
		p, err := url.QueryUnescape(coded)
		if err != nil {
			return backstay.Errorf(backstay.Invalid, "path %q can't be read", coded)
		}
		if decision != "" {
			choices[decision], n = append(choices[decision], p), n+1
		}
	}
	for _, decision := range []string{leaveOut, "overwrite", "skip"} {
		if len(choices[decision]) == 0 {
			continue
		}
		c := app.Choice{Paths: choices[decision], Decision: decision, Alone: true}
		if decision == leaveOut {
			c.Decision, c.Alone = "skip", false
		}
		r, err := v.App.DecideRestore(v.ctx, v.who, id, version, c)
		if err != nil {
			return err
		}
		version = r.Version
	}
	return v.redirect(v.backTo("/restores/"+id), counted(n, "decision", "decisions")+" saved.")
}

// restoreReport sends the report as a file.
func (v *visit) restoreReport() error {
	format := v.query("format")
	types := map[string]string{"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
	if types[format] == "" {
		return errNoPage
	}
	return v.attach(types[format], func(begin app.Begin) error { return v.App.RestoreReport(v.ctx, v.who, v.id(), format, begin) })
}
