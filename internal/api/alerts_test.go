package api_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/servers"
)

func TestAFailingBackupOpensOneAlertThatTheNextGoodOneResolves(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w, hook := newSite(t, s), newHook(t)
		port, mails := postOffice(t)
		s.Owner.Patch(t, "/settings", map[string]string{"url": "https://backup.example.org"}, nil)
		w.channel(t, "webhook", hook.settings("/hook"), map[string]any{})
		mail := w.channel(t, "email", map[string]string{"host": "127.0.0.1", "port": port, "security": "none", "from": "backup@example.com", "to": "ana@example.com"},
			map[string]any{"events": []string{"alert.*"}})
		failed := w.run(t, true)
		soon(t, "the messages", func() bool { return len(hook.all()) >= 1 && len(mails()) >= 1 })
		w.run(t, true) // the alert is open already
		open := w.alerts(t, "&open=true")
		if len(open) != 1 || open[0].Kind != "run-failed" || open[0].Severity != "error" || open[0].Next == "" {
			t.Fatalf("open alerts = %+v, want one of a failed run", open)
		}
		first := hook.all()[0]
		if first.Type != "alert.opened" || !first.signed() || !strings.Contains(first.Data.Subject, `plan "Nightly"`) || first.Data.Project != "Office" ||
			first.Data.Link != "https://backup.example.org/alerts/"+open[0].ID {
			t.Errorf("the first webhook = %+v, signed %t, of the run %s", first, first.signed(), failed.ID)
		}
		w.run(t, false)
		soon(t, "what tells that it is well again", func() bool { return len(hook.all()) >= 3 && len(mails()) >= 2 })
		time.Sleep(3 * time.Second) // for messages that should not come
		var types []string
		for _, p := range hook.all() {
			types = append(types, p.Type)
			if !p.signed() {
				t.Errorf("%s is not signed", p.Type)
			}
		}
		if got := strings.Join(types, " "); got != "alert.opened run.failed alert.resolved" {
			t.Errorf("the webhook was told of %s", got)
		}
		if got := mails(); len(got) != 2 || !strings.Contains(got[0], "the backup failed") || !strings.Contains(got[1], "resolved") {
			t.Errorf("mails = %q, want one of the opening and one of the end", got)
		}
		if open := w.alerts(t, "&open=true"); len(open) != 0 {
			t.Errorf("open alerts after a good run = %+v", open)
		}
		if all := w.alerts(t, ""); len(all) != 1 {
			t.Errorf("alerts = %+v, want one", all)
		}
		var trail struct{ Items []struct{ Action string } }
		s.Owner.Get(t, "/audit-events?action=alert.", &trail)
		if len(trail.Items) != 2 || trail.Items[0].Action != "alert.resolved" {
			t.Errorf("the trail of alerts = %+v", trail.Items)
		}
		s.Owner.Post(t, "/channels/"+mail+"/test", nil, nil)
		soon(t, "the test mail", func() bool { return len(mails()) == 3 })
		if !strings.Contains(mails()[2], "This is a test") {
			t.Errorf("the test mail = %s", mails()[2])
		}
	})
}

