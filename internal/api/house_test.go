package api_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/notify/notifytest"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/servers"
)

// signInAgain is for an owner whose clock was moved on.
func signInAgain(t *testing.T, s *servertest.Server) {
	t.Helper()
	s.Owner.Post(t, "/session", map[string]string{"email": "ada@example.org", "password": servertest.Password}, nil)
}

// TestWhatRanOutIsRemovedButNeverTheTrail fills each table that grows by itself, and moves the clock.
func TestWhatRanOutIsRemovedButNeverTheTrail(t *testing.T) {
	for name, database := range map[string]func() string{"SQLite": func() string { return "" }, "PostgreSQL": func() string { return servers.Postgres(t) }} {
		t.Run(name, func(t *testing.T) {
			c := &ahead{}
			location := database()
			s := servertest.Start(t, server.Options{Database: location, Clock: c}).Claim(t)
			if location == "" {
				location = filepath.Join(s.Data, "backstay.db")
			}
			d, err := db.Open(t.Context(), location)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			w := newSite(t, s)
			hook := newHook(t)
			w.channel(t, "webhook", hook.settings("/x"), map[string]any{})
			w.run(t, true)
			w.run(t, false)
			s.Owner.Post(t, "/tokens", map[string]any{"name": "T", "permissions": []string{"report.read"}, "expires_at": c.Now().Add(time.Hour)}, nil)
			var user thing
			s.Owner.Post(t, "/users", map[string]string{"name": "Bob", "email": "bob@example.org"}, &user)
			s.Owner.Post(t, "/users/"+user.ID+"/link", nil, nil)
			s.Client(t).Post(t, "/session/passkey/begin", nil, nil)
			soon(t, "the messages", func() bool { return len(w.deliveries(t, "state=sent")) >= 2 })
			restore := backstay.Restore{Record: stamp("old-restore"), Placed: backstay.Placed{Project: w.project, Scope: backstay.ProjectScope(w.project).Of("restore", "old-restore")}, State: backstay.RestoreDone}
			report := filepath.Join(s.Data, "restores", "old-restore.report")
			if err := d.Write(t.Context(), func(tx *db.Tx) error {
				return db.Insert(t.Context(), tx, &restore)
			}); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.MkdirAll(filepath.Dir(report), 0o700), os.WriteFile(report, []byte("{}"), 0o600)); err != nil {
				t.Fatal(err)
			}
			counts := func() map[string]int { return rowsOf(t, location) }
			before := counts()
			for _, table := range []string{"runs", "run_lines", "alerts", "deliveries", "restores", "sessions", "tokens", "links", "ceremonies", "audit_events"} {
				if before[table] == 0 {
					t.Errorf("there is nothing in %s", table)
				}
			}
			left := func(tables ...string) bool {
				now := counts()
				return !slices.ContainsFunc(tables, func(table string) bool { return now[table] > 0 })
			}
			c.by.Add(int64(10 * time.Minute))
			c.soon(t, "the end of unfinished sign-ins", func() bool { return left("ceremonies") })
			c.by.Add(int64(60 * 24 * time.Hour))
			time.Sleep(2 * time.Second)
			if left("tokens") || left("links") || left("deliveries") || left("alerts") {
				t.Errorf("after 60 days: %v, before: %v", counts(), before)
			}
			c.by.Add(int64(40 * 24 * time.Hour))
			c.soon(t, "the end of tokens, links and messages", func() bool { return left("tokens", "links", "deliveries") })
			if left("runs") || left("alerts") || left("restores") {
				t.Errorf("after 100 days: %v", counts())
			}
			c.by.Add(int64(410 * 24 * time.Hour))
			c.soon(t, "the end of all others", func() bool {
				now := counts()
				return now["runs"] == 0 && now["run_lines"] == 0 && now["alerts"] == 0 && now["restores"] == 0 && now["sessions"] == 0
			})
			c.soon(t, "the end of the report of the restore", func() bool { _, err := os.Stat(report); return err != nil })
			if now := counts(); now["audit_events"] < before["audit_events"] || now["audit_marks"] < before["audit_marks"] {
				t.Errorf("of the trail there are %v, before %v", now, before)
			}
			signInAgain(t, s)
			var verdict struct{ Good bool }
			s.Owner.Post(t, "/audit-events/verify", map[string]any{}, &verdict)
			if !verdict.Good {
				t.Error("the trail is not what it was")
			}
		})
	}
}

// rowsOf counts the rows of the tables that grow by themselves, without those of the time that the clock was moved to.
func rowsOf(t *testing.T, location string) map[string]int {
	t.Helper()
	driver, at := "pgx", location
	if !db.IsPostgres(location) {
		driver, at = "sqlite", "file:"+location+"?_pragma=busy_timeout(5000)"
	}
	raw, err := sql.Open(driver, at)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	counts := map[string]int{}
	for _, table := range []string{"runs", "run_lines", "alerts", "deliveries", "restores", "sessions", "tokens", "links", "ceremonies", "audit_events", "audit_marks"} {
		column := map[string]string{"run_lines": "time", "ceremonies": "expires_at", "audit_events": "time"}[table]
		if column == "" {
			column = "created_at"
		}
		where := " where " + column + " < '" + time.Now().UTC().Add(2*time.Hour).Format("2006-01-02 15:04:05") + "'"
		if table == "audit_marks" {
			where = ""
		}
		var n int
		if err := raw.QueryRowContext(context.Background(), "select count(*) from "+table+where).Scan(&n); err != nil {
			t.Fatal(err)
		}
		counts[table] = n
	}
	return counts
}

