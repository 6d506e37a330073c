package browser_test

import (
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/door"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/internal/web"
	"github.com/backstay/backstay/test/browser"
	"github.com/backstay/backstay/test/browser/example"
)

// crawl finds every page that a person can come to.
type crawl struct {
	t       *testing.T
	client  *servertest.Client
	mux     *http.ServeMux
	seen    map[string]bool     // addresses
	pages   map[string][]string // addresses of pages by the pattern that answers them
	other   map[string]bool     // patterns of what is no page: files and streams
	pending []string
}

// instances is how many pages of one pattern are asked for links, and shows how many of those are looked at: things in other states have other pages.
const instances = 12

var links = regexp.MustCompile(`(?:href|hx-sse:connect|hx-get|action)="(/[^"/#][^"#]*|/)"`)

func newCrawl(t *testing.T, client *servertest.Client, paths []string) *crawl {
	c := &crawl{t: t, client: client, mux: http.NewServeMux(), seen: map[string]bool{}, pages: map[string][]string{}, other: map[string]bool{}}
	for _, path := range paths {
		c.mux.Handle("GET "+path, http.NotFoundHandler())
	}
	return c
}

// pattern is what answers an address, "" if nothing does.
func (c *crawl) pattern(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		c.t.Errorf("a page has the address %q: %v", address, err)
		return ""
	}
	_, pattern := c.mux.Handler(&http.Request{Method: http.MethodGet, URL: &url.URL{Path: u.Path}})
	return strings.TrimPrefix(pattern, "GET ")
}

// follow asks for a page and for all that it leads to.
func (c *crawl) follow(start ...string) {
	for c.pending = start; len(c.pending) > 0; c.pending = c.pending[1:] {
		c.visit(c.pending[0])
	}
}

func (c *crawl) visit(address string) {
	pattern := c.pattern(address)
	if c.seen[address] || pattern == "" || len(c.pages[pattern]) >= instances {
		return
	}
	c.seen[address] = true
	if strings.HasSuffix(pattern, "/live") {
		c.other[pattern] = true // it has no end
		return
	}
	a := c.client.Page(c.t, http.MethodGet, address, nil)
	switch {
	case a.Status >= 300 && a.Status < 400:
		c.other[pattern] = true
		c.pending = append(c.pending, a.Header.Get("Location"))
		return
	case a.Status != http.StatusOK:
		c.t.Errorf("a page leads to %s, which answers %d", address, a.Status)
		return
	case !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment"):
		c.other[pattern] = true
		return
	}
	c.pages[pattern] = append(c.pages[pattern], address)
	for _, m := range links.FindAllStringSubmatch(string(a.Body), -1) {
		c.pending = append(c.pending, html.UnescapeString(m[1]))
	}
}

// strangers are pages for people who have not signed in, with what has to be asked before they are there.
var strangers = []string{"/sign-in", "/forgot-password", "/link"}

func TestEveryPageKeepsTheRulesForAll(t *testing.T) {
	begun := time.Now()
	s, _ := filled(t, func(e *example.Site) { e.Busy = true })
	paths := web.New(web.Options{Identity: door.Identity{App: new(app.App)}}).Paths()
	c := newCrawl(t, s.Owner, paths)
	c.follow("/")
	t.Logf("the server was filled and crawled in %s", time.Since(begun).Round(time.Millisecond))
	for _, path := range paths {
		if len(c.pages[path]) == 0 && !c.other[path] && !slices.Contains(strangers, path) {
			t.Errorf("no page leads to %s", path)
		}
		t.Logf("%-40s %s", path, strings.Join(c.pages[path], " "))
	}
	l := looker{server: s, outlines: map[string]browser.Outline{}}
	l.look(t, c)
	l.compare(t)
	t.Logf("%d pages were looked at in %s", len(l.outlines), time.Since(begun).Round(time.Millisecond))
}

// looker looks at pages, some at a time.
type looker struct {
	server   *servertest.Server
	mu       sync.Mutex
	outlines map[string]browser.Outline // of pages, by their pattern
}

// look looks at one page of each pattern.
func (l *looker) look(t *testing.T, c *crawl) {
	t.Run("page", func(t *testing.T) {
		for _, pattern := range slices.Sorted(maps.Keys(c.pages)) {
			t.Run(strings.ReplaceAll(pattern, "/", " "), func(t *testing.T) {
				t.Parallel()
				p := browser.Start(t, l.server.URL)
				p.SignIn(l.server.Owner.Cookies(t))
				p.Open(c.pages[pattern][0])
				l.note(pattern, p.Outline())
				keeps(p)
			})
		}
	})
}

func (l *looker) note(pattern string, o browser.Outline) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outlines[pattern] = o
}

// keeps holds all rules against the page that is open.
func keeps(p *browser.Page) {
	p.Everywhere()
	p.Reflow()
	p.Fingers()
	for _, width := range []int64{320, 1280} {
		p.Size(width, 800)
		p.Walk()
	}
}

// compare holds the pages against one another.
func (l *looker) compare(t *testing.T) {
	titles := map[string]string{}
	for pattern, o := range l.outlines {
		if other := titles[o.Title]; other != "" {
			t.Errorf("%s and %s are both called %q", pattern, other, o.Title)
		}
		titles[o.Title] = pattern
		if len(o.H1) != 1 || o.H1[0] == "" || o.Lang == "" || o.Mains != 1 || o.Banner < 1 || !slices.Contains(o.Navs, "Main") {
			t.Errorf("the outline of %s is %+v", pattern, o)
		}
		if o.Help != l.outlines["/{$}"].Help {
			t.Errorf("help is %s on %s, and %s on the overview", o.Help, pattern, l.outlines["/{$}"].Help)
		}
	}
}