func TestADeadReceiverIsTriedAgainAndARefusalIsShown(t *testing.T) {
	c := &ahead{}
	s := servertest.Start(t, server.Options{Clock: c}).Claim(t)
	w, hook := newSite(t, s), newHook(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	refuses := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refuses.Close)
	dead := w.channel(t, "webhook", map[string]string{"url": "http://" + address + "/hook", "secret": hookSecret}, map[string]any{})
	refused := w.channel(t, "webhook", map[string]string{"url": refuses.URL + "/gone", "secret": hookSecret}, map[string]any{"name": "refuses"})
	w.channel(t, "webhook", hook.settings("/alive"), map[string]any{})
	w.run(t, true)
	soon(t, "the attempts", func() bool {
		waiting, failed := w.deliveries(t, "channel="+dead), w.deliveries(t, "channel="+refused)
		return len(waiting) == 1 && waiting[0].Attempts == 1 && len(failed) == 1 && failed[0].Attempts == 1 && len(hook.all()) == 1
	})
	waiting := w.deliveries(t, "channel="+dead)[0]
	if waiting.State != "pending" || waiting.Error == "" || strings.Contains(waiting.Error, "/hook") {
		t.Errorf("what waits for a dead receiver = %+v", waiting)
	}
	failed := w.deliveries(t, "state=failed")
	if len(failed) > 1 || len(failed) == 1 && failed[0].Channel != refused {
		t.Errorf("failed deliveries = %+v, want none but of the one that refuses", failed)
	}
	if l, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	alive := &http.Server{Handler: hook.Config.Handler}
	go func() { _ = alive.Serve(l) }()
	t.Cleanup(func() { _ = alive.Close() })
	c.by.Add(int64(11 * time.Second))
	soon(t, "the second attempt", func() bool { return w.deliveries(t, "channel="+dead)[0].State == "sent" })
	c.by.Add(int64(4 * 24 * time.Hour))
	s.Owner.Post(t, "/session", map[string]string{"email": "ada@example.org", "password": servertest.Password}, nil)
	soon(t, "that what is refused is given up", func() bool { return len(w.deliveries(t, "state=failed")) == 1 })
}

func TestMessagesWaitForTheEndOfQuietHours(t *testing.T) {
	c := &ahead{}
	s := servertest.Start(t, server.Options{Clock: c}).Claim(t)
	w, hook := newSite(t, s), newHook(t)
	end := c.Now().UTC().Truncate(time.Minute).Add(2 * time.Hour)
	quiet := map[string]any{"from": c.Now().UTC().Add(-time.Hour).Format("15:04"), "to": end.Format("15:04"), "zone": "UTC"}
	channel := w.channel(t, "webhook", hook.settings("/quiet"), map[string]any{"quiet": quiet})
	w.run(t, true)
	soon(t, "the message", func() bool { return len(w.deliveries(t, "channel="+channel)) == 1 })
	time.Sleep(3 * time.Second)
	d := w.deliveries(t, "channel="+channel)[0]
	if d.State != "pending" || d.Attempts != 0 || !d.Next.Equal(end) || len(hook.all()) != 0 {
		t.Errorf("in quiet hours the delivery is %+v, want it to wait until %v", d, end)
	}
	c.by.Add(int64(2 * time.Hour))
	soon(t, "the message after quiet hours", func() bool { return len(hook.all()) == 1 })
}

func TestSomebodyIsRemindedOfAnOpenAlertUntilTheyTakeCareOfIt(t *testing.T) {
	c := &ahead{}
	s := servertest.Start(t, server.Options{Clock: c}).Claim(t)
	w, hook := newSite(t, s), newHook(t)
	w.channel(t, "webhook", hook.settings("/nag"), map[string]any{"events": []string{"alert.*"}, "reminder_hours": 1})
	w.run(t, true)
	soon(t, "the message", func() bool { return len(hook.all()) == 1 })
	c.by.Add(int64(time.Hour))
	soon(t, "the reminder", func() bool { return len(hook.all()) == 2 })
	if got := hook.all()[1]; got.Type != "alert.reminder" || got.ID == hook.all()[0].ID {
		t.Errorf("the reminder = %+v", got)
	}
	open := w.alerts(t, "&open=true")
	var taken alert
	s.Owner.Post(t, "/alerts/"+open[0].ID+"/acknowledge", nil, &taken)
	if taken.AcknowledgedBy == "" || !taken.Open {
		t.Errorf("the acknowledged alert = %+v", taken)
	}
	c.by.Add(int64(2 * time.Hour))
	time.Sleep(3 * time.Second)
	if got := hook.all(); len(got) != 2 {
		t.Errorf("%d messages, want no reminder of what somebody takes care of", len(got))
	}
}

func TestTwoServersOfOneDatabaseSendEachMessageOnce(t *testing.T) {
	url := servers.Postgres(t)
	s := servertest.Start(t, server.Options{Database: url}).Claim(t)
	servertest.Start(t, server.Options{Database: url, Data: s.Data})
	w, hook := newSite(t, s), newHook(t)
	const channels = 12
	for i := range channels {
		w.channel(t, "webhook", hook.settings(fmt.Sprint("/", i)), map[string]any{"name": i})
	}
	w.run(t, true)
	w.run(t, false)
	soon(t, "all messages", func() bool { return len(w.deliveries(t, "state=sent")) == 2*channels })
	time.Sleep(3 * time.Second)
	seen := map[string]int{}
	for _, p := range hook.all() {
		seen[p.Path+" "+p.ID]++
	}
	if len(seen) != 2*channels || len(hook.all()) != 2*channels {
		t.Errorf("%d messages came, of which %d are different; want %d", len(hook.all()), len(seen), 2*channels)
	}
}

