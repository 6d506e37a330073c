package web

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/app"
)

const peoplePath = "/settings/users"

// registerPeople registers the pages of people with an account.
func (s *Site) registerPeople() {
	n := s.peoplePages()
	s.get(peoplePath+"/new", func(v *visit) error {
		f, p, err := v.invitation()
		if err != nil {
			return err
		}
		return v.showInvitation(http.StatusOK, f, p)
	})
	s.post(peoplePath, invitePerson)
	s.get(peoplePath+"/{id}/rights", explainPage)
	s.post(peoplePath+"/{id}/link", newPersonLink)
	s.post(peoplePath+"/{id}/disabled", disablePerson)
	s.post(peoplePath+"/{id}/access", showAccess)
	s.post(peoplePath+"/{id}/sessions/{session}/end", endPersonSession)
	s.post(peoplePath+"/{id}/tokens/{token}/delete", deletePersonToken)
	s.get(peoplePath, n.listing)
	s.get(peoplePath+"/{id}", n.show)
	s.get(peoplePath+"/{id}/edit", n.edit)
	s.post(peoplePath+"/{id}/edit", n.change)
	s.get(peoplePath+"/{id}/delete", n.question)
	s.post(peoplePath+"/{id}/delete", n.remove)
}

func (s *Site) peoplePages() nounPages[backstay.User, *backstay.User] {
	return nounPages[backstay.User, *backstay.User]{
		noun: s.App.Users, path: peoplePath, icon: "people", one: "person", many: "people", order: "name", adds: "Invite a person",
		narrow: func(l *app.List) {
			if strings.Contains(l.Search, "@") { // an address is searched for as a whole
				l.Filters["email"], l.Search = l.Search, ""
			}
		},
		lead:    "Who can sign in. What they may do is said by grants, to themselves or to their groups.",
		filters: []string{"disabled", "mfa", "email"},
		columns: []string{"State", "Second factor", "Last seen"},
		sorts:   map[string]string{"Last seen": "last_seen_at"},
		row: func(v *visit, u *backstay.User) row {
			state, factor := personState(u), factorPill(u)
			return row{Name: u.Name, Sub: u.Email, Cells: []cell{{Pill: &state}, {Pill: &factor}, {Text: v.seen(u)}}}
		},
		pick: func(v *visit) ([]*field, error) {
			return []*field{
				{Name: "disabled", Title: "State", Kind: selectField, Value: v.query("disabled"), Choices: []choice{{Title: "Any"}, {Value: "false", Title: "Active"}, {Value: "true", Title: "Disabled"}}},
				{Name: "mfa", Title: "Second factor", Kind: selectField, Value: v.query("mfa"), Choices: []choice{{Title: "Any"}, {Value: "true", Title: "With one"}, {Value: "false", Title: "Without one"}}},
				{Name: "sort", Title: "First", Kind: selectField, Value: v.query("sort"), Choices: []choice{{Title: "By name"}, {Value: "last_seen_at", Title: "Who never signed in"}, {Value: "-last_seen_at", Title: "Who was here last"}}},
			}, nil
		},
		fields: personFields, facts: personFacts, acts: personActs, parts: personParts,
		goes: func(_ *visit, u *backstay.User) string {
			return "They are signed out at once, and their rights, sessions, tokens and second factors go. What they made stays, and so does the audit trail. To keep the account for later, disable it instead."
		},
	}
}

// personState is whether somebody can sign in.
func personState(u *backstay.User) pill {
	switch {
	case u.Disabled:
		return pill{"idle", "cancel", "Disabled", true}
	case u.LastSeenAt == nil:
		return pill{"warn", "pending", "Invited", true}
	}
	return pill{"ok", "ok", "Active", true}
}

func factorPill(u *backstay.User) pill {
	if u.MFA {
		return pill{"ok", "shield", "Yes", true}
	}
	return pill{"idle", "cancel", "None", true}
}

