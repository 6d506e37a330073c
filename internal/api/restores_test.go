package api_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"github.com/backstay/backstay/internal/server"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/server/servertest"
)

type change struct {
	Path, Type, Action, Reason string
}

type restore struct {
	ID, State string
	Run       string
	Version   int64
	Totals    map[string]struct{ Count, Bytes int64 }
	Result    map[string]struct{ Count, Bytes int64 }
}

// planned plans a restore and waits for the plan.
func (w *world) planned(t *testing.T, c *servertest.Client, body map[string]any) (r restore) {
	t.Helper()
	c.Post(t, "/restores", body, &r)
	w.wait(t, c, "/restores/"+r.ID, "planned")
	c.Get(t, "/restores/"+r.ID, &r)
	return r
}

// apply applies a restore and waits for its end.
func (w *world) apply(t *testing.T, c *servertest.Client, r restore) restore {
	t.Helper()
	c.Post(t, "/restores/"+r.ID+"/apply", nil, nil)
	w.wait(t, c, "/restores/"+r.ID, "done")
	c.Get(t, "/restores/"+r.ID, &r)
	return r
}

// actions are those of the plan by the paths in the folder.
func (w *world) actions(t *testing.T, c *servertest.Client, r restore, query string) map[string]string {
	t.Helper()
	all, cursor := map[string]string{}, ""
	for {
		var page struct {
			Items []change
			Next  string
		}
		c.Get(t, "/restores/"+r.ID+"/changes?limit=3&cursor="+cursor+query, &page)
		for _, one := range page.Items {
			if name, ok := strings.CutPrefix("/"+one.Path, w.folder+"/"); ok {
				all[name] = one.Action
			}
		}
		if cursor = page.Next; cursor == "" {
			return all
		}
	}
}

func TestARestoreToAnotherFolderGivesEqualFiles(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newWorld(t, s)
		id := w.backup(t)
		to := filepath.Join(t.TempDir(), "restored")
		r := w.planned(t, w.Owner, map[string]any{"snapshot": id, "target": "folder", "folder": to})
		if _, err := os.Stat(to); err == nil {
			t.Error("a plan has made its target")
		}
		if got := w.actions(t, w.Owner, r, "&action=create"); len(got) != 9 || r.Totals["create"].Count < 9 {
			t.Errorf("the plan creates %v of %v", got, r.Totals)
		}
		files, err := filepath.Glob(filepath.Join(s.Data, "restores", r.ID+".*.plan"))
		if err != nil || len(files) != 1 {
			t.Fatalf("plans = %v, %v", files, err)
		}
		if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the plan = %v, %v", info, err)
		}
		r = w.apply(t, w.Owner, r)
		same(t, "the restored folder", content(t, filepath.Join(to, w.folder)), content(t, w.folder))
		if r.Result["create"] != r.Totals["create"] {
			t.Errorf("result = %v, want %v", r.Result, r.Totals)
		}
		w.Owner.Ask(t, "POST", "/restores/"+r.ID+"/apply", nil).Refused(t, http.StatusConflict, "conflict")
		w.reports(t, r)
	})
}

// reports checks that both forms of a report tell of the hostile name, and of nothing that a spreadsheet computes.
func (w *world) reports(t *testing.T, r restore) {
	t.Helper()
	lines := bytes.Split(bytes.TrimSpace(w.Owner.Ask(t, "GET", "/restores/"+r.ID+"/report", nil).Body), []byte("\n"))
	for _, line := range lines {
		var c change
		if err := json.Unmarshal(line, &c); err != nil || c.Action != "create" {
			t.Errorf("line %s: %v", line, err)
		}
	}
	a := w.Owner.Ask(t, "GET", "/restores/"+r.ID+"/report?format=csv", nil)
	rows, err := csv.NewReader(bytes.NewReader(a.Body)).ReadAll()
	if err != nil || len(rows) != len(lines)+1 {
		t.Fatalf("the table has %d rows, the report %d lines: %v", len(rows), len(lines), err)
	}
	seen := false
	for _, row := range rows {
		seen = seen || strings.HasSuffix(row[0], "X-Evil: 1.txt")
		for _, cell := range row {
			if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r") {
				t.Errorf("a spreadsheet would compute %q", cell)
			}
		}
	}
	if !seen || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("the table lacks the hostile name, or is shown: %v", a.Header)
	}
}

