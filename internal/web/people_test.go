package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/backstay/backstay/internal/server/servertest"
)

// theOnly is the id of the one thing of a list whose field has a value.
func theOnly(t *testing.T, c *servertest.Client, list, field, value string) string {
	t.Helper()
	var found struct{ Items []map[string]any }
	c.Get(t, list, &found)
	for _, item := range found.Items {
		if item[field] == value {
			return item["id"].(string)
		}
	}
	t.Fatalf("%s has nothing whose %s is %q", list, field, value)
	return ""
}

// defaultProject is the scope of the project that is there from the start.
func defaultProject(t *testing.T, c *servertest.Client) string {
	t.Helper()
	return "/project/" + theOnly(t, c, "/projects", "name", "Default")
}

// shownLink is the ticket of the link that a page shows.
func shownLink(t *testing.T, page string) string {
	t.Helper()
	found := regexp.MustCompile(`/link#([^<"]+)<`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("the page shows no link:\n%s", main(page))
	}
	return found[1]
}

func TestAPersonIsInvitedWithARightAndALinkAtOnce(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		has(t, page(t, c, "/settings/users"), "Invite a person", "Ada Owner", "ada@example.org", "Active")
		scope := defaultProject(t, c)
		has(t, page(t, c, "/settings/users/new"), "Project Default", "Restorer", "Show me the link")
		a := c.Page(t, http.MethodPost, "/settings/users", url.Values{"name": {"Ana Ruiz"}, "email": {"ana@example.org"}, "role": {"viewer"}, "scope": {scope}})
		if a.Status != http.StatusOK || a.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("invite = %d, %q\n%s", a.Status, a.Header.Get("Cache-Control"), a.Body)
		}
		has(t, string(a.Body), "Ana Ruiz is invited", "Viewer: Project Default.", "Whoever has it gets the account.")
		ana := s.Client(t)
		ana.Post(t, "/link", map[string]string{"ticket": shownLink(t, string(a.Body)), "password": servertest.Password}, nil)
		if refused := ana.Page(t, http.MethodGet, "/settings/users", nil); refused.Status != http.StatusForbidden {
			t.Errorf("a viewer's GET of all people = %d", refused.Status)
		}
		person := page(t, c, "/settings/users/"+theOnly(t, c, "/users", "name", "Ana Ruiz"))
		has(t, person, "Viewer", "Project Default", "Sessions", "API tokens", "What can they do?")
		hasNot(t, person, shownLink(t, string(a.Body)))
		again := c.Page(t, http.MethodPost, "/settings/users", url.Values{"name": {"Ana Two"}, "email": {"ana@example.org"}})
		if again.Status != http.StatusConflict {
			t.Errorf("a second account of one address = %d", again.Status)
		}
		has(t, string(again.Body), `value="Ana Two"`, `role="alert"`)
	})
}

func TestAnInvitationSaysWhatWasMadeWhereTheRightIsRefused(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		admin := s.Person(t, "Sam Admin", "system-admin", "/")
		a := admin.Page(t, http.MethodPost, "/settings/users", url.Values{"name": {"Ana Ruiz"}, "email": {"ana@example.org"}, "role": {"owner"}, "scope": {"/"}})
		if a.Status != http.StatusForbidden {
			t.Fatalf("an administrator invites an owner = %d\n%s", a.Status, a.Body)
		}
		has(t, string(a.Body), "Ana Ruiz has an account, but something is missing", "The account was made, the right and the link were not.", "Give another right")
		theOnly(t, s.Owner, "/users", "name", "Ana Ruiz")
	})
}

