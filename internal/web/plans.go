package web

import (
	"html/template"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// registerPlans registers the pages of plans.
func (s *Site) registerPlans() {
	s.get("/plans", (*visit).plans)
	s.get("/plans/new", (*visit).newPlan)
	s.post("/plans", (*visit).addPlan)
	s.post("/plans/schedule-words", (*visit).scheduleFragment)
	s.post("/plans/retention-words", (*visit).retentionFragment)
	s.get("/plans/{id}", (*visit).plan)
	s.get("/plans/{id}/edit", (*visit).editPlan)
	s.post("/plans/{id}/edit", (*visit).changePlan)
	s.post("/plans/{id}/start", (*visit).startPlan)
	s.post("/plans/{id}/active", (*visit).switchPlan)
	deleted := nounPages[backstay.Plan, *backstay.Plan]{noun: s.App.Plans, path: "/plans", one: "plan", many: "plans", facts: planFacts,
		row: func(_ *visit, p *backstay.Plan) row { return row{Name: p.Name} },
		goes: func(*visit, *backstay.Plan) string {
			return "It is started no more, and its retention is applied no more. All snapshots that it made stay, and so do its sources and repositories."
		}}
	s.get("/plans/{id}/delete", deleted.question)
	s.post("/plans/{id}/delete", deleted.remove)
}

// planFilters are what the list can be filtered by.
var planFilters = []string{"active", "sources", "repositories"}

// plans is the list.
func (v *visit) plans() error {
	l := v.list(planFilters...)
	plans, next, err := v.App.Plans.List(v.ctx, v.who, l)
	if err != nil {
		return err
	}
	known, err := v.lookUpPlans(plans)
	if err != nil {
		return err
	}
	page := listPage{frame: v.frame("Plans"), Heading: "Plans", Lead: "What is backed up, where to, when, and how long it is kept."}
	if v.somewhere(backstay.ManagePlans) {
		page.Acts = []act{{Word: "Add a plan", Icon: "plus", Href: "/plans/new", Tone: "primary"}}
	}
	page.Table = *v.planTable("Plans")
	page.Table.Next = v.nextPage(next)
	page.Table.Columns[0], page.Table.Columns[3] = v.sortable("Plan", "name"), v.sortable("Next start", "next_at")
	for _, p := range plans {
		page.Table.Rows = append(page.Table.Rows, v.planRow(p, known))
	}
	page.Table.Empty = &empty{Icon: "plan", Title: "No plans yet", Text: "A plan backs up sources by itself, so that nobody has to remember it.", Acts: page.Acts}
	if v.filtered(planFilters...) {
		page.Table.Empty = &empty{Title: "Nothing found", Text: "None of the plans is so.", Acts: []act{{Word: "Show all plans", Href: "/plans"}}}
	}
	page.Search = &search{Label: "Search plans", Value: l.Search, Keep: v.keep(planFilters...)}
	page.Tabs = v.filterTabs("active", []choice{{Title: "All"}, {Value: "true", Title: "Active"}, {Value: "false", Title: "Inactive"}})
	return v.show("list", page)
}

// keep are the filters that the address asks for, for a form that asks for more.
func (v *visit) keep(names ...string) (all []sent) {
	for _, name := range names {
		if value := v.query(name); value != "" {
			all = append(all, sent{name, value})
		}
	}
	return all
}

// filterTabs lead to the same list with each of the values of a filter.
func (v *visit) filterTabs(name string, choices []choice) (tabs []tab) {
	for _, c := range choices {
		tabs = append(tabs, tab{Href: v.with(name, c.Value), Word: c.Title, Current: v.query(name) == c.Value})
	}
	return tabs
}

// aboutPlans is what pages say of plans beside what these say themselves.
type aboutPlans struct {
	names map[string]string // of what they name
	last  map[string]backstay.Run
}

// called are the names of some ids; what the person may not see is left out.
func (a aboutPlans) called(ids []string) (names []string) {
	for _, id := range ids {
		if name, ok := a.names[id]; ok {
			names = append(names, name)
		}
	}
	return names
}

func (v *visit) lookUpPlans(plans []backstay.Plan) (a aboutPlans, err error) {
	var ids, named []string
	for _, p := range plans {
		ids, named = append(ids, p.ID), append(append(append(named, p.Sources...), p.Repositories...), p.Modules...)
	}
	if a.last, err = v.App.LastRuns(v.ctx, v.who, ids); err != nil {
		return a, err
	}
	a.names, err = v.App.Names(v.ctx, v.who, named)
	return a, err
}

// planTable is a table of plans without its rows.
func (v *visit) planTable(label string) *table {
	return &table{Label: label, Columns: []column{{Title: "Plan"}, {Title: "State"}, {Title: "When", Drop: true}, {Title: "Next start"}, {Title: "Last backup"}}}
}

func (v *visit) planRow(p backstay.Plan, known aboutPlans) row {
	return row{Name: p.Name, Href: "/plans/" + p.ID, Sub: some(known.called(p.Sources), 3) + " to " + some(known.called(p.Repositories), 2), Cells: []cell{
		{Pill: activePill(p.Active)}, {Text: upper(p.When)}, {Text: v.nextStart(p)}, v.lastRun(known.last, p.ID)}, Acts: v.planActs(p)}
}

// some lists names, of many only the first few.
func some(names []string, few int) string {
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:few], ", ") + " and " + counted(len(names)-few, "more", "more")
}

