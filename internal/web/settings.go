package web

import (
	"strings"

	"github.com/backstay/backstay"
)

// settingsPages are the pages of the settings, in three groups, with what somebody has to have of the permissions to find anything there.
var settingsPages = []struct {
	group, href, word string
	needs             backstay.Permission
}{
	{"Personal", "/settings/profile", "Profile", ""},
	{"Personal", "/settings/security", "Sign-in and security", ""},
	{"Personal", "/settings/sessions", "Sessions", ""},
	{"Personal", "/settings/tokens", "API tokens", backstay.CreateTokens},
	{"Personal", "/settings/notifications", "Notifications", ""},
	{"Project", "/settings/members", "Members", backstay.ReadUsers},
	{"Project", "/settings/channels", "Channels", backstay.ManageChannels},
	{"Project", "/settings/rules", "Notification rules", backstay.ManageChannels},
	{"Project", "/settings/deliveries", "Messages", backstay.ManageChannels},
	{"System", "/settings/users", "People", backstay.ReadUsers},
	{"System", "/settings/groups", "Groups", backstay.ReadUsers},
	{"System", "/settings/roles", "Roles", backstay.ReadUsers},
	{"System", "/settings/grants", "Grants", backstay.ReadUsers},
	{"System", "/settings/projects", "Projects", backstay.ReadSources},
	{"System", "/settings/sign-in", "Sign-in providers", backstay.ManageSignIn},
	{"System", "/settings/audit", "Audit trail", backstay.ReadAudit},
	{"System", "/settings/sinks", "Receivers of the trail", backstay.ReadAudit},
	{"System", "/settings/server", "Server", backstay.ManageSystem},
	{"System", "/settings/server-backup", "Backup of the server", backstay.ManageSystem},
}

// settingsTabs are the settings' pages that the person finds something on, of the group that the page is of; none elsewhere.
func (v *visit) settingsTabs() (tabs []tab) {
	if v.who.Limited {
		return nil // nothing is there for them but one page
	}
	here := ""
	for _, p := range settingsPages {
		if v.isAt(p.href) {
			here = p.group
		}
	}
	for _, p := range settingsPages {
		if here != "" && p.group == here && (p.needs == "" || v.somewhere(p.needs)) {
			tabs = append(tabs, tab{Href: p.href, Word: p.word, Current: v.isAt(p.href)})
		}
	}
	return tabs
}

// isAt reports whether the visit is of a page or one below it.
func (v *visit) isAt(path string) bool {
	return v.r.URL.Path == path || strings.HasPrefix(v.r.URL.Path, path+"/")
}

// settingsIndex is the page that lists them.
type settingsIndex struct {
	frame
	Groups []settingsGroup
}

type settingsGroup struct {
	Title string
	Pages []tab
}

// registerSettings registers the page that leads to all settings.
func (s *Site) registerSettings() {
	s.get("/settings", func(v *visit) error {
		page := settingsIndex{frame: v.frame("Settings")}
		for _, p := range settingsPages {
			if p.needs != "" && !v.somewhere(p.needs) {
				continue
			}
			if len(page.Groups) == 0 || page.Groups[len(page.Groups)-1].Title != p.group {
				page.Groups = append(page.Groups, settingsGroup{Title: p.group})
			}
			last := &page.Groups[len(page.Groups)-1]
			last.Pages = append(last.Pages, tab{Href: p.href, Word: p.word})
		}
		return v.show("settings", page)
	})
}
