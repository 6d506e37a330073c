package api_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	_ "modernc.org/sqlite"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

// scrape returns the metrics as Prometheus reads them: a value by name and labels.
func scrape(t *testing.T, c *servertest.Client) map[string]float64 {
	t.Helper()
	a := c.Ask(t, "GET", "/metrics", nil)
	if a.Status != http.StatusOK {
		t.Fatalf("GET /metrics = %d %s", a.Status, a.Body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(a.Body))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for name, f := range families {
		for _, m := range f.Metric {
			key := name
			for _, l := range m.Label {
				if l.GetName() != "plan" && l.GetName() != "storage" && l.GetName() != "project" {
					key += " " + l.GetValue()
				}
			}
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				values[key] = m.Counter.GetValue()
			case dto.MetricType_GAUGE:
				values[key] = m.Gauge.GetValue()
			case dto.MetricType_HISTOGRAM:
				values[key] = float64(m.Histogram.GetSampleCount())
			}
		}
	}
	return values
}

func TestMetricsTellOfTheRunsThatWere(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newSite(t, s)
		s.Client(t).Ask(t, "GET", "/metrics", nil).Refused(t, http.StatusUnauthorized, "sign-in")
		s.Person(t, "Vera Viewer", "viewer", "/project/"+w.project).Ask(t, "GET", "/metrics", nil).Refused(t, http.StatusForbidden, "denied")
		if got := scrape(t, s.Owner); got["backstay_plan_has_good_backup Nightly"] != 0 || got["backstay_snapshots unverified"] != 0 {
			t.Errorf("before the first run: %v", got)
		}
		w.run(t, false)
		w.run(t, true)
		var token struct{ Secret string }
		s.Owner.Post(t, "/tokens", map[string]any{"name": "Prometheus", "permissions": []string{"report.read"}, "expires_at": time.Now().AddDate(0, 6, 0)}, &token)
		program := s.Client(t)
		program.Token = token.Secret
		soon(t, "the end of what follows from the runs", func() bool {
			got := scrape(t, program)
			return got["backstay_queue_length"]+got["backstay_runs_running"] == 0
		})
		got := scrape(t, program)
		for name, want := range map[string]float64{
			"backstay_runs_total backup succeeded": 1, "backstay_runs_total backup failed": 1, "backstay_run_duration_seconds backup": 2,
			"backstay_run_bytes backup": 2, "backstay_plan_has_good_backup Nightly": 1, "backstay_queue_length": 0, "backstay_runs_running": 0,
			"backstay_snapshots unverified": 1, "backstay_alerts_open error": 1, "backstay_alerts_open critical": 0, "backstay_deliveries failed": 0,
			"backstay_http_requests_total metrics 401": 1, "backstay_http_requests_total metrics 403": 1,
		} {
			if value, ok := got[name]; !ok || value != want {
				t.Errorf("%s = %v (there: %t), want %v", name, value, ok, want)
			}
		}
		if age := got["backstay_plan_last_good_age_seconds Nightly"]; age <= 0 || age > 300 {
			t.Errorf("the age of the last good backup = %v", age)
		}
		if got["backstay_http_requests_total api 201"] < 6 {
			t.Errorf("requests = %v", got["backstay_http_requests_total api 201"])
		}
		var sum struct {
			Backups, Good  int
			SuccessRate    float64 `json:"success_rate"`
			AverageSeconds float64 `json:"average_seconds"`
			AverageBytes   float64 `json:"average_bytes"`
			Days           []struct {
				Day           string
				Backups, Good int
			}
		}
		program.Get(t, "/metrics/summary?project="+w.project, &sum)
		if sum.Backups != 2 || sum.Good != 1 || sum.SuccessRate != 0.5 || sum.AverageBytes != float64(len("Dear all")) || sum.AverageSeconds <= 0 || sum.AverageSeconds > 300 ||
			len(sum.Days) != 1 || sum.Days[0].Day != time.Now().UTC().Format(time.DateOnly) || sum.Days[0].Backups != 2 || sum.Days[0].Good != 1 {
			t.Errorf("summary = %+v", sum)
		}
	})
}

