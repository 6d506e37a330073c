package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/door"
	"github.com/backstay/backstay/retention"
	"github.com/backstay/backstay/schedule"
)

// planPage is the page of the form that makes or changes a plan.
type planPage struct {
	frame
	Heading, Lead string
	Back          tab
	planForm
}

// planForm is that form, in its parts.
type planForm struct {
	Form       *form
	What, More []*field
	Active     *field
	When, Full *scheduleFields
	Keep       *retentionFields
}

// suggested is what suits most people.
func (v *visit) suggested(project string) backstay.Plan {
	return backstay.Plan{Placed: backstay.Placed{Project: project}, Active: true, Type: "incremental", Compression: "auto", Retries: 2, Slow: "wait", Verify: "structure",
		Schedule:  schedule.Schedule{Every: "day", At: "02:30", Zone: v.zone.String(), CatchUp: true},
		Retention: retention.Policy{Daily: 14, Weekly: 8, Monthly: 12}}
}

// planForm makes the form of a plan; of a new one if it has no id.
func (v *visit) planForm(p backstay.Plan) (f planForm, err error) {
	f = planForm{When: newScheduleFields("schedule", p.Schedule, v.zone.String()), Full: newScheduleFields("full_schedule", p.FullSchedule, v.zone.String()), Keep: newRetentionFields("retention", p.Retention),
		Active: &field{Name: "active", Title: "Active: it is started by its schedule", Kind: switchField, Value: strconv.FormatBool(p.Active)}}
	f.When.Plan, f.Full.Plan, f.Keep.Plan = p.ID, p.ID, p.ID
	if f.What, err = v.planWhat(p); err != nil {
		return f, err
	}
	if f.More, err = v.planMore(p); err != nil {
		return f, err
	}
	f.Form = &form{Action: "/plans", Submit: "Add the plan", Back: "/plans"}
	if p.ID != "" {
		f.Form = &form{Action: "/plans/" + p.ID + "/edit", Submit: "Save", Back: "/plans/" + p.ID, Version: p.Version}
	}
	f.Form.Groups = []group{{Fields: f.What}, {Fields: append(f.When.fields(), f.Active)}, {Fields: f.Keep.fields()}, {Fields: f.More}, {Fields: f.Full.fields()}}
	return f, nil
}

// planWhat asks what is backed up where to, of what lies in the plan's project.
func (v *visit) planWhat(p backstay.Plan) (all []*field, err error) {
	inProject := app.List{Limit: 1000, Sort: "name", Project: p.Project}
	sources, _, err := v.App.Sources.List(v.ctx, v.who, inProject)
	if err != nil {
		return nil, err
	}
	modules, _, err := v.App.Modules.List(v.ctx, v.who, inProject)
	if err != nil {
		return nil, err
	}
	repositories, _, err := v.App.Repositories.List(v.ctx, v.who, inProject)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	what := &field{Name: "sources", Title: "Sources", Kind: checksField, Values: p.Sources}
	for _, s := range sources {
		names[s.ID] = s.Name
		what.Choices = append(what.Choices, choice{Value: s.ID, Title: s.Name, Help: v.kindTitle(s.Kind)})
	}
	parts := &field{Name: "modules", Title: "Only these modules of them", Kind: checksField, Values: p.Modules, Optional: true, Help: "With none chosen the whole of each source is backed up."}
	for _, m := range modules {
		parts.Choices = append(parts.Choices, choice{Value: m.ID, Title: m.Name, Help: "of " + names[m.Source]})
	}
	where := &field{Name: "repositories", Title: "Repositories", Kind: checksField, Values: p.Repositories, Help: "Two in different places are best. Each is written from one reading."}
	for _, r := range repositories {
		where.Choices = append(where.Choices, choice{Value: r.ID, Title: r.Name})
	}
	all = []*field{{Name: "project", Kind: hiddenField, Value: p.Project}, {Name: "name", Title: "Name", Kind: textField, Value: p.Name, Wide: true}, what}
	if len(parts.Choices) > 0 {
		all = append(all, parts)
	}
	return append(all, where), nil
}

// kindTitle is what a kind of sources is called.
func (v *visit) kindTitle(kind string) string {
	for _, k := range v.App.Places.SourceKinds() {
		if k.Kind == kind {
			return k.Title
		}
	}
	return kind
}

// planMore asks for what most plans leave as it is.
func (v *visit) planMore(p backstay.Plan) ([]*field, error) {
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	all := []*field{
		{Name: "type", Title: "Type", Kind: radioField, Value: p.Type, Choices: planTypes},
		{Name: "compression", Title: "Compression", Kind: radioField, Value: p.Compression, Choices: []choice{{Value: "auto", Title: "As a rule"}, {Value: "max", Title: "Smallest"}, {Value: "off", Title: "None"}}},
		{Name: "verify", Title: "Verify after each backup", Kind: radioField, Value: p.Verify, Choices: []choice{{Value: "structure", Title: "Structure"}, {Value: "sample", Title: "A sample of the data"}, {Value: "full", Title: "All data"}, {Value: "none", Title: "Nothing"}}},
		{Name: "slow", Title: "A repository that keeps the others waiting", Kind: radioField, Value: p.Slow, Choices: []choice{{Value: "wait", Title: "Wait for it"}, {Value: "drop", Title: "Go on without it"}}},
		{Name: "excludes", Title: "Left out", Kind: linesField, Value: strings.Join(p.Excludes, "\n"), Optional: true, Help: "Patterns, one a line, such as *.tmp"},
		{Name: "retries", Title: "Retries", Kind: numberField, Value: strconv.Itoa(p.Retries), Help: "How often a failed backup is tried again, later each time"},
		{Name: "timeout_minutes", Title: "Ended after", Kind: numberField, Value: number(p.TimeoutMin), Unit: "minutes", Optional: true},
		{Name: "upload", Title: "Upload at most", Kind: textField, Value: p.Upload, Unit: "KiB per second", Optional: true, Help: "Such as 1024, or 1024,08:00-18:00=256"},
		{Name: "priority", Title: "Priority", Kind: numberField, Value: number(p.Priority), Optional: true, Help: "From -10 to 10. Higher ones go first where runs wait."},
	}
	set, err := v.App.Settings(v.ctx, v.who)
	if err == nil && (set.Hooks || p.BeforeHook+p.AfterHook != "") {
		all = append(all, &field{Name: "before_hook", Title: "Command before each backup", Kind: textField, Value: p.BeforeHook, Optional: true, Wide: true},
			&field{Name: "after_hook", Title: "Command after each backup", Kind: textField, Value: p.AfterHook, Optional: true, Wide: true})
	}
	return all, err
}

