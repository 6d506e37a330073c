package web_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/backstay/backstay/internal/server/servertest"
)

func TestASourceIsTestedAddedChangedAndDeletedByForms(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		h := furnish(t, c)
		has(t, page(t, c, "/sources/new"), "Files and folders", "Folder on a server", "kind=files")
		has(t, page(t, c, "/sources/new?kind=files"), "Test the connection", `name="settings.paths"`)
		good := url.Values{"kind": {"files"}, "project": {h.project}, "name": {hostile}, "settings.paths": {h.folder}, "settings.exclude-caches": {"true"}, "settings.one-file-system": {"false"}, "settings.use-fs-snapshot": {"never"}}
		has(t, refused(t, c, http.StatusOK, "/sources/test", good), "It can be read.", "letter.txt", "&lt;script&gt;")
		has(t, refused(t, c, http.StatusUnprocessableEntity, "/sources/test", with(good, "settings.paths", "")), "It is missing.")
		gone := c.Page(t, http.MethodPost, "/sources/test", with(good, "settings.paths", h.folder+"/none"))
		if gone.Status < 400 {
			t.Errorf("a test of a folder that is not there = %d", gone.Status)
		}
		has(t, string(gone.Body), "b-note b-fail", "none")
		var sources struct{ Items []struct{ Name string } }
		if c.Get(t, "/sources", &sources); len(sources.Items) != 1 {
			t.Errorf("testing saved a source: %v", sources.Items)
		}
		has(t, refused(t, c, http.StatusUnprocessableEntity, "/sources", with(good, "name")), "The source has no name.", h.folder)
		has(t, refused(t, c, http.StatusUnprocessableEntity, "/sources", with(good, "settings.use-fs-snapshot", "perhaps")), "f-settings-use-fs-snapshot-e")
		refused(t, c, http.StatusNotFound, "/sources", with(good, "kind", "moon"))
		at := send(t, c, "/sources", good)
		shown := page(t, c, at)
		has(t, shown, "&lt;script&gt;", "It was never backed up", "Plan its backup", "No snapshots yet")
		hasNot(t, shown, hostile)
		has(t, page(t, c, "/sources"), "&lt;script&gt;", "Needs attention", "It was never backed up")
		has(t, page(t, c, "/sources?search=letters"), "Letters")
		has(t, page(t, c, "/sources?kind=remote"), "Nothing found")
		has(t, page(t, c, at+"/settings"), h.folder, "Change", "Delete")
		send(t, c, at+"/edit", with(with(with(good, "name", "Post"), "settings.paths", h.folder+"/notes"), "version", "1"))
		has(t, page(t, c, at+"/settings"), h.folder+"/notes", "Post")
		refused(t, c, http.StatusConflict, at+"/edit", with(good, "version", "1"))
		has(t, page(t, c, at+"/delete"), "All snapshots of it stay", "Type the name Post")
		has(t, refused(t, c, http.StatusUnprocessableEntity, at+"/delete", url.Values{"name": {"Pots"}}), "This is not the name")
		send(t, c, at+"/delete", url.Values{"name": {"Post"}})
		h.plan(t, c, "Nightly")
		has(t, refused(t, c, http.StatusConflict, "/sources/"+h.source+"/delete", url.Values{"name": {"Letters"}}), `role="alert"`)
	})
}

func TestSecretsOfASourceAreKeptAndNeverShown(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		h := furnish(t, c)
		form := url.Values{"kind": {"remote"}, "project": {h.project}, "name": {"Server"}, "settings.location": {"webdav:https://dav.example.org/docs"}, "settings.options": {"webdav.password=mauve-secret"}}
		hasNot(t, refused(t, c, http.StatusUnprocessableEntity, "/sources", with(form, "name")), "mauve-secret")
		at := send(t, c, "/sources", form)
		for _, path := range []string{at, at + "/settings", at + "/edit"} {
			hasNot(t, page(t, c, path), "mauve-secret")
		}
		has(t, page(t, c, at+"/edit"), "(saved; leave empty to keep it)")
		has(t, page(t, c, at+"/settings"), "saved, and never shown")
		send(t, c, at+"/edit", with(with(form, "name", "Other"), "settings.options", ""))
		var source struct{ Secrets []string }
		if c.Get(t, "/sources/"+idAt(at), &source); len(source.Secrets) != 1 {
			t.Errorf("the secrets that were left empty are %v", source.Secrets)
		}
		moved := with(with(with(form, "id", idAt(at)), "settings.options", ""), "settings.location", "webdav:https://elsewhere.example.org/docs")
		has(t, refused(t, c, http.StatusUnprocessableEntity, "/sources/test", moved), "at another place now", "again")
		has(t, refused(t, c, http.StatusUnprocessableEntity, at+"/edit", moved), "at another place now")
	})
}