func TestWhoManagesPeopleEndsSessionsDisablesAndDeletes(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		ana := s.Person(t, "Ana Ruiz", "member", "/")
		ana.Post(t, "/tokens", map[string]any{"name": "nightly script", "permissions": []string{"source.read"}, "expires_at": "2027-06-01T00:00:00Z"}, nil)
		at := "/settings/users/" + theOnly(t, s.Owner, "/users", "name", "Ana Ruiz")
		person := page(t, s.Owner, at)
		has(t, person, "nightly script", "127.0.0.1")
		forms := regexp.MustCompile(`action="(`+at+`/(?:sessions|tokens)/[^"]+)"`).FindAllStringSubmatch(person, -1)
		if len(forms) != 2 {
			t.Fatalf("the page has %d forms to end a session or token, want 2", len(forms))
		}
		for _, f := range forms {
			send(t, s.Owner, f[1], nil)
		}
		has(t, page(t, s.Owner, at), "They are signed in nowhere.", "No program acts for them.")
		if a := ana.Ask(t, http.MethodGet, "/profile", nil); a.Status != http.StatusUnauthorized {
			t.Errorf("a session that was ended = %d", a.Status)
		}
		send(t, s.Owner, at+"/disabled", url.Values{"disabled": {"true"}})
		has(t, page(t, s.Owner, at), "Disabled", "Enable")
		has(t, page(t, s.Owner, at+"/rights"), "The account is disabled.")
		has(t, page(t, s.Owner, "/settings/users?disabled=true"), "Ana Ruiz")
		hasNot(t, main(page(t, s.Owner, "/settings/users?disabled=false")), "Ana Ruiz")
		send(t, s.Owner, at+"/disabled", url.Values{"disabled": {"false"}})
		link := s.Owner.Page(t, http.MethodPost, at+"/link", nil)
		has(t, string(link.Body), "Give them this link", "/link#")
		send(t, s.Owner, at+"/delete", url.Values{"version": {"3"}})
		hasNot(t, main(page(t, s.Owner, "/settings/users")), "ana.ruiz@")
		own := s.Owner.Page(t, http.MethodPost, "/settings/users/"+theOnly(t, s.Owner, "/users", "name", "Ada Owner")+"/disabled", url.Values{"disabled": {"true"}})
		if own.Status != http.StatusConflict {
			t.Errorf("the last owner is disabled = %d", own.Status)
		}
		has(t, string(own.Body), "last owner", "Make somebody else an owner first.")
	})
}

func TestWhoMaySeePeopleButNotManageThemFindsNoButtonsAndIsRefused(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		s.Person(t, "Ana Ruiz", "viewer", "/")
		id := theOnly(t, s.Owner, "/users", "name", "Ana Ruiz")
		auditor := s.Person(t, "Otto Auditor", "auditor", "/")
		hasNot(t, main(page(t, auditor, "/settings/users")), "Invite a person")
		person := main(page(t, auditor, "/settings/users/"+id))
		has(t, page(t, auditor, "/settings/users/"+id), "Rights", "Viewer")
		hasNot(t, person, "Disable", "Delete", "New link", "Sessions", "Give a right", "Change")
		for path, form := range map[string]url.Values{"/settings/users": {"name": {"X"}, "email": {"x@example.org"}}, "/settings/users/" + id + "/disabled": {"disabled": {"true"}}, "/settings/users/" + id + "/link": nil,
			"/settings/users/" + id + "/delete": {"version": {"1"}}, "/settings/users/" + id + "/access": nil} {
			if a := auditor.Page(t, http.MethodPost, path, form); a.Status != http.StatusForbidden {
				t.Errorf("an auditor's POST %s = %d", path, a.Status)
			}
		}
		var trail struct {
			Items []struct{ Action, Reason string }
		}
		s.Owner.Get(t, "/audit-events?action=access.denied", &trail)
		if len(trail.Items) != 5 {
			t.Errorf("%d refusals are in the trail, want 5: looking at pages is none: %v", len(trail.Items), trail.Items)
		}
	})
}

