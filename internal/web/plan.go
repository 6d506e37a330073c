package web

import (
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// planShown is the page of a plan.
type planShown struct {
	frame
	Name       string
	State      *pill
	Lead       []html
	Acts       []act
	Start      string // where a run of it is begun; "" for who may not
	Types      []choice
	Next       []html
	Facts      []fact
	Runs       table
	Snapshots  table
	AllRuns    string
	AllOfThese string
}

// listedHere is how many runs and snapshots a page lists that is about something else.
const listedHere = 10

// plan is the page of one.
func (v *visit) plan() error {
	p, err := v.App.Plans.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	page := planShown{frame: v.frame(p.Name), Name: p.Name, State: activePill(p.Active), AllRuns: "/activity?plan=" + p.ID, AllOfThese: "/snapshots?plan=" + p.ID}
	page.State.Plain = false
	page.Lead = append(page.Lead, html(htmlText(sentence(p.When))))
	if p.Active && p.Schedule.Every != "" && p.NextAt != nil {
		page.Lead = append(page.Lead, "Next start: "+v.when(*p.NextAt)+".")
	}
	for _, at := range p.Next {
		page.Next = append(page.Next, v.when(at))
	}
	if page.Facts, err = planFacts(v, &p); err != nil {
		return err
	}
	if page.Runs, err = v.runTable(map[string]string{"plan": p.ID, "kind": string(backstay.RunBackup)}, "Backups of "+p.Name, "It has not run yet."); err != nil {
		return err
	}
	if page.Snapshots, err = v.snapshotTable(map[string]string{"plan": p.ID}, "Snapshots of "+p.Name); err != nil {
		return err
	}
	if v.may(backstay.StartRuns, p.Scope, p.Owner) {
		page.Start = "/plans/" + p.ID + "/start"
		for _, c := range planTypes {
			if c.Value != p.Type {
				page.Types = append(page.Types, c)
			}
		}
	}
	if v.may(backstay.ManagePlans, p.Scope, p.Owner) {
		page.Acts = []act{v.switchAct(p), {Word: "Change", Icon: "edit", Href: "/plans/" + p.ID + "/edit"}, {Word: "Duplicate", Icon: "copy", Href: "/plans/new?from=" + p.ID},
			{Word: "Delete", Icon: "trash", Href: "/plans/" + p.ID + "/delete", Tone: "danger"}}
	}
	return v.show("plan", page)
}

// planFacts is what a plan says.
func planFacts(v *visit, p *backstay.Plan) ([]fact, error) {
	names, err := v.App.Names(v.ctx, v.who, append(append(append([]string{}, p.Sources...), p.Repositories...), p.Modules...))
	if err != nil {
		return nil, err
	}
	facts := []fact{{Name: "Backs up", Text: links("/sources/", p.Sources, names)}}
	if len(p.Modules) > 0 {
		facts = append(facts, fact{Name: "Only", Text: some(aboutPlans{names: names}.called(p.Modules), 20)})
	}
	facts = append(facts, fact{Name: "To", Text: links("/repositories/", p.Repositories, names)}, fact{Name: "Keeps", Text: policyText(p.Retention)},
		fact{Name: "Type", Text: upper(p.Type)}, fact{Name: "Verifies", Text: upper(p.Verify)})
	if p.FullSchedule.Every != "" {
		facts = append(facts, fact{Name: "Full ones", Text: upper(p.FullSchedule.String())})
	}
	if len(p.Excludes) > 0 {
		facts = append(facts, fact{Name: "Leaves out", Text: strings.Join(p.Excludes, ", ")})
	}
	facts = append(facts, fact{Name: "Retries", Text: countText(p.Retries)})
	if p.TimeoutMin > 0 {
		facts = append(facts, fact{Name: "Ended after", Text: spanText(time.Duration(p.TimeoutMin) * time.Minute)})
	}
	if p.Upload != "" {
		facts = append(facts, fact{Name: "Upload", Text: p.Upload + nbsp + "KiB per second at most"})
	}
	if p.BeforeHook != "" {
		facts = append(facts, fact{Name: "Before it", Text: p.BeforeHook})
	}
	if p.AfterHook != "" {
		facts = append(facts, fact{Name: "After it", Text: p.AfterHook})
	}
	return facts, nil
}

// links lead to the pages of things that the person may see.
func links(path string, ids []string, names map[string]string) html {
	var all []string
	for _, id := range ids {
		if name, ok := names[id]; ok {
			all = append(all, string(link(path+id, html(htmlText(name)))))
		}
	}
	return html(strings.Join(all, "<br>")) //nolint:gosec // escaped by link
}

// runTable lists the newest runs that are so.
func (v *visit) runTable(filters map[string]string, label, none string) (t table, err error) {
	runs, _, err := v.App.Runs.List(v.ctx, v.who, app.List{Limit: listedHere, Filters: filters})
	t = table{Label: label, Columns: []column{{Title: "Run"}, {Title: "State"}, {Title: "Took", End: true, Drop: true}, {Title: "Read", End: true, Drop: true}, {Title: "New", End: true}}}
	t.Empty = &empty{Icon: "activity", Title: "No runs yet", Text: none}
	for _, run := range runs {
		r := row{Name: kindWord(run.Kind) + ", " + v.stamp(run.CreatedAt), Href: "/activity/" + run.ID, Cells: []cell{{Pill: plainState(run.State)}, {}, {}, {}}}
		if run.EndedAt != nil {
			r.Cells[1].Text, r.Cells[2].Text, r.Cells[3].Text = spanText(run.Duration()), bytesText(run.Figures.Bytes), bytesText(run.Figures.Stored)
		}
		if run.Failure != nil {
			r.Sub = upper(run.Failure.Text)
		}
		t.Rows = append(t.Rows, r)
	}
	return t, err
}

// stamp is a moment as a part of a name.
func (v *visit) stamp(t time.Time) string { return v.day(t) + ", " + t.In(v.zone).Format("15:04") }
