package api_test

import (
	"crypto/rand"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/server"
	"github.com/backstay/backstay/internal/server/servertest"
)

// object is a thing that operations are asked about.
type object struct {
	id    string
	scope backstay.Scope
	owner string
}

// world is a server with two projects that have the same things in them, and with people of each sort.
type world struct {
	*servertest.Server
	db       *db.DB
	clock    *shifted          // set forward with each question, as strangers may ask only so often
	owner    string            // id
	victim   object            // a person with few rights
	one, two string            // ids of the projects
	things   map[string]object // of the first project and of the server, by the path's first step
	others   map[string]object // of the second project
	syslog   string            // where the audit sink sends to
	folder   string            // that the source of the first project reads
	session  backstay.Session  // of the victim
	token    backstay.Token    // of the victim
	actors   []asker
}

// asker is somebody who asks, with what is known of them.
type asker struct {
	name   string
	who    backstay.Actor
	header []string
	stale  *backstay.Session // to put it back where it was ended
}

func (w *world) write(t testing.TB, fn func(tx *db.Tx) error) {
	t.Helper()
	if err := w.db.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func stamp(id string) backstay.Record {
	now := time.Now().UTC().Truncate(time.Microsecond)
	return backstay.Record{ID: id, CreatedAt: now, UpdatedAt: now, Version: 1}
}

func newWorld(t *testing.T, database string) *world {
	t.Helper()
	c := &shifted{Clock: clock.System}
	w := &world{clock: c, Server: servertest.Start(t, server.Options{Database: database, Clock: c}).Claim(t), things: map[string]object{}, others: map[string]object{}}
	location := database
	if location == "" {
		location = filepath.Join(w.Data, "backstay.db")
	}
	var err error
	if w.db, err = db.Open(t.Context(), location); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.db.Close() })
	var me struct{ ID string }
	w.Owner.Get(t, "/profile", &me)
	w.owner = me.ID
	w.one, w.two = w.project(t, "canary-one", w.things), w.project(t, "canary-two", w.others)
	w.server(t)
	w.people(t)
	return w
}

// project makes a project with one of each thing.
func (w *world) project(t *testing.T, name string, things map[string]object) string {
	t.Helper()
	create := func(many string, body map[string]any) string {
		var made struct {
			ID, Owner string
			Scope     backstay.Scope
		}
		body["name"] = name + " " + many
		w.Owner.Post(t, "/"+many, body, &made)
		things[many] = object{made.ID, made.Scope, made.Owner}
		return made.ID
	}
	p := create("projects", map[string]any{})
	folder := t.TempDir()
	if w.folder == "" {
		w.folder = folder
	}
	source := create("sources", map[string]any{"project": p, "kind": "files", "settings": map[string]string{"paths": folder}})
	create("modules", map[string]any{"project": p, "source": source, "paths": []string{folder}})
	storage := create("storages", map[string]any{"project": p, "location": t.TempDir()})
	repository := create("repositories", map[string]any{"project": p, "storage": storage})
	plan := create("plans", map[string]any{"project": p, "sources": []string{source}, "repositories": []string{repository}, "type": "full"})
	run := backstay.Run{Record: stamp(name + "-run"), Placed: backstay.Placed{Project: p, Owner: w.owner}, Kind: backstay.RunBackup, State: backstay.Succeeded, Plan: plan,
		Sources: []string{source}, Repositories: []string{repository}, Type: "full", Trigger: "person", Attempt: 1}
	run.Scope, run.DueAt = things["sources"].scope.Of("run", run.ID), run.CreatedAt
	snapshot := backstay.Snapshot{Record: stamp(name + "-snapshot"), Placed: backstay.Placed{Project: p, Owner: w.owner}, Repository: repository, Handle: strings.Repeat("ab", 32),
		Source: source, Plan: plan, Run: run.ID, Time: run.CreatedAt, Paths: []string{folder}, Health: backstay.HealthUnverified}
	snapshot.Scope = things["sources"].scope.Of("snapshot", snapshot.ID)
	w.write(t, func(tx *db.Tx) error {
		if err := db.Insert(t.Context(), tx, &run); err != nil {
			return err
		}
		return db.Insert(t.Context(), tx, &snapshot)
	})
	things["runs"], things["snapshots"] = object{run.ID, run.Scope, run.Owner}, object{snapshot.ID, snapshot.Scope, snapshot.Owner}
	return p
}