func TestGrantsAreGivenInWordsAndExplained(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		s.Person(t, "Ana Ruiz", "", "")
		ana := theOnly(t, c, "/users", "name", "Ana Ruiz")
		scope := defaultProject(t, c)
		source := map[string]any{"project": strings.TrimPrefix(scope, "/project/"), "name": "ERP database", "kind": "files", "settings": map[string]string{"paths": "/srv/erp"}}
		var made, module struct{ ID, Scope string }
		c.Post(t, "/sources", source, &made)
		c.Post(t, "/modules", map[string]any{"project": source["project"], "name": "Finance", "source": made.ID, "paths": []string{"/srv/erp/finance"}}, &module)
		has(t, page(t, c, "/settings/grants/new"), "Who gets the right?", "Ana Ruiz")
		has(t, page(t, c, "/settings/grants/new?subject_kind=user&subject="+ana), "Ana Ruiz", "Source ERP database, in Default", "Module Finance of ERP database, in Default")
		give := func(role, effect, scope string) {
			send(t, c, "/settings/grants", url.Values{"subject_kind": {"user"}, "subject": {ana}, "role": {role}, "effect": {effect}, "scope": {scope}})
		}
		give("restorer", "allow", made.Scope)
		give("restorer", "deny", module.Scope)
		rights := page(t, c, "/settings/users/"+ana+"/rights?scope="+url.QueryEscape(made.Scope))
		has(t, rights, "What can Ana Ruiz do here?", "Source ERP database, in Default: Ana Ruiz can see what is backed up", "Restorer</a>", "Nobody gave this right.", "Adds", "Nothing given here")
		denied := page(t, c, "/settings/users/"+ana+"/rights?scope="+url.QueryEscape(module.Scope)+"&show=no")
		has(t, denied, "Denied", "taken away: Module Finance of ERP database, in Default", "Takes away")
		hasNot(t, denied, `</svg>Yes<`)
		has(t, page(t, c, "/settings/members"), "Who may do something in Default?", "Ana Ruiz", "Ada Owner", "Takes away")
		refused := c.Page(t, http.MethodPost, "/settings/grants", url.Values{"subject_kind": {"user"}, "subject": {"nobody"}, "role": {"viewer"}, "effect": {"allow"}, "scope": {"/"}})
		if refused.Status != http.StatusUnprocessableEntity {
			t.Errorf("a grant to nobody = %d", refused.Status)
		}
		id := theOnly(t, c, "/grants", "effect", "deny")
		send(t, c, "/settings/grants/"+id+"/delete", url.Values{"version": {"1"}})
		hasNot(t, page(t, c, "/settings/users/"+ana+"/rights?scope="+url.QueryEscape(module.Scope)), ">Denied<")
	})
}

func TestAProjectAdministratorGivesRightsInTheirProjectOnly(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		scope := defaultProject(t, s.Owner)
		var other struct{ ID string }
		s.Owner.Post(t, "/projects", map[string]string{"name": "Secret project"}, &other)
		pia := s.Person(t, "Pia Admin", "project-admin", scope)
		id := theOnly(t, s.Owner, "/users", "name", "Pia Admin")
		form := page(t, pia, "/settings/grants/new?subject_kind=user&subject="+id)
		has(t, form, "Project Default")
		hasNot(t, form, "Everywhere", "The server itself", "Secret project")
		for _, path := range []string{"/settings", "/settings/users", "/settings/groups", "/settings/roles", "/settings/grants", "/settings/projects", "/settings/members", "/settings/users/" + id} {
			hasNot(t, page(t, pia, path), "Secret project")
		}
		grant := url.Values{"subject_kind": {"user"}, "subject": {id}, "role": {"viewer"}, "effect": {"allow"}, "scope": {"/project/" + other.ID}}
		if a := pia.Page(t, http.MethodPost, "/settings/grants", grant); a.Status < 400 {
			t.Errorf("a grant in another project = %d", a.Status)
		}
		grant.Set("scope", scope)
		send(t, pia, "/settings/grants", grant)
		has(t, page(t, pia, "/settings/members"), "Pia Admin", "Viewer", "Add a member")
	})
}

