package web

import (
	"net/http"
	"strconv"
	"time"

	"github.com/backstay/backstay"
)

const serverPath = "/settings/server"

// registerServer registers the pages of the settings of the server itself.
func (s *Site) registerServer() {
	s.get(serverPath, func(v *visit) error { return v.showServer(http.StatusOK, nil) })
	s.get(serverPath+"/edit", func(v *visit) error {
		f, err := v.serverForm()
		if err != nil {
			return err
		}
		return v.showServerForm(http.StatusOK, v.ask(f))
	})
	s.post(serverPath+"/edit", changeServer)
	s.post(serverPath+"/clock", confirmClock)
}

// showServer shows the settings of the server, and its clock where that was in doubt.
func (v *visit) showServer(status int, note *notice) error {
	set, err := v.App.Settings(v.ctx, v.who)
	if err != nil {
		return err
	}
	page := thingPage{frame: v.frame("Server"), Heading: "Server", Lead: "What holds for everybody and everything on it.", Note: note, Tabs: v.settingsTabs()}
	if v.may(backstay.ManageSystem, backstay.System, "") {
		page.Acts = []act{{Word: "Change", Icon: "edit", Href: serverPath + "/edit", Tone: "primary"}}
	}
	reached := []fact{{Name: "Name", Text: set.Name}, {Name: "Address", Text: v.addressOf(set)}}
	if v.Version != "" {
		reached = append(reached, fact{Name: "Version", Text: v.Version})
	}
	page.Parts = []thingPart{{Title: "How it is reached", Facts: reached},
		{Title: "Signing in", Facts: v.signInFacts(set)},
		{Title: "What it may do", Facts: []fact{yesNo("Storages and channels in private networks", set.PrivateNetworks), yesNo("Plans run commands on this machine", set.Hooks),
			{Name: "Records of runs are kept", Text: counted(set.KeepRunsDays, "day", "days")}}}}
	clock, err := v.clockPart()
	if err != nil {
		return err
	}
	page.Parts = append(page.Parts, clock)
	return v.answer(status, "thing", page)
}

func (v *visit) signInFacts(set backstay.Settings) []fact {
	n := v.names()
	var roles []string
	for _, r := range set.MFARoles {
		roles = append(roles, n.role(r))
	}
	needs := "Nobody has to have one"
	if len(roles) > 0 {
		needs = wordList(roles, "and")
	}
	return []fact{{Name: "A second factor is demanded of", Text: needs}, {Name: "A session that nobody uses ends", Text: "after " + spanText(set.SessionIdle.Duration())},
		{Name: "Every session ends", Text: "after " + spanText(set.SessionMax.Duration())}, {Name: "A confirmation holds", Text: spanText(set.FreshFor.Duration())}, yesNo("New passwords are looked up among stolen ones", set.CheckBreaches)}
}

func yesNo(name string, yes bool) fact {
	if yes {
		return fact{Name: name, Pill: &pill{"ok", "ok", "Yes", true}}
	}
	return fact{Name: name, Pill: &pill{"idle", "cancel", "No", true}}
}

// clockPart is what is known of the server's time.
func (v *visit) clockPart() (thingPart, error) {
	c, err := v.App.ServerClock(v.ctx, v.who)
	part := thingPart{Title: "Clock", Facts: []fact{{Name: "Its time", Text: v.whenExact(v.App.Clock.Now())}}}
	if err != nil || !c.Held && !c.Older {
		return part, err
	}
	part.Note = &notice{Tone: "warn", Icon: "warn", Fact: "Nothing is forgotten or pruned for now.", Text: "The clock has jumped from " + v.plainTime(c.From) + " to " + v.plainTime(c.To) + "."}
	switch {
	case c.Older:
		part.Note.Text = "The database is older than what the repositories hold, such as after a restore. Confirm that plans, retention and protection are as you want them."
	case c.Person:
		part.Note.Text += " Confirm that the time is right now; until then nothing is removed."
	default:
		part.Note.Text += " It is trusted again by itself in " + spanText(time.Duration(c.Left)*time.Minute) + ", or when you confirm it."
	}
	if v.may(backstay.ManageSystem, backstay.System, "") {
		part.Acts = []act{{Word: "The time is right", Icon: "check", Href: serverPath + "/clock", Post: true}}
	}
	return part, nil
}