// event is one of a stream.
type event struct{ id, name, data string }

func events(stream string) (all []event) {
	for block := range strings.SplitSeq(strings.TrimSpace(stream), "\n\n") {
		var e event
		for line := range strings.Lines(block) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				e.data = value
			}
		}
		all = append(all, e)
	}
	return all
}

func TestARunIsWatchedToItsEnd(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newSite(t, s)
		var r ranRun
		s.Owner.Post(t, "/plans/"+w.plan+"/start", nil, &r)
		a := s.Owner.Ask(t, "GET", "/runs/"+r.ID+"/events", nil) // it answers until the run is over
		all := events(string(a.Body))
		last := all[len(all)-1]
		var ended struct {
			State   string
			Figures struct{ Files int }
		}
		if err := json.Unmarshal([]byte(last.data), &ended); err != nil {
			t.Fatal(err)
		}
		if a.Header.Get("Content-Type") != "text/event-stream" || last.name != "end" || ended.State != "succeeded" || ended.Figures.Files != 1 || all[0].name == "end" {
			t.Errorf("the events = %+v", all)
		}
		s.Person(t, "Nina Nobody", "", "").Ask(t, "GET", "/runs/"+r.ID+"/events", nil).Refused(t, http.StatusNotFound, "not-found")
	})
}

func TestAllLinesOfALongLogComeInOrderAndFromWhereOneWas(t *testing.T) {
	s := servertest.Start(t, server.Options{}).Claim(t)
	w := newSite(t, s)
	r := w.run(t, false)
	file, err := sql.Open("sqlite", "file:"+filepath.Join(s.Data, "backstay.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	const lines = 2500
	_, err = file.Exec(`with recursive n(i) as (select 1001 union all select i + 1 from n where i < 1000 + ?)
		insert into run_lines (run, seq, time, level, text) select ?, i, '2026-01-01 00:00:00+00:00', 'info', 'line ' || i from n`, lines, r.ID)
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := 1001
	for _, e := range events(string(s.Owner.Ask(t, "GET", "/runs/"+r.ID+"/events", nil, "Last-Event-ID", "1000").Body)) {
		if e.name == "line" {
			if e.id != fmt.Sprint(want) || !strings.Contains(e.data, fmt.Sprintf(`"line %d"`, want)) {
				t.Fatalf("line %+v, want number %d", e, want)
			}
			want++
		}
	}
	if want != 1001+lines {
		t.Errorf("%d lines came, want %d", want-1001, lines)
	}
	rest := events(string(s.Owner.Ask(t, "GET", "/runs/"+r.ID+"/events", nil, "Last-Event-ID", "3499").Body))
	if len(rest) != 3 || rest[0].id != "3500" || rest[2].name != "end" {
		t.Errorf("after line 3499 come %+v", rest)
	}
}

func TestAWatchBeatsWhileNothingHappensAndEndsWithItsClient(t *testing.T) {
	c := &ahead{}
	s := servertest.Start(t, server.Options{Clock: c}).Claim(t)
	w := newSite(t, s)
	s.Owner.Patch(t, "/plans/"+w.plan, map[string]any{"retries": 1}, nil)
	w.run(t, true)
	var list struct{ Items []ranRun }
	s.Owner.Get(t, "/runs?state=pending", &list) // the retry waits for a minute
	if len(list.Items) != 1 {
		t.Fatalf("pending runs = %+v", list.Items)
	}
	var token struct{ Secret string }
	s.Owner.Post(t, "/tokens", map[string]any{"name": "Watch", "permissions": []string{"source.read"}, "expires_at": time.Now().AddDate(0, 6, 0)}, &token)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", s.URL+"/api/v1/runs/"+list.Items[0].ID+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token.Secret)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() && lines.Text() != "" { // the run as it is comes at once
	}
	c.by.Add(int64(16 * time.Second))
	if !lines.Scan() || lines.Text() != ": still there" {
		t.Errorf("while nothing happens comes %q, %v", lines.Text(), lines.Err())
	}
	cancel()
	soon(t, "the end of the watch", func() bool { return strings.Contains(s.Log(), list.Items[0].ID+"/events") }) // requests are logged at their end
}
