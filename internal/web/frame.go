package web

import (
	"encoding/base64"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/backstay/backstay"
)

// frame is what every page is in. A page's data embeds it.
type frame struct {
	Title        string
	Installation string
	Theme        string // auto, light or dark
	Person       string // "" for nobody
	Initials     string
	Nav          []navEntry
	InSettings   bool
	Alerts       int
	Projects     []projectChoice // to choose from; none where there is but one
	Project      string          // the name of the one that is looked at
	Here         string          // the address of the page
	Zone         string
	Toast        string // what was done
	Live         bool   // live parts are
	Fresh        bool   // the person has confirmed just now that it is them
	Limited      bool   // nothing is there for them but setting up a second factor
	Version      string
	KeysOff      bool // shortcuts of one key are
	Left         int  // seconds, after which the session ends if nobody uses it; 0 for never
}

// navEntry is one entry of the navigation.
type navEntry struct {
	Href, Icon, Word string
	Current          bool
	Bar              bool     // it is in the bar of phones
	Also             []string // paths below it that begin otherwise
	Count            int
	CountOf          string // what is counted
}

// projectChoice is one project to look at.
type projectChoice struct {
	ID, Name string
	Current  bool
}

// entries are the entries of the navigation with what somebody has to have of the permissions to find anything there.
var entries = []struct {
	navEntry
	needs backstay.Permission
}{
	{navEntry{Href: "/", Icon: "overview", Word: "Overview", Bar: true}, ""},
	{navEntry{Href: "/sources", Icon: "source", Word: "Sources", Bar: true, Also: []string{"/modules"}}, backstay.ReadSources},
	{navEntry{Href: "/plans", Icon: "plan", Word: "Plans"}, backstay.ReadSources},
	{navEntry{Href: "/restore", Icon: "restore", Word: "Restore", Bar: true, Also: []string{"/restores", "/snapshots", "/search"}}, backstay.ListSnapshots},
	{navEntry{Href: "/activity", Icon: "activity", Word: "Activity", Bar: true, CountOf: "running"}, backstay.ReadSources},
	{navEntry{Href: "/storage", Icon: "storage", Word: "Storage", Also: []string{"/repositories", "/recovery-kit"}}, backstay.ReadSources},
}

// frame is what a page with this title is in.
func (v *visit) frame(title string) frame {
	f := frame{Title: title, Installation: "Backstay", Theme: "auto", Here: v.r.URL.RequestURI(), Version: v.Version, Live: true, KeysOff: v.shown(keysCookie) != ""}
	if v.desk.User.ID == "" {
		return f
	}
	u := v.desk.User
	f.Installation, f.Person, f.Initials, f.Alerts, f.Zone, f.Fresh, f.Limited = v.desk.Installation, u.Name, initials(u.Name), v.desk.Alerts, v.zone.String(), v.who.Fresh, v.who.Limited
	if t := u.Preferences.Theme; t == "light" || t == "dark" {
		f.Theme = t
	}
	if _, err := v.r.Cookie(pausedCookie); err == nil {
		f.Live = false
	}
	if !v.desk.Ends.IsZero() {
		f.Left = max(1, int(v.desk.Ends.Sub(v.App.Clock.Now()).Seconds()))
	}
	f.Nav, f.InSettings = v.nav(), v.r.URL.Path == "/settings" || strings.HasPrefix(v.r.URL.Path, "/settings/")
	v.frameProjects(&f)
	f.Toast = v.toast()
	return f
}

func (v *visit) nav() (all []navEntry) {
	if v.who.Limited {
		return nil
	}
	for _, e := range entries {
		if e.needs != "" && !v.somewhere(e.needs) {
			continue
		}
		e.Current = e.Href == "/" && v.r.URL.Path == "/" || e.Href != "/" && slices.ContainsFunc(append(e.Also, e.Href), v.isAt)
		if e.CountOf != "" {
			e.Count = v.desk.Running
		}
		all = append(all, e.navEntry)
	}
	return all
}

func (v *visit) frameProjects(f *frame) {
	f.Project = "All projects"
	if len(v.desk.Projects) < 2 {
		return
	}
	f.Projects = append(f.Projects, projectChoice{Name: f.Project, Current: v.project() == ""})
	for _, p := range v.desk.Projects {
		if p.ID == v.project() {
			f.Project = p.Name
		}
		f.Projects = append(f.Projects, projectChoice{p.ID, p.Name, p.ID == v.project()})
	}
}

// toast is what the page before says was done; it is said once.
func (v *visit) toast() string {
	c, err := v.r.Cookie(toastCookie)
	if err != nil {
		return ""
	}
	v.setCookie(toastCookie, "", 0)
	text, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil || len(text) > 300 {
		return ""
	}
	return string(text)
}

func initials(name string) string {
	var out []rune
	for _, word := range strings.Fields(name) {
		if out = append(out, []rune(word)[0]); len(out) == 2 {
			break
		}
	}
	return strings.ToUpper(string(out))
}

// chooseProject has pages show one project only, or all of them.
func (v *visit) chooseProject() error {
	v.setCookie(projectCookie, v.r.PostForm.Get("project"), 400*24*time.Hour)
	return v.redirect(v.next(), "")
}

// pause has pages stop and resume to be live.
func (v *visit) pause() error {
	value := "1"
	if _, err := v.r.Cookie(pausedCookie); err == nil {
		value = ""
	}
	v.setCookie(pausedCookie, value, 400*24*time.Hour)
	return v.redirect(v.next(), "")
}

// answer renders a page with a status.
func (v *visit) answer(status int, name string, data any) error {
	text, err := v.templates.render(name, data)
	if err != nil {
		return err
	}
	return v.write(status, text)
}

// write answers with markup: a page, or a part of one.
func (v *visit) write(status int, text []byte) error {
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(text) // who asked may have gone
	return nil
}

// show renders a page.
func (v *visit) show(name string, data any) error { return v.answer(http.StatusOK, name, data) }

// html is markup that is known to be safe.
type html = template.HTML
