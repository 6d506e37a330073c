package web_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstay/backstay/internal/server/servertest"
)

// project makes a project and returns its id.
func project(t *testing.T, c *servertest.Client, name string) string {
	t.Helper()
	var made struct{ ID string }
	c.Post(t, "/projects", map[string]string{"name": name}, &made)
	return made.ID
}

func TestAStorageAndARepositoryAreMadeByForms(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		project(t, c, "House")
		has(t, page(t, c, "/storage"), "Nothing is stored yet", "No storage yet", "Add a storage")
		has(t, page(t, c, "/storage/new"), "Amazon S3 and compatible", "kind=sftp")
		form := page(t, c, "/storage/new?kind=local")
		has(t, form, "Folder</label>", `name="location"`, `name="project"`)
		folder := filepath.Join(t.TempDir(), "vault")
		fields := url.Values{"kind": {"local"}, "name": {"Cellar"}, "location": {folder}, "limit": {"2 TB"}, "project": {between(t, form, `name="project" value="`, `"`)}}
		wrong := c.Page(t, http.MethodPost, "/storage", url.Values{"kind": {"local"}, "name": {"Cellar"}, "location": {folder}, "limit": {"much"}, "project": fields["project"]})
		if wrong.Status != http.StatusUnprocessableEntity {
			t.Errorf("POST with a limit that is no size = %d", wrong.Status)
		}
		has(t, string(wrong.Body), "Enter a size", `value="much"`, `value="Cellar"`)
		to := send(t, c, "/storage", fields)
		has(t, page(t, c, to), "It can be used.", "Cellar was added.", folder, "2.0\u00a0TB")
		storage := strings.TrimSuffix(strings.TrimPrefix(to, "/storage/"), "?try=1")

		has(t, page(t, c, "/repositories/new?storage="+storage), `<option value="`+storage+`" selected>Cellar`)
		at := send(t, c, "/repositories", url.Values{"name": {"Main"}, "storage": {storage}, "path": {"main"}, "verify_days": {"90"}})
		if _, err := os.Stat(filepath.Join(folder, "main", "config")); err != nil {
			t.Errorf("the repository has no config: %v", err)
		}
		shown := page(t, c, at)
		has(t, shown, "0\u00a0snapshots", folder+"/main", "Not yet", "Verify now", "Free space", "Show the password")
		hasNot(t, shown, "The password of this repository")
		revealed := c.Page(t, http.MethodPost, at+"/password", url.Values{"confirm-secret": {servertest.Password}})
		has(t, string(revealed.Body), "The password of this repository", `id="password-text"`)
		has(t, page(t, c, "/storage"), "No recovery kit was saved yet", "1\u00a0storage holds")

		kit := c.Page(t, http.MethodPost, "/recovery-kit", url.Values{"format": {"txt"}})
		has(t, string(kit.Body), folder+"/main", between(t, string(revealed.Body), `id="password-text">`, "<"))
		has(t, page(t, c, "/recovery-kit"), "The saved kit has everything.")

		if run := send(t, c, at+"/verify", url.Values{"level": {"structure"}}); !strings.HasPrefix(run, "/activity/") {
			t.Errorf("a verification leads to %q", run)
		}
		refused := c.Page(t, http.MethodPost, at+"/delete", url.Values{"name": {"main"}})
		has(t, string(refused.Body), "This is not the name. Nothing was deleted.")
		send(t, c, at+"/delete", url.Values{"name": {"Main"}})
		if _, err := os.Stat(filepath.Join(folder, "main", "config")); err != nil {
			t.Errorf("deleting the record removed the files: %v", err)
		}
	})
}

func TestWhoMayOnlyLookSeesNothingToChangeOfAStorage(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		var storage struct{ ID string }
		p := project(t, s.Owner, "House")
		s.Owner.Post(t, "/storages", map[string]any{"name": "Cellar", "project": p, "location": t.TempDir()}, &storage)
		viewer := s.Person(t, "Vera Viewer", "viewer", "/project/"+p)
		hasNot(t, main(page(t, viewer, "/storage")), "Add a storage")
		hasNot(t, main(page(t, viewer, "/storage/"+storage.ID)), "Test writing", "/edit", "/delete", "Add a repository")
		for _, path := range []string{"/delete", "/edit"} {
			a := viewer.Page(t, http.MethodPost, "/storage/"+storage.ID+path, url.Values{"name": {"Cellar"}, "location": {"/"}, "version": {"1"}})
			if a.Status != http.StatusForbidden && a.Status != http.StatusNotFound {
				t.Errorf("POST %s by a viewer = %d", path, a.Status)
			}
		}
		s.Owner.Get(t, "/storages/"+storage.ID, nil)
	})
}

// between is the text between two others.
func between(t *testing.T, text, before, after string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, before)
	rest, _, ended := strings.Cut(rest, after)
	if !found || !ended {
		t.Fatalf("there is nothing between %q and %q in\n%s", before, after, main(text))
	}
	return rest
}
