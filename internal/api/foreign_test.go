package api_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/server/servertest"
)

// foreign is a request about one's own project that names something of another one.
type foreign struct {
	name, method, path string
	body               any
}

// foreigners are requests of somebody of the second project that name things by ref, each in another place.
func (w *world) foreigners(ref func(many string) string) []foreign {
	own := func(many string) string { return w.others[many].id }
	list := func(id string) []string { return []string{id} }
	plan := func(field, many string) map[string]any {
		body := map[string]any{"name": "Mine", "project": w.two, "sources": list(own("sources")), "repositories": list(own("repositories")), "type": "full"}
		body[field] = list(ref(many))
		return body
	}
	all := []foreign{
		{"the source of a module", "POST", "/modules", map[string]any{"name": "Mine", "project": w.two, "source": ref("sources"), "paths": list("/srv")}},
		{"the storage of a repository", "POST", "/repositories", map[string]any{"name": "Mine", "project": w.two, "storage": ref("storages")}},
		{"the source of a plan", "POST", "/plans", plan("sources", "sources")},
		{"the repository of a plan", "POST", "/plans", plan("repositories", "repositories")},
		{"the module of a plan", "POST", "/plans", plan("modules", "modules")},
		{"the new repository of a plan", "PATCH", "/plans/" + own("plans"), map[string]any{"repositories": list(ref("repositories"))}},
		{"the module of a run", "POST", "/plans/" + own("plans") + "/start", map[string]any{"modules": list(ref("modules"))}},
		{"the repository of a run", "POST", "/plans/" + own("plans") + "/start", map[string]any{"repositories": list(ref("repositories"))}},
		{"the channel of a rule", "POST", "/notification-rules", map[string]any{"project": w.two, "channel": ref("channels"), "events": list("*")}},
		{"the plan of a rule", "POST", "/notification-rules", map[string]any{"project": w.two, "channel": own("channels"), "plan": ref("plans"), "events": list("*")}},
		{"the snapshot of a restore", "POST", "/restores", map[string]any{"snapshot": ref("snapshots"), "target": "original"}},
		{"the repository of a schedule", "POST", "/api/backup/schedules", map[string]any{"name": "Mine", "frequency": "daily", "sources": list(own("sources")), "repositories": list(ref("repositories"))}},
		{"the source of a schedule", "POST", "/api/backup/schedules", map[string]any{"name": "Mine", "frequency": "daily", "sources": list(ref("sources")), "repositories": list(own("repositories"))}},
		{"the module of a schedule", "POST", "/api/backup/schedules", map[string]any{"name": "Mine", "frequency": "daily", "modules": list(ref("modules")), "repositories": list(own("repositories"))}},
		{"the other snapshot of a comparison", "GET", "/snapshots/" + own("snapshots") + "/diff/" + ref("snapshots"), nil},
		{"the first snapshot of a comparison", "GET", "/snapshots/" + ref("snapshots") + "/diff/" + own("snapshots"), nil},
		{"the plan of a download", "GET", "/api/backup/download?plan=" + ref("plans"), nil},
		{"the module of a download", "GET", "/api/backup/download?modules=" + ref("modules"), nil},
		{"the run of a verification", "GET", "/api/backup/verify/" + ref("runs"), nil},
	}
	for path, fields := range map[string]map[string]string{
		"/snapshots": {"source": "sources", "repository": "repositories", "plan": "plans", "run": "runs"}, "/runs": {"plan": "plans", "sources": "sources", "repositories": "repositories"},
		"/plans": {"sources": "sources", "repositories": "repositories"}, "/modules": {"source": "sources"}, "/repositories": {"storage": "storages"},
		"/restores": {"snapshot": "snapshots", "source": "sources"}, "/alerts": {"plan": "plans", "object_id": "repositories"},
		"/deliveries": {"channel": "channels"}, "/notification-rules": {"channel": "channels", "plan": "plans"}, "/search": {"project": "projects", "source": "sources"},
		"/metrics/summary": {"project": "projects"}, "/overview": {"project": "projects"}, "/api/backup/logs": {"project": "projects"}, "/audit-events": {"project": "projects"},
	} {
		for field, many := range fields {
			all = append(all, foreign{"the " + field + " of " + path, "GET", path + "?" + field + "=" + url.QueryEscape(ref(many)), nil})
		}
	}
	return all
}

var since = regexp.MustCompile(`"since":"[^"]*"`)