func TestARestoreOverTheOriginalDoesJustWhatWasDecided(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newWorld(t, s)
		w.write(t, "b.txt", "saved")
		was := content(t, w.folder)
		id := w.backup(t)
		w.write(t, "a.txt", "mine")
		w.write(t, "b.txt", "seen")
		w.write(t, "sales/s.txt", "mine, too")
		w.write(t, "extra", "stays")
		for _, name := range []string{"empty", "hr/pay.csv"} {
			if err := os.Remove(filepath.Join(w.folder, name)); err != nil {
				t.Fatal(err)
			}
		}
		r := w.planned(t, w.Owner, map[string]any{"snapshot": id, "target": "original", "conflicts": "ask"})
		plan := w.actions(t, w.Owner, r, "")
		for name, want := range map[string]string{"a.txt": "conflict", "sales/s.txt": "conflict", "empty": "create", "hr/pay.csv": "create", "hr/deep/x.bin": "unchanged"} {
			if plan[name] != want {
				t.Errorf("the plan for %s = %q, want %q", name, plan[name], want)
			}
		}
		w.Owner.Patch(t, "/restores/"+r.ID+"/changes", map[string]any{"paths": []string{filepath.Join(w.folder, "a.txt"), filepath.Join(w.folder, "b.txt")}, "decision": "overwrite"}, nil)
		w.Owner.Patch(t, "/restores/"+r.ID+"/changes", map[string]any{"action": "conflict", "decision": "skip"}, nil)
		w.Owner.Patch(t, "/restores/"+r.ID+"/changes", map[string]any{"paths": []string{filepath.Join(w.folder, "hr")}}, nil)
		w.Owner.Ask(t, "POST", "/restores/"+r.ID+"/apply", nil, "If-Match", `"2"`).Refused(t, http.StatusConflict, "conflict")
		// What appears, or is changed, after the plan was made is not overwritten.
		w.write(t, "empty", "appeared")
		w.write(t, "b.txt", "anew")
		w.Owner.Post(t, "/restores/"+r.ID+"/apply", nil, nil)
		w.wait(t, w.Owner, "/restores/"+r.ID, "done")
		w.Owner.Get(t, "/restores/"+r.ID, &r)
		want := maps.Clone(was)
		want["sales/s.txt"], want["extra"], want["empty"], want["b.txt"] = "mine, too", "stays", "appeared", "anew"
		delete(want, "hr/pay.csv")
		same(t, "the original", content(t, w.folder), want)
		if r.Result["failed"].Count != 1 {
			t.Errorf("result = %v, want one that failed", r.Result)
		}
	})
}

func TestConflictsEndAsTheRestoreSays(t *testing.T) {
	s := servertest.Start(t, server.Options{}).Claim(t)
	w := newWorld(t, s)
	id := w.backup(t)
	w.write(t, "a.txt", "changed later")
	for conflicts, want := range map[string]string{"never": "changed later", "if-newer": "changed later", "if-changed": "first", "overwrite": "first"} {
		w.write(t, "a.txt", "changed later")
		r := w.planned(t, w.Owner, map[string]any{"snapshot": id, "target": "original", "conflicts": conflicts, "paths": []string{filepath.Join(w.folder, "a.txt")}})
		w.apply(t, w.Owner, r)
		if got := content(t, w.folder)["a.txt"]; got != want {
			t.Errorf("with conflicts %q a.txt is %q, want %q", conflicts, got, want)
		}
	}
}

