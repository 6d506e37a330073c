package web

import "github.com/backstay/backstay"

const ownRulesPath = "/settings/notifications"

// registerOwnRules registers the pages of what somebody themselves is told of. They are rules as all others, of one person.
func (s *Site) registerOwnRules() {
	registerNoun(s, nounPages[backstay.NotificationRule, *backstay.NotificationRule]{
		noun: s.App.Rules, path: ownRulesPath, one: "rule", many: "notifications", adds: "Add a rule", lead: ownRulesLead,
		list:   (*visit).ownRules,
		row:    ruleRow,
		fields: ownRuleFields, tidy: tidyRule,
		facts: ruleFacts,
		create: func(v *visit, r backstay.NotificationRule) (backstay.NotificationRule, error) {
			r.User = v.who.User
			return v.App.Rules.Create(v.ctx, v.who, r)
		},
		goes: func(*visit, *backstay.NotificationRule) string {
			return "You are no longer told by it. The channel stays."
		},
	})
}

const ownRulesLead = "What you yourself are told of, of what you may see. It ends with your rights."

func (v *visit) ownRules() error {
	l := v.list()
	l.Filters["user"] = v.who.User
	rules, next, err := v.App.Rules.List(v.ctx, v.who, l)
	if err != nil {
		return err
	}
	page := listPage{frame: v.frame("Notifications"), Heading: "Your notifications", Lead: ownRulesLead, Tabs: v.settingsTabs()}
	if v.somewhere(backstay.ManageChannels) {
		page.Acts = []act{{Word: "Add a rule", Icon: "plus", Href: ownRulesPath + "/new", Tone: "primary"}}
	}
	page.Table = table{Label: "Your notifications", Columns: []column{{Title: "Of what"}, {Title: "By"}, {Title: "Of"}, {Title: "From"}}, Next: v.nextPage(next),
		Empty: &empty{Icon: "bell", Title: "No rules of your own yet", Text: "Others may have made rules that tell you as well: by the channels of a project, for all who look after it.", Acts: page.Acts}}
	for i := range rules {
		r := ruleRow(v, &rules[i])
		r.Href = ownRulesPath + "/" + rules[i].ID
		page.Table.Rows = append(page.Table.Rows, r)
	}
	return v.show("list", page)
}

// ownRuleFields are those of a rule. A new one can be for each project in which somebody may have rules of their own.
func ownRuleFields(v *visit, r *backstay.NotificationRule) ([]group, error) {
	groups, err := ruleFields(v, r)
	if err != nil || r.ID != "" {
		return groups, err
	}
	home := &field{Name: "project", Title: "For", Kind: selectField, Value: v.project()}
	for _, p := range v.desk.Projects {
		if v.may(backstay.ManageChannels, p.Scope, v.who.User) {
			home.Choices = append(home.Choices, choice{Value: p.ID, Title: p.Name})
		}
	}
	if v.may(backstay.ManageChannels, backstay.System, v.who.User) {
		home.Choices = append(home.Choices, choice{Title: "The server: all projects"})
	}
	groups[0].Fields[0] = home
	return groups, nil
}