var planTypes = []choice{{Value: "incremental", Title: "Incremental", Help: "Reads what has changed"}, {Value: "full", Title: "Full", Help: "Reads everything again"},
	{Value: "differential", Title: "Differential", Help: "Reads what has changed since the last full one"}}

// MoreOpen and FullOpen report whether something is wrong where a part is closed as a rule.
func (f planForm) MoreOpen() bool {
	return slices.ContainsFunc(f.More, func(x *field) bool { return x.Error != "" })
}

// FullOpen reports whether the plan has a schedule of full backups.
func (f planForm) FullOpen() bool { return f.Full.Rhythm.Value != byHand }

// say has the form say what was entered in words.
func (f *planForm) say(v *visit) {
	f.When.say(v)
	f.Full.say(v)
	f.Keep.say(v, f.When)
}

// json is what was entered, as the use cases take it.
func (f *planForm) json() ([]byte, error) {
	text, err := f.Form.json()
	when, whenRead := f.When.schedule()
	full, fullRead := f.Full.schedule()
	keep, keepRead := f.Keep.policy()
	switch {
	case err != nil:
		return nil, err
	case !whenRead || !fullRead || !keepRead:
		return nil, backstay.Errorf(backstay.Invalid, "an entry can't be read")
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	tree["schedule"], tree["full_schedule"], tree["retention"] = patchOf(when), patchOf(full), patchOfPolicy(keep)
	return json.Marshal(tree)
}

// refuse is that of the form, with errors of the schedules beside their fields.
func (f *planForm) refuse(v *visit, err error) (int, error) {
	e, _ := door.Failure(err)
	if e.Field == "schedule" && f.When.note(err) || e.Field == "full_schedule" && f.Full.note(err) {
		return http.StatusUnprocessableEntity, nil
	}
	return f.Form.refuse(v, err)
}

// newPlan shows the form of a new plan, or of a copy of the one that the address names.
func (v *visit) newPlan() error {
	p := v.suggested(v.query("project"))
	if from := v.query("from"); from != "" {
		old, err := v.App.Plans.Find(v.ctx, v.who, from)
		if err != nil {
			return err
		}
		p = old
		p.Record, p.Active = backstay.Record{}, false
		p.Name = "Copy of " + p.Name
		p.Name = strings.TrimSpace(strings.ToValidUTF8(p.Name[:min(len(p.Name), 100)], ""))
	}
	if source := v.query("source"); source != "" {
		s, err := v.App.Sources.Find(v.ctx, v.who, source)
		if err != nil {
			return err
		}
		p.Project, p.Sources = s.Project, []string{source}
	}
	if p.Project == "" {
		project := v.projectField(backstay.ManagePlans)
		if project.Value == "" {
			return v.askForProject("Where does the new plan belong?", project)
		}
		p.Project = project.Value
	}
	f, err := v.planForm(p)
	if err != nil {
		return err
	}
	return v.showPlanForm(http.StatusOK, "Add a plan", f)
}

func (v *visit) showPlanForm(status int, heading string, f planForm) error {
	f.say(v)
	page := planPage{frame: v.frame(heading), Heading: heading, Lead: "What is backed up, where to, when, and how long it is kept.", Back: tab{Href: "/plans", Word: "Plans"}, planForm: f}
	return v.answer(status, "plan-edit", page)
}

func (v *visit) addPlan() error {
	f, err := v.planForm(v.suggested(v.r.PostForm.Get("project")))
	if err != nil {
		return err
	}
	f.Form.read(v.r)
	var p backstay.Plan
	text, err := f.json()
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err == nil {
		p, err = v.App.Plans.Create(v.ctx, v.who, p)
	}
	if err != nil {
		status, err := f.refuse(v, err)
		if err != nil {
			return err
		}
		return v.showPlanForm(status, "Add a plan", f)
	}
	return v.redirect("/plans/"+p.ID, p.Name+" was added.")
}

func (v *visit) editPlan() error {
	p, err := v.App.Plans.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	f, err := v.planForm(p)
	if err != nil {
		return err
	}
	return v.showPlanForm(http.StatusOK, "Change "+p.Name, f)
}

func (v *visit) changePlan() error {
	p, err := v.App.Plans.Find(v.ctx, v.who, v.id())
	if err != nil {
		return err
	}
	f, err := v.planForm(p)
	if err != nil {
		return err
	}
	f.Form.read(v.r)
	text, err := f.json()
	if err == nil {
		_, err = v.App.Plans.Update(v.ctx, v.who, p.ID, int64(v.number("version", 0)), text)
	}
	if err != nil {
		status, err := f.refuse(v, err)
		if err != nil {
			return err
		}
		return v.showPlanForm(status, "Change "+p.Name, f)
	}
	return v.redirect("/plans/"+p.ID, "Saved.")
}
