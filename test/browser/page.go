package browser

import (
	"context"
	_ "embed"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// patience is much more than pages take, since a machine may be busy with other tests.
const patience = 30 * time.Second

//go:embed page.js
var script string // what is asked of documents; it runs before their own scripts

// Page is a tab of a browser with cookies of its own, and the size of a laptop until it is told another. Nothing on it moves: it asks for
// reduced motion, so that what is seen and measured holds still.
type Page struct {
	t     testing.TB
	ctx   context.Context
	base  string // address of the server
	watch *watch
	look  look

	Patience time.Duration // how long the page has for what it is waited for
}

// Start opens a tab for a server, in which nobody has signed in. It is closed with the test.
func Start(t testing.TB, server string) *Page {
	t.Helper()
	browser, err := chromium()
	if errors.Is(err, errNoChromium) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	ctx, closeTab := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	p := &Page{t: t, ctx: ctx, base: strings.TrimSuffix(server, "/"), watch: newWatch(server), look: look{width: 1280, height: 800, theme: "light"}, Patience: patience}
	t.Cleanup(closeTab)
	t.Cleanup(p.complain)
	p.must(chromedp.Do(ctx))
	p.must(chromedp.Listen(ctx, p.watch.event))
	p.must(p.prepare())
	return p
}

func (p *Page) prepare() error {
	_, err := chromedp.Call(p.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
	_, err2 := chromedp.Call(p.ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	_, err3 := chromedp.Call(p.ctx, network.Enable, network.EnableParams{})
	_, err4 := chromedp.Call(p.ctx, log.Enable, struct{}{})
	return errors.Join(err, err2, err3, err4, p.show())
}

// must ends the test if the browser did not do what it always does.
func (p *Page) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("the browser: %v", err)
	}
}

// complain fails the test for all that went wrong on the pages while they were looked at.
func (p *Page) complain() {
	for _, c := range p.watch.complaints() {
		p.t.Errorf("in the browser: %s", c)
	}
}

// fail ends the test by what was looked for and what is there instead.
func (p *Page) fail(format string, args ...any) {
	p.t.Helper()
	p.t.Logf("at %s the page says:\n%s", p.URL(), p.Text())
	p.t.Fatalf(format, args...)
}

// until asks again and again until the answer is yes, and reports whether it ever was.
func (p *Page) until(yes func() bool) bool {
	for end := time.Now().Add(p.Patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if yes() {
			return true
		}
	}
	return false
}

// evaluate asks the document something by script.
func evaluate[T any](p *Page, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("evaluate %.200s: %v", expression, err)
	}
	return value
}

// Evaluate has the document run an expression of script, and returns its value as JSON: for what no other method asks.
func (p *Page) Evaluate(expression string) string {
	p.t.Helper()
	defer p.watch.stir()
	return evaluate[string](p, "Promise.resolve("+expression+").then((v) => JSON.stringify(v) ?? 'undefined')")
}

// Context is for what only the protocol of the browser can do, such as an authenticator that does not exist.
func (p *Page) Context() context.Context { return p.ctx }

// Open goes to a path of the server, as if it was typed.
func (p *Page) Open(path string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(p.base+path)); err != nil {
		p.t.Fatalf("open %s: %v", path, err)
	}
	p.WaitStill()
}

// Reload loads the page anew.
func (p *Page) Reload() {
	p.t.Helper()
	p.must(chromedp.Do(p.ctx, chromedp.Reload()))
	p.WaitStill()
}

// WaitStill waits until the page is loaded and nothing is on its way from the server but events of what is live.
func (p *Page) WaitStill() {
	p.t.Helper()
	if !p.until(func() bool { return p.watch.still(150 * time.Millisecond) }) {
		p.t.Fatalf("the page does not come to rest: %s", p.watch.open())
	}
}

// Text is what can be read on the page.
func (p *Page) Text() string {
	p.t.Helper()
	return evaluate[string](p, `document.body?.innerText ?? ""`)
}

// Title is that of the document.
func (p *Page) Title() string {
	p.t.Helper()
	return evaluate[string](p, `document.title`)
}

// URL is the address without the server.
func (p *Page) URL() string {
	p.t.Helper()
	return evaluate[string](p, `location.pathname + location.search + location.hash`)
}

// HasText reports whether all texts can be read on the page.
func (p *Page) HasText(texts ...string) bool {
	p.t.Helper()
	all := plain(p.Text())
	return !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(all, plain(s)) })
}

// WaitText waits until all texts can be read on the page.
func (p *Page) WaitText(texts ...string) {
	p.t.Helper()
	if !p.until(func() bool { return p.HasText(texts...) }) {
		p.fail("the page never says %q", texts)
	}
}

// WaitURL waits until the address begins so, and the page is still.
func (p *Page) WaitURL(prefix string) {
	p.t.Helper()
	if !p.until(func() bool { return strings.HasPrefix(p.URL(), prefix) }) {
		p.fail("the address is %s, and never %s", p.URL(), prefix)
	}
	p.WaitStill()
}

// plain has one space wherever there are some, or a break, or one that does not break.
func plain(s string) string { return strings.Join(strings.Fields(s), " ") }

// SignIn takes over the cookies of somebody who has signed in elsewhere: see servertest.Client.Cookies.
func (p *Page) SignIn(cookies []*http.Cookie) {
	p.t.Helper()
	u, err := url.Parse(p.base)
	p.must(err)
	for _, c := range cookies {
		_, err := chromedp.Call(p.ctx, network.SetCookie, network.SetCookieParams{Name: c.Name, Value: c.Value, URL: p.base, Path: "/", HTTPOnly: new(true), Secure: new(u.Scheme == "https"), SameSite: network.CookieSameSiteStrict})
		p.must(err)
	}
}