func TestAGroupOfAThousandStaysUsable(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		s.Person(t, "Ana Ruiz", "", "")
		s.Person(t, "Ben Okafor", "", "")
		to := send(t, c, "/settings/groups", url.Values{"name": {"Night shift"}, "help": {"Who is there at three in the morning"}})
		has(t, page(t, c, to), "Nobody is in it", "Add people", "Ana Ruiz", "Who is there at three")
		ana := theOnly(t, c, "/users", "name", "Ana Ruiz")
		found := main(page(t, c, to+"?search=ruiz"))
		has(t, found, "Ana Ruiz")
		hasNot(t, found, "Ben Okafor")
		send(t, c, to+"/members", url.Values{"add": {ana}})
		has(t, page(t, c, to), "Ana Ruiz was added.", "1\u00a0person", "Remove")
		has(t, page(t, c, "/settings/users/"+ana), "Night shift")
		send(t, c, to+"/edit", url.Values{"name": {"Late shift"}, "version": {"2"}})
		has(t, page(t, c, to), "Late shift", "1\u00a0person")
		send(t, c, to+"/members", url.Values{"remove": {ana}})
		has(t, page(t, c, to), "Nobody is in it")
	})
}

func TestARoleOfOnesOwnIsMadeAndWhatIsBuiltInStays(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		has(t, page(t, c, "/settings/roles"), "Restorer", "Built in", "Add a role")
		builtIn := page(t, c, "/settings/roles/restorer")
		has(t, builtIn, "Restore over the original", "After a fresh code", "Nobody has it")
		hasNot(t, main(builtIn), "/delete", "/edit")
		if a := c.Page(t, http.MethodPost, "/settings/roles/restorer/edit", url.Values{"name": {"X"}, "permissions": {"source.read"}}); a.Status != http.StatusConflict {
			t.Errorf("change of a built-in role = %d", a.Status)
		}
		to := send(t, c, "/settings/roles", url.Values{"name": {"Verifier"}, "permissions": {"source.read", "verify.run"}})
		has(t, page(t, c, to), "Verifier", "Start verifications")
		has(t, page(t, c, to+"/edit"), `value="verify.run" checked`)
		hasNot(t, page(t, c, to+"/edit"), `value="user.manage" checked`)
		if a := c.Page(t, http.MethodPost, "/settings/roles", url.Values{"name": {"Odd"}, "permissions": {"no.such"}}); a.Status != http.StatusUnprocessableEntity {
			t.Errorf("a role with a permission that isn't there = %d", a.Status)
		}
		send(t, c, to+"/delete", url.Values{"version": {"1"}})
		hasNot(t, main(page(t, c, "/settings/roles")), "Verifier<")
	})
}

func TestProjectsAreMadeLookedAtAndDeletedByTheirName(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		to := send(t, c, "/settings/projects", url.Values{"name": {"Customer 7"}, "help": {"All that is theirs"}})
		has(t, page(t, c, to), "Customer 7", "Look at this project only", "All that is theirs")
		send(t, c, "/project", url.Values{"project": {strings.TrimPrefix(to, "/settings/projects/")}, "next": {"/"}})
		for _, path := range []string{"/settings/users", "/settings/groups", "/settings/roles", "/settings/grants", "/settings/projects"} {
			page(t, c, path) // which lie in no project
		}
		has(t, page(t, c, "/settings/members"), "Who may do something in Customer 7?")
		wrong := c.Page(t, http.MethodPost, to+"/delete", url.Values{"version": {"1"}, "name": {"Customer 8"}})
		if wrong.Status != http.StatusUnprocessableEntity {
			t.Errorf("delete with another name = %d", wrong.Status)
		}
		send(t, c, to+"/delete", url.Values{"version": {"1"}, "name": {"Customer 7"}})
		hasNot(t, main(page(t, c, "/settings/projects")), "Customer 7")
	})
}