// TestNothingOfAnotherProjectIsReachedByNamingIt asks about one's own project, and names what lies in another one: the answer is that for what
// isn't there at all.
func TestNothingOfAnotherProjectIsReachedByNamingIt(t *testing.T) {
	w := newWorld(t, "")
	pat := w.person(t, "project administrator of project two", nil, backstay.Right{Role: builtIn(backstay.RoleProjectAdmin), Scope: backstay.ProjectScope(w.two), Effect: backstay.Allow})
	client := w.Client(t)
	there, missing := w.foreigners(func(many string) string { return w.things[many].id }), w.foreigners(func(string) string { return "nothing" })
	answers := map[string]string{}
	ask := func(f foreign) (servertest.Answer, string) {
		got := client.Ask(t, f.method, f.path, f.body, pat.header...)
		text := since.ReplaceAllString(requestID.ReplaceAllString(string(got.Body), ""), "")
		for _, o := range w.things {
			text = strings.ReplaceAll(text, o.id, "nothing")
		}
		return got, text
	}
	for _, f := range missing {
		_, answers[f.name] = ask(f)
	}
	for _, f := range there {
		got, text := ask(f)
		if text != answers[f.name] {
			t.Errorf("%s: of another project %d %s, and what isn't there %s", f.name, got.Status, text, answers[f.name])
		}
		if got.Status < 300 && f.method != http.MethodGet {
			t.Errorf("%s may be of another project: %d %s", f.name, got.Status, got.Body)
		}
		if strings.Contains(string(got.Body), "canary-one") {
			t.Errorf("%s tells of another project: %s", f.name, got.Body)
		}
	}
}

// TestWhatIsDeniedInAModuleIsSeenNowhere denies somebody of the project one module, and looks for its files in everything that shows names.
func TestWhatIsDeniedInAModuleIsSeenNowhere(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newBackedUp(t, s)
		pay := w.make(t, "/modules", map[string]any{"project": w.project, "source": w.source, "name": "Pay", "paths": []string{w.folder + "/hr"}})
		id := w.backup(t)
		w.wait(t, w.Owner, "/runs/"+w.last(t, "catalogue"), "succeeded")
		anna := s.Person(t, "Anna All", "restorer", "/project/"+w.project)
		var people struct{ Items []struct{ ID, Name string } }
		s.Owner.Get(t, "/users", &people)
		for _, p := range people.Items {
			if p.Name == "Anna All" {
				s.Owner.Post(t, "/grants", map[string]any{"subject_kind": "user", "subject": p.ID, "role": "restorer", "scope": "/project/" + w.project + "/source/" + w.source + "/module/" + pay, "effect": "deny"}, nil)
			}
		}
		for _, path := range []string{"/search?text=pay", "/search?text=hr/deep", "/sources/" + w.source + "/history?path=" + w.at("hr/pay.csv"), "/snapshots/" + id + "/entries?path=" + w.at("")} {
			if text := string(anna.Ask(t, "GET", path, nil).Body); strings.Contains(text, "pay.csv") || strings.Contains(text, `hr"`) || strings.Contains(text, "original") {
				t.Errorf("%s shows %s", path, text)
			}
			if text := string(w.Owner.Ask(t, "GET", path, nil).Body); !strings.Contains(text, "hr") && !strings.Contains(text, "original") {
				t.Errorf("%s shows the owner %s", path, text)
			}
		}
		if text := string(anna.Ask(t, "GET", "/search?text=a.txt", nil).Body); !strings.Contains(text, "a.txt") {
			t.Errorf("what is in no module is not found: %s", text)
		}
		whole := w.planned(t, w.Owner, map[string]any{"snapshot": id, "target": "original"})
		anna.Ask(t, "GET", "/restores/"+whole.ID+"/changes", nil).Refused(t, http.StatusForbidden, "denied")
		anna.Ask(t, "GET", "/restores/"+whole.ID+"/report", nil).Refused(t, http.StatusForbidden, "denied")
		anna.Ask(t, "PATCH", "/restores/"+whole.ID+"/changes", map[string]any{"action": "create", "decision": "skip"}).Refused(t, http.StatusForbidden, "denied")
		anna.Ask(t, "POST", "/restores/"+whole.ID+"/apply", nil).Refused(t, http.StatusForbidden, "denied")
		part := w.planned(t, anna, map[string]any{"snapshot": id, "target": "original"})
		for name := range w.actions(t, anna, part, "") {
			if strings.HasPrefix(name, "hr") {
				t.Errorf("their own plan has %q", name)
			}
		}
	})
}

// last is the id of the newest run of a kind.
func (w *backedUp) last(t *testing.T, kind string) string {
	t.Helper()
	var list struct{ Items []struct{ ID string } }
	soon(t, "a run of the kind "+kind, func() bool {
		w.Owner.Get(t, "/runs?kind="+kind+"&project="+w.project, &list)
		return len(list.Items) > 0
	})
	return list.Items[0].ID
}
