package browser_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/browser"
)

// office is a server with a source, a module of it, and a second source.
type office struct {
	*servertest.Server
	project, erp, finance, mail string // ids
}

func newOffice(t *testing.T) office {
	t.Helper()
	o := office{Server: servertest.Start(t, server.Options{}).Claim(t)}
	var projects struct{ Items []struct{ ID string } }
	o.Owner.Get(t, "/projects", &projects)
	o.project = projects.Items[0].ID
	source := func(name, folder string) string {
		var made struct{ ID string }
		o.Owner.Post(t, "/sources", map[string]any{"project": o.project, "name": name, "kind": "files", "settings": map[string]string{"paths": folder}}, &made)
		return made.ID
	}
	o.erp, o.mail = source("ERP database", "/srv/erp"), source("Mail archive", "/srv/mail")
	var module struct{ ID string }
	o.Owner.Post(t, "/modules", map[string]any{"project": o.project, "name": "Finance", "source": o.erp, "paths": []string{"/srv/erp/finance"}}, &module)
	o.finance = module.ID
	return o
}

// owner is a tab in which the owner has signed in.
func (o office) owner(t *testing.T) *browser.Page {
	t.Helper()
	p := browser.Start(t, o.URL)
	p.SignIn(o.Owner.Cookies(t))
	return p
}

// ticket is the secret of the link that a page shows.
func ticket(t *testing.T, p *browser.Page) string {
	t.Helper()
	found := regexp.MustCompile(`/link#(\S+)`).FindStringSubmatch(p.Text())
	if found == nil {
		t.Fatalf("no link is shown:\n%s", p.Text())
	}
	return found[1]
}

// arrive opens a link in a browser of its own, and chooses a password there. The client asks as who then has signed in.
func (o office) arrive(t *testing.T, ticket, email string, keys bool) (*browser.Page, *servertest.Client) {
	t.Helper()
	h := hand{browser.Start(t, o.URL), keys}
	h.Open("/link#" + ticket)
	h.WaitText("Choose your password")
	h.fill("New password", servertest.Password)
	h.press("Save and sign in")
	h.WaitURL("/")
	h.WaitText("Sources")
	c := o.Client(t)
	c.Post(t, "/session", map[string]string{"email": email, "password": servertest.Password}, nil)
	return h.Page, c
}

// mayOnlySeeOne fails the test unless somebody sees the one source, and is refused elsewhere.
func (o office) mayOnlySeeOne(t *testing.T, c *servertest.Client) {
	t.Helper()
	var sources struct{ Items []struct{ Name string } }
	c.Get(t, "/sources", &sources)
	if len(sources.Items) != 1 || sources.Items[0].Name != "ERP database" {
		t.Errorf("who was invited to one source sees %v", sources.Items)
	}
	if a := c.Ask(t, http.MethodGet, "/sources/"+o.mail, nil); a.Status != http.StatusNotFound {
		t.Errorf("the other source is answered by %d", a.Status)
	}
}

func TestAPersonIsInvitedToOneSourceAndAModuleIsDenied(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.owner(t)
	p.Open("/settings")
	p.Click("People")
	p.Click("Invite a person")
	p.Click("Invite")
	p.WaitText("One entry needs a change.")
	p.Axe()
	p.Fill("Name", "Ana Ruiz")
	p.Fill("E-mail", "ana@example.org")
	p.Choose("Role", "Restorer")
	p.Choose("Where", "Source ERP database, in Default")
	p.Click("Invite")
	p.WaitText("Ana Ruiz is invited", "Give them this link")
	p.Everywhere()
	p.Screenshot("invited")
	ana, c := o.arrive(t, ticket(t, p), "ana@example.org", false)
	ana.Open("/settings/users")
	ana.WaitText("You may not")
	ana.Open("/settings")
	if ana.HasText("People", "Audit trail") {
		t.Errorf("who may restore one source finds pages of people:\n%s", ana.Text())
	}
	o.mayOnlySeeOne(t, c)

	p.Click("Look at Ana Ruiz")
	p.Everywhere()
	p.Click("Give a right")
	p.Choose("Role", "Restorer")
	p.Choose("What it does", "Take away what the role allows")
	p.Choose("Where", "Module Finance of ERP database, in Default")
	p.Click("Add the grant")
	p.WaitText("Takes away")
	p.Open("/settings/users")
	p.Click("Ana Ruiz")
	p.Click("What can they do?")
	p.Choose("Place", "Module Finance of ERP database, in Default")
	p.Click("Answer")
	p.WaitText("What can Ana Ruiz do here?", "Denied")
	p.Everywhere()
	p.Size(1280, 800)
	p.Screenshot("rights")
	p.Size(360, 740)
	p.Theme("dark")
	p.Screenshot("rights-phone")
	p.Size(1280, 800)
	p.Theme("light")

	p.Open("/settings/audit")
	p.Click("Which events")
	p.Everywhere()
	p.Choose("What", "Rights")
	p.Click("Show")
	p.Click("Grant created")
	p.WaitText("What changed", "effect", "deny")
	p.Everywhere()
	p.Screenshot("event")
}