// server makes what belongs to no project, a person who is acted upon, and a grant of theirs in each project.
func (w *world) server(t *testing.T) {
	t.Helper()
	w.insertPerson(t, "victim", false)
	w.victim = object{id: "victim", scope: backstay.System}
	w.things["users"] = w.victim
	group := backstay.Group{Record: stamp("group"), Name: "A group"}
	role := backstay.Role{Record: stamp("role"), Name: "A role", Permissions: []backstay.Permission{backstay.ReadReports}}
	w.things["groups"], w.things["roles"] = object{group.ID, backstay.System, ""}, object{role.ID, backstay.System, ""}
	w.write(t, func(tx *db.Tx) error {
		if err := db.Insert(t.Context(), tx, &group); err != nil {
			return err
		}
		return db.Insert(t.Context(), tx, &role)
	})
	w.grant(t, "canary-one-grant", "victim", backstay.RoleViewer, backstay.ProjectScope(w.one), backstay.Allow)
	w.grant(t, "canary-two-grant", "victim", backstay.RoleViewer, backstay.ProjectScope(w.two), backstay.Allow)
	w.things["grants"], w.others["grants"] = object{"canary-one-grant", backstay.ProjectScope(w.one), ""}, object{"canary-two-grant", backstay.ProjectScope(w.two), ""}
	w.auditSink(t)
	w.restoreVictim(t)
}

// auditSink makes one that sends to a socket which nobody reads.
func (w *world) auditSink(t *testing.T) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	w.syslog = conn.LocalAddr().String()
	var made struct{ ID string }
	w.Owner.Post(t, "/audit-sinks", map[string]any{"name": "Logs", "kind": "syslog", "settings": map[string]string{"transport": "udp", "address": w.syslog}}, &made)
	w.things["audit-sinks"] = object{made.ID, backstay.System, ""}
}

func (w *world) insertPerson(t *testing.T, id string, disabled bool) {
	t.Helper()
	u := backstay.User{Record: stamp(id), Name: id, Email: id + "@example.org", Disabled: disabled}
	w.write(t, func(tx *db.Tx) error { return db.Insert(t.Context(), tx, &u) })
}

func (w *world) grant(t *testing.T, id, subject string, role backstay.RoleName, scope backstay.Scope, effect backstay.Effect) {
	t.Helper()
	g := backstay.Grant{Record: stamp(id), SubjectKind: backstay.SubjectUser, Subject: subject, Role: role, Scope: scope, Effect: effect}
	w.write(t, func(tx *db.Tx) error { return db.Insert(t.Context(), tx, &g) })
}

// restoreVictim gives the victim a session and a token, if they have none.
func (w *world) restoreVictim(t *testing.T) {
	t.Helper()
	w.session, _ = w.newSession(t, "victim-session", "victim", nil)
	w.token, _ = w.newToken(t, "victim-token", "victim", nil)
}

func (w *world) newSession(t *testing.T, id, user string, change func(*backstay.Session)) (backstay.Session, string) {
	t.Helper()
	ticket, digest, err := auth.NewTicket(rand.Reader, auth.Session)
	if err != nil {
		t.Fatal(err)
	}
	s := backstay.Session{Record: stamp(id), User: user, Method: "password", MFA: true, IP: "127.0.0.1", Hash: string(digest)}
	s.LastUsedAt, s.FreshUntil, s.ExpiresAt = s.CreatedAt, s.CreatedAt.Add(time.Hour), s.CreatedAt.Add(24*time.Hour)
	if change != nil {
		change(&s)
	}
	w.put(t, &s)
	return s, string(ticket)
}

// put inserts a session unless it is there.
func (w *world) put(t *testing.T, s *backstay.Session) {
	t.Helper()
	w.write(t, func(tx *db.Tx) error {
		if _, err := db.Find[backstay.Session](t.Context(), tx, s.ID); err == nil {
			return nil
		}
		return db.Insert(t.Context(), tx, s)
	})
}

