package web

import (
	"slices"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

// activityFilters are what the address of the list can ask for.
var activityFilters = []string{"kind", "state", "plan", "sources", "repositories", "from", "to"}

// The states that stand for several.
const (
	stateActive  = "active"
	stateProblem = "problem"
)

var severalStates = map[string][]backstay.RunState{
	stateActive:  {backstay.Pending, backstay.Running},
	stateProblem: {backstay.RunFailed, backstay.RanPartly, backstay.Warned, backstay.Missed},
}

// activityWanted are the runs that the address asks for.
func (v *visit) activityWanted() (want app.Activity, err error) {
	want.List = v.list("kind", "plan", "sources", "repositories")
	want.Sort, want.Search = "", ""
	if state := v.query("state"); state != "" {
		if want.States = severalStates[state]; want.States == nil {
			want.States = []backstay.RunState{backstay.RunState(state)}
		}
	}
	if want.Since, err = v.dayOf("from"); err != nil {
		return want, err
	}
	if want.Before, err = v.dayOf("to"); err == nil && !want.Before.IsZero() {
		want.Before = want.Before.AddDate(0, 0, 1)
	}
	return want, err
}

// dayOf is the beginning of a day that the address names, in the person's zone; the zero time without one.
func (v *visit) dayOf(name string) (time.Time, error) {
	text := v.query(name)
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.ParseInLocation(time.DateOnly, text, v.zone)
	if err != nil {
		return at, backstay.Errorf(backstay.Invalid, "%q is no day", text).WithHint("Give it as in 2026-11-28.").OnField(name)
	}
	return at, nil
}

// filterForm are the fields by which a list is narrowed.
type filterForm struct {
	Fields  []*field
	Keep    []sent
	Open    bool // some of them are set
	Limited bool // not everything that could be chosen is listed
}

// maxChoices is how many plans or sources can be chosen from: the pages of all others lead to their runs.
const maxChoices = 100

func (v *visit) activityFilters() (f filterForm, err error) {
	kind := &field{Name: "kind", Title: "Kind", Kind: selectField, Value: v.query("kind"), Choices: []choice{{Title: "All kinds"}}}
	for _, k := range []backstay.RunKind{backstay.RunBackup, backstay.RunRestore, backstay.RunVerification, backstay.RunCopy, backstay.RunForget, backstay.RunPrune, backstay.RunCatalogue, backstay.RunServer, backstay.RunExtension} {
		kind.Choices = append(kind.Choices, choice{Value: string(k), Title: kindWord(k)})
	}
	state := &field{Name: "state", Title: "State", Kind: selectField, Value: v.query("state"), Choices: []choice{{Title: "All states"}, {Value: stateActive, Title: "Not over"}, {Value: stateProblem, Title: "With problems"}}}
	for _, s := range []backstay.RunState{backstay.Pending, backstay.Running, backstay.Succeeded, backstay.Warned, backstay.RanPartly, backstay.RunFailed, backstay.Stopped, backstay.Missed} {
		state.Choices = append(state.Choices, choice{Value: string(s), Title: statePill(s).Word})
	}
	source := &field{Name: "sources", Title: "Source", Kind: selectField, Value: v.query("sources"), Choices: []choice{{Title: "All sources"}}}
	more, err := addChoices(v, source, v.App.Sources, func(s *backstay.Source) string { return s.Name })
	if err != nil {
		return f, err
	}
	plan := &field{Name: "plan", Title: "Plan", Kind: selectField, Value: v.query("plan"), Choices: []choice{{Title: "All plans"}}}
	morePlans, err := addChoices(v, plan, v.App.Plans, func(p *backstay.Plan) string { return p.Name })
	if err != nil {
		return f, err
	}
	f.Limited = more || morePlans
	f.Fields = []*field{kind, state, source, plan,
		{Name: "from", Title: "From", Kind: "date", Value: v.query("from"), Optional: true}, {Name: "to", Title: "To", Kind: "date", Value: v.query("to"), Optional: true}}
	for _, field := range f.Fields {
		f.Open = f.Open || field.Value != "" && field.Name != "state"
	}
	if id := v.query("repositories"); id != "" {
		f.Keep = []sent{{"repositories", id}}
	}
	return f, nil
}

// addChoices lists the things of a noun to choose from, with the one that is chosen. It reports whether there are more.
func addChoices[T any, P record[T]](v *visit, f *field, noun *app.Noun[T, P], name func(P) string) (more bool, err error) {
	things, next, err := noun.List(v.ctx, v.who, app.List{Limit: maxChoices, Sort: "name", Project: v.project()})
	if err != nil {
		return false, err
	}
	for i := range things {
		f.Choices = append(f.Choices, choice{Value: P(&things[i]).Base().ID, Title: name(&things[i])})
	}
	if f.Value != "" && !slices.ContainsFunc(f.Choices, func(c choice) bool { return c.Value == f.Value }) {
		f.Choices = append(f.Choices, choice{Value: f.Value, Title: "The one that is chosen"})
	}
	return next != "", nil
}
