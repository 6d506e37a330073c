package browser_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/browser"
)

// activity is a server with a plan that backs up a folder, and commands that plans may run.
type activity struct {
	t                                *testing.T
	s                                *servertest.Server
	folder, store                    string
	project, storage, source, target string
	plan                             string
}

// newActivity makes one, with so many files that can't be read. The hooks are commands; "" for none.
func newActivity(t *testing.T, before, after string, lost int) *activity {
	t.Helper()
	a := &activity{t: t, s: servertest.Start(t, server.Options{}).Claim(t), folder: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}
	for i := range 20 {
		if err := os.WriteFile(filepath.Join(a.folder, fmt.Sprintf("file-%02d", i)), []byte(strings.Repeat(fmt.Sprint(i), 2000)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	paths := []string{a.folder}
	for i := range lost {
		paths = append(paths, fmt.Sprintf("%s-gone-%d", a.folder, i))
	}
	c := a.s.Owner
	var projects struct{ Items []struct{ ID string } }
	c.Get(t, "/projects", &projects)
	a.project = projects.Items[0].ID
	make := func(path string, body map[string]any) string {
		var made struct{ ID string }
		body["project"] = a.project
		c.Post(t, path, body, &made)
		return made.ID
	}
	c.Patch(t, "/settings", map[string]any{"hooks": true}, nil)
	a.storage = make("/storages", map[string]any{"name": "NAS in the office", "location": a.store})
	a.target = make("/repositories", map[string]any{"name": "Main", "storage": a.storage})
	a.source = make("/sources", map[string]any{"name": "Shared files", "kind": "files", "settings": map[string]string{"paths": strings.Join(paths, "\n")}})
	a.plan = make("/plans", map[string]any{"name": "Files every night", "sources": []string{a.source}, "repositories": []string{a.target}, "verify": "none", "before_hook": before, "after_hook": after})
	return a
}

// start begins a run of the plan.
func (a *activity) start() (id string) {
	a.t.Helper()
	var run struct{ ID string }
	a.s.Owner.Post(a.t, "/plans/"+a.plan+"/start", nil, &run)
	return run.ID
}

// ended waits for the end of a run, and returns its state.
func (a *activity) ended(id string) string {
	a.t.Helper()
	var run struct{ State string }
	for range 600 {
		a.s.Owner.Get(a.t, "/runs/"+id, &run)
		if run.State != "pending" && run.State != "running" {
			return run.State
		}
		time.Sleep(50 * time.Millisecond)
	}
	a.t.Fatalf("run %s is %s for 30 seconds", id, run.State)
	return ""
}

// browse opens a tab for the owner.
func (a *activity) browse() *browser.Page {
	p := browser.Start(a.t, a.s.URL)
	p.SignIn(a.s.Owner.Cookies(a.t))
	return p
}

// sayingNumbers is a command that says so many lines, with a pause after each.
func sayingNumbers(t *testing.T, lines int, pause string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "count")
	script := fmt.Sprintf("#!/bin/sh\ni=0\nwhile [ $i -lt %d ]; do i=$((i+1)); echo count $i; sleep %s; done\n", lines, pause)
	if err := os.WriteFile(file, []byte(script), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	return file
}

func TestARunIsSeenWhileItIsAtWorkAndKeepsFocusAndScroll(t *testing.T) {
	t.Parallel()
	a := newActivity(t, sayingNumbers(t, 150, "0.05"), "", 1)
	id := a.start()
	p := a.browse()
	p.Open("/activity/" + id)
	p.WaitText("Backing up Shared files", "Running", "count 10")
	p.Screenshot("run-running")
	p.TabTo("Cancel run")
	p.Evaluate("document.body.dataset.mark = 'same', document.querySelector('progress').mark = 'same', scrollTo(0, 40)")
	p.WaitText("count 60")
	if got := p.Focused(); !strings.HasPrefix(got, "Cancel run") {
		t.Errorf("the focus went to %q", got)
	}
	if got := p.Evaluate("[document.body.dataset.mark, document.querySelector('progress').mark, document.getElementById('run-said').textContent]"); got != `["same","same","Backup of Shared files has started."]` {
		t.Errorf("after what was live the page has %s", got)
	}
	p.Axe()
	p.WaitText("Backup of Shared files left something out", "count 150", "What became of it")
	if got := p.Evaluate("document.getElementById('run-said').textContent"); !strings.Contains(got, "Backup of Shared files: Warning.") {
		t.Errorf("at the end those who hear the page are told %s", got)
	}
	p.Screenshot("run-warning")
	p.Everywhere()
}

func TestAFailedRunIsMendedAndTriedAgain(t *testing.T) {
	t.Parallel()
	a := newActivity(t, "", "", 1)
	p := a.browse()
	p.Open("/")
	p.Screenshot("overview-empty")
	p.Everywhere()
	a.ended(a.start())
	if err := os.Rename(a.store, a.store+"-away"); err != nil {
		t.Fatal(err)
	}
	p.Open("/")
	p.Click("Back up now")
	p.WaitURL("/activity/")
	p.WaitText("Backup of Shared files failed", "What failed", "Why", "Checked", "Still safe", "What to do", "More about BST-2002", "The newest snapshot of this source is from")
	if p.Evaluate("!!document.querySelector('.b-errcard[role=alert]')") != "true" {
		t.Error("a failure that came while somebody looked is no alert")
	}
	p.Reload()
	if p.Evaluate("!!document.querySelector('.b-errcard[role=alert]')") != "false" {
		t.Error("a failure that was there already is an alert")
	}
	p.Screenshot("run-failed")
	p.Everywhere()
	p.Open("/alerts")
	p.WaitText("Files every night: the last backup did not succeed")
	p.Screenshot("alerts")
	p.Everywhere()
	p.Open("/")
	p.Screenshot("overview-failed")
	p.Everywhere()
	p.TabTo("See what failed")
	p.Press("Enter")
	p.WaitURL("/activity/")
	if err := os.Rename(a.store+"-away", a.store); err != nil {
		t.Fatal(err)
	}
	p.TabTo("Try again")
	p.Press("Enter")
	p.WaitText("Backup of Shared files left something out", "Snapshot")
	p.Open("/alerts")
	p.WaitText("Nothing needs attention", "Resolved")
	p.Everywhere()
	p.Open("/activity")
	p.Screenshot("activity")
	p.Everywhere()
}

func TestARunIsCancelledByKeyboardAfterAQuestion(t *testing.T) {
	t.Parallel()
	a := newActivity(t, sayingNumbers(t, 2000, "0.05"), "", 0)
	id := a.start()
	p := a.browse()
	p.Open("/activity")
	p.WaitText("Running")
	p.Screenshot("activity-running")
	p.Everywhere()
	p.TabTo("Shared files")
	p.Press("Enter")
	p.WaitText("Backing up Shared files", "count 10")
	p.TabTo("Cancel run")
	p.Press("Enter")
	p.WaitText("Cancel: backup of Shared files?", "No snapshot is made.")
	p.Everywhere()
	p.TabTo("Keep it")
	p.Press("Enter")
	p.WaitText("Backing up Shared files")
	p.Click("Cancel run")
	p.Click("Cancel run")
	p.WaitText("Backup of Shared files was cancelled", "Try again")
	if state := a.ended(id); state != "cancelled" {
		t.Errorf("the run is %s", state)
	}
	p.Everywhere()
}

func TestALogIsFollowedUntilSomebodyScrollsUp(t *testing.T) {
	t.Parallel()
	a := newActivity(t, "", sayingNumbers(t, 200, "0.05"), 350)
	id := a.start()
	p := a.browse()
	p.Open("/activity/" + id)
	p.WaitText("count 40", "Jump to first warning")
	const atEnd = "(() => { const l = document.querySelector('.b-log'); return l.scrollHeight - l.scrollTop - l.clientHeight < 8 })()"
	const pressed = "document.querySelector('[data-follow]').getAttribute('aria-pressed')"
	if p.Evaluate(atEnd) != "true" {
		t.Error("the log is not at its end while it is followed")
	}
	p.TabTo("Jump to first warning")
	p.Press("Enter")
	if got := p.Evaluate("[" + pressed + ", document.activeElement.querySelector('.b-lv').textContent]"); got != `["false","warn"]` {
		t.Errorf("after the jump: %s", got)
	}
	top := p.Evaluate("document.querySelector('.b-log').scrollTop")
	p.WaitText("count 80")
	if now := p.Evaluate("document.querySelector('.b-log').scrollTop"); now != top {
		t.Errorf("the log moved from %s to %s though it is not followed", top, now)
	}
	p.Click("Follow")
	p.WaitText("count 120")
	if p.Evaluate(atEnd) != "true" {
		t.Error("the log is not at its end when it is followed again")
	}
	p.Evaluate("document.querySelector('.b-log').focus()")
	p.Press("ArrowUp", "ArrowUp", "ArrowUp")
	p.Evaluate("new Promise((done) => setTimeout(done, 300))")
	if got := p.Evaluate(pressed); got != `"false"` {
		t.Errorf("scrolling up leaves follow at %s", got)
	}
	p.Click("Follow")
	p.WaitText("left something out")
	if got := p.Evaluate("[document.querySelectorAll('#log-lines > li').length <= 500, document.getElementById('log-older').hidden]"); got != "[true,false]" {
		t.Errorf("at the end the log has at most 500 lines, and the others by a link: %s", got)
	}
	p.Reload()
	if got := p.Evaluate("document.querySelectorAll('#log-lines > li').length"); got != "500" {
		t.Errorf("the page has %s lines, want 500", got)
	}
	p.Everywhere()
	p.Click("Jump to first warning")
	p.WaitURL("/activity/" + id + "?from=")
	p.WaitText("Newer lines")
	p.Open("/activity/" + id)
	p.Click("Older lines")
	p.WaitText("Newer lines", "backing up source")
}

func TestWhatIsLiveComesAgainAfterTheServerWasAway(t *testing.T) {
	t.Parallel()
	a := newActivity(t, sayingNumbers(t, 200, "0.05"), "", 1)
	a.start()
	front := newFront(t, a.s.URL)
	p := browser.Start(t, front.url)
	p.SignIn(a.s.Owner.Cookies(t))
	p.Open("/")
	p.WaitText("Running now", "Shared files")
	p.Screenshot("overview-running")
	p.Evaluate("void (console.error = () => {})") // where the script says that the server is away
	front.away(true)
	p.Evaluate("new Promise((done) => setTimeout(done, 1500))")
	front.away(false)
	p.WaitText("Warning", "Nothing else is at work")
}

// front stands before a server, and can be as if that was away.
type front struct {
	url   string
	mu    sync.Mutex // guards what follows
	gone  bool
	conns map[net.Conn]bool
}

func newFront(t *testing.T, server string) *front {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	f := &front{url: fmt.Sprintf("http://localhost:%d", l.Addr().(*net.TCPAddr).Port), conns: map[net.Conn]bool{}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go f.pass(c, strings.TrimPrefix(server, "http://"))
		}
	}()
	return f
}

// pass takes a connection through to the server.
func (f *front) pass(c net.Conn, server string) {
	defer func() { _ = c.Close() }()
	back, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer func() { _ = back.Close() }()
	f.mu.Lock()
	if f.gone {
		f.mu.Unlock()
		return
	}
	f.conns[c], f.conns[back] = true, true
	f.mu.Unlock()
	go func() { _, _ = io.Copy(back, c) }()
	_, _ = io.Copy(c, back)
}

// away cuts all connections and takes no others, or takes them again.
func (f *front) away(gone bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = gone
	for c := range f.conns {
		_ = c.Close()
	}
	clear(f.conns)
}