func TestSecretsOfChannelsAreNeverShownAndRightsHold(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w, hook := newSite(t, s), newHook(t)
		channel := w.channel(t, "webhook", hook.settings("/secret-path"), map[string]any{})
		var own thing
		s.Owner.Post(t, "/channels", map[string]any{"name": "Server's own", "kind": "webhook", "settings": hook.settings("/own")}, &own)
		for _, path := range []string{"/channels", "/channels/" + channel, "/audit-events?action=channel."} {
			if a := s.Owner.Ask(t, "GET", path, nil); strings.Contains(string(a.Body), "whsec_") || strings.Contains(string(a.Body), "secret-path") {
				t.Errorf("GET %s shows a secret: %s", path, a.Body)
			}
		}
		s.Owner.Patch(t, "/channels/"+channel, map[string]string{"name": "Renamed"}, nil)
		s.Owner.Post(t, "/channels/"+channel+"/test", nil, nil)
		if got := hook.all(); len(got) != 1 || got[0].Path != "/secret-path" || !got[0].signed() {
			t.Errorf("after a change of the name the channel sent %+v", got)
		}
		viewer := s.Person(t, "Vera Viewer", "viewer", "/project/"+w.project)
		viewer.Ask(t, "GET", "/channels/"+channel, nil).Refused(t, http.StatusNotFound, "not-found")
		viewer.Ask(t, "POST", "/channels/"+channel+"/test", nil).Refused(t, http.StatusNotFound, "not-found")
		member := s.Person(t, "Mia Member", "member", "/project/"+w.project)
		admin := s.Person(t, "Adam Admin", "project-admin", "/project/"+w.project)
		admin.Get(t, "/channels/"+channel, nil)
		rule := map[string]any{"project": w.project, "channel": own.ID, "events": []string{"*"}}
		admin.Ask(t, "POST", "/notification-rules", rule).Refused(t, http.StatusUnprocessableEntity, "invalid")
		var mine thing
		member.Post(t, "/channels", map[string]any{"project": w.project, "name": "Mia's", "kind": "webhook", "settings": map[string]string{"url": "https://hooks.example/mia", "secret": hookSecret}}, &mine)
		var made struct{ ID, User string }
		rule["channel"] = mine.ID
		member.Post(t, "/notification-rules", rule, &made)
		if made.User == "" {
			t.Error("a member's rule tells of everything in the project")
		}
		var near thing
		member.Post(t, "/channels", map[string]any{"project": w.project, "name": "This machine", "kind": "webhook", "settings": hook.settings("/near")}, &near)
		member.Ask(t, "POST", "/channels/"+near.ID+"/test", nil).Refused(t, http.StatusConflict, "conflict") // it may not reach the server's own machine
		s.Owner.Patch(t, "/channels/"+near.ID, map[string]string{"name": "Looks harmless"}, nil)
		member.Ask(t, "POST", "/channels/"+near.ID+"/test", nil).Refused(t, http.StatusConflict, "conflict")
		w.run(t, true)
		if all := w.deliveries(t, "channel="+mine.ID); len(all) != 0 {
			t.Errorf("a member is told of what they may not see: %+v", all)
		}
		if all := w.deliveries(t, "channel="+channel); len(all) != 1 {
			t.Errorf("the project is told %+v", all)
		}
		w.s.Owner.Ask(t, "POST", "/channels", map[string]any{"project": w.project, "name": "Bad", "kind": "webhook", "settings": map[string]string{"url": "ftp://x"}}).
			Refused(t, http.StatusUnprocessableEntity, "invalid")
	})
}

