package web_test

import (
	"net/http"
	"net/url"
	"os"
	"testing"

	"github.com/backstay/backstay/internal/server/servertest"
)

func TestSnapshotsAreListedProtectedComparedAndDeleted(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		has(t, page(t, c, "/snapshots"), "No snapshots yet")
		h := furnish(t, c)
		plan := h.plan(t, c, "Nightly")
		first := h.back(t, c, plan)
		write(t, h.folder+"/letter.txt", "Dear all, and more")
		write(t, h.folder+"/<b>new.txt", "new")
		if err := os.Remove(h.folder + "/notes/old.txt"); err != nil {
			t.Fatal(err)
		}
		second := h.back(t, c, plan)
		has(t, page(t, c, "/snapshots?source="+h.source), first, second, "Good", "Main", "Letters", "Clear filters")
		has(t, page(t, c, "/snapshots?protected=true"), "Nothing found")
		has(t, page(t, c, "/sources/"+h.source), "Safe", "Today", "in 2\u00a0files", "Good in Main", "/snapshots/"+second+"/files", "Restore", "Back up now")
		has(t, page(t, c, "/sources/"+h.source+"/plans"), "Nightly", "Only by hand")
		has(t, page(t, c, "/sources/"+h.source+"/runs"), "Backup, ", "Succeeded")

		at := "/snapshots/" + second
		shown := page(t, c, at)
		has(t, shown, "Its structure was", "What it costs", h.folder, "Compare with", `value="`+first+`" selected`, "Verify now", "/restore/new?snapshot="+second)
		compared := page(t, c, at+"/compare?with="+first)
		has(t, compared, "1 added, 1 changed", "removed", "&lt;b&gt;new.txt", "letter.txt", "8\u00a0B", "18\u00a0B")
		hasNot(t, compared, "<b>new")
		only := page(t, c, "/snapshots/"+first+"/compare?with="+second+"&kind=modified")
		has(t, only, "letter.txt")
		hasNot(t, main(only), "old.txt")
		has(t, page(t, c, at+"/compare?with="+first+"&path=nothing"), "Nothing found")
		has(t, page(t, c, at+"/compare?with="+second), "Nothing has changed")
		if a := c.Page(t, http.MethodGet, at+"/compare?with=none", nil); a.Status != http.StatusNotFound {
			t.Errorf("GET of a comparison with nothing = %d", a.Status)
		}

		send(t, c, at+"/protect", url.Values{"protect": {"true"}})
		has(t, page(t, c, at), "It is protected: no retention removes it.", "Take protection away")
		hasNot(t, main(page(t, c, at)), "/delete")
		has(t, refused(t, c, http.StatusConflict, at+"/delete", nil), "is protected")
		has(t, page(t, c, "/snapshots?protected=true"), second)
		send(t, c, at+"/protect", url.Values{"protect": {"false"}})
		has(t, refused(t, c, http.StatusUnprocessableEntity, at+"/tags", url.Values{"add": {"a, b"}}), "is no tag", `value="a, b"`)
		has(t, refused(t, c, http.StatusUnprocessableEntity, at+"/tags", url.Values{"add": {"run=1"}}), "own")
		send(t, c, at+"/tags", url.Values{"add": {"<i>year end"}})
		has(t, page(t, c, at), "&lt;i&gt;year end", "Take the tag")
		send(t, c, at+"/tags", url.Values{"remove": {"<i>year end"}})
		has(t, page(t, c, at), "It has no tags yet.")
		refused(t, c, http.StatusUnprocessableEntity, at+"/verify", url.Values{"level": {"some"}})
		send(t, c, at+"/verify", url.Values{"level": {"sample"}})

		has(t, page(t, c, at+"/delete"), "Delete the snapshot of Letters", "All other snapshots stay")
		if to := send(t, c, at+"/delete", nil); to != "/sources/"+h.source {
			t.Errorf("deleting a snapshot leads to %q", to)
		}
		if a := c.Page(t, http.MethodGet, at, nil); a.Status != http.StatusNotFound {
			t.Errorf("GET of a snapshot that was deleted = %d", a.Status)
		}
	})
}

func TestWhoMayOnlyLookAtSnapshotsSeesNoButtons(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		h := furnish(t, s.Owner)
		at := "/snapshots/" + h.back(t, s.Owner, h.plan(t, s.Owner, "Nightly"))
		viewer := s.Person(t, "Vera Viewer", "viewer", "/project/"+h.project)
		has(t, page(t, viewer, "/snapshots"), at)
		hasNot(t, main(page(t, viewer, at)), "Protect", "/tags", "/delete", "Browse", "Restore", "Compare", "Verify now")
		for path, form := range map[string]url.Values{"/protect": {"protect": {"true"}}, "/tags": {"add": {"mine"}}, "/verify": {"level": {"full"}}, "/delete": nil} {
			refused(t, viewer, http.StatusForbidden, at+path, form)
		}
		if a := viewer.Page(t, http.MethodGet, at+"/compare?with="+idAt(at), nil); a.Status != http.StatusForbidden && a.Status != http.StatusNotFound {
			t.Errorf("GET of a comparison = %d", a.Status)
		}
		stranger := s.Person(t, "Sam Stranger", "viewer", "/project/"+project(t, s.Owner, "Elsewhere"))
		for _, path := range []string{at, at + "/delete"} {
			if a := stranger.Page(t, http.MethodGet, path, nil); a.Status != http.StatusNotFound {
				t.Errorf("GET %s of somebody from elsewhere = %d", path, a.Status)
			}
		}
		has(t, page(t, stranger, "/snapshots"), "No snapshots yet")
	})
}
