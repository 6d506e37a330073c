package web_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/server/servertest"
)

// hostile is a name that a page must show and not obey.
const hostile = `<script>alert(1)</script>"'& مرحبا`

// home is a project with a folder as its source and a repository.
type home struct{ project, source, repository, folder string }

// furnish makes one.
func furnish(t *testing.T, c *servertest.Client) (h home) {
	t.Helper()
	h.folder = filepath.Join(t.TempDir(), "docs")
	write(t, filepath.Join(h.folder, "letter.txt"), "Dear all")
	write(t, filepath.Join(h.folder, "notes", "old.txt"), "of old")
	var projects struct{ Items []struct{ ID string } }
	c.Get(t, "/projects", &projects)
	h.project = projects.Items[0].ID
	made := func(path string, body map[string]any) string {
		body["project"] = h.project
		var of struct{ ID string }
		c.Post(t, path, body, &of)
		return of.ID
	}
	h.source = made("/sources", map[string]any{"name": "Letters", "kind": "files", "settings": map[string]string{"paths": h.folder}})
	storage := made("/storages", map[string]any{"name": "Cellar", "location": filepath.Join(t.TempDir(), "vault"), "settings": map[string]string{}})
	h.repository = made("/repositories", map[string]any{"name": "Main", "storage": storage, "path": "main", "verify_days": 30})
	return h
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// plan makes one of the home that is started by hand.
func (h home) plan(t *testing.T, c *servertest.Client, name string) string {
	t.Helper()
	var of struct{ ID string }
	c.Post(t, "/plans", map[string]any{"project": h.project, "name": name, "active": true, "type": "incremental", "retries": 0, "sources": []string{h.source}, "repositories": []string{h.repository}}, &of)
	return of.ID
}

// back backs up by a plan, and returns the snapshot that is the newest then.
func (h home) back(t *testing.T, c *servertest.Client, plan string) string {
	t.Helper()
	send(t, c, "/plans/"+plan+"/start", nil)
	var runs struct{ Items []struct{ State string } }
	for until := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		c.Get(t, "/runs?limit=100", &runs)
		over := true
		for _, r := range runs.Items {
			over = over && r.State != "pending" && r.State != "running"
		}
		if over {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("the runs don't end: %v", runs)
		}
	}
	var snapshots struct{ Items []struct{ ID string } }
	c.Get(t, "/snapshots?sort=-time&limit=1", &snapshots)
	if len(snapshots.Items) == 0 {
		t.Fatal("the backup made no snapshot")
	}
	return snapshots.Items[0].ID
}

// idAt is the last part of the address of a page.
func idAt(path string) string { return path[strings.LastIndex(path, "/")+1:] }
