package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

func TestTheTrailIsFilteredReadAndChecked(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		ana := s.Person(t, "Ana Ruiz", "viewer", "/")
		group := send(t, c, "/settings/groups", url.Values{"name": {"Night shift"}})
		send(t, c, group+"/edit", url.Values{"name": {"Late shift"}, "help": {"They stay up"}, "version": {"1"}})
		ana.Page(t, http.MethodPost, "/settings/groups", url.Values{"name": {"Hers"}})
		all := page(t, c, "/settings/audit")
		has(t, all, "Group updated", "Access denied", "Who did what", "Check the whole trail now", "Export CSV")
		denied := main(page(t, c, "/settings/audit?result=denied"))
		has(t, denied, "Access denied", "Ana Ruiz")
		hasNot(t, denied, "Group updated")
		hers := main(page(t, c, "/settings/audit?who=ana+ruiz"))
		has(t, hers, "Access denied", `value="ana ruiz"`)
		hasNot(t, hers, "Group updated")
		has(t, main(page(t, c, "/settings/audit?who=nobody+at+all")), "No events")
		has(t, main(page(t, c, "/settings/audit?action=group.&since=2020-01-01")), "Group updated", "Group created")
		has(t, main(page(t, c, "/settings/audit?until=2020-01-01")), "No events")
		var trail struct{ Items []struct{ Seq int } }
		c.Get(t, "/audit-events?action=group.updated", &trail)
		event := main(page(t, c, "/settings/audit/"+strconv.Itoa(trail.Items[0].Seq)))
		has(t, event, "Group updated", "What changed", "Night shift", "Late shift", "They stay up", "not there", "What stayed the same", "by password", "Its place in the chain")
		if a := c.Page(t, http.MethodGet, "/settings/audit/999999", nil); a.Status != http.StatusNotFound {
			t.Errorf("an event that isn't there = %d", a.Status)
		}
		checked := c.Page(t, http.MethodPost, "/settings/audit/verify", nil)
		has(t, string(checked.Body), "The trail is whole.", "Keep this elsewhere", "&#34;signature&#34;")
		if a := ana.Page(t, http.MethodGet, "/settings/audit", nil); a.Status != http.StatusForbidden {
			t.Errorf("a viewer's GET of the trail = %d", a.Status)
		}
		pia := s.Person(t, "Pia Admin", "project-admin", defaultProject(t, c))
		own := main(page(t, pia, "/settings/audit"))
		hasNot(t, own, "Late shift", "Check the whole trail", "Export")
		if a := pia.Page(t, http.MethodPost, "/settings/audit/verify", nil); a.Status != http.StatusForbidden {
			t.Errorf("a project administrator's check of the whole trail = %d", a.Status)
		}
		if a := pia.Page(t, http.MethodGet, "/settings/audit/"+strconv.Itoa(trail.Items[0].Seq), nil); a.Status != http.StatusNotFound {
			t.Errorf("an event of the server to a project administrator = %d", a.Status)
		}
	})
}

// receiver is a server that takes messages as long as it is well.
func receiver(t *testing.T) (address string, ill *bool) {
	t.Helper()
	ill = new(bool)
	r := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if *ill {
			http.Error(w, "no", http.StatusForbidden)
		}
	}))
	t.Cleanup(r.Close)
	return r.URL, ill
}

