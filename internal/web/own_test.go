package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/backstay/backstay/internal/server/servertest"
)

func TestSomebodyChangesTheirProfile(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Person(t, "Bob", "viewer", "/")
		has(t, page(t, c, "/settings/profile"), `value="bob@example.org"`, `value="system" checked`, `<option value="UTC" selected>`, `type="tel"`)
		form := url.Values{"name": {`Bob "<i>"`}, "email": {"bob@example.org"}, "phone": {"+49 30 1"}, "zone": {"Asia/Tokyo"}, "preferences.theme": {"dark"}}
		send(t, c, "/settings/profile", form)
		saved := page(t, c, "/settings/profile")
		has(t, saved, `data-bs-theme="dark"`, "Bob &#34;&lt;i&gt;&#34;", "Times are in Asia/Tokyo.", `<option value="Asia/Tokyo" selected>`, "Saved.")
		hasNot(t, saved, "<i>")
		form.Set("phone", "call me")
		wrong := refused(t, c, http.StatusUnprocessableEntity, "/settings/profile", form)
		has(t, wrong, `href="#f-phone"`, `value="call me"`)
		var me struct {
			Email, Zone string
			Disabled    bool
		}
		form.Set("phone", "")
		form.Set("email", "robert@example.org") // confirmed by the sign-in just now
		form.Set("disabled", "true")            // no field of the form
		send(t, c, "/settings/profile", form)
		if c.Get(t, "/profile", &me); me.Email != "robert@example.org" || me.Zone != "Asia/Tokyo" || me.Disabled {
			t.Errorf("the profile is %+v", me)
		}
	})
}

func TestSomebodySeesAndEndsTheirSessions(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Person(t, "Bob", "viewer", "/")
		has(t, page(t, c, "/settings/sessions"), "You are signed in at 1\u00a0place", "This one", "Go-http-client/1.1")
		hasNot(t, page(t, c, "/settings/sessions"), "End all others")
		enter := func() *servertest.Client {
			other := s.Client(t)
			send(t, other, "/sign-in", url.Values{"email": {"bob@example.org"}, "password": {servertest.Password}})
			return other
		}
		one, two, three := enter(), enter(), enter()
		list := page(t, c, "/settings/sessions")
		has(t, list, "4\u00a0places", "End all others")
		var sessions struct {
			Items []struct {
				ID      string
				Current bool
			}
		}
		one.Get(t, "/sessions", &sessions)
		eve := s.Person(t, "Eve", "viewer", "/")
		for _, is := range sessions.Items {
			if !is.Current {
				continue
			}
			at := "/settings/sessions/" + is.ID + "/end"
			if a := eve.Page(t, http.MethodPost, at, nil); a.Status != http.StatusNotFound {
				t.Errorf("somebody ends the session of another person: %d", a.Status)
			}
			send(t, c, at, nil)
		}
		leads(t, one, "/", "/sign-in")
		page(t, two, "/")
		send(t, c, "/settings/sessions/end-others", nil)
		has(t, page(t, c, "/settings/sessions"), "2\u00a0sessions have ended.", "1\u00a0place")
		leads(t, two, "/", "/sign-in")
		leads(t, three, "/", "/sign-in")
	})
}

func TestATokenIsShownOnceAndWorks(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Person(t, "Bob", "operator", "/")
		has(t, page(t, c, "/settings/tokens"), "No tokens yet", "Create a token")
		offered := page(t, c, "/settings/tokens/new")
		has(t, offered, `value="source.read"`, "The project Default")
		hasNot(t, offered, `value="user.manage"`, `value="system.settings.manage"`)
		form := url.Values{"name": {"Scripts <b>"}, "expires_at": {"30"}, "within": {""}}
		has(t, refused(t, c, http.StatusUnprocessableEntity, "/settings/tokens", form), `href="#f-permissions"`, "Scripts &lt;b&gt;")
		form["permissions"] = []string{"source.read"}
		made := c.Page(t, http.MethodPost, "/settings/tokens", form)
		secret := regexp.MustCompile(`id="token"[^>]*>([^<]+)<`).FindStringSubmatch(string(made.Body))
		if made.Status != http.StatusOK || secret == nil {
			t.Fatalf("POST = %d\n%s", made.Status, made.Body)
		}
		list := page(t, c, "/settings/tokens")
		has(t, list, "Scripts &lt;b&gt;", "see sources, storages, plans and runs")
		hasNot(t, list, secret[1])
		if strings.Contains(s.Log(), secret[1]) {
			t.Error("the log has the token")
		}
		program := s.Client(t)
		program.Token = secret[1]
		program.Get(t, "/sources", nil)
		var tokens struct{ Items []struct{ ID string } }
		c.Get(t, "/tokens", &tokens)
		at := "/settings/tokens/" + tokens.Items[0].ID + "/delete"
		if a := s.Owner.Page(t, http.MethodPost, at, nil); a.Status != http.StatusNotFound {
			t.Errorf("the token of another person is deleted here: %d", a.Status)
		}
		has(t, page(t, c, at), "Delete the token Scripts &lt;b&gt;?")
		send(t, c, at, nil)
		program.Ask(t, http.MethodGet, "/sources", nil).Refused(t, http.StatusUnauthorized, "sign-in")

		viewer := s.Person(t, "Vic", "viewer", "/")
		hasNot(t, page(t, viewer, "/settings/tokens"), "Create a token")
		hasNot(t, page(t, viewer, "/settings/profile"), "API tokens")
		if a := viewer.Page(t, http.MethodPost, "/settings/tokens", form); a.Status != http.StatusForbidden {
			t.Errorf("who may not make tokens makes one: %d", a.Status)
		}
	})
}

