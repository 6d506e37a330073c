package web

import (
	"slices"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// sourceShown is a page of a source: all have the same head and tabs.
type sourceShown struct {
	frame
	Name     string
	State    pill
	Lead     []html
	Acts     []act
	Start    []act // plans that can be begun now
	Tabs     []tab
	Heading  string
	Tools    []act
	Days     []dayShown
	Older    string
	NoneYet  *empty
	Table    *table
	Facts    []fact
	Changing []act
}

// aboutSource finds a source and makes what its pages have alike.
func (v *visit) aboutSource(heading string) (s backstay.Source, page sourceShown, err error) {
	if s, err = v.App.Sources.Find(v.ctx, v.who, v.id()); err != nil {
		return s, page, err
	}
	state, err := v.App.SourceState(v.ctx, v.who, s.ID)
	if err != nil {
		return s, page, err
	}
	page = sourceShown{frame: v.frame(heading + ", " + s.Name), Name: s.Name, State: safetyPill(state.Safety), Lead: v.sourceLead(state), Heading: heading, Acts: v.mend(state, s)}
	if v.may(backstay.StartRuns, s.Scope, s.Owner) {
		for _, p := range state.Plans {
			page.Start = append(page.Start, act{Word: p.Name, Href: "/plans/" + p.ID + "/start"})
		}
	}
	at := "/sources/" + s.ID
	page.Tabs = []tab{{Href: at, Word: "Snapshots"}}
	if state.Newest != nil {
		if v.may(backstay.BrowseSnapshots, s.Scope, s.Owner) {
			page.Tabs = append(page.Tabs, tab{Href: "/snapshots/" + state.Newest.Snapshot + "/files", Word: "Files"})
		}
		if v.may(backstay.PlanRestores, s.Scope, s.Owner) {
			page.Acts = append(page.Acts, act{Word: "Restore", Icon: "restore", Href: "/restore?source=" + s.ID, Tone: "primary"})
		}
	}
	page.Tabs = append(page.Tabs, tab{Href: at + "/plans", Word: "Plans"}, tab{Href: at + "/runs", Word: "Runs"}, tab{Href: at + "/modules", Word: "Modules"}, tab{Href: at + "/settings", Word: "Settings"})
	for i := range page.Tabs {
		page.Tabs[i].Current = page.Tabs[i].Href == v.r.URL.Path
	}
	return s, page, nil
}

// dayShown are the snapshots of a day, or of a month where that is long ago.
type dayShown struct {
	Title   string
	Moments []momentShown
}

// momentShown is what was backed up at one moment: a snapshot in each of some repositories.
type momentShown struct {
	Pill        pill
	When        html
	What, State string
	Href, Files string
	Of          string // for those who hear it
}

// sourceSnapshots is the timeline of a source.
func (v *visit) sourceSnapshots() error {
	s, page, err := v.aboutSource("Snapshots")
	if err != nil {
		return err
	}
	all, next, err := v.App.Snapshots.List(v.ctx, v.who, app.List{Limit: pageSize, Cursor: v.query("cursor"), Sort: "-time", Filters: map[string]string{"source": s.ID}})
	if err != nil {
		return err
	}
	var named []string
	for _, snapshot := range all {
		named = append(named, snapshot.Repository)
	}
	names, err := v.App.Names(v.ctx, v.who, named)
	if err != nil {
		return err
	}
	page.Days, page.Older = v.timeline(all, names), v.nextPage(next)
	page.Tools = []act{{Word: "As a list", Href: "/snapshots?source=" + s.ID, Tone: "quiet"}}
	page.NoneYet = &empty{Icon: "restore", Title: "No snapshots yet", Text: "Each backup makes one. A plan backs it up by itself."}
	return v.show("source", page)
}

// timeline puts snapshots, the newest first, under their days, and those of one moment together.
func (v *visit) timeline(all []backstay.Snapshot, names map[string]string) (days []dayShown) {
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Time.Equal(all[0].Time) {
			n++
		}
		title, when := v.headingOf(all[0])
		if len(days) == 0 || days[len(days)-1].Title != title {
			days = append(days, dayShown{Title: title})
		}
		day := &days[len(days)-1]
		day.Moments = append(day.Moments, v.momentOf(all[:n], when, names))
		all = all[n:]
	}
	return days
}

// headingOf is the heading that a snapshot stands under, and when it was made within that.
func (v *visit) headingOf(s backstay.Snapshot) (title string, when html) {
	t, now := s.Time.In(v.zone), v.App.Clock.Now().In(v.zone)
	if now.Sub(t) >= week {
		return t.Format("January 2006"), v.moment(t, t.Format("2 Jan"))
	}
	when = v.moment(t, t.Format("15:04"))
	switch t.Format("2006-01-02") {
	case now.Format("2006-01-02"):
		return "Today", when
	case now.AddDate(0, 0, -1).Format("2006-01-02"):
		return "Yesterday", when
	}
	return t.Format("Monday 2 January"), when
}

// worst are the states of health, from the one that wants to be known most.
var worst = []backstay.Health{backstay.HealthDamaged, backstay.HealthGone, backstay.HealthRepaired, backstay.HealthUnverified, backstay.HealthGood}