func activePill(active bool) *pill {
	if active {
		return &pill{"ok", "ok", "Active", true}
	}
	return &pill{"idle", "cancel", "Inactive", true}
}

// nextStart says when a plan is started next.
func (v *visit) nextStart(p backstay.Plan) html {
	switch {
	case p.Schedule.Every == "":
		return "by hand"
	case !p.Active || p.NextAt == nil:
		return "none, it is paused"
	}
	return v.when(*p.NextAt)
}

// lastRun says how the last backup of a plan ended.
func (v *visit) lastRun(last map[string]backstay.Run, plan string) cell {
	run, ok := last[plan]
	if !ok {
		return cell{Text: "none yet"}
	}
	return cell{Text: v.pillHTML(plainState(run.State)), Sub: link("/activity/"+run.ID, v.ago(run.CreatedAt))}
}

// plainState is how a run's state looks in a table.
func plainState(s backstay.RunState) *pill {
	p := statePill(s)
	p.Plain = true
	return &p
}

// pillHTML is a pill beside other text.
func (v *visit) pillHTML(p *pill) html {
	text, err := v.templates.part("list", "pill", p)
	if err != nil {
		return html(htmlText(p.Word))
	}
	return html(text)
}

// link is a text that leads to a page of an id, which has no signs that mean anything in HTML.
func link(href string, text html) html {
	return `<a href="` + html(template.HTMLEscapeString(href)) + `">` + text + `</a>`
} //nolint:gosec // escaped

// planActs are what the person may do with a plan on a list.
func (v *visit) planActs(p backstay.Plan) (acts []act) {
	if v.may(backstay.StartRuns, p.Scope, p.Owner) {
		acts = append(acts, act{Word: "Run now", Of: p.Name, Icon: "play", Href: "/plans/" + p.ID + "/start", Post: true})
	}
	if v.may(backstay.ManagePlans, p.Scope, p.Owner) {
		acts = append(acts, v.switchAct(p))
	}
	return acts
}

// switchAct makes a plan inactive, or active again.
func (v *visit) switchAct(p backstay.Plan) act {
	here := sent{"next", v.r.URL.RequestURI()}
	if p.Active {
		return act{Word: "Pause", Of: p.Name, Href: "/plans/" + p.ID + "/active", Post: true, Tone: "quiet", Hidden: []sent{{"active", "false"}, here}}
	}
	return act{Word: "Resume", Of: p.Name, Href: "/plans/" + p.ID + "/active", Post: true, Tone: "quiet", Hidden: []sent{{"active", "true"}, here}}
}

// startPlan begins a backup now, and goes on to it.
func (v *visit) startPlan() error {
	run, err := v.App.StartPlan(v.ctx, v.who, v.id(), app.RunNow{Type: v.r.PostForm.Get("type")})
	if err != nil {
		return err
	}
	return v.redirect("/activity/"+run.ID, "The backup was started.")
}

// switchPlan makes a plan active or inactive.
func (v *visit) switchPlan() error {
	active := v.r.PostForm.Get("active") == "true"
	patch := `{"active": false}`
	if active {
		patch = `{"active": true}`
	}
	p, err := v.App.Plans.Update(v.ctx, v.who, v.id(), 0, []byte(patch))
	if err != nil {
		return err
	}
	done := p.Name + " is paused: it is started by hand only."
	if active {
		done = p.Name + " is active."
	}
	to := "/plans/" + p.ID
	if v.r.PostForm.Has("next") {
		to = v.next()
	}
	return v.redirect(to, done)
}
