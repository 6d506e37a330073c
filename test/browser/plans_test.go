package browser_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/browser"
)

// study is a server with a folder of letters as its source, and a repository. Its owner has signed in.
type study struct {
	*servertest.Client
	page                                *browser.Page
	project, source, repository, letter string
}

func newStudy(t *testing.T) study {
	t.Helper()
	s := servertest.Start(t, server.Options{}).Claim(t)
	o := study{Client: s.Owner, page: browser.Start(t, s.URL), letter: filepath.Join(t.TempDir(), "docs", "letter.txt")}
	o.page.SignIn(s.Owner.Cookies(t))
	o.write(t, "Dear all")
	var projects struct{ Items []struct{ ID string } }
	o.Get(t, "/projects", &projects)
	o.project = projects.Items[0].ID
	o.source = o.made(t, "/sources", map[string]any{"name": "Letters", "kind": "files", "settings": map[string]string{"paths": filepath.Dir(o.letter)}})
	storage := o.made(t, "/storages", map[string]any{"name": "Cellar", "location": filepath.Join(t.TempDir(), "vault"), "settings": map[string]string{}})
	o.repository = o.made(t, "/repositories", map[string]any{"name": "Main", "storage": storage, "path": "main", "verify_days": 30})
	return o
}

func (o study) made(t *testing.T, path string, body map[string]any) string {
	t.Helper()
	body["project"] = o.project
	var of struct{ ID string }
	o.Post(t, path, body, &of)
	return of.ID
}

func (o study) write(t *testing.T, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(o.letter), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.letter, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (o study) plan(t *testing.T) string {
	t.Helper()
	return o.made(t, "/plans", map[string]any{"name": "Nightly", "active": true, "type": "incremental", "retries": 0, "sources": []string{o.source}, "repositories": []string{o.repository}})
}

// rest waits until no run is left to do, and returns the newest snapshot.
func (o study) rest(t *testing.T) string {
	t.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		var runs struct{ Items []struct{ State string } }
		o.Get(t, "/runs?limit=100", &runs)
		busy := len(runs.Items) == 0
		for _, r := range runs.Items {
			busy = busy || r.State == "pending" || r.State == "running"
		}
		if !busy {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("the runs don't end: %v", runs)
		}
	}
	var snapshots struct{ Items []struct{ ID string } }
	o.Get(t, "/snapshots?sort=-time&limit=1", &snapshots)
	if len(snapshots.Items) == 0 {
		t.Fatal("there is no snapshot")
	}
	return snapshots.Items[0].ID
}

// backed backs up two versions of the letter, and returns the two snapshots.
func (o study) backed(t *testing.T) (first, second string) {
	t.Helper()
	plan := o.plan(t)
	o.Post(t, "/plans/"+plan+"/start", map[string]any{}, nil)
	first = o.rest(t)
	o.write(t, "Dear all, and more")
	o.Post(t, "/plans/"+plan+"/start", map[string]any{}, nil)
	return first, o.rest(t)
}

func TestAPlanIsScheduledByFormsAndStarted(t *testing.T) {
	t.Parallel()
	o := newStudy(t)
	p := o.page
	p.Open("/plans")
	p.Everywhere()
	p.Click("Add a plan")
	p.WaitURL("/plans/new")
	p.Screenshot("plan-new")
	p.Fill("Name", "Nightly")
	p.Choose("Sources", "Letters Files and folders")
	p.Choose("Repositories", "Main")
	p.Choose("How often", "Weekly")
	p.WaitText("Which days of the week?")
	p.Choose("On", "Mon")
	p.WaitText("Monday at 02:30")
	p.Click("More: how it reads, repeats, verifies")
	p.Fill("Retries", "30")
	p.Fill("Daily", "many")
	p.WaitText("One of the entries is no number.")
	p.Click("Add the plan")
	p.WaitText("One entry needs a change.", "Enter a whole number, or unlimited.")
	p.Everywhere()
	p.Fill("Daily", "30")
	p.WaitText("Daily: 30.")
	p.Click("Add the plan")
	p.WaitText("A number from 0 to 20 is needed.")
	p.Fill("Retries", "3")
	p.Click("Add the plan")
	p.WaitText("Nightly was added.", "Monday at 02:30", "It has not run yet.")
	p.Everywhere(browser.State{Name: "with the menu open", Enter: func(p *browser.Page) { p.Click("Run as") }})
	p.Press("Escape")
	p.Click("Run now")
	p.WaitURL("/activity/")
	o.rest(t)
	p.Open("/plans")
	p.WaitText("Nightly", "Succeeded")
	p.Everywhere()
	p.Click("Nightly")
	p.WaitText("Good", "Next starts")
	p.Screenshot("plan")
	p.Everywhere()
}

