package web_test

import (
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/backstay/backstay/internal/server/servertest"
)

// page asks for a page that has to be there.
func page(t *testing.T, c *servertest.Client, path string) string {
	t.Helper()
	a := c.Page(t, http.MethodGet, path, nil)
	if a.Status != http.StatusOK {
		t.Fatalf("GET %s = %d to %q\n%s", path, a.Status, a.Header.Get("Location"), a.Body)
	}
	return string(a.Body)
}

// has fails the test unless a page has all these texts.
func has(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("the page lacks %q:\n%s", text, main(page))
		}
	}
}

// main is what a page is about.
func main(page string) string {
	_, page, _ = strings.Cut(page, "<main")
	page, _, _ = strings.Cut(page, "</main>")
	return page
}

// hasNot fails the test if a page has one of these texts.
func hasNot(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(page, text) {
			t.Errorf("the page has %q:\n%s", text, page)
		}
	}
}

// send sends a form that has to be accepted, and returns where it leads.
func send(t *testing.T, c *servertest.Client, path string, form url.Values) string {
	t.Helper()
	a := c.Page(t, http.MethodPost, path, form)
	if a.Status != http.StatusSeeOther {
		t.Fatalf("POST %s = %d\n%s", path, a.Status, a.Body)
	}
	return a.Header.Get("Location")
}

func TestWhoHasNotSignedInIsAskedToAndComesBack(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		a := s.Client(t).Page(t, http.MethodGet, "/settings/groups?search=a", nil)
		if to := a.Header.Get("Location"); a.Status != http.StatusSeeOther || to != "/sign-in?next=%2Fsettings%2Fgroups%3Fsearch%3Da" {
			t.Errorf("GET = %d to %q", a.Status, to)
		}
	})
}

func TestANounIsMadeChangedAndDeletedByForms(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		has(t, page(t, c, "/settings/groups"), "No groups yet", "Add a group")
		refused := c.Page(t, http.MethodPost, "/settings/groups", url.Values{"name": {""}, "confirm-secret": {servertest.Password}})
		if refused.Status != http.StatusUnprocessableEntity {
			t.Errorf("POST of a group without a name = %d\n%s", refused.Status, refused.Body)
		}
		has(t, string(refused.Body), `role="alert"`, `href="#f-name"`, `aria-invalid="true"`)
		hostile := `<script>alert("x")</script>`
		send(t, c, "/settings/groups", url.Values{"name": {hostile}})
		list := page(t, c, "/settings/groups")
		has(t, list, "&lt;script&gt;", "was added.")
		hasNot(t, list, hostile)
		var groups struct{ Items []struct{ ID string } }
		c.Get(t, "/groups", &groups)
		at := "/settings/groups/" + groups.Items[0].ID
		has(t, page(t, c, at+"/edit"), "Change &lt;script&gt;")
		send(t, c, at+"/edit", url.Values{"name": {"Night shift"}, "version": {"1"}})
		stale := c.Page(t, http.MethodPost, at+"/edit", url.Values{"name": {"Day shift"}, "version": {"1"}})
		if stale.Status != http.StatusConflict {
			t.Errorf("POST with an old version = %d\n%s", stale.Status, stale.Body)
		}
		has(t, page(t, c, at+"/delete"), "Delete the group Night shift?", "Keep it")
		send(t, c, at+"/delete", url.Values{"version": {"2"}})
		has(t, page(t, c, "/settings/groups"), "No groups yet")
	})
}

func TestPagesAreComplete(t *testing.T) {
	files, err := os.ReadDir("pages")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile("pages/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{" style=", " onclick=", "<style", "javascript:", "hx-on"} {
			if strings.Contains(string(text), bad) {
				t.Errorf("%s has %q, which the policy of the pages forbids", f.Name(), bad)
			}
		}
	}
}
