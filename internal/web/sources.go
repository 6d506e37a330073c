package web

import (
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// registerSources registers the pages of sources.
func (s *Site) registerSources() {
	s.get("/sources", (*visit).sources)
	s.get("/sources/new", (*visit).newSource)
	s.post("/sources", (*visit).addSource)
	s.post("/sources/test", (*visit).testSource)
	s.get("/sources/{id}", (*visit).sourceSnapshots)
	s.get("/sources/{id}/plans", (*visit).sourcePlans)
	s.get("/sources/{id}/runs", (*visit).sourceRuns)
	s.get("/sources/{id}/modules", (*visit).sourceModules)
	s.get("/sources/{id}/settings", (*visit).sourceSettings)
	s.get("/sources/{id}/edit", (*visit).editSource)
	s.post("/sources/{id}/edit", (*visit).changeSource)
	deleted := s.sourceDeletion()
	s.get("/sources/{id}/delete", deleted.question)
	s.post("/sources/{id}/delete", deleted.remove)
}

// sources is the list.
func (v *visit) sources() error {
	l := v.list("kind")
	if l.Sort == "" {
		l.Sort = "name"
	}
	all, next, err := v.App.Sources.List(v.ctx, v.who, l)
	if err != nil {
		return err
	}
	ids := []string{}
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	found, err := v.App.SourceStates(v.ctx, v.who, ids)
	if err != nil {
		return err
	}
	states := map[string]app.SourceState{}
	for _, s := range found {
		states[s.ID] = s
	}
	page := listPage{frame: v.frame("Sources"), Heading: "Sources", Lead: "What is protected, and how well."}
	if v.somewhere(backstay.ManageSources) {
		page.Acts = []act{{Word: "Add a source", Icon: "plus", Href: "/sources/new", Tone: "primary"}}
	}
	page.Table = table{Label: "Sources", Next: v.nextPage(next), Columns: []column{v.sortable("Source", "name"), {Title: "State"}, {Title: "Newest backup"}, {Title: "Next", Drop: true}, {Title: "Size", End: true}}}
	for _, s := range all {
		page.Table.Rows = append(page.Table.Rows, v.sourceRow(s, states[s.ID]))
	}
	page.Table.Empty = &empty{Icon: "source", Title: "No sources yet", Text: "Add what must not be lost: folders of this machine, or a folder on a server.", Acts: page.Acts}
	if v.filtered("kind") {
		page.Table.Empty = &empty{Title: "Nothing found", Text: "None of the sources is so.", Acts: []act{{Word: "Show all sources", Href: "/sources"}}}
	}
	page.Search = &search{Label: "Search sources", Value: l.Search, Keep: v.keep("kind")}
	kinds := []choice{{Title: "All"}}
	for _, k := range v.App.Places.SourceKinds() {
		kinds = append(kinds, choice{Value: k.Kind, Title: k.Title})
	}
	page.Tabs = v.filterTabs("kind", kinds)
	return v.show("list", page)
}

func (v *visit) sourceRow(s backstay.Source, state app.SourceState) row {
	word := safetyPill(state.Safety)
	word.Plain = true
	r := row{Name: s.Name, Href: "/sources/" + s.ID, Sub: v.kindTitle(s.Kind), Cells: []cell{{Pill: &word, Sub: concernText(state)}, {Text: "none"}, {Text: "not planned"}, {}}}
	if state.BackedUpAt != nil {
		r.Cells[1].Text = v.ago(*state.BackedUpAt)
	}
	if state.NextAt != nil {
		r.Cells[2].Text = v.when(*state.NextAt)
	}
	if state.Newest != nil {
		r.Cells[3].Text = bytesText(state.Newest.Bytes)
	}
	return r
}

// safetyPill is how a source's state looks.
func safetyPill(s app.Safety) pill {
	switch s {
	case app.Safe:
		return pill{"ok", "ok", "Safe", false}
	case app.Unverified:
		return pill{"warn", "partial", "Not verified", false}
	}
	return pill{"fail", "warn", "Needs attention", false}
}

// concerns are why a source needs attention, as a person says it.
var concerns = map[app.Concern]string{
	app.ConcernDamaged:      "Its newest backup is damaged",
	app.ConcernFailed:       "Its last backup failed",
	app.ConcernOverdue:      "Its backup is overdue",
	app.ConcernNever:        "It was never backed up",
	app.ConcernNoPlan:       "No plan backs it up",
	app.ConcernPlanInactive: "Its plans are paused",
}

// concernText is the worst concern about a source; "" without one.
func concernText(s app.SourceState) string {
	if len(s.Reasons) == 0 {
		return ""
	}
	return concerns[s.Reasons[0].Concern]
}

// sourceLead says how a source stands, in sentences.
func (v *visit) sourceLead(s app.SourceState) (lead []html) {
	for _, r := range s.Reasons {
		lead = append(lead, html(concerns[r.Concern]+".")) //nolint:gosec // of the program
	}
	if s.BackedUpAt != nil {
		lead = append(lead, "The newest backup that is not damaged was made "+v.ago(*s.BackedUpAt)+".")
	}
	switch n := s.Newest; {
	case n == nil:
	case n.VerifiedAt != nil:
		lead = append(lead, "It was verified "+v.ago(*n.VerifiedAt)+".")
	default:
		lead = append(lead, "It was not verified yet.")
	}
	if s.NextAt != nil {
		lead = append(lead, "The next one is due "+v.ago(*s.NextAt)+".")
	}
	return lead
}

// act on a concern: what mends it, where a page can.
func (v *visit) mend(s app.SourceState, source backstay.Source) (acts []act) {
	if len(s.Reasons) == 0 {
		return nil
	}
	switch r := s.Reasons[0]; {
	case r.Concern == app.ConcernNoPlan || r.Concern == app.ConcernNever && len(s.Plans) == 0:
		if v.may(backstay.ManagePlans, source.Scope, source.Owner) {
			acts = append(acts, act{Word: "Plan its backup", Icon: "plus", Href: "/plans/new?source=" + s.ID, Tone: "primary"})
		}
	case r.Run != "":
		acts = append(acts, act{Word: "See why it failed", Href: "/activity/" + r.Run})
	case r.Snapshot != "":
		acts = append(acts, act{Word: "See what is damaged", Href: "/snapshots/" + r.Snapshot})
	case len(s.Plans) > 0:
		acts = append(acts, act{Word: "See its plan", Href: "/plans/" + s.Plans[0].ID})
	}
	return acts
}

// week is how long snapshots are told by the day.
const week = 7 * 24 * time.Hour