func TestHelpIsThereForEverybody(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Client(t)
		has(t, page(t, c, "/help"), `id="keys"`, "Have a link mailed", "restic -r LOCATION restore latest", "What the words mean")
		hasNot(t, page(t, c, "/help"), "/errors/", `data-keys="off"`, "Get the recovery kit")
		has(t, page(t, s.Owner, "/help"), `href="/errors/BST-2001"`, "Ada Owner")
		if to := send(t, c, "/help/keys", nil); to != "/help#keys" {
			t.Errorf("the switch leads to %q", to)
		}
		for _, path := range []string{"/help", "/sign-in"} {
			has(t, page(t, c, path), `<body data-keys="off">`)
		}
		send(t, c, "/help/keys", nil)
		hasNot(t, page(t, c, "/help"), `data-keys="off"`)
	})
}

func TestAPageKnowsForHowLongTheSessionIsGood(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		left := func(idle, most int) int {
			s.Owner.Patch(t, "/settings", map[string]any{"session_idle_minutes": idle, "session_max_minutes": most}, nil)
			c := s.Client(t)
			send(t, c, "/sign-in", url.Values{"email": {"ada@example.org"}, "password": {servertest.Password}})
			found := regexp.MustCompile(`data-left="(\d+)"`).FindStringSubmatch(page(t, c, "/settings/profile"))
			if found == nil {
				t.Fatal("the page says nothing")
			}
			n, err := strconv.Atoi(found[1])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if n := left(60, 600); n > 3600 || n < 3500 {
			t.Errorf("with an hour of doing nothing allowed it is good for %d s", n)
		}
		if n := left(60, 30); n > 1800 || n < 1700 {
			t.Errorf("with half an hour in all it is good for %d s", n)
		}
		hasNot(t, page(t, s.Client(t), "/sign-in"), "data-left")
	})
}

func TestSomebodySaysWhatTheyAreToldOf(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		has(t, page(t, c, "/settings/notifications"), "No rules of your own yet", "Add a rule")
		var channel struct{ ID string }
		c.Post(t, "/channels", map[string]any{"name": "My <b> mail", "kind": "email", "settings": map[string]string{"host": "mail.example.org", "from": "backstay@example.org", "to": "ada@example.org"}}, &channel)
		c.Post(t, "/notification-rules", map[string]any{"channel": channel.ID, "events": []string{"run.missed"}}, nil) // everybody's
		has(t, page(t, c, "/settings/notifications/new"), "The server: all projects", "My &lt;b&gt; mail")
		form := url.Values{"project": {""}, "channel": {channel.ID}, "min_severity": {"info"}, "reminder_hours": {"0"}, "quiet.zone": {"UTC"}, "digest.zone": {"UTC"}}
		refused(t, c, http.StatusUnprocessableEntity, "/settings/notifications", form)
		form["events"] = []string{"run.failed"}
		to := send(t, c, "/settings/notifications", form)
		has(t, page(t, c, to), "Ada Owner: only what they may see")
		list := page(t, c, "/settings/notifications")
		has(t, list, "A run failed", "My &lt;b&gt; mail")
		hasNot(t, list, "A run was missed")
		var me struct{ ID string }
		c.Get(t, "/profile", &me)
		var rules struct{ Items []struct{ User string } }
		if c.Get(t, "/notification-rules?user="+me.ID, &rules); len(rules.Items) != 1 {
			t.Errorf("the own rules are %+v", rules.Items)
		}
		send(t, c, to+"/delete", url.Values{"version": {"1"}})
		has(t, page(t, c, "/settings/notifications"), "No rules of your own yet")

		viewer := s.Person(t, "Vic", "viewer", "/")
		hasNot(t, page(t, viewer, "/settings/profile"), "Notifications")
		if a := viewer.Page(t, http.MethodPost, "/settings/notifications", form); a.Status != http.StatusForbidden {
			t.Errorf("who may have no rules makes one: %d", a.Status)
		}
	})
}
