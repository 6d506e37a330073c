package web

import (
	"cmp"
	"slices"
	"strings"

	"github.com/backstay/backstay"
)

// registerSessions registers the page of where somebody is signed in.
func (s *Site) registerSessions() {
	s.get("/settings/sessions", (*visit).sessions)
	s.post("/settings/sessions/{id}/end", (*visit).endSession)
	s.post("/settings/sessions/end-others", (*visit).endOthers)
}

// methods are by what people sign in.
var methods = map[string]string{"password": "Password", "passkey": "Passkey", "oidc": "Another server"}

func (v *visit) sessions() error {
	all, err := v.App.Sessions(v.ctx, v.who, v.who.User)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b backstay.Session) int {
		if a.Current != b.Current {
			return map[bool]int{true: -1, false: 1}[a.Current]
		}
		return b.LastUsedAt.Compare(a.LastUsedAt)
	})
	page := listPage{frame: v.frame("Sessions"), Heading: "You are signed in at " + counted(len(all), "place", "places"), Lead: "End what you don't know, then change your password.", Tabs: v.settingsTabs()}
	page.Table = table{Label: "Sessions", Columns: []column{{Title: "Where"}, {Title: "State"}, {Title: "Signed in by", Drop: true}, {Title: "Last used"}, {Title: "Ends", Drop: true}}}
	for _, s := range all {
		page.Table.Rows = append(page.Table.Rows, v.sessionRow(s))
	}
	if len(all) > 1 {
		page.Acts = []act{{Word: "End all others", Icon: "close", Href: "/settings/sessions/end-others", Post: true, Tone: "danger"}}
	}
	return v.show("list", page)
}

func (v *visit) sessionRow(s backstay.Session) row {
	method := cmp.Or(methods[s.Method], s.Method)
	if s.MFA && s.Method != "passkey" {
		method += " and second factor"
	}
	r := row{Name: browserText(s.UserAgent), Sub: "from " + s.IP, Cells: []cell{{Pill: &pill{"idle", "check", "Signed in", true}}, {Text: method}, {Text: v.ago(s.LastUsedAt)}, {Text: v.when(s.ExpiresAt)}}}
	if s.Current {
		r.Cells[0].Pill = &pill{"ok", "ok", "This one", false}
		r.Acts = []act{{Word: "Sign out", Href: "/sign-out", Post: true, Tone: "quiet"}}
		return r
	}
	r.Acts = []act{{Word: "End", Of: "the session of " + r.Name + " from " + s.IP, Href: "/settings/sessions/" + s.ID + "/end", Post: true}}
	return r
}

func (v *visit) endSession() error {
	if err := v.App.EndSession(v.ctx, v.who, v.id()); err != nil {
		return err
	}
	return v.redirect("/settings/sessions", "The session has ended.")
}

func (v *visit) endOthers() error {
	all, err := v.App.Sessions(v.ctx, v.who, v.who.User)
	if err != nil {
		return err
	}
	ended := 0
	for _, s := range all {
		if s.Current {
			continue
		}
		if err := v.App.EndSession(v.ctx, v.who, s.ID); err != nil {
			return err
		}
		ended++
	}
	return v.redirect("/settings/sessions", counted(ended, "session has", "sessions have")+" ended.")
}

// Browsers and systems by what they say of themselves, those first that say they are others as well.
var (
	browsers = [][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"Safari/", "Safari"}}
	systems  = [][2]string{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "Mac"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}}
)

// browserText is what a browser or program is called, as far as it says so.
func browserText(agent string) string {
	program, system := agentSays(browsers, agent), agentSays(systems, agent)
	switch {
	case program != "" && system != "":
		return program + " on " + system
	case program != "" || system != "":
		return program + system
	}
	first, _, _ := strings.Cut(agent, " ")
	return cmp.Or(first, "A program that doesn't say what it is")
}

func agentSays(names [][2]string, agent string) string {
	for _, n := range names {
		if strings.Contains(agent, n[0]) {
			return n[1]
		}
	}
	return ""
}
