package web

import (
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// registerOverview registers the page that everybody begins at.
func (s *Site) registerOverview() {
	s.get("/{$}", (*visit).overview)
	s.get("/overview/live", (*visit).overviewLive)
	s.get("/back-up", (*visit).backUpPage)
	s.post("/project", (*visit).chooseProject)
	s.post("/pause", (*visit).pause)
	s.mux.Handle("/", s.known(func(v *visit) error { return errNoPage }))
}

// overviewPage says how everything stands.
type overviewPage struct {
	frame
	Heading  string
	Lead     html
	Mark     pill
	Acts     []act
	Steps    []firstStep // on the way to a first backup; none once there is one
	Open     []alertCard
	More     int // open alerts that are not listed
	Running  runningCard
	Calendar calendar
	Storages []storageRow
	Concerns []gapRow // sources that need attention for another reason than having no plan
	Gaps     []gapRow // sources that no active plan backs up
	GapCount int
	Coming   []comingRow
}

// How many of each the page lists.
const (
	alertsOnOverview   = 5
	gapsOnOverview     = 5
	storagesOnOverview = 5
	comingOnOverview   = 5
)

func (v *visit) overview() error {
	o, err := v.App.Overview(v.ctx, v.who, v.project(), v.zone)
	if err != nil {
		return err
	}
	page := overviewPage{frame: v.frame("Overview"), Heading: overviewHeading(o.Sources), Lead: v.overviewLead(o), Mark: overviewMark(o), Calendar: v.calendarOf(o.Calendar)}
	if page.Steps, err = v.firstSteps(); err != nil {
		return err
	}
	if page.Acts, err = v.overviewActs(len(page.Steps) == 0); err != nil {
		return err
	}
	if page.Open, err = v.openAlerts(alertsOnOverview); err != nil {
		return err
	}
	page.More = max(0, v.desk.Alerts-len(page.Open))
	if page.Running, err = v.runningCard(o.Running, o.Pending); err != nil {
		return err
	}
	if page.Storages, err = v.storageRows(o.Storages); err != nil {
		return err
	}
	page.Concerns, page.Gaps, page.GapCount = v.concernRows(o.Sources), v.gapRows(o.Sources), o.Sources.Uncovered
	page.Coming = v.comingRows(o.Coming)
	return v.show("overview", page)
}

func overviewHeading(s app.SourcesOverview) string {
	switch {
	case s.Total == 0:
		return "Nothing is protected yet"
	case s.Attention == 1 && s.Total == 1:
		return "The source needs attention"
	case s.Attention == 1:
		return "1 of " + countText(s.Total) + " sources needs attention"
	case s.Attention > 0:
		return countText(s.Attention) + " of " + countText(s.Total) + " sources need attention"
	case s.Unverified > 0 && s.Total == 1:
		return "The source has a recent backup"
	case s.Unverified > 0:
		return "All " + countText(s.Total) + " sources have a recent backup"
	case s.Total == 1:
		return "The source is safe"
	}
	return "All " + countText(s.Total) + " sources are safe"
}

func overviewMark(o app.Overview) pill {
	for _, c := range o.Sources.Concerns {
		if c.Concern == app.ConcernDamaged || c.Concern == app.ConcernOverdue || c.Concern == app.ConcernFailed {
			return pill{Tone: "fail", Icon: "shieldwarn"}
		}
	}
	switch {
	case o.Sources.Total == 0:
		return pill{Tone: "idle", Icon: "shield"}
	case o.Sources.Attention > 0:
		return pill{Tone: "warn", Icon: "shieldwarn"}
	}
	return pill{Tone: "ok", Icon: "shield"}
}

// overviewLead says what is safe, and what comes next.
func (v *visit) overviewLead(o app.Overview) html {
	var words []string
	switch s := o.Sources; {
	case s.Total == 0:
		return "Add a source, such as a folder of this machine, and say where its backups go."
	case s.Attention > 0 && s.Safe > 0:
		words = append(words, "The others: "+countText(s.Safe)+" with a backup in time that is verified.")
	case s.Attention == 0 && s.Unverified == 0:
		words = append(words, "Each has a backup in time, verified as its plans ask for.")
	}
	if n := o.Sources.Unverified; n > 0 {
		words = append(words, counted(n, "backup is", "backups are")+" in time, but not verified yet.")
	}
	if o.Running.Total > 0 {
		words = append(words, runningText(o.Running.Total)+".")
	}
	lead := html(strings.Join(words, " ")) //nolint:gosec // words and digits
	if len(o.Coming) > 0 {
		lead += " The next backup begins at " + v.when(o.Coming[0].At) + "."
	}
	return lead
}

// overviewActs are to back up and, once there is something to, to restore, as far as the person may.
func (v *visit) overviewActs(backedUp bool) (acts []act, err error) {
	plans, err := v.startable("", 2)
	if err != nil {
		return nil, err
	}
	switch len(plans) {
	case 0:
	case 1:
		acts = append(acts, act{Word: "Back up now", Of: ": " + plans[0].Name, Icon: "play", Href: "/plans/" + plans[0].ID + "/start", Post: true})
	default:
		acts = append(acts, act{Word: "Back up now", Icon: "play", Href: "/back-up"})
	}
	if backedUp && v.somewhere(backstay.ListSnapshots) {
		acts = append(acts, act{Word: "Restore", Icon: "restore", Href: "/restore", Tone: "primary"})
	}
	return acts, nil
}

// startable are plans that the person may start.
func (v *visit) startable(search string, limit int) (some []backstay.Plan, err error) {
	if !v.somewhere(backstay.StartRuns) {
		return nil, nil
	}
	plans, _, err := v.App.Plans.List(v.ctx, v.who, app.List{Limit: limit, Sort: "name", Search: search, Project: v.project()})
	return slices.DeleteFunc(plans, func(p backstay.Plan) bool { return !v.may(backstay.StartRuns, p.Scope, p.Owner) }), err
}

// backUpPage has a plan chosen that is started at once.
type backUpPage struct {
	frame
	Search search
	Plans  []backstay.Plan
	More   bool
}

func (v *visit) backUpPage() error {
	page := backUpPage{frame: v.frame("Back up now"), Search: search{Label: "Search plans", Value: v.query("search")}}
	plans, err := v.startable(strings.TrimSpace(page.Search.Value), pageSize+1)
	page.More, page.Plans = len(plans) > pageSize, plans[:min(len(plans), pageSize)]
	if err != nil {
		return err
	}
	return v.show("backup", page)
}

// firstStep is one of the steps to a first backup.
type firstStep struct {
	Word string
	Done bool
}

// firstSteps are those of somebody who can take them, until there is a backup.
func (v *visit) firstSteps() ([]firstStep, error) {
	if !v.somewhere(backstay.ManagePlans) {
		return nil, nil
	}
	s, err := v.App.FirstSteps(v.ctx, v.who)
	if err != nil || s.Done {
		return nil, err
	}
	return []firstStep{{"Say what is protected", s.Source != nil}, {"Say where backups are kept", s.Storage != nil}, {"Make a repository with its password", s.Repository != nil},
		{"Keep the recovery kit", s.Repository != nil && s.Kit}, {"Make a plan", s.Plan != nil}, {"See the first backup succeed", false}}, nil
}

// gapRow is a source that is not protected as it could be.
type gapRow struct {
	ID, Name, Href string
	Why            string
	Act            *act
}

// concernWords say why a source needs attention.
var concernWords = map[app.Concern]string{
	app.ConcernDamaged: "Its newest backup is damaged", app.ConcernFailed: "Its last backup failed", app.ConcernOverdue: "It has no recent backup",
	app.ConcernNever: "It was never backed up", app.ConcernNoPlan: "No plan backs it up", app.ConcernPlanInactive: "Its plans are paused",
}

func bare(s app.SourcesOverview, id string) bool {
	return slices.ContainsFunc(s.Bare, func(b app.SourceState) bool { return b.ID == id })
}

func (v *visit) concernRows(s app.SourcesOverview) (rows []gapRow) {
	for _, state := range s.Listed {
		if bare(s, state.ID) || len(state.Reasons) == 0 || len(rows) == gapsOnOverview {
			continue
		}
		r := gapRow{ID: state.ID, Name: state.Name, Href: pathOf("source", state.ID), Why: concernWords[state.Reasons[0].Concern]}
		if run := state.Reasons[0].Run; run != "" {
			r.Act = &act{Word: "See the run", Of: " of " + state.Name, Href: pathOf("run", run)}
		}
		rows = append(rows, r)
	}
	return rows
}

func (v *visit) gapRows(s app.SourcesOverview) (rows []gapRow) {
	for _, state := range s.Bare[:min(len(s.Bare), gapsOnOverview)] {
		r := gapRow{ID: state.ID, Name: state.Name, Href: pathOf("source", state.ID), Why: "No plan backs it up"}
		if len(state.Plans) > 0 {
			r.Why = "Its plans are paused"
			r.Act = &act{Word: "Look at the plan", Of: " of " + state.Name, Href: pathOf("plan", state.Plans[0].ID)}
		} else if v.may(backstay.ManagePlans, backstay.ProjectScope(state.Project), "") {
			r.Act = &act{Word: "Protect", Of: " " + state.Name, Href: "/plans/new?source=" + state.ID}
		}
		rows = append(rows, r)
	}
	return rows
}

// comingRow is a start of a plan that is to come.
type comingRow struct {
	Name, Href string
	At, In     html
}

func (v *visit) comingRows(all []app.Coming) (rows []comingRow) {
	now := v.App.Clock.Now()
	for _, c := range all[:min(len(all), comingOnOverview)] {
		at := v.when(c.At)
		if c.At.Sub(now) < 20*time.Hour {
			at = v.clockTime(c.At)
		}
		rows = append(rows, comingRow{Name: c.Name, Href: pathOf("plan", c.Plan), At: at, In: v.ago(c.At)})
	}
	return rows
}