func TestAReceiverOfTheTrailIsAddedAndTested(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		address, ill := receiver(t)
		has(t, page(t, c, "/settings/sinks/new"), "Webhook", "Syslog", "/settings/sinks/new?kind=webhook")
		has(t, page(t, c, "/settings/sinks/new?kind=webhook"), "Address", "Secret")
		wrong := c.Page(t, http.MethodPost, "/settings/sinks", url.Values{"name": {"Archive"}, "kind": {"webhook"}, "settings.secret": {"short"}})
		if wrong.Status != http.StatusUnprocessableEntity {
			t.Errorf("a receiver without an address = %d", wrong.Status)
		}
		has(t, string(wrong.Body), `aria-invalid="true"`, `value="Archive"`)
		to := send(t, c, "/settings/sinks", url.Values{"name": {"Archive"}, "kind": {"webhook"}, "settings.url": {address + "/hook-path-that-is-secret"}, "settings.secret": {"whsec_YS1zZWNyZXQtb2YtbW9yZS10aGFuLTMyLWNoYXJz"}})
		shown := page(t, c, to)
		has(t, shown, "Archive", "set, and not shown", "Test it")
		hasNot(t, shown, "hook-path-that-is-secret", "YS1zZWNyZXQ")
		hasNot(t, page(t, c, to+"/edit"), "hook-path-that-is-secret", "YS1zZWNyZXQ")
		has(t, string(c.Page(t, http.MethodPost, to+"/test", nil).Body), "It works.")
		*ill = true
		failed := c.Page(t, http.MethodPost, to+"/test", nil)
		if failed.Status != http.StatusConflict {
			t.Errorf("a test that fails = %d", failed.Status)
		}
		has(t, string(failed.Body), `role="alert"`, "Look at its settings")
		auditor := s.Person(t, "Otto Auditor", "auditor", "/")
		seen := main(page(t, auditor, to))
		hasNot(t, seen, "Test it", "Delete", "Change<")
		if a := auditor.Page(t, http.MethodPost, to+"/test", nil); a.Status != http.StatusForbidden {
			t.Errorf("an auditor's test = %d", a.Status)
		}
		send(t, c, to+"/delete", url.Values{"version": {"1"}})
	})
}

func TestChannelsAndRulesSayWhoIsToldOfWhat(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		address, ill := receiver(t)
		project := strings.TrimPrefix(defaultProject(t, c), "/project/")
		has(t, page(t, c, "/settings/channels/new"), "E-mail", "Webhook", "Chat or push service")
		has(t, page(t, c, "/settings/channels/new?kind=email"), "Mail links by which people choose a password", "The server: all projects")
		channel := send(t, c, "/settings/channels", url.Values{"name": {"On call"}, "kind": {"webhook"}, "project": {project}, "hourly_limit": {"20"}, "settings.url": {address}, "settings.secret": {"whsec_YS1zZWNyZXQtb2YtbW9yZS10aGFuLTMyLWNoYXJz"}})
		has(t, page(t, c, channel), "20\u00a0messages an hour", "Default", "set, and not shown")
		has(t, string(c.Page(t, http.MethodPost, channel+"/test", nil).Body), "It works.")
		*ill = true
		has(t, string(c.Page(t, http.MethodPost, channel+"/test", nil).Body), `role="alert"`)
		send(t, c, channel+"/edit", url.Values{"name": {"Night call"}, "kind": {"webhook"}, "hourly_limit": {"0"}, "version": {"1"}})
		has(t, page(t, c, channel), "Night call", "any number")
		if a := c.Page(t, http.MethodPost, channel+"/edit", url.Values{"name": {"Night call"}, "kind": {"webhook"}, "hourly_limit": {"many"}}); a.Status != http.StatusUnprocessableEntity {
			t.Errorf("a limit that is no number = %d", a.Status)
		}
		id := strings.TrimPrefix(channel, "/settings/channels/")
		rule := url.Values{"channel": {id}, "project": {project}, "events": {"run.failed", "alert.opened"}, "min_severity": {"error"}, "quiet.zone": {"UTC"}, "digest.zone": {"UTC"}, "digest.every": {""}, "reminder_hours": {"6"}}
		to := send(t, c, "/settings/rules", rule)
		has(t, page(t, c, to), "A run failed, An alert was opened", "every 6\u00a0hours while an alert is open")
		hasNot(t, main(page(t, c, to)), "Quiet hours", "Gathered")
		rule.Set("quiet.from", "22:00")
		rule.Set("quiet.to", "06:00")
		rule.Set("digest.every", "daily")
		rule.Set("digest.at", "07:30")
		rule.Del("project")
		send(t, c, to+"/edit", rule)
		has(t, page(t, c, to), "22:00 to 06:00, UTC", "each day at 07:30, UTC")
		rule.Set("digest.every", "hourly")
		rule.Set("quiet.from", "")
		rule.Set("quiet.to", "")
		send(t, c, to+"/edit", rule)
		has(t, page(t, c, to), "each full hour")
		hasNot(t, main(page(t, c, to)), "Quiet hours")
		rule.Del("events")
		if a := c.Page(t, http.MethodPost, to+"/edit", rule); a.Status != http.StatusUnprocessableEntity {
			t.Errorf("a rule about nothing = %d", a.Status)
		}
		has(t, page(t, c, "/settings/rules"), "A run failed, An alert was opened", "Night call")
		has(t, page(t, c, "/settings/deliveries"), "No messages yet")
		viewer := s.Person(t, "Vera Viewer", "viewer", "/")
		for _, path := range []string{"/settings/channels", "/settings/rules", "/settings/deliveries"} {
			hasNot(t, main(page(t, viewer, path)), "Night call", "A run failed")
		}
		if a := viewer.Page(t, http.MethodGet, channel, nil); a.Status != http.StatusNotFound {
			t.Errorf("a viewer's GET of a channel = %d", a.Status)
		}
	})
}

