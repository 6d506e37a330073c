package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

// hostileName is a name by which somebody tries to do more than to name.
const hostileName = "\u05e9\u05dc\u05d5\u05dd <script>alert('x')</script>\"&"

// escapedName is how a page has it.
const escapedName = "\u05e9\u05dc\u05d5\u05dd &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&#34;&amp;"

// backups are two sources with a plan each.
type backups struct {
	s                      *servertest.Server
	project, store         string
	storage, repository    string
	source, plan           string // named hostileName
	otherSource, otherPlan string // Payroll
	folder                 string
}

func newBackups(t *testing.T, s *servertest.Server) *backups {
	t.Helper()
	b := &backups{s: s, store: filepath.Join(t.TempDir(), "store"), folder: t.TempDir()}
	if err := os.WriteFile(filepath.Join(b.folder, "file"), []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.project = project(t, s.Owner, "House")
	add := func(path string, body map[string]any) string {
		var made struct{ ID string }
		body["project"] = b.project
		s.Owner.Post(t, path, body, &made)
		return made.ID
	}
	b.storage = add("/storages", map[string]any{"name": "Cellar", "location": b.store})
	b.repository = add("/repositories", map[string]any{"name": "Granary", "storage": b.storage})
	source := func(name string) string {
		return add("/sources", map[string]any{"name": name, "kind": "files", "settings": map[string]string{"paths": b.folder}})
	}
	plan := func(name, source string) string {
		return add("/plans", map[string]any{"name": name, "active": true, "sources": []string{source}, "repositories": []string{b.repository}, "verify": "none"})
	}
	b.source, b.otherSource = source(hostileName), source("Payroll")
	b.plan, b.otherPlan = plan(hostileName, b.source), plan("Payroll every night", b.otherSource)
	return b
}

// run begins a run of a plan, and waits for its end.
func (b *backups) run(t *testing.T, plan string) (id, state string) {
	t.Helper()
	var run struct{ ID, State string }
	b.s.Owner.Post(t, "/plans/"+plan+"/start", nil, &run)
	for range 600 {
		if b.s.Owner.Get(t, "/runs/"+run.ID, &run); run.State != "pending" && run.State != "running" {
			return run.ID, run.State
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("run %s does not end", run.ID)
	return "", ""
}

func TestWhoMaySeeOneSourceSeesItsRunsOnlyAndChangesNone(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		b := newBackups(t, s)
		if err := os.Rename(b.store, b.store+"-away"); err != nil {
			t.Fatal(err)
		}
		mine, state := b.run(t, b.plan)
		others, _ := b.run(t, b.otherPlan)
		if state != "failed" {
			t.Fatalf("a run without its repository is %s", state)
		}
		viewer := s.Person(t, "Vera Viewer", "viewer", "/project/"+b.project+"/source/"+b.source)
		has(t, page(t, s.Owner, "/activity"), "Payroll", escapedName, "/activity/"+others)
		list := page(t, viewer, "/activity")
		has(t, list, escapedName, "/activity/"+mine)
		hasNot(t, list, "Payroll", others, hostileName)
		seen := page(t, viewer, "/activity/"+mine)
		has(t, seen, "Backup of "+escapedName+" failed", "BST-2002", "There is no repository", "What failed", "Still safe", `href="/errors/BST-2002"`)
		hasNot(t, seen, "Try again", "Cancel run", "Look at the repository", "Granary", hostileName)
		has(t, page(t, s.Owner, "/activity/"+mine), "Try again", "Look at the repository", "/repositories/"+b.repository)
		for _, c := range []struct {
			method, path string
			want         int
		}{
			{"GET", "/activity/" + others, 404}, {"GET", "/activity/" + others + "/log.txt", 404}, {"GET", "/activity/" + others + "/cancel", 404},
			{"POST", "/activity/" + others + "/retry", 404}, {"POST", "/activity/" + mine + "/retry", 403}, {"POST", "/activity/" + mine + "/cancel", 403},
			{"GET", "/activity/nothing", 404}, {"GET", "/errors/BST-9999", 404}, {"GET", "/activity?from=soon", 422}, {"GET", "/activity/live?ids=" + others, 200},
		} {
			a := viewer.Page(t, c.method, c.path, nil)
			if a.Status != c.want {
				t.Errorf("%s %s = %d, want %d", c.method, c.path, a.Status, c.want)
			}
			hasNot(t, string(a.Body), "Payroll")
		}
		overview := page(t, viewer, "/")
		has(t, overview, "The source needs attention", escapedName)
		hasNot(t, overview, "Payroll", "Back up now", "Cellar", hostileName, "I take care of it")
		alerts := page(t, viewer, "/alerts")
		has(t, alerts, "1 alert is open", escapedName+": the last backup did not succeed", "/activity/"+mine)
		hasNot(t, alerts, "Payroll", "I take care of it", hostileName)
		has(t, page(t, s.Owner, "/alerts"), "2 alerts are open", "I take care of it")
		text := viewer.Page(t, "GET", "/activity/"+mine+"/log.txt", nil)
		if !strings.Contains(string(text.Body), "error") || !strings.HasPrefix(text.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("the log as a text = %q, %q", text.Body, text.Header)
		}
	})
}

func TestARunIsTriedAgainAndAnAlertIsTakenCareOf(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		b := newBackups(t, s)
		has(t, page(t, s.Owner, "/"), "2 of 2 sources need attention", "To your first backup", "Back up now")
		if err := os.Rename(b.store, b.store+"-away"); err != nil {
			t.Fatal(err)
		}
		id, _ := b.run(t, b.otherPlan)
		var alerts struct{ Items []struct{ ID string } }
		s.Owner.Get(t, "/alerts?open=true", &alerts)
		at := "/alerts/" + alerts.Items[0].ID
		has(t, page(t, s.Owner, at), "Payroll every night: the last backup did not succeed", "Still safe", "What to do")
		if to := send(t, s.Owner, at+"/acknowledge", url.Values{"next": {"/alerts"}}); to != "/alerts" {
			t.Errorf("taking care leads to %s", to)
		}
		taken := page(t, s.Owner, "/alerts")
		has(t, taken, "You take care of it since")
		hasNot(t, taken, "I take care of it")
		if err := os.Rename(b.store+"-away", b.store); err != nil {
			t.Fatal(err)
		}
		again := send(t, s.Owner, "/activity/"+id+"/retry", nil)
		if again == "/activity/"+id || !strings.HasPrefix(again, "/activity/") {
			t.Fatalf("a retry leads to %s", again)
		}
		for range 600 {
			var run struct{ State string }
			if s.Owner.Get(t, "/runs/"+strings.TrimPrefix(again, "/activity/"), &run); run.State == "succeeded" {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		has(t, page(t, s.Owner, again), "Backup of Payroll succeeded", `after <a href="/activity/`+id+`">`, "See the snapshots of this source")
		has(t, page(t, s.Owner, "/activity/"+id), "was tried again")
		has(t, page(t, s.Owner, "/alerts"), "Nothing needs attention", "Resolved")
		has(t, page(t, s.Owner, "/activity?state=problem"), id)
		hasNot(t, page(t, s.Owner, "/activity?state=succeeded"), id)
		hasNot(t, page(t, s.Owner, "/activity?to=2020-01-01"), id)
		has(t, page(t, s.Owner, "/activity?to=2020-01-01"), "Nothing found", "Clear filters")
		if a := s.Owner.Page(t, "GET", "/runs/"+id, nil); a.Header.Get("Location") != "/activity/"+id {
			t.Errorf("the address that messages name leads to %q", a.Header.Get("Location"))
		}
		whole := s.Owner.Page(t, "GET", "/activity/"+id+"/live", nil)
		has(t, string(whole.Body), "retry: 1000\n", `role="alert"`, "event: end\n")
		if kind := whole.Header.Get("Content-Type"); kind != "text/event-stream" || whole.Header.Get("Content-Encoding") != "" {
			t.Errorf("a live part is %s, %s", kind, whole.Header.Get("Content-Encoding"))
		}
	})
}

func TestTheListOfRunsHasPages(t *testing.T) {
	s := servertest.Start(t, server.Options{}).Claim(t)
	b := newBackups(t, s)
	for range 51 {
		s.Owner.Post(t, "/plans/"+b.plan+"/start", nil, nil)
	}
	first := page(t, s.Owner, "/activity?kind=backup")
	has(t, first, "Next 50", "Not over")
	if n := strings.Count(first, `<tr role="row" id="run-`); n != 50 {
		t.Errorf("a page has %d runs, want 50", n)
	}
	second := page(t, s.Owner, strings.ReplaceAll(between(t, first, `btn b-second" href="`, `"`), "&amp;", "&"))
	has(t, second, "Back to the newest")
	if n := strings.Count(second, `<tr role="row" id="run-`); n != 1 {
		t.Errorf("the second page has %d runs, want 1", n)
	}
	hasNot(t, second, "Next 50")
}

func TestWhatIsLiveEndsWithTheSession(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Person(t, "Olga Operator", "operator", "/")
		has(t, page(t, c, "/"), `hx-sse:connect="/overview/live?ids="`, `hx-sse:close="end"`)
		ended := make(chan servertest.Answer, 1)
		go func() { ended <- c.Page(t, http.MethodGet, "/overview/live", nil) }()
		time.Sleep(300 * time.Millisecond)
		select {
		case a := <-ended:
			t.Fatalf("it ended at once: %s", a.Body)
		default:
		}
		c.Delete(t, "/session")
		select {
		case a := <-ended:
			if !strings.HasSuffix(string(a.Body), "event: end\ndata:\n\n") {
				t.Errorf("the stream ends by %q", a.Body)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("it goes on after the session")
		}
	})
}

