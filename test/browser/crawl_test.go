package browser_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/door"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/internal/web"
)

// crawl finds every page that somebody can come to by links.
type crawl struct {
	t       *testing.T
	client  *servertest.Client
	mux     *http.ServeMux
	paths   []string            // patterns of all that can be got
	seen    map[string]bool     // addresses
	pages   map[string][]string // addresses of pages by the pattern that answers them
	other   map[string]bool     // patterns of what is no page: files, streams, and what leads on
	pending []string
}

// instances is how many pages of one pattern are asked where they lead: things in other states lead elsewhere.
const instances = 12

var links = regexp.MustCompile(`(?:href|hx-sse:connect|hx-get)="(/[^"/#][^"#]*|/)"`)

// newCrawl follows links as the client, from these addresses on.
func newCrawl(t *testing.T, client *servertest.Client, from ...string) *crawl {
	t.Helper()
	c := &crawl{t: t, client: client, mux: http.NewServeMux(), seen: map[string]bool{}, pages: map[string][]string{}, other: map[string]bool{}, pending: from}
	c.paths = web.New(web.Options{Identity: door.Identity{App: new(app.App)}}).Paths()
	for _, path := range c.paths {
		c.mux.Handle("GET "+path, http.NotFoundHandler())
	}
	for ; len(c.pending) > 0; c.pending = c.pending[1:] {
		c.visit(c.pending[0])
	}
	return c
}

// pattern is what answers an address, "" if nothing does.
func (c *crawl) pattern(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		c.t.Errorf("a page leads to the address %q: %v", address, err)
		return ""
	}
	_, pattern := c.mux.Handler(&http.Request{Method: http.MethodGet, URL: &url.URL{Path: u.Path}})
	return strings.TrimPrefix(pattern, "GET ")
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
	switch kind := a.Header.Get("Content-Type"); {
	case a.Status >= 300 && a.Status < 400:
		c.other[pattern] = true
		c.pending = append(c.pending, a.Header.Get("Location"))
	case a.Status != http.StatusOK:
		c.t.Errorf("a page leads to %s, which answers %d", address, a.Status)
	case !strings.HasPrefix(kind, "text/html") || strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment"):
		c.other[pattern] = true
	default:
		c.pages[pattern] = append(c.pages[pattern], address)
		for _, m := range links.FindAllStringSubmatch(string(a.Body), -1) {
			c.pending = append(c.pending, html.UnescapeString(m[1]))
		}
	}
}