func TestASignInProviderKeepsItsSecret(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		form := url.Values{"name": {"Company login"}, "issuer": {"https://login.example.org"}, "client_id": {"backstay"}, "client_secret": {"hush-hush-hush"}, "domains": {"example.org\nexample.com"}, "new_accounts": {"true"}}
		to := send(t, c, "/settings/sign-in", form)
		shown := page(t, c, to)
		has(t, shown, "Company login", "https://login.example.org", "set, and not shown", "example.org, example.com", "Ada Owner", "/api/v1/session/identity/callback")
		edit := page(t, c, to+"/edit")
		hasNot(t, shown+edit, "hush-hush")
		has(t, edit, "leave empty to keep it", "example.org\nexample.com")
		send(t, c, to+"/edit", url.Values{"name": {"Login"}, "client_id": {"backstay"}, "domains": {""}, "disabled": {"true"}, "version": {"1"}})
		has(t, page(t, c, to), "Disabled", "set, and not shown", "Only people who have an account here")
		form.Set("issuer", "http://login.example.org")
		form.Set("name", "Other")
		wrong := c.Page(t, http.MethodPost, "/settings/sign-in", form)
		if wrong.Status != http.StatusUnprocessableEntity {
			t.Errorf("an issuer without TLS = %d", wrong.Status)
		}
		has(t, string(wrong.Body), "f-issuer-e")
		hasNot(t, string(wrong.Body), "hush-hush")
	})
}

func TestTheServersSettingsAreChangedByWhoMay(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		has(t, page(t, c, "/settings/server"), "after 12\u00a0h", "after 7\u00a0d", "Nobody has to have one", "Its time")
		has(t, page(t, c, "/settings/server/edit"), "Plans may run commands on this machine")
		form := url.Values{"name": {"Harbour"}, "url": {"https://backup.example.org"}, "session_idle_minutes": {"30"}, "session_max_minutes": {"600"}, "fresh_minutes": {"5"}, "mfa_roles": {"auditor"}, "keep_runs_days": {"90"}, "hooks": {"true"}}
		send(t, c, "/settings/server/edit", form)
		form.Set("version", "1")
		send(t, c, "/settings/server/edit", form)
		has(t, page(t, c, "/settings/server"), "Harbour", "https://backup.example.org", "after 30\u00a0min", "Auditor", "90\u00a0days")
		stale := c.Page(t, http.MethodPost, "/settings/server/edit", form)
		if stale.Status != http.StatusConflict {
			t.Errorf("settings that somebody else has changed = %d", stale.Status)
		}
		form.Set("version", "2")
		form.Set("url", "not an address")
		wrong := c.Page(t, http.MethodPost, "/settings/server/edit", form)
		has(t, string(wrong.Body), "f-url-e")
		form.Set("url", "")
		admin := s.Person(t, "Sam Admin", "system-admin", "/")
		hasNot(t, page(t, admin, "/settings/server/edit"), "Plans may run commands on this machine")
		send(t, admin, "/settings/server/edit", url.Values{"name": {"Harbour"}, "session_idle_minutes": {"30"}, "session_max_minutes": {"600"}, "fresh_minutes": {"5"}, "keep_runs_days": {"90"}})
		var after struct{ Hooks bool }
		c.Get(t, "/settings", &after)
		if !after.Hooks {
			t.Error("who isn't asked about commands switched them off")
		}
		viewer := s.Person(t, "Vera Viewer", "viewer", "/")
		hasNot(t, page(t, viewer, "/settings"), "Server backup", "Audit trail", "People")
		for _, path := range []string{"/settings/server/edit", "/settings/server/clock", "/settings/server-backup/edit", "/settings/server-backup/start"} {
			if a := viewer.Page(t, http.MethodPost, path, form); a.Status != http.StatusForbidden {
				t.Errorf("a viewer's POST %s = %d", path, a.Status)
			}
		}
	})
}