// seen is when somebody was last here.
func (v *visit) seen(u *backstay.User) any {
	if u.LastSeenAt == nil {
		return "never signed in"
	}
	return v.ago(*u.LastSeenAt)
}

func personFields(_ *visit, u *backstay.User) ([]group, error) {
	return []group{{Fields: []*field{
		{Name: "name", Title: "Name", Kind: textField, Value: u.Name, Auto: "off"},
		{Name: "email", Title: "E-mail", Kind: emailField, Value: u.Email, Auto: "off", Help: "They sign in with it. Links that were mailed to another address are void then."},
		{Name: "phone", Title: "Phone", Kind: textField, Value: u.Phone, Optional: true, Auto: "off", Help: "With the country code, for text messages."},
		zoneField(cmp.Or(u.Zone, "UTC")),
	}}}, nil
}

func personFacts(v *visit, u *backstay.User) ([]fact, error) {
	state, factor := personState(u), factorPill(u)
	facts := []fact{{Name: "E-mail", Text: u.Email}, {Name: "State", Pill: &state}, {Name: "Second factor", Pill: &factor}, {Name: "Last seen", Text: v.seen(u)}}
	if u.Phone != "" {
		facts = append(facts, fact{Name: "Phone", Text: u.Phone})
	}
	return append(facts, fact{Name: "Account since", Text: v.when(u.CreatedAt)}), nil
}

func personActs(v *visit, u *backstay.User) []act {
	at := peoplePath + "/" + u.ID
	acts := []act{{Word: "What can they do?", Icon: "help", Href: at + "/rights", Tone: "primary"}}
	if v.may(backstay.ReadAudit, backstay.System, "") {
		acts = append(acts, act{Word: "What they did", Icon: "report", Href: "/settings/audit?actor=" + u.ID})
	}
	if !v.may(backstay.ManageUsers, backstay.System, "") {
		return acts
	}
	acts = append(acts, act{Word: "New link", Icon: "key", Href: at + "/link", Post: true})
	if u.Disabled {
		return append(acts, act{Word: "Enable", Icon: "play", Href: at + "/disabled", Post: true, Hidden: []sent{{"disabled", "false"}}})
	}
	return append(acts, act{Word: "Disable", Icon: "cancel", Href: at + "/disabled", Post: true, Hidden: []sent{{"disabled", "true"}}})
}

func personParts(v *visit, u *backstay.User) ([]thingPart, error) {
	groups, err := v.groupsOf(u.ID)
	if err != nil {
		return nil, err
	}
	rights, err := v.grantsPart(append([]string{u.ID}, idsOf(groups)...)...)
	if err != nil {
		return nil, err
	}
	if v.somewhere(backstay.ManageGrants) {
		rights.Acts = []act{{Word: "Give a right", Icon: "plus", Href: grantsPath + "/new?subject_kind=user&subject=" + u.ID}}
	}
	in := thingPart{Title: "Groups", Table: &table{Label: "Groups", Columns: []column{{Title: "Name"}, {Title: "People", End: true}}, Empty: &empty{Title: "In no group", Text: "They have only the rights that are given to themselves."}}}
	for _, g := range groups {
		in.Table.Rows = append(in.Table.Rows, row{Name: g.Name, Href: groupsPath + "/" + g.ID, Cells: []cell{{Text: countText(len(g.Members))}}})
	}
	parts := []thingPart{rights, in}
	if !v.may(backstay.ManageUsers, backstay.System, "") {
		return parts, nil
	}
	access, err := v.accessParts(u.ID)
	return append(parts, access...), err
}

func idsOf(groups []backstay.Group) (ids []string) {
	for _, g := range groups {
		ids = append(ids, g.ID)
	}
	return ids
}

// groupsOf are the groups that somebody is in.
func (v *visit) groupsOf(user string) ([]backstay.Group, error) {
	groups, _, err := v.App.Groups.List(v.ctx, v.who, app.List{Limit: 1000, Sort: "name", Filters: map[string]string{"members": user}})
	return groups, err
}