// momentOf sums up the snapshots of one moment: it looks as the worst of them, and says where each is.
func (v *visit) momentOf(same []backstay.Snapshot, when html, names map[string]string) momentShown {
	m := momentShown{When: when, Of: v.stamp(same[0].Time)}
	health := backstay.HealthGood
	var where []string
	added := int64(0)
	for _, s := range same {
		if slices.Index(worst, s.Health) < slices.Index(worst, health) {
			health = s.Health
		}
		added = max(added, s.Added)
		text := healthPill(s.Health).Word
		if name := names[s.Repository]; name != "" {
			text += " in " + name
		}
		if s.Protected {
			text += ", protected"
		}
		where = append(where, text)
	}
	m.Pill = healthPill(health)
	if same[0].Protected {
		m.Pill = pill{"lock", "lock", "Protected", true}
	}
	m.What = bytesText(added) + " new, " + bytesText(same[0].Bytes) + " in " + counted(same[0].Files, "file", "files")
	m.State = strings.Join(where, "; ")
	m.Href, m.Files = "/snapshots/"+same[0].ID, ""
	if v.may(backstay.BrowseSnapshots, same[0].Scope, same[0].Owner) {
		m.Files = m.Href + "/files"
	}
	return m
}

// sourcePlans lists the plans that back a source up.
func (v *visit) sourcePlans() error {
	s, page, err := v.aboutSource("Plans")
	if err != nil {
		return err
	}
	plans, _, err := v.App.Plans.List(v.ctx, v.who, app.List{Sort: "name", Filters: map[string]string{"sources": s.ID}})
	if err != nil {
		return err
	}
	known, err := v.lookUpPlans(plans)
	if err != nil {
		return err
	}
	page.Table = v.planTable("Plans of " + s.Name)
	for _, p := range plans {
		page.Table.Rows = append(page.Table.Rows, v.planRow(p, known))
	}
	if v.may(backstay.ManagePlans, s.Scope, s.Owner) {
		page.Tools = []act{{Word: "Add a plan", Icon: "plus", Href: "/plans/new?source=" + s.ID}}
	}
	page.Table.Empty = &empty{Icon: "plan", Title: "No plan backs it up", Text: "A plan says when it is backed up, and where to.", Acts: page.Tools}
	return v.show("source", page)
}

// sourceRuns lists the runs of a source.
func (v *visit) sourceRuns() error {
	s, page, err := v.aboutSource("Runs")
	if err != nil {
		return err
	}
	runs, err := v.runTable(map[string]string{"sources": s.ID}, "Runs of "+s.Name, "It was not backed up yet.")
	page.Table, page.Tools = &runs, []act{{Word: "All runs of it", Href: "/activity?sources=" + s.ID, Tone: "quiet"}}
	if err != nil {
		return err
	}
	return v.show("source", page)
}

// sourceModules lists the modules of a source.
func (v *visit) sourceModules() error {
	s, page, err := v.aboutSource("Modules")
	if err != nil {
		return err
	}
	modules, _, err := v.App.Modules.List(v.ctx, v.who, app.List{Limit: 1000, Sort: "name", Filters: map[string]string{"source": s.ID}})
	if err != nil {
		return err
	}
	page.Table = &table{Label: "Modules of " + s.Name, Columns: []column{{Title: "Module"}, {Title: "Paths"}, {Title: "Changed", Drop: true}}}
	for _, m := range modules {
		page.Table.Rows = append(page.Table.Rows, row{Name: m.Name, Href: "/modules/" + m.ID, Cells: []cell{{Text: some(m.Paths, 3)}, {Text: v.ago(m.UpdatedAt)}}})
	}
	if v.may(backstay.ManageModules, s.Scope, s.Owner) {
		page.Tools = []act{{Word: "Add a module", Icon: "plus", Href: "/modules/new?source=" + s.ID}}
	}
	page.Table.Empty = &empty{Icon: "source", Title: "No modules", Text: "A module is a named part of the source, that can be backed up, restored and granted by itself.", Acts: page.Tools}
	return v.show("source", page)
}

// sourceSettings shows where a source is and how it is read.
func (v *visit) sourceSettings() error {
	s, page, err := v.aboutSource("Settings")
	if err != nil {
		return err
	}
	page.Facts = []fact{{Name: "Kind", Text: v.kindTitle(s.Kind)}}
	for _, k := range v.App.Places.SourceKinds() {
		if k.Kind != s.Kind {
			continue
		}
		for _, f := range k.Fields {
			switch value := s.Settings[f.Name]; {
			case f.IsSecret() && slices.Contains(s.Secrets, f.Name):
				page.Facts = append(page.Facts, fact{Name: f.Title, Text: "saved, and never shown"})
			case value != "":
				page.Facts = append(page.Facts, fact{Name: f.Title, Text: strings.ReplaceAll(strings.TrimSpace(value), "\n", ", ")})
			}
		}
	}
	page.Facts = append(page.Facts, fact{Name: "Added", Text: v.when(s.CreatedAt)}, fact{Name: "Changed", Text: v.when(s.UpdatedAt)})
	if v.may(backstay.ManageSources, s.Scope, s.Owner) {
		page.Changing = []act{{Word: "Change", Icon: "edit", Href: "/sources/" + s.ID + "/edit"}, {Word: "Delete", Icon: "trash", Href: "/sources/" + s.ID + "/delete", Tone: "danger"}}
	}
	return v.show("source", page)
}
