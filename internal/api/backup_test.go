package api_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/resticbin"
)

// shop is a project with a source, a repository and a plan.
type shop struct {
	s                                 *servertest.Server
	project, source, repository, plan string
	data, repo                        string // folders
}

const repositoryPassword = "a password that only this test knows"

// newShop makes a project whose plan backs up a folder with some files, by hand only.
func newShop(t *testing.T, s *servertest.Server) *shop {
	t.Helper()
	w := &shop{s: s, data: filepath.Join(t.TempDir(), "data"), repo: filepath.Join(t.TempDir(), "storage")}
	write(t, w.data, "letters/2024.txt", "Dear Ada, all is well.\n")
	write(t, w.data, "photo.jpg", strings.Repeat("not really a photo ", 1000))
	if err := os.Mkdir(w.repo, 0o700); err != nil {
		t.Fatal(err)
	}
	var made struct{ ID string }
	create := func(noun string, body map[string]any) string {
		t.Helper()
		body["project"] = w.project
		s.Owner.Post(t, "/"+noun, body, &made)
		return made.ID
	}
	s.Owner.Post(t, "/projects", map[string]any{"name": fmt.Sprintf("Shop %s", t.Name())}, &made)
	w.project = made.ID
	storage := create("storages", map[string]any{"name": "disk", "location": w.repo})
	w.repository = create("repositories", map[string]any{"name": "main", "storage": storage, "path": "main", "password": repositoryPassword})
	w.source = create("sources", map[string]any{"name": "files", "kind": "files", "settings": map[string]string{"paths": w.data}})
	w.plan = create("plans", map[string]any{"name": "nightly", "active": true, "sources": []string{w.source}, "repositories": []string{w.repository},
		"type": "incremental", "verify": "full", "retention": map[string]string{"last": "2"}})
	return w
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run is a run as the API shows it.
type run struct {
	ID, Kind, State string
	Failure         *struct{ Code, Text, Hint string }
	Figures         struct{ Files, Bytes, Lost, Added int64 }
}

// start starts the plan and waits until all that follows is over. It returns the backup.
func (w *shop) start(t *testing.T) run {
	t.Helper()
	var r run
	w.s.Owner.Post(t, "/plans/"+w.plan+"/start", nil, &r)
	w.settle(t)
	w.s.Owner.Get(t, "/runs/"+r.ID, &r)
	return r
}

// settle waits until no run of the project waits or is at work.
func (w *shop) settle(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var pending, running struct{ Items []run }
		w.s.Owner.Get(t, "/runs?state=pending&project="+w.project, &pending)
		w.s.Owner.Get(t, "/runs?state=running&project="+w.project, &running)
		if len(pending.Items)+len(running.Items) == 0 {
			return
		}
	}
	t.Fatal("runs are not over within a minute")
}

func TestAPlanBacksUpVerifiesForgetsAndIsFound(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newShop(t, s)
		first := w.start(t)
		if first.State != "succeeded" || first.Figures.Files < 2 || first.Figures.Added == 0 {
			t.Fatalf("the first run = %+v", first)
		}
		for i := range 2 {
			write(t, w.data, "letters/2025.txt", fmt.Sprintf("Letter %d\n", i))
			if r := w.start(t); r.State != "succeeded" {
				t.Fatalf("run %d = %+v", i, r)
			}
		}
		var snapshots struct {
			Items []struct{ Handle, Health, HealthLevel, Source string }
		}
		s.Owner.Get(t, "/snapshots?repository="+w.repository, &snapshots)
		if len(snapshots.Items) != 2 {
			t.Fatalf("the policy keeps 2, there are %d: %+v", len(snapshots.Items), snapshots.Items)
		}
		for _, sn := range snapshots.Items {
			if sn.Health != "good" || sn.Source != w.source {
				t.Errorf("snapshot = %+v, want a good one of the source", sn)
			}
		}
		var found struct {
			Items []struct{ Path, Source string }
		}
		s.Owner.Get(t, "/search?text=2025&project="+w.project, &found)
		if len(found.Items) == 0 || !strings.HasSuffix(found.Items[0].Path, "/letters/2025.txt") || found.Items[0].Source != w.source {
			t.Errorf("found = %+v", found.Items)
		}
		stranger := s.Person(t, "Eve Elsewhere", "restorer", "/project/elsewhere")
		var nothing struct{ Items []struct{ Path string } }
		stranger.Get(t, "/search?text=2025", &nothing)
		if len(nothing.Items) != 0 {
			t.Errorf("somebody of another project finds %+v", nothing.Items)
		}
		w.restoredByRestic(t)
	})
}

// restoredByRestic checks that what is in the repository is what is in the folder, by a program that isn't ours and needs no server.
func (w *shop) restoredByRestic(t *testing.T) {
	t.Helper()
	target := t.TempDir()
	cmd := exec.Command(resticbin.Newest(t).Path, "-r", filepath.Join(w.repo, "main"), "restore", "latest", "--target", target)
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD="+repositoryPassword)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("restic restore: %v\n%s", err, out)
	}
	if out, err := exec.Command("diff", "-r", w.data, filepath.Join(target, w.data)).CombinedOutput(); err != nil {
		t.Errorf("what restic restored differs: %s", out)
	}
}

func TestARepositoryThatCannotBeReachedFailsTheRunWithItsReason(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newShop(t, s)
		s.Owner.Patch(t, "/plans/"+w.plan, map[string]any{"retries": 0}, nil)
		if err := os.Rename(w.repo, w.repo+".away"); err != nil {
			t.Fatal(err)
		}
		failed := w.start(t)
		if failed.State != "failed" || failed.Failure == nil || !strings.HasPrefix(failed.Failure.Code, "BST-") || failed.Failure.Hint == "" {
			t.Fatalf("run = %+v, failure %+v", failed, failed.Failure)
		}
		var log struct {
			Items []struct{ Level, Text string }
		}
		s.Owner.Get(t, "/runs/"+failed.ID+"/log", &log)
		if len(log.Items) == 0 || strings.Contains(fmt.Sprint(log.Items), repositoryPassword) {
			t.Errorf("log = %+v", log.Items)
		}
		if err := os.Rename(w.repo+".away", w.repo); err != nil {
			t.Fatal(err)
		}
		var again run
		s.Owner.Post(t, "/runs/"+failed.ID+"/retry", nil, &again)
		w.settle(t)
		s.Owner.Get(t, "/runs/"+again.ID, &again)
		if again.State != "succeeded" {
			t.Errorf("the repeated run = %+v", again)
		}
	})
}

func TestOnlyAdministratorsOfTheServerUseItsOwnFiles(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newShop(t, s)
		admin := s.Person(t, "Pat Project", "project-admin", "/project/"+w.project)
		admin.Ask(t, "POST", "/sources", map[string]any{"project": w.project, "name": "etc", "kind": "files", "settings": map[string]string{"paths": "/etc"}}).
			Refused(t, http.StatusForbidden, "denied")
		admin.Ask(t, "POST", "/storages", map[string]any{"project": w.project, "name": "root", "location": "/root"}).
			Refused(t, http.StatusUnprocessableEntity, "invalid")
	})
}
