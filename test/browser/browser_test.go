package browser_test

import (
	"fmt"
	"mime"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/browser"
)

func TestMain(m *testing.M) { os.Exit(browser.Main(m)) }

// site answers each path by a page with this body. The policy is that of the pages of Backstay.
func site(t *testing.T, bodies map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := bodies[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if kind := mime.TypeByExtension(filepath.Ext(r.URL.Path)); kind != "" {
			w.Header().Set("Content-Type", kind)
			fmt.Fprint(w, body)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:")
		fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Test</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/style.css"><main>%s</main></html>`, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// record is a test that fails on its own: its errors are kept.
type record struct {
	testing.TB
	mu     sync.Mutex
	errors []string
	ends   []func()
}

func (r *record) Cleanup(fn func()) { r.ends = append(r.ends, fn) }

func (r *record) Logf(string, ...any) {}

func (r *record) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func (r *record) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// complaints is what a test fails by that does this.
func complaints(t *testing.T, do func(tb testing.TB)) string {
	t.Helper()
	r, done := &record{TB: t}, make(chan struct{})
	go func() {
		defer close(done)
		do(r)
	}()
	<-done
	for _, end := range slices.Backward(r.ends) {
		end()
	}
	return strings.Join(r.errors, "\n")
}

func TestAPageFailsTheTestByWhatAPersonCouldNotDo(t *testing.T) {
	t.Parallel()
	const fixed = `<div class="bar">Bar</div>`
	url := site(t, map[string]string{
		"/style.css": `:focus-visible { outline: 2px solid blue } .plain:focus-visible { outline: 1px solid blue } .wide { width: 900px } .pale { color: #bbb } .small { display: inline-block; width: 10px; height: 10px; overflow: hidden } .bar { position: fixed; top: 0; left: 0; right: 0; height: 50px; background: white }`,
		"/inline":    `<h1>Inline</h1><p onclick="alert(1)" style="color: red">x</p><script>window.ran = true</script>`,
		"/elsewhere": `<h1>Elsewhere</h1><img alt="" src="http://example.invalid/x.png">`,
		"/missing":   `<h1>Missing</h1><script src="/gone.js"></script>`,
		"/broken":    `<h1>Broken</h1><script src="/broken.js"></script>`,
		"/broken.js": `nothing.here()`,
		"/pale":      `<h1>Pale</h1><p class="pale">Hard to read</p>`,
		"/small":     `<h1>Small</h1><a class="small" href="/a">a</a><a class="small" href="/b">b</a>`,
		"/wide":      `<h1>Wide</h1><p class="wide">wide</p>`,
		"/ringless":  `<h1>Ringless</h1><a class="plain" href="/a">Plain</a>`,
		"/covered":   fixed + `<a href="/a">Covered</a><h1>Covered</h1>`,
		"/trap":      `<h1>Trap</h1><button type="button">Trap</button><script src="/trap.js"></script>`,
		"/trap.js":   `addEventListener("keydown", (e) => { if (document.activeElement.matches("button")) e.preventDefault() })`,
		"/fine":      `<h1>Fine</h1><p>Read <a href="/fine">all about it</a>.</p><label for="n">Name</label> <input id="n"><fieldset><legend>When</legend><label><input type="radio" name="w"> Day</label><label><input type="radio" name="w"> Night</label></fieldset><label for="s">Kind</label> <select id="s"><option>One<option>Two</select><form><button>Send</button></form>`,
	})
	for name, test := range map[string]struct {
		path, want string
		do         func(p *browser.Page)
	}{
		"a script in the page":          {"/inline", "forbids script-src-elem", nil},
		"a style in the page":           {"/inline", "forbids style-src-attr", nil},
		"a file from elsewhere":         {"/elsewhere", "is elsewhere", nil},
		"a file that is missing":        {"/missing", "/gone.js was answered by 404", nil},
		"a script that fails":           {"/broken", "nothing is not defined", nil},
		"text without contrast":         {"/pale", "color-contrast", (*browser.Page).Axe},
		"targets that are too small":    {"/small", "target-size", (*browser.Page).Axe},
		"a page wider than the phone":   {"/wide", "at 320  is scrolled sideways", func(p *browser.Page) { p.Everywhere() }},
		"focus without a ring":          {"/ringless", "no ring", func(p *browser.Page) { p.TabTo("Plain") }},
		"focus under a bar":             {"/covered", "it is under <div class=\"bar\">", func(p *browser.Page) { p.TabTo("Covered") }},
		"a trap for the focus":          {"/trap", "caught in <button", func(p *browser.Page) { p.Tab(3) }},
		"a link that is not there":      {"/fine", `there is no "Nothing"; there are link "all about it", radio "Day"`, func(p *browser.Page) { p.Click("Nothing") }},
		"a link that is under a bar":    {"/covered", "is over it", func(p *browser.Page) { p.Click("Covered") }},
		"a text that is not there":      {"/fine", `never says ["Nothing"]`, func(p *browser.Page) { p.WaitText("Nothing") }},
		"nothing by keyboard":           {"/fine", `Tab never comes to "Nothing", only to ["all about it" "Name"`, func(p *browser.Page) { p.TabTo("Nothing") }},
		"an option that is not there":   {"/fine", `has no option "Three"`, func(p *browser.Page) { p.Choose("Kind", "Three") }},
		"a page with nothing to say of": {"/fine", "", (*browser.Page).Axe},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := complaints(t, func(tb testing.TB) {
				p := browser.Start(tb, url)
				p.Patience = 3 * time.Second
				p.Open(test.path)
				if test.do != nil {
					test.do(p)
				}
			})
			if !strings.Contains(got, test.want) || test.want == "" && got != "" {
				t.Errorf("the test fails by:\n%s\nwant %q", got, test.want)
			}
		})
	}
}

// heading is the text of the heading with what the style puts after it, which no text of the page has.
func heading(p *browser.Page) string {
	return strings.Trim(p.Evaluate(`document.querySelector("h1").textContent + getComputedStyle(document.querySelector("h1"), "::after").content.replace(/^none$|"/g, "")`), `"`)
}

func TestAPageIsUsedByMouseAndByKeyboard(t *testing.T) {
	t.Parallel()
	url := site(t, map[string]string{
		"/style.css": `:focus-visible { outline: 2px solid blue } @media (pointer: coarse) { h1::after { content: " for fingers" } } @media (prefers-color-scheme: dark) { h1::after { content: " at night" } } @media (forced-colors: active) { h1::after { content: " forced" } }`,
		"/":          `<h1>Form</h1><form action="/done"><label for="n">Name</label> <input id="n" name="n" value="before"><label for="s">Kind</label> <select id="s" name="s"><option value="1">One</option><option value="2">Two</option></select><fieldset><legend>When</legend><label><input type="radio" name="w" value="d"> By day</label><label><input type="radio" name="w" value="n"> By night</label></fieldset><button>Send<span> it</span></button></form>`,
		"/done":      `<h1>Done</h1>`,
	})
	p := browser.Start(t, url)
	p.Open("/")
	p.Fill("Name", "Ada & Bob")
	p.Choose("Kind", "Two")
	p.Choose("When", "By night")
	p.Click("Send")
	p.WaitText("Done")
	if got, want := p.URL(), "/done?n=Ada+%26+Bob&s=2&w=n"; got != want {
		t.Errorf("the form sent %s, want %s", got, want)
	}
	p.Open("/")
	p.TabTo("Name")
	p.Type("Eve")
	p.TabTo("Kind")
	p.Press("ArrowDown")
	p.TabTo("By day")
	p.Press("Space", "ArrowDown")
	if got := p.Focused(); got != "By night" {
		t.Errorf("the focus is on %q, want the second radio button", got)
	}
	p.TabTo("Send it")
	p.Press("Shift+Tab", "Tab", "Enter")
	if got, want := p.URL(), "/done?n=Eve&s=2&w=n"; got != want {
		t.Errorf("the form sent %s by keyboard, want %s", got, want)
	}
	p.Open("/")
	for _, look := range []struct {
		set  func()
		want string
	}{{func() { p.Theme("dark") }, "Form at night"}, {func() { p.Theme("light") }, "Form"}, {func() { p.Touch(true) }, "Form for fingers"}, {func() { p.Touch(false); p.Theme("forced-colors") }, "Form forced"}} {
		look.set()
		if got := heading(p); got != look.want {
			t.Errorf("the heading is %q, want %q", got, look.want)
		}
	}
	p.Screenshot("form")
}

func TestTheProgramAndAServerInTheTestShowTheirPages(t *testing.T) {
	t.Parallel()
	whole := browser.Serve(t)
	p := browser.Start(t, whole.URL)
	p.Open("/health")
	if whole.Claim == "" || !p.HasText("ok") {
		t.Errorf("the code of a new server is %q, and it says %s", whole.Claim, p.Text())
	}
	quick := servertest.Start(t, server.Options{}).Claim(t)
	p = browser.Start(t, quick.URL)
	p.SignIn(quick.Owner.Cookies(t))
	p.Open("/")
	if p.URL() != "/" || !p.Has("Ada Owner, your account") {
		t.Errorf("the owner is at %s and finds %q", p.URL(), p.Names())
	}
}
