package web

import (
	"slices"
	"strconv"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

const rulesPath = "/settings/rules"

// toldEvents are what rules can be about, by their families.
var toldEvents = []choice{
	{Heading: "Runs", Value: "run.failed", Title: "A run failed"}, {Value: "run.partial", Title: "A run did a part of it only"}, {Value: "run.warning", Title: "A run left files out"},
	{Value: "run.missed", Title: "A run was missed"}, {Value: "run.cancelled", Title: "A run was cancelled"}, {Value: "run.succeeded", Title: "A run succeeded"},
	{Heading: "Alerts", Value: "alert.opened", Title: "An alert was opened"}, {Value: "alert.reminder", Title: "An alert is still open"}, {Value: "alert.resolved", Title: "An alert was resolved"},
	{Heading: "Anything", Value: "*", Title: "Everything, also what comes with later versions"},
}

// registerRules registers the pages of who is told of what.
func (s *Site) registerRules() {
	registerNoun(s, nounPages[backstay.NotificationRule, *backstay.NotificationRule]{
		noun: s.App.Rules, path: rulesPath, icon: "bell", one: "rule", many: "notification rules", first: "Of what", adds: "Add a rule",
		lead:    "Who is told of what, by which channel, and when.",
		filters: []string{"channel", "plan", "user"},
		columns: []string{"By", "Of", "From"},
		row:     ruleRow,
		fields:  ruleFields, tidy: tidyRule,
		facts: ruleFacts,
		goes: func(*visit, *backstay.NotificationRule) string {
			return "Nobody is told by it any more. The channel stays."
		},
	})
}

func ruleRow(v *visit, r *backstay.NotificationRule) row {
	n := v.names()
	severity := severityPill(r.MinSeverity)
	return row{Name: eventWords(r.Events), Sub: n.rulePlan(r), Cells: []cell{{Text: n.channel(r.Channel)}, {Text: n.project(r.Project)}, {Pill: &severity}}}
}

// rulePlan is which plan a rule is about.
func (n *names) rulePlan(r *backstay.NotificationRule) string {
	if r.Plan == "" {
		return "All plans"
	}
	return "Plan " + n.thing("plan", r.Plan, backstay.ProjectScope(r.Project))
}

// eventWords says in words of what a rule tells.
func eventWords(events []string) string {
	var words []string
	for _, e := range events {
		i := slices.IndexFunc(toldEvents, func(c choice) bool { return c.Value == e })
		switch {
		case e == "*":
			return "Everything"
		case i >= 0:
			words = append(words, toldEvents[i].Title)
		default:
			words = append(words, e)
		}
	}
	return strings.Join(words, ", ")
}

func ruleFacts(v *visit, r *backstay.NotificationRule) ([]fact, error) {
	n := v.names()
	severity := severityPill(r.MinSeverity)
	facts := []fact{{Name: "By", Text: n.channel(r.Channel)}, {Name: "Of", Text: n.project(r.Project)}, {Name: "Plan", Text: n.rulePlan(r)}, {Name: "From", Pill: &severity}}
	if r.User != "" {
		facts = append(facts, fact{Name: "Whose", Text: n.person(r.User) + ": only what they may see"})
	}
	if q := r.Quiet; q != nil {
		text := string(q.From) + " to " + string(q.To) + ", " + q.Zone
		if q.CriticalPasses {
			text += "; critical messages come at once"
		}
		facts = append(facts, fact{Name: "Quiet hours", Text: text})
	}
	if d := r.Digest; d != nil {
		text := "each full hour"
		if d.Every == backstay.DigestDaily {
			text = "each day at " + string(d.At) + ", " + d.Zone
		}
		facts = append(facts, fact{Name: "Gathered", Text: text})
	}
	if r.ReminderHours > 0 {
		facts = append(facts, fact{Name: "Reminders", Text: "every " + counted(r.ReminderHours, "hour", "hours") + " while an alert is open"})
	}
	return facts, nil
}

// ruleSeverities are how much an event has to matter.
var ruleSeverities = []choice{{Value: "info", Title: "Information, and all above"}, {Value: "warning", Title: "Warnings, and all above"}, {Value: "error", Title: "Errors, and all above"}, {Value: "critical", Title: "Only what is critical"}}

func ruleFields(v *visit, r *backstay.NotificationRule) ([]group, error) {
	channels, _, err := v.App.Channels.List(v.ctx, v.who, app.List{Limit: 1000, Sort: "name"})
	if err != nil {
		return nil, err
	}
	channel := &field{Name: "channel", Title: "By which channel", Kind: selectField, Value: r.Channel}
	n := v.names()
	for _, c := range channels {
		channel.Choices = append(channel.Choices, choice{Value: c.ID, Title: c.Name + " (" + n.project(c.Project) + ")"})
	}
	if len(channels) == 0 {
		channel.Choices, channel.Help = []choice{{Title: "There is none yet"}}, "Add a channel first."
	}
	plans, _, err := v.App.Plans.List(v.ctx, v.who, app.List{Limit: 1000, Sort: "name", Project: r.Project})
	if err != nil {
		return nil, err
	}
	plan := &field{Name: "plan", Title: "Plan", Kind: selectField, Value: r.Plan, Choices: []choice{{Title: "All plans"}}}
	for _, p := range plans {
		plan.Choices = append(plan.Choices, choice{Value: p.ID, Title: p.Name})
	}
	who := []*field{channel, plan}
	if r.ID == "" {
		who = slices.Insert(who, 0, v.homeField(backstay.ManageChannels))
	}
	what := []*field{
		{Name: "events", Title: "Events", Kind: checksField, Choices: toldEvents, Values: r.Events},
		{Name: "min_severity", Title: "How much it has to matter", Kind: selectField, Choices: ruleSeverities, Value: string(r.MinSeverity), Wide: true},
	}
	for _, e := range r.Events { // one that was set by a program stays
		if !slices.ContainsFunc(toldEvents, func(c choice) bool { return c.Value == e }) {
			what[0].Choices = append(slices.Clone(what[0].Choices), choice{Value: e, Title: e})
		}
	}
	return []group{{Title: "Who is told", Fields: who}, {Title: "What about", Fields: what}, {Title: "When", Fields: v.ruleTimes(r)}}, nil
}

// ruleTimes are the fields of quiet hours, of digests and of reminders.
func (v *visit) ruleTimes(r *backstay.NotificationRule) []*field {
	q, d := backstay.QuietHours{CriticalPasses: true, Zone: v.zone.String()}, backstay.Digest{Zone: v.zone.String()}
	if r.Quiet != nil {
		q = *r.Quiet
	}
	if r.Digest != nil {
		d = *r.Digest
	}
	return []*field{
		{Name: "quiet.from", Title: "Quiet from", Kind: timeField, Value: string(q.From), Optional: true, Help: "Messages wait for the end of the quiet hours."},
		{Name: "quiet.to", Title: "Quiet until", Kind: timeField, Value: string(q.To), Optional: true},
		{Name: "quiet.zone", Kind: hiddenField, Value: q.Zone},
		{Name: "quiet.critical_passes", Title: "Critical messages don't wait", Kind: switchField, Value: strconv.FormatBool(q.CriticalPasses)},
		{Name: "digest.every", Title: "Gather messages", Kind: selectField, Value: string(d.Every), Choices: []choice{{Title: "No, each by itself"}, {Value: "hourly", Title: "Each hour"}, {Value: "daily", Title: "Once a day"}}},
		{Name: "digest.at", Title: "Once a day at", Kind: timeField, Value: string(d.At), Optional: true},
		{Name: "digest.zone", Kind: hiddenField, Value: d.Zone},
		{Name: "reminder_hours", Title: "Remind every", Unit: "hours", Kind: numberField, Value: strconv.Itoa(r.ReminderHours), Help: "While an alert is open; 0: no reminders."},
	}
}

// tidyRule takes out of a form what isn't wanted: quiet hours without times, and a digest that is none.
func tidyRule(tree map[string]any) {
	if quiet, ok := tree["quiet"].(map[string]any); ok && quiet["from"] == "" && quiet["to"] == "" {
		tree["quiet"] = nil
	}
	if digest, ok := tree["digest"].(map[string]any); ok {
		switch digest["every"] {
		case "":
			tree["digest"] = nil
		case "hourly":
			digest["at"] = ""
		}
	}
}