func TestAChannelTakesSoManyMessagesAnHourAndTheRestTogether(t *testing.T) {
	for name, database := range map[string]func() string{"SQLite": func() string { return "" }, "PostgreSQL": func() string { return servers.Postgres(t) }} {
		t.Run(name, func(t *testing.T) {
			c := &ahead{}
			location := database()
			s := servertest.Start(t, server.Options{Database: location, Clock: c}).Claim(t)
			if location == "" {
				location = filepath.Join(s.Data, "backstay.db")
			}
			w, hook := newSite(t, s), newHook(t)
			channel := w.channel(t, "webhook", hook.settings("/few"), map[string]any{"events": []string{"run.*"}})
			s.Owner.Patch(t, "/channels/"+channel, map[string]any{"hourly_limit": 2}, nil)
			s.Owner.Ask(t, "PATCH", "/channels/"+channel, map[string]any{"hourly_limit": -1}).Refused(t, http.StatusUnprocessableEntity, "invalid")
			for range 5 {
				w.run(t, false)
			}
			held := func() (n int) {
				var list struct {
					Items []struct {
						Held  bool
						State string
					}
				}
				s.Owner.Get(t, "/deliveries?channel="+channel, &list)
				for _, d := range list.Items {
					if d.Held && d.State == "pending" {
						n++
					}
				}
				return n
			}
			soon(t, "what is held", func() bool { return held() == 3 })
			if got := hook.all(); len(got) != 2 || got[0].Type != "run.succeeded" || got[1].Type != "run.succeeded" {
				t.Errorf("the first messages = %+v", got)
			}
			// What is critical doesn't wait.
			critical := backstay.Delivery{Record: stamp("critical"), Placed: backstay.Placed{Project: w.project, Scope: backstay.ProjectScope(w.project)}, Channel: channel, Event: "alert.opened",
				EventID: "critical", Severity: backstay.SeverityCritical, Subject: "Fire", State: backstay.DeliveryPending, Message: []byte(`{"id":"critical","event":"alert.opened","severity":"critical","subject":"Fire"}`)}
			critical.Due, critical.Next = critical.CreatedAt, critical.CreatedAt
			insert(t, location, &critical)
			soon(t, "the critical message", func() bool { return len(hook.all()) == 3 })
			c.by.Add(int64(50 * time.Minute))
			time.Sleep(3 * time.Second)
			if got := hook.all(); len(got) != 3 || got[2].Data.Subject != "Fire" {
				t.Errorf("before the hour is over: %+v", got)
			}
			c.by.Add(int64(11 * time.Minute))
			soon(t, "the rest", func() bool { return len(w.deliveries(t, "channel="+channel+"&state=sent")) == 6 })
			got := hook.all()
			if len(got) != 4 || got[3].Type != "digest" || strings.Count(got[3].Data.Text, "succeeded") != 3 {
				t.Errorf("after the hour: %+v", got)
			}
			s.Owner.Patch(t, "/channels/"+channel, map[string]any{"hourly_limit": 0}, nil)
			for range 3 {
				w.run(t, false)
			}
			soon(t, "all messages of a channel without a limit", func() bool { return len(hook.all()) == 7 })
		})
	}
}

// insert puts a delivery into the database of a server behind its back.
func insert(t *testing.T, location string, v *backstay.Delivery) {
	t.Helper()
	d, err := db.Open(t.Context(), location)
	if err == nil {
		err = d.Write(t.Context(), func(tx *db.Tx) error { return db.Insert(t.Context(), tx, v) })
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestACertificateThatEndsSoonOpensAnAlert(t *testing.T) {
	c := &ahead{}
	dir := t.TempDir()
	put := func(cert notifytest.Certificate) {
		for name, text := range map[string]string{"cert.pem": cert.Chain, "key.pem": cert.Key} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(notifytest.NewCertificateUntil(t, time.Now().Add(20*24*time.Hour), "localhost"))
	s := servertest.Start(t, server.Options{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem"), Clock: c})
	s.AnyCertificate = true
	s.Claim(t)
	var list struct{ Items []alert }
	is := func(severity string) func() bool {
		return func() bool {
			s.Owner.Get(t, "/alerts?open=true&kind=certificate-expiring", &list)
			if severity == "" {
				return len(list.Items) == 0
			}
			return len(list.Items) == 1 && list.Items[0].Severity == severity
		}
	}
	move := func(days int) { c.by.Add(int64(days) * int64(24*time.Hour)); signInAgain(t, s) }
	move(5)
	time.Sleep(2 * time.Second)
	if !is("")() {
		t.Errorf("15 days before: %+v", list.Items)
	}
	move(2)
	c.soon(t, "the warning", is("warning"))
	if v := list.Items[0]; v.Next == "" || !strings.Contains(v.Text, fmt.Sprint(time.Now().Add(20*24*time.Hour).UTC().Year())) {
		t.Errorf("alert = %+v", v)
	}
	move(11)
	c.soon(t, "the error", is("error"))
	put(notifytest.NewCertificateUntil(t, time.Now().Add(90*24*time.Hour), "localhost"))
	c.by.Add(int64(6 * time.Minute))
	c.soon(t, "the end of the alert", is(""))
}