func TestAPlanIsScheduledByKeyboardAlone(t *testing.T) {
	t.Parallel()
	o := newStudy(t)
	p := o.page
	p.Open("/plans")
	p.TabTo("Add a plan")
	p.Press("Enter")
	p.WaitURL("/plans/new")
	p.TabTo("Name")
	p.Type("Nightly")
	p.TabTo("Letters")
	p.Press("Space")
	p.TabTo("Main")
	p.Press("Space")
	p.TabTo("Daily")
	p.Press("ArrowRight")
	p.WaitText("Which days of the week?")
	p.TabTo("Wed")
	p.Press("Space")
	p.WaitText("Wednesday at 02:30")
	p.TabTo("Add the plan")
	p.Press("Enter")
	p.WaitText("Nightly was added.", "Wednesday at 02:30")
	p.TabTo("Run now")
	p.Press("Enter")
	p.WaitURL("/activity/")
	o.rest(t)
}

func TestASourceIsMendedWhereAnEntryWasRefused(t *testing.T) {
	t.Parallel()
	o := newStudy(t)
	p := o.page
	p.Open("/sources")
	p.WaitText("Needs attention", "It was never backed up")
	p.Everywhere()
	p.Click("Letters")
	p.Everywhere()
	p.Click("Settings")
	p.WaitURL("/sources/" + o.source + "/settings")
	p.Everywhere()
	p.Click("Change")
	p.Fill("Name", "")
	p.Click("Save")
	p.WaitText("One entry needs a change.", "The source has no name.")
	p.Everywhere()
	p.Fill("Name", "Post")
	p.Fill("Folders and files", "/nowhere")
	p.Click("Test the connection")
	p.WaitText("/nowhere")
	p.Everywhere()
	p.Fill("Folders and files", filepath.Dir(o.letter))
	p.Click("Test the connection")
	p.WaitText("It can be read.", o.letter)
	p.Everywhere()
	p.Click("Save")
	p.WaitText("Saved.", "Post")
	for path, states := range map[string][]browser.State{
		"/sources/new": nil, "/sources/new?kind=remote": nil, "/sources/" + o.source + "/modules": nil, "/modules/new?source=" + o.source: nil,
		"/sources/" + o.source + "/delete": nil,
		"/plans/new": {{Name: "with an own rhythm", Enter: func(p *browser.Page) {
			p.Choose("How often", "Own rhythm")
			p.Choose("Rhythm", "By a cron expression")
		}}, {Name: "with all parts open", Enter: func(p *browser.Page) {
			p.Evaluate(`document.querySelectorAll("details").forEach((d) => d.open = true)`)
		}}},
	} {
		p.Open(path)
		p.Everywhere(states...)
	}
}

func TestASourceIsMendedByKeyboardAlone(t *testing.T) {
	t.Parallel()
	o := newStudy(t)
	p := o.page
	p.Open("/sources/" + o.source + "/edit")
	p.TabTo("Name")
	p.Press("Control+a", "Backspace")
	p.TabTo("Save")
	p.Press("Enter")
	p.WaitText("The source has no name.")
	p.TabTo("Name: The source has no name.")
	p.Press("Enter")
	if p.Focused() != "Name" {
		t.Fatalf("the link to a wrong entry leads to %q", p.Focused())
	}
	p.Type("Post")
	p.TabTo("Test the connection")
	p.Press("Enter")
	p.WaitText("It can be read.")
	p.TabTo("Save")
	p.Press("Enter")
	p.WaitText("Saved.", "Post")
}

func TestSnapshotsAreProtectedTaggedAndCompared(t *testing.T) {
	t.Parallel()
	o := newStudy(t)
	first, second := o.backed(t)
	p := o.page
	p.Open("/sources/" + o.source)
	p.WaitText("Safe", "Today", "Good in Main")
	p.Screenshot("source")
	p.Everywhere()
	p.Open("/snapshots")
	p.Everywhere()
	p.Open("/snapshots/" + second)
	p.Everywhere()
	p.Click("Protect")
	p.WaitText("It is protected: no retention removes it.")
	p.Fill("New tag", "year end")
	p.Click("Add the tag")
	p.WaitText("It is tagged year end now.")
	p.Screenshot("snapshot")
	p.Everywhere()
	p.Click("Compare")
	p.WaitText("1 changed", "letter.txt", "18 B")
	p.Screenshot("compare")
	p.Everywhere()
	p.Open("/snapshots/" + first + "/delete")
	p.Everywhere()
}

func TestSnapshotsAreProtectedAndComparedByKeyboardAlone(t *testing.T) {
	t.Parallel()
	o := newStudy(t)
	_, second := o.backed(t)
	p := o.page
	p.Open("/snapshots/" + second)
	p.TabTo("Protect")
	p.Press("Enter")
	p.WaitText("It is protected: no retention removes it.")
	p.TabTo("Take protection away")
	p.Press("Enter")
	p.WaitText("It is no longer protected")
	p.TabTo("Compare")
	p.TabTo("Compare")
	p.Press("Enter")
	p.WaitText("1 changed", "letter.txt")
}
