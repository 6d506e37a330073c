package api_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/pquerna/otp/totp"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/api"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
	"github.com/backstay/backstay/test/servers"
)

// events is how many lines the audit trail has.
func (w *world) events(t *testing.T) (n int64) {
	t.Helper()
	err := w.db.Read(t.Context(), func(tx *db.Tx) (err error) {
		for e, err := range tx.AllAuditEvents(t.Context()) {
			if err != nil {
				return err
			}
			if e.ActorKind != backstay.ActorSystem { // what the server does by itself, such as a run that ends, comes in between
				n++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// mutation is a request that changes something, ready to be sent.
type mutation struct {
	path   string
	body   any
	events int64 // how many lines of the trail it is; one but for what is two things
}

// valid returns a request for an operation that will be done. It may make first what is needed for it.
func (w *world) valid(t *testing.T, r route) (c mutation) {
	t.Helper()
	id := func(many string, body any) string {
		var made struct{ ID string }
		w.Owner.Post(t, "/"+many, body, &made)
		return made.ID
	}
	at := func(id string) string { return strings.ReplaceAll(r.path, "{id}", id) }
	c = mutation{path: at(w.things[r.many()].id), events: 1}
	source, repository := w.things["sources"].id, w.things["repositories"].id
	bodies := map[string]map[string]any{
		"users": {"name": "New " + r.id, "email": r.id + "@example.org"}, "groups": {"name": "New " + r.id, "members": []string{"victim"}},
		"roles":    {"name": "New " + r.id, "permissions": []string{"report.read"}},
		"grants":   {"subject_kind": "group", "subject": "group", "role": map[string]string{"create-grant": "viewer", "delete-grant": "operator"}[r.id], "scope": "/"},
		"projects": {"name": "New " + r.id}, "sources": {"name": "New " + r.id, "project": w.one, "kind": "files", "settings": map[string]string{"paths": t.TempDir()}},
		"modules":            {"name": "New " + r.id, "project": w.one, "source": source, "paths": []string{w.folder}},
		"storages":           {"name": "New " + r.id, "project": w.one, "location": t.TempDir()},
		"repositories":       {"name": "New " + r.id, "project": w.one, "storage": w.things["storages"].id, "path": r.id},
		"plans":              {"name": "New " + r.id, "project": w.one, "sources": []string{source}, "repositories": []string{repository}, "type": "full"},
		"identity-providers": {"name": "New " + r.id, "issuer": "https://" + r.id + ".example.org", "client_id": "x"},
		"audit-sinks":        {"name": "New " + r.id, "kind": "syslog", "settings": map[string]string{"transport": "udp", "address": w.syslog}},
		"channels":           {"name": "New " + r.id, "project": w.one, "kind": "webhook", "settings": w.hook.settings("/")},
		"notification-rules": {"project": w.one, "channel": w.things["channels"].id, "events": []string{"schedule.missed"}},
		"tokens":             {"name": "New", "permissions": []string{"report.read"}, "expires_at": time.Now().Add(time.Hour)},
	}
	body, noun := bodies[r.many()]
	switch {
	case r.id == "update-grant":
		c.body = map[string]any{"role": "operator"}
	case r.id == "update-settings":
		c.body = map[string]any{"name": "Renamed"}
	case r.id == "start-server-backup":
		w.Owner.Patch(t, "/settings", map[string]any{"backup_repository": repository}, nil)
	case r.id == "update-profile":
		c.body = map[string]any{"zone": "Europe/Berlin"}
	case r.id == "update-notification-rule":
		c.body = map[string]any{"min_severity": "warning"}
	case r.id == "accept-kit-risk":
		c.body = map[string]any{"reason": "a test machine"}
	case r.id == "create-link", r.id == "confirm-clock", r.id == "export-recovery-kit", r.id == "acknowledge-alert":
	case r.id == "backup-create-schedule":
		c.body = map[string]any{"name": "New " + r.id, "frequency": "daily", "time": "02:30", "sources": []string{source}, "repositories": []string{repository}}
	case r.id == "plan-restore":
		c.body = map[string]any{"snapshot": w.things["snapshots"].id, "target": "folder", "folder": filepath.Join(t.TempDir(), "restored")}
	case r.id == "decide-restore":
		c.path, c.body = at(w.restore(t, r.id, w.things, nil).id), map[string]any{"action": "create", "decision": "skip"}
	case r.id == "apply-restore", r.id == "discard-restore":
		c.path = at(w.restore(t, r.id, w.things, nil).id)
	case r.id == "add-repository-key":
		c.body = map[string]any{"password": "another password of it"}
	case r.id == "remove-repository-key":
		c.path = strings.ReplaceAll(c.path, "{other}", id("repositories/"+repository+"/keys", map[string]any{"password": "a password that goes"}))
	case r.id == "tag-snapshot":
		c.body = map[string]any{"add": []string{"audited"}}
	case r.id == "delete-snapshot":
		c.path = at(w.snapshot(t, "unprotected", w.things, false).id)
	case noun && r.method == http.MethodPost && !r.about():
		c.body = body
	case noun && r.method == http.MethodPatch:
		c.body = map[string]any{"name": "Renamed " + r.id}
	case r.id == "delete-token":
		c.path = at(w.token.ID)
	case r.id == "delete-session":
		c.path = at(w.session.ID)
	case noun && r.method == http.MethodDelete:
		c.path = at(id(r.many(), body))
	case r.id == "verify-repository":
		c.body = map[string]any{"level": "structure"}
	case r.id == "cancel-run":
		c.path = at(w.pendingRun(t))
	case r.id == "retry-run":
		c.path = at(w.failedRun(t))
	case r.id == "change-password":
		c.body = map[string]any{"password": servertest.Password + "!"}
	case r.id == "sign-in":
		c.body = map[string]any{"email": "ada@example.org", "password": servertest.Password}
	case r.id == "confirm":
		c.body = map[string]any{"password": servertest.Password}
	case r.id == "forgot-password":
		id("channels", map[string]any{"name": "Mail", "kind": "email", "links": true,
			"settings": map[string]string{"host": "127.0.0.1", "port": "1", "security": "none", "from": "backup@example.org", "to": "backup@example.org"}})
		c.body = map[string]any{"email": "victim@example.org"}
	case r.id == "use-link":
		var link struct{ Ticket string }
		w.Owner.Post(t, "/users/victim/link?show=true", nil, &link)
		c.body, c.events = map[string]any{"ticket": link.Ticket, "password": servertest.Password}, 2 // the password, and the sign-in
	}
	return c
}

func (w *world) pendingRun(t *testing.T) string {
	return w.run(t, "waiting", backstay.Pending, time.Now().Add(time.Hour))
}

func (w *world) failedRun(t *testing.T) string {
	return w.run(t, "failed", backstay.RunFailed, time.Now())
}

func (w *world) run(t *testing.T, id string, state backstay.RunState, due time.Time) string {
	t.Helper()
	run := backstay.Run{Record: stamp(id), Placed: backstay.Placed{Project: w.one, Scope: w.things["sources"].scope.Of("run", id)}, Kind: backstay.RunCatalogue, State: state,
		Repositories: []string{w.things["repositories"].id}, Trigger: "person", Attempt: 1, DueAt: due.UTC().Truncate(time.Microsecond)}
	w.write(t, func(tx *db.Tx) error { return db.Insert(t.Context(), tx, &run) })
	return id
}

// TestEachChangeIsOneLineOfTheTrail does everything that changes something, as the owner, and counts.
func TestEachChangeIsOneLineOfTheTrail(t *testing.T) {
	w := newWorld(t, "")
	ada := w.Client(t)
	ada.Post(t, "/session", map[string]string{"email": "ada@example.org", "password": servertest.Password}, nil)
	covered := map[string]bool{}
	send := func(c *servertest.Client, r route, with mutation) servertest.Answer {
		t.Helper()
		before := w.events(t)
		got := c.Ask(t, r.method, with.path, with.body)
		if got.Status >= 300 {
			t.Errorf("%s = %d %s", r.id, got.Status, got.Body)
		}
		if n := w.events(t) - before; n != with.events {
			t.Errorf("%s is %d lines of the trail, want %d", r.id, n, with.events)
		}
		covered[r.id] = true
		return got
	}
	all := map[string]route{}
	var last []route
	for _, r := range routes(t, w.Server) {
		switch all[r.id] = r; {
		case r.id == "finish-identity": // where a browser comes back from another server: TestAPersonLinksAnotherServerAndSignsInByIt asks for it
		case r.method == http.MethodGet:
			path, _, _ := w.request(r)
			send(ada, r, mutation{path, nil, told[r.id]})
		case strings.HasSuffix(r.id, "-passkey-confirm"):
			last = append(last, r)
		case r.right.Quiet:
			send(ada, r, mutation{strings.ReplaceAll(r.path, "{id}", w.things[r.many()].id), w.quietBody(r), 0})
		case strings.Contains(r.path, "/profile/") || r.id == "sign-out" || r.id == "second-factor" || r.id == "claim" || r.id == "finish-passkey-sign-in":
			last = append(last, r)
		case r.right.Access == api.Anybody:
			send(w.Client(t), r, w.valid(t, r))
		default:
			send(ada, r, w.valid(t, r))
		}
	}
	w.signInInEachWay(t, all, ada, send)
	for _, r := range last {
		if !covered[r.id] && r.id != "claim" { // which newWorld did: two lines, as below
			t.Errorf("%s was not asked for", r.id)
		}
	}
	fresh := servertest.Start(t, server.Options{}).Claim(t)
	var trail struct{ Items []struct{ Action string } }
	fresh.Owner.Get(t, "/audit-events", &trail)
	if len(trail.Items) != 2 || trail.Items[0].Action != "auth.sign-in" || trail.Items[1].Action != "auth.claim" {
		t.Errorf("the trail of a claim is %+v", trail.Items)
	}
}

// told are the operations that change nothing and are lines of the trail all the same, since they show what others trust us to keep.
var told = map[string]int64{
	"reveal-repository-password": 1, "reveal-storage-secrets": 1, "reveal-source-secrets": 1, "export-audit": 1,
	"list-snapshot-entries": 1, "diff-snapshots": 1, "get-snapshot-content": 1, "download-snapshot": 1, "backup-download": 1,
	"backup-verify": 1, // which starts a run
}

func (w *world) quietBody(r route) any {
	switch r.id {
	case "verify-audit":
		return map[string]any{}
	case "preview-retention":
		return map[string]any{"plan": w.things[r.many()].id}
	case "begin-identity-sign-in":
		return map[string]any{"provider": w.corp.id}
	}
	return nil
}

// signInInEachWay sets up a second factor, uses it, and takes it away.
func (w *world) signInInEachWay(t *testing.T, all map[string]route, ada *servertest.Client, send func(*servertest.Client, route, mutation) servertest.Answer) {
	t.Helper()
	one := func(id, about string, body any) servertest.Answer {
		t.Helper()
		return send(ada, all[id], mutation{strings.ReplaceAll(all[id].path, "{id}", about), body, 1})
	}
	var key struct{ ID, Key string }
	one("begin-totp", "", nil).Decode(t, &key)
	code, err := totp.GenerateCode(key.Key, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	one("confirm-totp", key.ID, map[string]string{"code": code})
	var codes struct{ Codes []string }
	one("make-recovery-codes", "", nil).Decode(t, &codes)
	again := w.Client(t)
	again.Post(t, "/session", map[string]string{"email": "ada@example.org", "password": servertest.Password}, nil)
	send(again, all["second-factor"], mutation{all["second-factor"].path, map[string]string{"code": codes.Codes[0]}, 1})
	w.usePasskey(t, all, ada, again, one, send)
	one("begin-identity", "", map[string]string{"provider": w.corp.id})
	one("delete-factor", key.ID, nil)
	one("change-password", "", map[string]string{"password": servertest.Password + "!"})
	one("sign-out", "", nil)
}

func (w *world) usePasskey(t *testing.T, all map[string]route, ada, browser *servertest.Client, one func(id, about string, body any) servertest.Answer, send func(*servertest.Client, route, mutation) servertest.Answer) {
	t.Helper()
	d := newDevice(w.URL, w.owner)
	options, err := virtualwebauthn.ParseAttestationOptions(string(one("begin-passkey", "", nil).Body))
	if err != nil {
		t.Fatal(err)
	}
	answer := virtualwebauthn.CreateAttestationResponse(d.here, d.auth, d.key, *options)
	one("finish-passkey", "", map[string]any{"name": "Phone", "answer": json.RawMessage(answer)})
	ask := all["begin-passkey-confirm"]
	question, err := virtualwebauthn.ParseAssertionOptions(string(send(ada, ask, mutation{ask.path, nil, 0}).Body))
	if err != nil {
		t.Fatal(err)
	}
	d.key.Counter++
	one("finish-passkey-confirm", "", map[string]any{"answer": json.RawMessage(virtualwebauthn.CreateAssertionResponse(d.here, d.auth, d.key, *question))})
	r := all["finish-passkey-sign-in"]
	send(browser, r, mutation{r.path, d.sign(t, browser), 1})
}

// TestAChangeOfTheTrailIsFound does to the tables what somebody with the database can do.
func TestAChangeOfTheTrailIsFound(t *testing.T) {
	for name, statement := range map[string]string{
		"a line is changed":       "update audit_events set reason = 'nothing happened' where seq = 4",
		"a line is removed":       "delete from audit_events where seq = 4",
		"the end is cut":          "delete from audit_events where seq > 4",
		"two lines change places": "update audit_events set seq = case seq when 4 then -5 else -4 end where seq in (4, 5); update audit_events set seq = -seq where seq < 0",
	} {
		for kind, start := range map[string]func() (string, string){"sqlite": func() (string, string) { return "", "" }, "pgx": func() (string, string) { u := servers.Postgres(t); return u, u }} {
			t.Run(name+" in "+kind, func(t *testing.T) {
				database, at := start()
				s := servertest.Start(t, server.Options{Database: database}).Claim(t)
				if at == "" {
					at = "file:" + (&url.URL{Path: filepath.Join(s.Data, "backstay.db")}).EscapedPath() + "?_pragma=busy_timeout(5000)"
				}
				for _, name := range []string{"A", "B", "C", "D", "E", "F"} {
					s.Owner.Post(t, "/projects", map[string]string{"name": name}, nil)
				}
				var verdict struct {
					Good    bool
					Problem string
				}
				s.Owner.Post(t, "/audit-events/verify", map[string]any{}, &verdict)
				if !verdict.Good {
					t.Fatalf("before: %+v", verdict)
				}
				tamper(t, kind, at, statement)
				s.Owner.Post(t, "/audit-events/verify", map[string]any{}, &verdict)
				if verdict.Good || verdict.Problem == "" {
					t.Errorf("after %q: %+v", statement, verdict)
				}
			})
		}
	}
}

func tamper(t *testing.T, driver, at, statements string) {
	t.Helper()
	raw, err := sql.Open(driver, at)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = raw.Close() }()
	for statement := range strings.SplitSeq(statements, "; ") {
		if _, err := raw.ExecContext(context.Background(), statement); err != nil {
			t.Fatal(err)
		}
	}
}
