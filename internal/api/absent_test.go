package api_test

import (
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

// Who tries a storage, or makes a repository in one, is told soon that nobody is there, and not after the quarter of an hour that a backup would
// wait. (The clock of tests sleeps a tenth as long: that would be a minute and a half.)
func TestNobodyWaitsLongForAStorageThatIsNotThere(t *testing.T) {
	s := servertest.Start(t, server.Options{}).Claim(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var first struct{ ID string }
	s.Owner.Post(t, "/projects", map[string]string{"name": "One"}, &first)
	project := first.ID
	var storage, source struct{ ID string }
	s.Owner.Post(t, "/storages", map[string]any{"name": "gone", "project": project, "location": "rest:http://" + address + "/x"}, &storage)
	s.Owner.Post(t, "/sources", map[string]any{"name": "gone", "project": project, "kind": "remote", "settings": map[string]string{"location": "webdav:http://" + address + "/x"}}, &source)
	for path, body := range map[string]any{
		"/storages/" + storage.ID + "/test": nil,
		"/sources/" + source.ID + "/test":   nil,
		"/repositories":                     map[string]any{"name": "gone", "project": project, "storage": storage.ID, "path": "x"},
	} {
		begun := time.Now()
		answer := s.Owner.Ask(t, http.MethodPost, path, body)
		if took := time.Since(begun); answer.Status < 400 || !strings.Contains(string(answer.Body), "BST-") || took > 30*time.Second {
			t.Errorf("POST %s = %d %s after %v", path, answer.Status, answer.Body, took)
		}
	}
}

// The trail says of a snapshot that could not be removed that somebody wanted it, and why it wasn't.
func TestASnapshotThatCanNotBeRemovedIsTwoLinesOfTheTrail(t *testing.T) {
	s := servertest.Start(t, server.Options{}).Claim(t)
	w := newShop(t, s)
	if r := w.start(t); r.State != "succeeded" {
		t.Fatalf("run = %+v", r)
	}
	w.settle(t)
	var snapshots struct{ Items []struct{ ID string } }
	s.Owner.Get(t, "/snapshots", &snapshots)
	if len(snapshots.Items) != 1 {
		t.Fatalf("there are %d snapshots", len(snapshots.Items))
	}
	if err := os.Rename(w.repo, w.repo+"-elsewhere"); err != nil {
		t.Fatal(err)
	}
	path := "/snapshots/" + snapshots.Items[0].ID
	if answer := s.Owner.Ask(t, http.MethodDelete, path, nil); answer.Status < 400 {
		t.Errorf("DELETE %s = %d without a storage", path, answer.Status)
	}
	var trail struct {
		Items []struct{ Action, Result, Reason string }
	}
	s.Owner.Get(t, "/audit-events?action=snapshot.deleted", &trail)
	if len(trail.Items) != 2 || trail.Items[0].Result != "failed" || trail.Items[0].Reason == "" || trail.Items[1].Result != "allowed" {
		t.Errorf("the trail is %+v", trail.Items)
	}
	if err := os.Rename(w.repo+"-elsewhere", w.repo); err != nil {
		t.Fatal(err)
	}
	s.Owner.Delete(t, path)
}
