package browser_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/browser"
	"github.com/backstay/backstay/test/browser/example"
)

// visitor is somebody who walks through a server.
type visitor struct {
	name     string
	server   *servertest.Server
	crawl    *crawl
	rest     bool           // only what no visitor before has come to is looked at
	cookies  []*http.Cookie // nil: nobody who is known
	mu       sync.Mutex
	outlines map[string]browser.Outline // of the pages, by their pattern
}

// several are the pages of which some are looked at, as things in other states look otherwise. Of all others one is.
var several = map[string]int{"/activity/{id}": 6, "/restores/{id}": 2, "/restore/{id}": 2, "/storage/{id}": 2, "/start/{step}": 5}

// gates are the pages that stand before the gate for everybody, whether they have signed in or not.
var gates = []string{"/forgot", "/forgot/sent", "/link"}

// unlinked are what pages don't lead to by links, with who looks at it.
var unlinked = map[string]string{
	"/api/v1/session/identity/callback": "another server leads there: the tests of signing in by one",
	"/snapshots/{id}/rows":              "the script of the tree of files gets it: the journeys through a folder",
	"/snapshots/{id}/image":             "there is no picture in the example: the journeys through a folder",
	"/restores/{id}/state":              "it is asked while a restore is planned or at work: the journeys to that",
	"/start/backup/live":                "it is there while the first backup runs: the journey to that",
}

func TestEveryPageKeepsTheRulesForAll(t *testing.T) {
	visitors := visitors(t)
	for _, path := range visitors[0].crawl.paths {
		var seen []string
		for _, v := range visitors {
			if pages := v.crawl.pages[path]; len(pages) > 0 {
				seen = append(seen, v.name+" "+pages[0])
			} else if v.crawl.other[path] {
				seen = append(seen, v.name+" gets what is no page")
			}
		}
		if len(seen) == 0 && unlinked[path] == "" {
			t.Errorf("no page leads to %s", path)
		}
		t.Logf("%-40s %s", path, strings.Join(seen, ", "))
	}
	known := map[string]bool{}
	for _, v := range visitors {
		if v.rest {
			maps.DeleteFunc(v.crawl.pages, func(pattern string, _ []string) bool { return known[pattern] })
		}
		for pattern := range v.crawl.pages {
			known[pattern] = true
		}
		v.outlines = map[string]browser.Outline{}
		t.Run(v.name, v.look)
		v.compare(t)
	}
}

// visitors are everybody who finds pages of their own.
func visitors(t *testing.T) (all []*visitor) {
	full, e := filled(t, func(e *example.Site) { e.Busy = true })
	start := func() *servertest.Server { return servertest.Start(t, server.Options{}) }
	visit := func(name string, s *servertest.Server, c *servertest.Client, from ...string) *visitor {
		v := &visitor{name: name, server: s, crawl: newCrawl(t, c, from...), cookies: c.Cookies(t)}
		all = append(all, v)
		return v
	}
	var alerts struct{ Items []backstay.Alert }
	full.Owner.Get(t, "/alerts", &alerts)
	visit("owner", full, full.Owner, "/", "/start", "/alerts/"+alerts.Items[0].ID, "/search?q=Ledger", "/runs/"+running(t, full), "/snapshots/"+e.IDs["/snapshots"][0]+"/compare?with="+e.IDs["/snapshots"][2])
	visit("stranger", full, full.Client(t), "/", "/link", "/forgot/sent")
	fresh := start()
	visit("first", fresh, fresh.Client(t), "/")
	empty := start().Claim(t)
	visit("beginner", empty, empty.Owner, "/", "/start")
	begun := start().Claim(t)
	begin(t, begun)
	visit("who has begun", begun, begun.Owner, "/start").rest = true
	careful := full.Person(t, "Cleo Careful", "viewer", "/")
	enrol(t, careful)
	visit("who has a second factor", full, careful, "/settings/security").rest = true
	half := full.Client(t)
	half.Post(t, "/session", map[string]string{"email": "cleo.careful@example.org", "password": servertest.Password}, nil)
	visit("who has yet to show it", full, half, "/sign-in/code").rest = true
	return all
}

// enrol gives somebody an authenticator app.
func enrol(t *testing.T, c *servertest.Client) {
	t.Helper()
	var app struct{ ID, Key string }
	c.Post(t, "/profile/totp", nil, &app)
	code, err := totp.GenerateCode(app.Key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c.Post(t, "/profile/totp/"+app.ID, map[string]string{"code": code}, nil)
}

// look holds the rules against the pages.
func (v *visitor) look(t *testing.T) {
	for _, pattern := range slices.Sorted(maps.Keys(v.crawl.pages)) {
		addresses := v.crawl.pages[pattern]
		for i, address := range addresses[:min(len(addresses), max(1, several[pattern]))] {
			t.Run(fmt.Sprintf("%s %d", strings.ReplaceAll(pattern, "/", " "), i+1), func(t *testing.T) {
				t.Parallel()
				p := browser.Start(t, v.server.URL)
				p.SignIn(v.cookies)
				p.Open(address)
				v.note(pattern, p.Outline())
				p.Everywhere(states(p)...)
				p.Open(address)
				p.Reflow()
				p.Fingers()
				p.Size(320, 800)
				p.Walk()
				p.Theme("dark")
				p.Screenshot("320-dark")
				p.Size(1280, 800)
				p.Theme("light")
				p.Walk()
				p.Screenshot("1280-light")
			})
		}
	}
}

// states are what the page can be brought to: all that can be opened is, and its form is sent with nothing in it, which most refuse.
func states(p *browser.Page) (all []browser.State) {
	const closed = `document.querySelectorAll("main details:not([open])")`
	if p.Evaluate(closed+".length > 0") == "true" {
		all = append(all, browser.State{Name: "opened", Enter: func(p *browser.Page) { p.Evaluate(closed + ".forEach((d) => { d.open = true })") }})
	}
	const form = `document.querySelector("main form[novalidate]:has([required])")`
	if p.Evaluate(form+" !== null") == "true" {
		all = append(all, browser.State{Name: "sent empty", Enter: func(p *browser.Page) {
			p.Evaluate(form + `.querySelectorAll("input:not([type=hidden], [type=radio], [type=checkbox]), textarea").forEach((f) => { f.value = "" })`)
			p.Evaluate(form + ".requestSubmit()")
			p.WaitStill()
		}})
	}
	return all
}

func (v *visitor) note(pattern string, o browser.Outline) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.outlines[pattern] = o
}

// compare holds the pages against one another.
func (v *visitor) compare(t *testing.T) {
	titles, help := map[string]string{}, map[bool][]string{}
	for pattern, o := range v.outlines {
		if other := titles[o.Title]; other != "" {
			t.Errorf("%s: %s and %s are both called %q", v.name, pattern, other, o.Title)
		}
		titles[o.Title] = pattern
		gate := len(v.cookies) == 0 || v.name == "who has yet to show it" || slices.Contains(gates, pattern)
		help[gate] = append(help[gate], o.Help)
		if len(o.H1) != 1 || o.H1[0] == "" || o.Lang == "" || o.Mains != 1 || o.Banner < 1 || gate == slices.Contains(o.Navs, "Main") {
			t.Errorf("%s: the outline of %s is %+v", v.name, pattern, o)
		}
	}
	for gate, places := range help {
		slices.Sort(places)
		if places = slices.Compact(places); len(places) > 1 || places[0] == "nowhere" {
			t.Errorf("%s: the way to help is in several places, of pages before the gate %v: %q", v.name, gate, places)
		}
	}
}