// accessParts are the sessions and tokens of somebody. They are looked at only once the person has confirmed that it is them.
func (v *visit) accessParts(user string) ([]thingPart, error) {
	at := peoplePath + "/" + user
	if !v.who.Fresh {
		return []thingPart{{Title: "Sessions and tokens", Text: "Where they are signed in, and which programs act for them, is shown once you have confirmed that it is you.",
			Acts: []act{{Word: "Show them", Icon: "lock", Href: at + "/access", Post: true}}}}, nil
	}
	sessions, err := v.App.Sessions(v.ctx, v.who, user)
	if err != nil {
		return nil, err
	}
	in := table{Label: "Sessions", Columns: []column{{Title: "Where"}, {Title: "By"}, {Title: "Last used"}}, Empty: &empty{Title: "Not signed in", Text: "They are signed in nowhere."}}
	for _, s := range sessions {
		in.Rows = append(in.Rows, row{Name: s.IP, Sub: shortened(s.UserAgent, 80), Cells: []cell{{Text: s.Method}, {Text: v.ago(s.LastUsedAt)}},
			Acts: []act{{Word: "End", Of: "the session at " + s.IP, Icon: "cancel", Href: at + "/sessions/" + s.ID + "/end", Post: true, Tone: "quiet"}}})
	}
	tokens, err := v.App.Tokens(v.ctx, v.who, user)
	if err != nil {
		return nil, err
	}
	held := table{Label: "API tokens", Columns: []column{{Title: "For"}, {Title: "Last used"}, {Title: "Expires"}}, Empty: &empty{Title: "No tokens", Text: "No program acts for them."}}
	for _, t := range tokens {
		used := any("never")
		if t.LastUsedAt != nil {
			used = v.ago(*t.LastUsedAt)
		}
		held.Rows = append(held.Rows, row{Name: t.Name, Cells: []cell{{Text: used, Sub: t.LastUsedIP}, {Text: v.when(t.ExpiresAt)}},
			Acts: []act{{Word: "Delete", Of: "the token " + t.Name, Icon: "trash", Href: at + "/tokens/" + t.ID + "/delete", Post: true, Tone: "quiet"}}})
	}
	return []thingPart{{Title: "Sessions", Table: &in}, {Title: "API tokens", Table: &held}}, nil
}

// shortened is the beginning of a text that may be long.
func shortened(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return strings.TrimSpace(string(r[:most])) + "…"
	}
	return s
}

// showAccess has the person confirm that it is them before they see how somebody signs in.
func showAccess(v *visit) error {
	if _, err := v.App.Sessions(v.ctx, v.who, v.id()); err != nil {
		return err
	}
	return v.redirect(peoplePath+"/"+v.id(), "")
}

func endPersonSession(v *visit) error {
	if err := v.App.EndSession(v.ctx, v.who, v.r.PathValue("session")); err != nil {
		return err
	}
	return v.redirect(peoplePath+"/"+v.id(), "The session was ended.")
}

func deletePersonToken(v *visit) error {
	if err := v.App.DeleteToken(v.ctx, v.who, v.r.PathValue("token")); err != nil {
		return err
	}
	return v.redirect(peoplePath+"/"+v.id(), "The token was deleted. Programs that use it are refused now.")
}

// disablePerson keeps somebody out, or lets them in again.
func disablePerson(v *visit) error {
	patch, done := `{"disabled":true}`, "The account is disabled. They are signed out everywhere."
	if v.r.PostForm.Get("disabled") == "false" {
		patch, done = `{"disabled":false}`, "The account is enabled again."
	}
	if _, err := v.App.Users.Update(v.ctx, v.who, v.id(), 0, []byte(patch)); err != nil {
		return v.refusedOn(v.peoplePages().showWith, err)
	}
	return v.redirect(peoplePath+"/"+v.id(), done)
}
