package api_test

import (
	"mime"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/server/servertest"
)

func TestTheShortRoutesAnswerOfBackups(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newWorld(t, s)
		hr := w.make(t, "/modules", map[string]any{"project": w.project, "source": w.source, "name": "HR Data", "paths": []string{filepath.Join(w.folder, "hr")}})
		s.Owner.Ask(t, "GET", "/api/backup/download?plan="+w.plan, nil).Refused(t, http.StatusNotFound, "not-found")
		first := w.backup(t)
		w.write(t, "a.txt", "second")
		id := w.backup(t)
		all := content(t, w.folder)
		for query, pattern := range map[string]string{"plan=" + w.plan: `^erp-data_incremental_all_\d{8}T\d{6}Z\.zip$`, "snapshot=" + id: `^erp-data_incremental_all_\d{8}T\d{6}Z\.zip$`, "modules=HR+Data": `^erp-data_incremental_hr-data_\d{8}T\d{6}Z\.zip$`} {
			a := s.Owner.Ask(t, "GET", "/api/backup/download?"+query, nil)
			want := all
			if strings.HasPrefix(query, "modules") {
				want = map[string]string{"hr/pay.csv": all["hr/pay.csv"], "hr/deep/x.bin": all["hr/deep/x.bin"]}
			}
			same(t, query, w.unzip(t, a.Body), want)
			if _, params, err := mime.ParseMediaType(a.Header.Get("Content-Disposition")); err != nil || !regexp.MustCompile(pattern).MatchString(params["filename"]) {
				t.Errorf("%s is called %q, want %s", query, params["filename"], pattern)
			}
		}
		var log struct {
			Items []struct {
				Status, Creator, Health string
				Size                    int64
				Seconds                 float64 `json:"duration_seconds"`
				Snapshots               []string
			}
		}
		s.Owner.Get(t, "/api/backup/logs", &log)
		if l := log.Items; len(l) != 2 || l[0].Status != "success" || l[0].Creator != "Ada Owner" || l[0].Size < 2_000_000 || l[0].Snapshots[0] != id || l[1].Snapshots[0] != first || l[0].Health != "unverified" || l[0].Seconds <= 0 {
			t.Errorf("log = %+v", log.Items)
		}
		w.verified(t, id)
		w.schedules(t, hr)
		viewer := s.Person(t, "Vera Viewer", "viewer", "/project/"+w.project)
		other := s.Person(t, "Otto Other", "restorer", "/project/"+w.make(t, "/projects", map[string]any{"name": "Other"}))
		viewer.Ask(t, "GET", "/api/backup/download?plan="+w.plan, nil).Refused(t, http.StatusForbidden, "denied")
		other.Ask(t, "GET", "/api/backup/download?snapshot="+id, nil).Refused(t, http.StatusNotFound, "not-found")
		other.Ask(t, "GET", "/api/backup/verify/"+id, nil).Refused(t, http.StatusNotFound, "not-found")
		other.Get(t, "/api/backup/logs", &log)
		if len(log.Items) != 0 {
			t.Errorf("somebody of another project sees %+v", log.Items)
		}
		s.Client(t).Ask(t, "GET", "/api/backup/logs", nil).Refused(t, http.StatusUnauthorized, "sign-in")
	})
}

func (w *world) verified(t *testing.T, id string) {
	t.Helper()
	var v struct{ Health, Run, Level string }
	w.Owner.Get(t, "/api/backup/verify/"+id+"?level=full", &v)
	if v.Health != "unverified" || v.Run == "" {
		t.Errorf("the first verdict = %+v", v)
	}
	for range 300 {
		if w.Owner.Get(t, "/api/backup/verify/"+id, &v); v.Health == "good" {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if v.Health != "good" || v.Level != "full" {
		t.Errorf("verdict = %+v", v)
	}
}

func (w *world) schedules(t *testing.T, module string) {
	t.Helper()
	type schedule struct {
		ID, Name, Frequency, Time, Type string
		Active                          bool
		Modules                         []string
		Next                            *time.Time `json:"next_run"`
	}
	var made schedule
	w.Owner.Post(t, "/api/backup/schedules", map[string]any{"name": "HR weekly", "frequency": "weekly", "weekday": "monday", "time": "02:30", "type": "full", "modules": []string{"HR Data"}, "repositories": []string{w.repo}}, &made)
	if made.ID == "" || made.Frequency != "weekly" || !made.Active || made.Next == nil || made.Next.Weekday() != time.Monday || made.Modules[0] != module {
		t.Errorf("schedule = %+v", made)
	}
	var plan struct{ Schedule struct{ Every, At string } }
	w.Owner.Get(t, "/plans/"+made.ID, &plan)
	if plan.Schedule.Every != "week" || plan.Schedule.At != "02:30" {
		t.Errorf("the plan of the schedule = %+v", plan)
	}
	var list struct{ Items []schedule }
	w.Owner.Get(t, "/api/backup/schedules", &list)
	if len(list.Items) != 2 || list.Items[0].Name != "HR weekly" {
		t.Errorf("schedules = %+v", list.Items)
	}
	w.Owner.Ask(t, "POST", "/api/backup/schedules", map[string]any{"name": "x", "frequency": "sometimes", "repositories": []string{w.repo}}).Refused(t, http.StatusUnprocessableEntity, "invalid")
	w.Owner.Delete(t, "/api/backup/schedules/"+made.ID)
	w.Owner.Ask(t, "GET", "/plans/"+made.ID, nil).Refused(t, http.StatusNotFound, "not-found")
}