func (w *world) newToken(t *testing.T, id, user string, change func(*backstay.Token)) (backstay.Token, string) {
	t.Helper()
	text, digest, err := auth.NewToken(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	token := backstay.Token{Record: stamp(id), User: user, Name: id, Permissions: []backstay.Permission{backstay.ReadSources}, Hash: string(digest)}
	token.ExpiresAt = token.CreatedAt.Add(time.Hour)
	if change != nil {
		change(&token)
	}
	w.write(t, func(tx *db.Tx) error {
		if _, err := db.Find[backstay.Token](t.Context(), tx, id); err == nil {
			return nil
		}
		return db.Insert(t.Context(), tx, &token)
	})
	return token, string(text)
}

func builtIn(name backstay.RoleName) backstay.Role {
	all := backstay.BuiltInRoles()
	return all[slices.IndexFunc(all, func(r backstay.Role) bool { return r.ID == string(name) })]
}

// person adds somebody who asks with a session, with some grants.
func (w *world) person(t *testing.T, name string, change func(*backstay.Session), rights ...backstay.Right) *asker {
	t.Helper()
	id := fmt.Sprintf("asker%d", len(w.actors))
	w.insertPerson(t, id, false)
	for i, r := range rights {
		w.grant(t, fmt.Sprint(id, "-", i), id, backstay.RoleName(r.Role.ID), r.Scope, r.Effect)
	}
	s, ticket := w.newSession(t, id+"-session", id, change)
	w.actors = append(w.actors, asker{name: name, header: []string{"Cookie", "backstay=" + ticket}, stale: &s,
		who: backstay.Actor{Kind: backstay.ActorUser, User: id, Session: s.ID, Rights: rights, Fresh: s.FreshUntil.After(time.Now())}})
	return &w.actors[len(w.actors)-1]
}

// program adds somebody who asks with a token of the person who was added last.
func (w *world) program(t *testing.T, name string, change func(*backstay.Token)) *asker {
	t.Helper()
	owner := w.actors[len(w.actors)-1].who
	token, text := w.newToken(t, fmt.Sprint("token", len(w.actors)), owner.User, change)
	owner.Kind, owner.Token, owner.Session, owner.Fresh = backstay.ActorToken, &token, "", false
	w.actors = append(w.actors, asker{name: name, who: owner, header: []string{"Authorization", "Bearer " + text}})
	return &w.actors[len(w.actors)-1]
}

func (w *world) people(t *testing.T) {
	t.Helper()
	in := func(role backstay.RoleName, scope backstay.Scope) backstay.Right {
		return backstay.Right{Role: builtIn(role), Scope: scope, Effect: backstay.Allow}
	}
	one, two, source := backstay.ProjectScope(w.one), backstay.ProjectScope(w.two), w.things["sources"].scope
	w.actors = append(w.actors, asker{name: "nobody", who: backstay.Actor{Kind: backstay.ActorNobody}})
	for _, role := range backstay.BuiltInRoles() {
		name := backstay.RoleName(role.ID)
		w.person(t, role.ID+" of project one", nil, in(name, one))
		w.person(t, role.ID+" of project two", nil, in(name, two))
		w.person(t, role.ID+" everywhere", nil, in(name, "/"))
	}
	for _, name := range []backstay.RoleName{backstay.RoleMember, backstay.RoleViewer, backstay.RoleRestorer, backstay.RoleProjectAdmin} {
		w.person(t, string(name)+" of a source of project one", nil, in(name, source))
	}
	w.person(t, "somebody without a grant", nil)
	w.person(t, "system administrator of the server alone", nil, in(backstay.RoleSystemAdmin, backstay.System))
	denied := func(role backstay.RoleName, scope backstay.Scope) backstay.Right {
		return backstay.Right{Role: builtIn(role), Scope: scope, Effect: backstay.Deny}
	}
	w.person(t, "project administrator who is denied what a backup manager may", nil, in(backstay.RoleProjectAdmin, one), denied(backstay.RoleBackupManager, one))
	w.person(t, "owner who is denied what a viewer may in project one", nil, in(backstay.RoleOwner, "/"), denied(backstay.RoleViewer, one))
	w.person(t, "auditor who is denied project one", nil, in(backstay.RoleAuditor, "/"), denied(backstay.RoleAuditor, one))
	w.person(t, "owner who has not confirmed", func(s *backstay.Session) { s.FreshUntil = s.CreatedAt.Add(-time.Minute) }, in(backstay.RoleOwner, "/"))
	w.program(t, "token of an owner for sources", nil)
	w.program(t, "token of an owner within project two", func(t *backstay.Token) { t.Within = two })
	w.program(t, "token of an owner with all that is not dangerous", func(t *backstay.Token) { t.Permissions = harmless() })
	nobody := func(a *asker) { a.who = backstay.Actor{Kind: backstay.ActorNobody} }
	nobody(w.program(t, "expired token of an owner", func(t *backstay.Token) { t.ExpiresAt = t.CreatedAt.Add(-time.Second) }))
	w.actors[len(w.actors)-1].who = backstay.Actor{Kind: backstay.ActorNobody}
	nobody(w.person(t, "owner whose session is over", func(s *backstay.Session) { s.ExpiresAt = s.CreatedAt.Add(-time.Second) }, in(backstay.RoleOwner, "/")))
	nobody(w.person(t, "owner who was idle too long", func(s *backstay.Session) { s.LastUsedAt = s.CreatedAt.Add(-1000 * time.Hour) }, in(backstay.RoleOwner, "/")))
	nobody(w.person(t, "owner whose second factor is awaited", func(s *backstay.Session) { s.Pending = true }, in(backstay.RoleOwner, "/")))
	a := w.person(t, "owner whose session was revoked", nil, in(backstay.RoleOwner, "/"))
	w.write(t, func(tx *db.Tx) error { return db.Delete[backstay.Session](t.Context(), tx, a.who.Session) })
	a.stale = nil
	nobody(a)
	a = w.person(t, "owner who is disabled", nil, in(backstay.RoleOwner, "/"))
	w.write(t, func(tx *db.Tx) error {
		u, err := db.Find[backstay.User](t.Context(), tx, a.who.User)
		if err != nil {
			return err
		}
		u.Disabled = true
		return db.Update(t.Context(), tx, &u)
	})
	nobody(a)
	w.person(t, "operator", nil, in(backstay.RoleOperator, "/"))
	nobody(w.program(t, "token that is a letter too short", nil))
	w.actors[len(w.actors)-1].header[1] = strings.TrimSuffix(w.actors[len(w.actors)-1].header[1], "x") + "y"
	limited := w.person(t, "auditor who has yet to set up a second factor", func(s *backstay.Session) { s.MFA = false }, in(backstay.RoleAuditor, "/"))
	limited.who.Limited = true
	w.write(t, func(tx *db.Tx) error {
		set, err := tx.Settings(t.Context())
		if err != nil {
			return err
		}
		set.MFARoles = []backstay.RoleName{backstay.RoleAuditor}
		return tx.SaveSettings(t.Context(), set)
	})
}

// harmless are the permissions that a token can have.
func harmless() (all []backstay.Permission) {
	for _, row := range backstay.Permissions() {
		if !row.Dangerous() {
			all = append(all, row.Permission)
		}
	}
	return all
}

// apart are the operations about what newWorld doesn't make: a backup, a restore, a channel, an alert. Who may what with them, the tests of
// their own ask. Of them the tests of all operations ask just that nobody is answered who has not signed in.
var apart = strings.Fields(`
	sign-audit get-clock confirm-clock reveal-repository-password reveal-storage-secrets
	reveal-source-secrets export-recovery-kit get-recovery-kit-state search get-history
	list-module-snapshots list-snapshot-entries diff-snapshots get-snapshot-content download-snapshot
	delete-snapshot list-restores get-restore plan-restore list-restore-changes
	decide-restore apply-restore discard-restore get-restore-report list-channel-kinds
	list-channels get-channel create-channel update-channel delete-channel
	test-channel list-notification-rules get-notification-rule create-notification-rule update-notification-rule
	delete-notification-rule list-deliveries get-delivery list-alerts get-alert
	acknowledge-alert watch-run get-metrics-summary backup-download backup-logs
	backup-schedules backup-create-schedule backup-delete-schedule backup-verify
`)
