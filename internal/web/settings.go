package web

import (
	"strings"

	"github.com/backstay/backstay"
)

// settingsPage is one page of the settings, with what somebody has to have of the permissions to find anything there.
type settingsPage struct {
	group, href, word string
	needs             backstay.Permission
	server            bool // they have to have it for the server itself; else anywhere
}

// settingsPages are all of them, in three groups.
var settingsPages = []settingsPage{
	{group: "Personal", href: "/settings/profile", word: "Profile"},
	{group: "Personal", href: "/settings/security", word: "Sign-in and security"},
	{group: "Personal", href: "/settings/sessions", word: "Sessions"},
	{group: "Personal", href: "/settings/tokens", word: "API tokens", needs: backstay.CreateTokens},
	{group: "Personal", href: ownRulesPath, word: "Notifications", needs: backstay.ManageChannels},
	{group: "Project", href: "/settings/members", word: "Members", needs: backstay.ReadUsers},
	{group: "Project", href: channelsPath, word: "Channels", needs: backstay.ManageChannels},
	{group: "Project", href: rulesPath, word: "Notification rules", needs: backstay.ManageChannels},
	{group: "Project", href: deliveriesPath, word: "Messages", needs: backstay.ManageChannels},
	{group: "System", href: peoplePath, word: "People", needs: backstay.ReadUsers},
	{group: "System", href: groupsPath, word: "Groups", needs: backstay.ReadUsers},
	{group: "System", href: rolesPath, word: "Roles", needs: backstay.ReadUsers},
	{group: "System", href: grantsPath, word: "Grants", needs: backstay.ReadUsers},
	{group: "System", href: "/settings/projects", word: "Projects", needs: backstay.ReadSources},
	{group: "System", href: signInPath, word: "Sign-in providers", needs: backstay.ReadUsers},
	{group: "System", href: auditPath, word: "Audit trail", needs: backstay.ReadAudit},
	{group: "System", href: sinksPath, word: "Trail receivers", needs: backstay.ReadAudit, server: true},
	{group: "System", href: serverPath, word: "Server", needs: backstay.ManageSystem, server: true},
	{group: "System", href: serverBackupPath, word: "Server backup", needs: backstay.ManageSystem, server: true},
}

// isFor reports whether somebody finds anything on a page.
func (p settingsPage) isFor(v *visit) bool {
	if p.server {
		return v.may(p.needs, backstay.System, "")
	}
	return p.needs == "" || v.somewhere(p.needs)
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
		if here != "" && p.group == here && p.isFor(v) {
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
			if !p.isFor(v) {
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