func TestARestoreIsForWhoMayAndWithinWhatTheyMay(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newWorld(t, s)
		hr := w.make(t, "/modules", map[string]any{"project": w.project, "source": w.source, "name": "HR", "paths": []string{filepath.Join(w.folder, "hr")}})
		id := w.backup(t)
		was := content(t, w.folder)
		original := map[string]any{"snapshot": id, "target": "original"}
		folder := map[string]any{"snapshot": id, "target": "folder", "folder": filepath.Join(t.TempDir(), "out")}
		viewer := s.Person(t, "Vera Viewer", "viewer", "/project/"+w.project)
		operator := s.Person(t, "Olga Operator", "operator", "/project/"+w.project)
		other := s.Person(t, "Otto Other", "restorer", "/project/"+w.make(t, "/projects", map[string]any{"name": "Other"}))
		anna := s.Person(t, "Anna HR", "restorer", "/project/"+w.project+"/source/"+w.source+"/module/"+hr)
		viewer.Ask(t, "POST", "/restores", original).Refused(t, http.StatusForbidden, "denied")
		other.Ask(t, "POST", "/restores", original).Refused(t, http.StatusNotFound, "not-found")
		anna.Ask(t, "POST", "/restores", folder).Refused(t, http.StatusForbidden, "denied")
		w.Owner.Ask(t, "POST", "/restores", map[string]any{"snapshot": id, "target": "folder", "folder": filepath.Join(s.Data, "x")}).Refused(t, http.StatusUnprocessableEntity, "invalid")
		w.Owner.Ask(t, "POST", "/restores", map[string]any{"snapshot": id, "target": "folder", "folder": "/"}).Refused(t, http.StatusUnprocessableEntity, "invalid")

		seen := w.planned(t, operator, original)
		operator.Ask(t, "POST", "/restores/"+seen.ID+"/apply", nil).Refused(t, http.StatusForbidden, "denied")
		other.Ask(t, "GET", "/restores/"+seen.ID+"/changes", nil).Refused(t, http.StatusNotFound, "not-found")
		anna.Ask(t, "GET", "/restores/"+seen.ID+"/changes", nil).Refused(t, http.StatusNotFound, "not-found")
		operator.Post(t, "/restores/"+seen.ID+"/discard", nil, nil)
		w.Owner.Ask(t, "POST", "/restores/"+seen.ID+"/apply", nil).Refused(t, http.StatusConflict, "conflict")

		w.write(t, "a.txt", "not hers")
		w.write(t, "hr/pay.csv", "broken")
		hers := w.planned(t, anna, original)
		w.apply(t, anna, hers)
		was["a.txt"] = "not hers"
		same(t, "the original after a restore of the module", content(t, w.folder), was)
	})
}

func TestARestoreToItsPlaceStaysWithinItsSource(t *testing.T) {
	s := servertest.Start(t, server.Options{}).Claim(t)
	w := newWorld(t, s)
	id := w.backup(t)
	// The source is made smaller, as if the snapshot had been made by somebody who put more into it.
	s.Owner.Patch(t, "/sources/"+w.source, map[string]any{"settings": map[string]string{"paths": filepath.Join(w.folder, "hr")}}, nil)
	w.write(t, "a.txt", "changed")
	w.write(t, "hr/pay.csv", "changed")
	s.Owner.Ask(t, "POST", "/restores", map[string]any{"snapshot": id, "target": "original", "paths": []string{filepath.Join(w.folder, "a.txt")}}).Refused(t, http.StatusConflict, "conflict")
	w.apply(t, s.Owner, w.planned(t, s.Owner, map[string]any{"snapshot": id, "target": "original"}))
	if now := content(t, w.folder); now["a.txt"] != "changed" || now["hr/pay.csv"] != "pay" {
		t.Errorf("a.txt = %q, hr/pay.csv = %q", now["a.txt"], now["hr/pay.csv"])
	}
}

func TestAPlanThatWasTamperedWithIsNotApplied(t *testing.T) {
	s := servertest.Start(t, server.Options{}).Claim(t)
	w := newWorld(t, s)
	id := w.backup(t)
	to := filepath.Join(t.TempDir(), "out")
	r := w.planned(t, s.Owner, map[string]any{"snapshot": id, "target": "folder", "folder": to})
	files, _ := filepath.Glob(filepath.Join(s.Data, "restores", "*.plan"))
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], bytes.Replace(text, []byte("a.txt"), []byte("b.txt"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Owner.Post(t, "/restores/"+r.ID+"/apply", nil, nil)
	for range 100 {
		if s.Owner.Get(t, "/restores/"+r.ID, &r); r.State == "failed" {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	// The plan is set right again, and whoever may start runs, but not restore, repeats the run.
	if err := os.WriteFile(files[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	operator := s.Person(t, "Olga Operator", "operator", "/project/"+w.project)
	var again struct{ ID, State string }
	operator.Post(t, "/runs/"+r.Run+"/retry", nil, &again)
	for range 100 {
		if operator.Get(t, "/runs/"+again.ID, &again); again.State != "pending" && again.State != "running" {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if again.State != "failed" {
		t.Errorf("the run that was repeated is %s", again.State)
	}
	if _, err := os.Stat(to); r.State != "failed" || err == nil {
		t.Errorf("the restore is %s, and its target %v", r.State, err)
	}
}