func TestAPersonIsInvitedByKeyboard(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	p := o.owner(t)
	p.Open("/settings/users")
	p.TabTo("Invite a person")
	p.Press("Enter")
	p.WaitURL("/settings/users/new")
	p.TabTo("Name")
	p.Type("Ben Okafor")
	p.TabTo("E-mail")
	p.Type("ben@example.org")
	p.TabTo("Role")
	p.Press("R", "e", "s")
	p.TabTo("Where")
	p.Press("S", "o", "u", "r", "c", "e", " ", "E")
	p.TabTo("Invite")
	p.Press("Enter")
	p.WaitText("Ben Okafor is invited", "Restorer: Source ERP database, in Default.")
	_, c := o.arrive(t, ticket(t, p), "ben@example.org", true)
	o.mayOnlySeeOne(t, c)
	p.TabTo("Look at Ben Okafor")
	p.Press("Enter")
	p.TabTo("Give a right")
	p.Press("Enter")
	p.WaitURL("/settings/grants/new")
	p.TabTo("Give what the role allows")
	p.Press("ArrowDown")
	p.TabTo("Where")
	p.Press("M", "o", "d")
	p.TabTo("Add the grant")
	p.Press("Enter")
	p.WaitText("Takes away")
	p.Open("/settings/audit")
	p.TabTo("Grant created")
	p.Press("Enter")
	p.WaitText("What changed", "deny")
}

// systemPages are the pages of people and of the settings, each as it is on a server with something in it.
func systemPages(t *testing.T, o office) []string {
	t.Helper()
	var group, sink, channel, rule, provider struct{ ID string }
	var people struct{ Items []struct{ ID string } }
	o.Owner.Get(t, "/users", &people)
	var members []string
	for _, u := range people.Items {
		members = append(members, u.ID)
	}
	secret := map[string]string{"url": "https://hooks.example.org/x", "secret": "whsec_YS1zZWNyZXQtb2YtbW9yZS10aGFuLTMyLWNoYXJz"}
	o.Owner.Post(t, "/groups", map[string]any{"name": "Night shift", "help": "Who is there at three in the morning", "members": members}, &group)
	o.Owner.Post(t, "/grants", map[string]any{"subject_kind": "group", "subject": group.ID, "role": "operator", "scope": "/project/" + o.project}, nil)
	o.Owner.Post(t, "/audit-sinks", map[string]any{"name": "Archive", "kind": "webhook", "settings": secret}, &sink)
	o.Owner.Post(t, "/channels", map[string]any{"name": "On call", "project": o.project, "kind": "webhook", "settings": secret}, &channel)
	o.Owner.Post(t, "/notification-rules", map[string]any{"project": o.project, "channel": channel.ID, "events": []string{"run.failed"}, "quiet": map[string]any{"from": "22:00", "to": "06:00", "zone": "UTC", "critical_passes": true}}, &rule)
	o.Owner.Post(t, "/identity-providers", map[string]any{"name": "Company login", "issuer": "https://login.example.org", "client_id": "backstay"}, &provider)
	user := "/settings/users/" + members[0]
	return []string{"/settings", "/settings/users", user, user + "/edit", user + "/delete", user + "/rights", "/settings/users/new", "/settings/groups", "/settings/groups/new", "/settings/groups/" + group.ID,
		"/settings/roles", "/settings/roles/restorer", "/settings/roles/new", "/settings/grants", "/settings/grants/new", "/settings/grants/new?subject_kind=group&subject=" + group.ID, "/settings/projects",
		"/settings/projects/" + o.project, "/settings/members", "/settings/audit", "/settings/audit/3", "/settings/sinks", "/settings/sinks/" + sink.ID, "/settings/sinks/new", "/settings/sinks/new?kind=syslog", "/settings/channels",
		"/settings/channels/" + channel.ID, "/settings/channels/new?kind=email", "/settings/rules", "/settings/rules/" + rule.ID, "/settings/rules/" + rule.ID + "/edit", "/settings/deliveries", "/settings/sign-in",
		"/settings/sign-in/new", "/settings/sign-in/" + provider.ID, "/settings/server", "/settings/server/edit", "/settings/server-backup", "/settings/server-backup/edit"}
}

func TestPagesOfPeopleAndSettingsAreAccessible(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.Person(t, "Ana Ruiz", "restorer", "/project/"+o.project+"/source/"+o.erp)
	o.Person(t, "Bartholomew Featherstonehaugh-Wolfeschlegelsteinhausenbergerdorff", "viewer", "/")
	p := o.owner(t)
	for _, path := range systemPages(t, o) {
		p.Open(path)
		p.Everywhere()
		name := strings.NewReplacer("/settings", "", "/", "-", "?", "-", "=", "-", "&", "-").Replace(path)
		p.Size(1280, 800)
		p.Screenshot("wide" + name)
		p.Size(360, 740)
		p.Theme("dark")
		p.Screenshot("phone" + name)
		p.Theme("light")
	}
	p.Open("/settings/audit")
	p.Click("Check the whole trail now")
	p.WaitText("The trail is whole.")
	p.Everywhere()
	p.Screenshot("verified")
}