func TestNothingIsLiveForWhoPausedIt(t *testing.T) {
	s := servertest.Start(t, server.Options{}).Claim(t)
	send(t, s.Owner, "/pause", url.Values{"next": {"/"}})
	for _, path := range []string{"/", "/activity"} {
		paused := page(t, s.Owner, path)
		hasNot(t, paused, "hx-sse:connect")
		has(t, paused, "Resume live updates")
	}
}

func TestOnePersonHasNoMoreStreamsThanEnough(t *testing.T) {
	s := servertest.Start(t, server.Options{}).Claim(t)
	c := s.Person(t, "Olga Operator", "operator", "/")
	ended := make(chan servertest.Answer, 256)
	for range 256 {
		go func() { ended <- c.Page(t, http.MethodGet, "/overview/live", nil) }()
	}
	refused := ""
	for range 100 {
		time.Sleep(50 * time.Millisecond)
		done := make(chan servertest.Answer, 1)
		go func() { done <- c.Page(t, http.MethodGet, "/activity/live", nil) }()
		select {
		case a := <-done:
			refused = fmt.Sprint(a.Status, " ", string(a.Body))
		case <-time.After(time.Second):
		}
		if strings.Contains(refused, "429") || strings.Contains(refused, "later") {
			break
		}
	}
	if !strings.Contains(refused, "429") {
		t.Errorf("one stream more is answered by %q", refused)
	}
	c.Delete(t, "/session")
	for range 256 {
		<-ended
	}
}