func TestAStorageAboveItsLimitOpensAnAlertAndATokenToo(t *testing.T) {
	c := &ahead{}
	s := servertest.Start(t, server.Options{Clock: c}).Claim(t)
	w := newSite(t, s)
	w.run(t, false)
	s.Owner.Patch(t, "/storages/"+w.storage, map[string]any{"limit": 10}, nil)
	s.Owner.Post(t, "/repositories/"+w.repository+"/scan", nil, nil)
	c.soon(t, "the alert of the storage", func() bool { return len(w.alerts(t, "&open=true")) == 1 })
	var list struct {
		Items []struct {
			Kind    string
			CleanUp []struct {
				Object string
				Bytes  int64
			} `json:"clean_up"`
		}
	}
	s.Owner.Get(t, "/alerts?open=true", &list)
	if a := list.Items[0]; a.Kind != "storage-limit" || len(a.CleanUp) != 2 || a.CleanUp[0].Object != "snapshot" || a.CleanUp[1].Object != "repository" || a.CleanUp[1].Bytes < 100 {
		t.Errorf("the alert = %+v, want one with a snapshot and a repository to clean up", a)
	}
	s.Owner.Patch(t, "/storages/"+w.storage, map[string]any{"limit": 0}, nil)
	s.Owner.Post(t, "/tokens", map[string]any{"name": "Old script", "permissions": []string{"report.read"}, "expires_at": c.Now().Add(24 * time.Hour)}, nil)
	c.by.Add(int64(5 * time.Minute)) // it looks around
	c.soon(t, "the end of one alert and another one", func() bool {
		s.Owner.Get(t, "/alerts?open=true", &list)
		return len(list.Items) == 1 && list.Items[0].Kind == "token-expiring"
	})
}

func TestADigestIsOneMessageThatTellsOfAll(t *testing.T) {
	c := &ahead{}
	s := servertest.Start(t, server.Options{Clock: c, Database: servers.Postgres(t)}).Claim(t)
	w, hook := newSite(t, s), newHook(t)
	channel := w.channel(t, "webhook", hook.settings("/digest"), map[string]any{"digest": map[string]any{"every": "hourly", "zone": "UTC"}})
	w.run(t, true)
	w.run(t, false)
	if all := w.deliveries(t, "channel="+channel+"&state=pending"); len(all) != 2 || all[0].Attempts != 0 {
		t.Fatalf("before the hour is full: %+v", all)
	}
	c.by.Add(int64(time.Hour))
	soon(t, "the digest", func() bool { return len(w.deliveries(t, "channel="+channel+"&state=sent")) == 2 })
	got := hook.all()
	if len(got) != 1 || got[0].Type != "digest" || !strings.Contains(got[0].Data.Text, "the backup failed") || !strings.Contains(got[0].Data.Text, "resolved") {
		t.Errorf("the digest = %+v", got)
	}
}

func TestOnlyAFullVerificationClosesTheAlertOfOne(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		w := newSite(t, s)
		w.run(t, false)
		packs, err := filepath.Glob(filepath.Join(w.place, "data", "*", "*"))
		if err != nil || len(packs) == 0 {
			t.Fatalf("packs = %v, %v", packs, err)
		}
		flip := func() {
			for _, name := range packs {
				data, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				data[5] ^= 1
				if err := os.Chmod(name, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		verify := func(level string) {
			var r ranRun
			s.Owner.Post(t, "/repositories/"+w.repository+"/verify", map[string]string{"level": level}, &r)
			soon(t, "the end of the verification", func() bool {
				s.Owner.Get(t, "/runs/"+r.ID, &r)
				return r.State != "pending" && r.State != "running"
			})
		}
		flip()
		verify("full")
		open := w.alerts(t, "&open=true")
		if len(open) != 1 || open[0].Kind != "verification-failed" || open[0].Severity != "critical" || open[0].Name != "Box" {
			t.Fatalf("after damage was found: %+v", open)
		}
		flip()
		verify("structure")
		if open := w.alerts(t, "&open=true"); len(open) != 1 {
			t.Errorf("after a look at the structure: %+v, want the alert open still", open)
		}
		verify("full")
		if open := w.alerts(t, "&open=true"); len(open) != 0 {
			t.Errorf("after all was read and found right: %+v", open)
		}
	})
}