func TestTheServerIsBackedUpToAChosenRepository(t *testing.T) {
	servertest.Each(t, func(t *testing.T, s *servertest.Server) {
		c := s.Owner
		has(t, page(t, c, "/settings/server-backup"), "The server is not backed up", "Choose a repository", "backstay server restore")
		project := strings.TrimPrefix(defaultProject(t, c), "/project/")
		var storage, repository struct{ ID string }
		c.Post(t, "/storages", map[string]any{"project": project, "name": "Disk", "location": t.TempDir()}, &storage)
		c.Post(t, "/repositories", map[string]any{"project": project, "name": "Server copies", "storage": storage.ID}, &repository)
		if a := c.Page(t, http.MethodPost, "/settings/server-backup/start", nil); a.Status != http.StatusConflict {
			t.Errorf("a backup without a repository = %d", a.Status)
		}
		send(t, c, "/settings/server-backup/edit", url.Values{"backup_repository": {repository.ID}, "backup_schedule.every": {"day"}, "backup_schedule.at": {"03:15"}, "backup_schedule.zone": {"Europe/Berlin"}, "backup_schedule.catch_up": {"true"}})
		has(t, page(t, c, "/settings/server-backup"), "The server is backed up every day at 03:15, Europe/Berlin", "Server copies", "Back up now", "Show them")
		if to := send(t, c, "/settings/server-backup/start", nil); !strings.HasPrefix(to, "/activity/") {
			t.Errorf("the backup leads to %q", to)
		}
		has(t, page(t, c, "/settings/server-backup?show=backups"), "In the repository")
		wrong := c.Page(t, http.MethodPost, "/settings/server-backup/edit", url.Values{"backup_repository": {repository.ID}, "backup_schedule.every": {"day"}, "backup_schedule.at": {"25:00"}})
		if wrong.Status != http.StatusUnprocessableEntity {
			t.Errorf("a time that is none = %d", wrong.Status)
		}
	})
}

func TestHostileNamesAreOnlyText(t *testing.T) {
	s := servertest.Start(t, server.Options{}).Claim(t)
	c := s.Owner
	for _, name := range []string{`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, "\u202egnp.exe", strings.Repeat("W", 100), `' or 1=1 --`, `{{.Form}}`, "javascript:alert(1)"} {
		group := c.Page(t, http.MethodPost, "/settings/groups", url.Values{"name": {name}, "help": {name}})
		if group.Status != http.StatusSeeOther {
			continue // such as one with characters that can't be shown
		}
		role := send(t, c, "/settings/roles", url.Values{"name": {name}, "permissions": {"source.read"}})
		project := send(t, c, "/settings/projects", url.Values{"name": {name}})
		s.Owner.Post(t, "/users", map[string]any{"name": name, "email": "h" + strconv.Itoa(len(name)) + "@example.org"}, nil)
		for _, path := range []string{group.Header.Get("Location"), role, project, "/settings/users", "/settings/groups", "/settings/roles", "/settings/grants/new", "/settings/audit", "/settings/members"} {
			hasNot(t, page(t, c, path), "<script>alert", "<img src=x", `href="javascript:`)
		}
	}
}