func TestModulesOfASource(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		h := furnish(t, c)
		at := "/sources/" + h.source + "/modules"
		has(t, page(t, c, at), "No modules", "Add a module")
		good := url.Values{"source": {h.source}, "name": {"Notes"}, "paths": {h.folder + "/notes"}}
		has(t, refused(t, c, http.StatusUnprocessableEntity, "/modules", with(good, "paths", "")), "holds nothing")
		if to := send(t, c, "/modules", good); to != at {
			t.Errorf("a new module leads to %q", to)
		}
		shown := page(t, c, at)
		has(t, shown, "Notes", h.folder+"/notes")
		module := "/modules/" + between(t, shown, `class="b-name" href="/modules/`, `"`)
		has(t, page(t, c, "/plans/new?source="+h.source), "Only these modules of them", "of Letters")
		h.back(t, c, h.plan(t, c, "Nightly"))
		has(t, page(t, c, module+"/snapshots"), "Snapshots of Notes", "Main", "Good")
		member := s.Person(t, "Mia Module", "member", "/project/"+h.project+"/source/"+h.source+"/module/"+idAt(module))
		has(t, page(t, member, "/sources"), "No sources yet")
		send(t, c, module+"/edit", url.Values{"source": {h.source}, "name": {"Old notes"}, "paths": {h.folder + "/notes"}})
		send(t, c, module+"/delete", nil)
		has(t, page(t, c, at), "No modules")
	})
}

func TestWhoMayNotChangeSourcesSeesNoButtonForIt(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		h := furnish(t, s.Owner)
		viewer := s.Person(t, "Vera Viewer", "viewer", "/project/"+h.project)
		at := "/sources/" + h.source
		for _, path := range []string{"/sources", at, at + "/plans", at + "/runs", at + "/modules", at + "/settings"} {
			hasNot(t, main(page(t, viewer, path)), "Add a", "Change</a>", "/delete", "Plan its backup", "Back up now")
		}
		form := url.Values{"kind": {"files"}, "project": {h.project}, "name": {"Mine"}, "settings.paths": {"/etc"}}
		for _, path := range []string{"/sources", "/sources/test", at + "/edit"} {
			has(t, refused(t, viewer, http.StatusForbidden, path, form), "may not")
		}
		refused(t, viewer, http.StatusForbidden, at+"/delete", url.Values{"name": {"Letters"}})
		refused(t, viewer, http.StatusForbidden, "/modules", url.Values{"source": {h.source}, "name": {"Mine"}, "paths": {"/etc"}})
		backup := s.Person(t, "Bea Backup", "backup-manager", "/project/"+h.project)
		hasNot(t, page(t, backup, "/sources/new"), "Files and folders")
		has(t, refused(t, backup, http.StatusForbidden, "/sources/test", form), "Only administrators of the server")
		stranger := s.Person(t, "Sam Stranger", "viewer", "/project/"+project(t, s.Owner, "Elsewhere"))
		for _, path := range []string{at, at + "/settings", at + "/edit", at + "/delete"} {
			if a := stranger.Page(t, http.MethodGet, path, nil); a.Status != http.StatusNotFound {
				t.Errorf("GET %s of somebody from elsewhere = %d", path, a.Status)
			}
		}
		refused(t, stranger, http.StatusNotFound, "/sources/test", with(form, "id", h.source))
	})
}