// plainTime is a moment within a sentence.
func (v *visit) plainTime(t time.Time) string { return t.In(v.zone).Format("2 Jan 2006, 15:04") }

func confirmClock(v *visit) error {
	if _, err := v.App.ConfirmClock(v.ctx, v.who); err != nil {
		return err
	}
	return v.redirect(serverPath, "The time is confirmed. What was held is done.")
}

// serverForm changes the settings. Only an owner is asked about commands on the server's machine, since nobody else may allow them.
func (v *visit) serverForm() (*form, error) {
	set, err := v.App.Settings(v.ctx, v.who)
	if err != nil {
		return nil, err
	}
	mfa := &field{Name: "mfa_roles", Title: "A second factor is demanded of", Kind: checksField, Help: "Whoever has one of these roles anywhere, and has none, can do nothing until they set one up."}
	for _, r := range backstay.BuiltInRoles() {
		mfa.Choices = append(mfa.Choices, choice{Value: r.ID, Title: r.Name})
	}
	for _, r := range set.MFARoles {
		mfa.Values = append(mfa.Values, string(r))
	}
	may := []*field{
		{Name: "private_networks", Title: "Storages and channels may be in private networks", Kind: switchField, Value: strconv.FormatBool(set.PrivateNetworks)},
		{Name: "keep_runs_days", Title: "Keep records of runs", Unit: "days", Kind: numberField, Value: strconv.Itoa(set.KeepRunsDays), Help: "Of runs, restores and resolved alerts. The audit trail is kept for good."},
	}
	if v.who.Has(backstay.RoleOwner) {
		may = append(may, &field{Name: "hooks", Title: "Plans may run commands on this machine", Kind: switchField, Value: strconv.FormatBool(set.Hooks), Help: "Whoever manages plans can then do on it what the server can."})
	}
	return &form{Action: serverPath + "/edit", Submit: "Save", Back: serverPath, Version: set.Version, Groups: []group{
		{Title: "How it is reached", Fields: []*field{
			{Name: "name", Title: "Name", Kind: textField, Value: set.Name, Help: "In pages and messages."},
			{Name: "url", Title: "Address", Kind: urlField, Value: set.URL, Optional: true, Help: "That people reach it by, such as https://backup.example.org: for links in messages and for passkeys."},
		}},
		{Title: "Signing in", Fields: []*field{
			{Name: "session_idle_minutes", Title: "End a session that nobody uses after", Unit: "minutes", Kind: numberField, Value: strconv.Itoa(int(set.SessionIdle)), Help: "720 are half a day."},
			{Name: "session_max_minutes", Title: "End every session after", Unit: "minutes", Kind: numberField, Value: strconv.Itoa(int(set.SessionMax)), Help: "10080 are a week."},
			{Name: "fresh_minutes", Title: "A confirmation holds", Unit: "minutes", Kind: numberField, Value: strconv.Itoa(int(set.FreshFor)), Help: "For so long what is dangerous asks for no other one."},
			{Name: "check_breaches", Title: "Look new passwords up among stolen ones", Kind: switchField, Value: strconv.FormatBool(set.CheckBreaches), Help: "At haveibeenpwned.com, by a part of their hash."},
			mfa,
		}},
		{Title: "What it may do", Fields: may},
	}}, nil
}

func (v *visit) showServerForm(status int, f *form) error {
	return v.answer(status, "edit", editPage{frame: v.frame("Change the server's settings"), Heading: "Change the server's settings", Back: tab{Href: serverPath, Word: "Server"}, Form: f})
}

func changeServer(v *visit) error {
	f, err := v.serverForm()
	if err != nil {
		return err
	}
	return v.saveSettings(f, serverPath, v.showServerForm)
}

// saveSettings changes the settings of the server by what was entered, and goes on; show shows the form again where it is refused.
func (v *visit) saveSettings(f *form, to string, show func(status int, f *form) error) error {
	f.read(v.r)
	patch, err := f.json()
	if err == nil {
		_, err = v.App.UpdateSettings(v.ctx, v.who, int64(v.number("version", 0)), patch)
	}
	if err != nil {
		return v.refused(f, err, func(status int) error { return show(status, f) })
	}
	return v.redirect(to, "Saved.")
}
