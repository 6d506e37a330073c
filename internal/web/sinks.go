package web

import (
	"net/http"
	"slices"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/door"
)

const sinksPath = "/settings/sinks"

// registerSinks registers the pages of receivers of the audit trail.
func (s *Site) registerSinks() {
	n := s.sinkPages()
	registerNoun(s, n)
	s.post(sinksPath+"/{id}/test", func(v *visit) error {
		return v.tested(n.showWith, v.App.TestSink(v.ctx, v.who, v.id()), "The receiver has taken a signed head of the trail.")
	})
}

func (s *Site) sinkPages() nounPages[backstay.AuditSink, *backstay.AuditSink] {
	return nounPages[backstay.AuditSink, *backstay.AuditSink]{
		noun: s.App.Sinks, path: sinksPath, icon: "report", one: "receiver", many: "receivers of the trail", order: "name",
		lead:    "Servers outside that get every event of the audit trail, so that it is still known where this server is lost or taken over.",
		columns: []string{"State", "Kind", "Has"},
		kinds:   func(v *visit) []app.Kind { return v.App.Receivers.SinkKinds() },
		row: func(v *visit, x *backstay.AuditSink) row {
			state := sinkPill(x.Status.State)
			return row{Name: x.Name, Cells: []cell{{Pill: &state, Sub: x.Status.Error}, {Text: kindNamed(v.App.Receivers.SinkKinds(), x.Kind).Title}, {Text: v.sinkHas(x)}}}
		},
		fields: func(v *visit, x *backstay.AuditSink) ([]group, error) {
			kind := kindNamed(v.App.Receivers.SinkKinds(), v.kindAsked(x.Kind))
			if kind.Kind == "" {
				return nil, errNoKind
			}
			return []group{
				{Fields: []*field{{Name: "name", Title: "Name", Kind: textField, Value: x.Name}, {Name: "kind", Kind: hiddenField, Value: kind.Kind}}},
				{Title: kind.Title, Help: kind.Help, Fields: settingsFields(kind.Fields, x.Settings, x.Secrets, v.may(backstay.ManageStorages, backstay.Everywhere, ""))},
			}, nil
		},
		facts: sinkFacts,
		acts: func(v *visit, x *backstay.AuditSink) []act {
			if !v.may(backstay.ManageSystem, backstay.System, "") {
				return nil
			}
			return []act{{Word: "Test it", Icon: "play", Href: sinksPath + "/" + x.ID + "/test", Post: true, Tone: "primary"}}
		},
		goes: func(*visit, *backstay.AuditSink) string {
			return "It gets no more events. What it has it keeps; one that is added again gets the trail from its beginning."
		},
	}
}

var errNoKind = backstay.Errorf(backstay.NotFound, "there is no such kind").WithHint("Go back and choose one of the list.")

// kindAsked is the kind of a thing; of a new one that which was chosen.
func (v *visit) kindAsked(kind string) string {
	if kind == "" {
		return v.r.FormValue("kind")
	}
	return kind
}

func sinkPill(s backstay.SinkState) pill {
	switch s {
	case backstay.SinkFailing:
		return pill{"fail", "fail", "Failing", true}
	case backstay.SinkBehind:
		return pill{"run", "run", "Catching up", true}
	}
	return pill{"ok", "ok", "Current", true}
}

// sinkHas is how far a receiver has come.
func (v *visit) sinkHas(x *backstay.AuditSink) string {
	if x.Status.Lag == 0 {
		return "all events"
	}
	return "all but " + counted(x.Status.Lag, "event", "events")
}

func sinkFacts(v *visit, x *backstay.AuditSink) ([]fact, error) {
	kind := kindNamed(v.App.Receivers.SinkKinds(), x.Kind)
	state := sinkPill(x.Status.State)
	facts := []fact{{Name: "State", Pill: &state}, {Name: "Kind", Text: kind.Title}, {Name: "Has", Text: v.sinkHas(x)}}
	if x.Status.SentAt != nil {
		facts = append(facts, fact{Name: "Took last", Text: v.ago(*x.Status.SentAt)})
	}
	if x.Status.SignedAt != nil {
		facts = append(facts, fact{Name: "Signed head of", Text: v.when(*x.Status.SignedAt)})
	}
	if x.Status.FailingSince != nil {
		facts = append(facts, fact{Name: "Failing since", Text: v.when(*x.Status.FailingSince)}, fact{Name: "Why", Text: x.Status.Error}, fact{Name: "Attempts", Text: countText(x.Status.Attempts)})
	}
	if x.Status.Next != nil {
		facts = append(facts, fact{Name: "Next attempt", Text: v.ago(*x.Status.Next)})
	}
	return append(facts, settingsFacts(kind, x.Settings, x.Secrets)...), nil
}

// settingsFacts are the settings of something in the order of its kind; of secrets only that they are there.
func settingsFacts(kind app.Kind, values map[string]string, secrets []string) (facts []fact) {
	for _, f := range kind.Fields {
		if slices.Contains(secrets, f.Name) {
			facts = append(facts, fact{Name: f.Title, Text: "set, and not shown"})
		} else if values[f.Name] != "" && !f.IsSecret() {
			facts = append(facts, fact{Name: f.Title, Text: values[f.Name]})
		}
	}
	return facts
}

// tested shows the page that a test was asked for on with how it went.
func (v *visit) tested(page func(v *visit, status int, note *notice) error, err error, well string) error {
	if err != nil {
		e, status := door.Failure(err)
		if e.Kind != backstay.Conflict {
			return err
		}
		return page(v, status, &notice{Tone: "fail", Icon: "fail", Fact: sentence(e.Msg), Text: e.Hint})
	}
	return page(v, http.StatusOK, &notice{Tone: "ok", Icon: "ok", Fact: "It works.", Text: well})
}
