//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/schedule"
)

// What the large database holds, at scale 1.
const (
	projects     = 10
	sources      = 1000
	repositories = 200
	plans        = 10_000
	runs         = 10_000
	snapshots    = 100_000
	alerts       = 2000
	people       = 200
	watched      = 10 // runs that wait for an hour, so that somebody can watch them
)

// realThings are a repository with a snapshot in it, made as people make them.
type realThings struct{ project, repository, source, plan, snapshot, file string }

// tokens are what people who have signed in show.
type tokens struct {
	owner  string   // everywhere
	narrow string   // of somebody with a role in one source
	people []string // with a role in one project each
}

// ids are those of the rows, by what they are.
type ids struct{ projects, sources, repositories, plans, runs, watched, snapshots []string }

// fill claims the server, makes a real backup, and then fills the database directly, while the server stands still.
func (s *site) fill(ctx context.Context) error {
	if s.server == nil {
		if err := s.start(ctx); err != nil {
			return err
		}
	}
	if err := s.makeReal(ctx); err != nil {
		return err
	}
	s.stop()
	f := filler{site: s, ctx: ctx, rand: mrand.New(mrand.NewPCG(1, 2)), now: time.Now().UTC().Truncate(time.Microsecond)}
	if err := s.inDatabase(ctx, f.all); err != nil {
		return err
	}
	s.rows = f.ids
	if s.url != "" { // as PostgreSQL does by itself within a minute
		if out, err := exec.CommandContext(ctx, "psql", "--quiet", "--command", "analyze", s.url).CombinedOutput(); err != nil {
			return fmt.Errorf("analyze: %w: %s", err, out)
		}
	}
	return s.start(ctx)
}

// makeReal claims the server and backs up a folder of 300 files, of which one is to be downloaded again and again.
func (s *site) makeReal(ctx context.Context) error {
	folder := filepath.Join(s.data, "..", s.database+"-files")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	for i := range 300 {
		content := make([]byte, 2000)
		if i == 0 {
			content = make([]byte, 1<<20)
		}
		_, _ = rand.Read(content) // never fails
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("file-%03d", i)), content, 0o600); err != nil {
			return err
		}
	}
	post := func(path string, body any, id *string) error {
		var made struct{ ID string }
		err := s.ask(ctx, "POST", path, body, &made)
		*id = made.ID
		return err
	}
	r := &s.real
	r.file = filepath.Join(folder, "file-000")
	var storage, run string
	for _, step := range []func() error{
		func() error {
			return s.ask(ctx, "POST", "/claim", map[string]string{"code": s.server.claim, "name": "Ada Owner", "email": "ada@example.org", "password": password}, nil)
		},
		func() error { return post("/projects", map[string]any{"name": "Real"}, &r.project) },
		func() error {
			return post("/storages", map[string]any{"project": r.project, "name": "Disk", "location": filepath.Join(s.data, "..", s.database+"-repository")}, &storage)
		},
		func() error {
			return post("/repositories", map[string]any{"project": r.project, "name": "Main", "storage": storage}, &r.repository)
		},
		func() error {
			return post("/sources", map[string]any{"project": r.project, "name": "Files", "kind": "files", "settings": map[string]string{"paths": folder}}, &r.source)
		},
		func() error {
			return post("/plans", map[string]any{"project": r.project, "name": "Files", "sources": []string{r.source}, "repositories": []string{r.repository}, "type": "incremental", "verify": "none"}, &r.plan)
		},
		func() error { return post("/plans/"+r.plan+"/start", nil, &run) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return s.awaitSnapshot(ctx)
}

func (s *site) awaitSnapshot(ctx context.Context) error {
	for range 300 {
		var list struct{ Items []backstay.Snapshot }
		if err := s.ask(ctx, "GET", "/snapshots?source="+s.real.source, nil, &list); err != nil {
			return err
		}
		var busy struct{ Items []backstay.Run }
		if err := s.ask(ctx, "GET", "/runs", nil, &busy); err != nil {
			return err
		}
		if len(list.Items) > 0 && idle(busy.Items) {
			s.real.snapshot = list.Items[0].ID
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("the backup of 300 files does not end")
}

func idle(all []backstay.Run) bool {
	for _, run := range all {
		if !run.State.Ended() {
			return false
		}
	}
	return true
}

// filler writes the rows.
type filler struct {
	*site
	ids
	ctx  context.Context
	tx   *db.Tx
	rand *mrand.Rand
	now  time.Time
}

const letters = "abcdefghijkmnpqrstuvwxyz23456789"

func (f *filler) id() string {
	var b [16]byte
	for i := range b {
		b[i] = letters[f.rand.IntN(len(letters))]
	}
	return string(b[:])
}

// base is a new record that is some minutes old.
func (f *filler) base(minutes int) backstay.Record {
	at := f.now.Add(-time.Duration(minutes)*time.Minute - time.Duration(f.rand.IntN(60e6))*time.Microsecond)
	return backstay.Record{ID: f.id(), CreatedAt: at, UpdatedAt: at, Version: 1}
}

func (f *filler) placed(r backstay.Record, project, kind string) backstay.Placed {
	return backstay.Placed{Project: project, Scope: backstay.ProjectScope(project).Of(kind, r.ID)}
}

// insert writes rows, some hundred at a time.
func insert[T any](f *filler, n int, row func(i int) T) error {
	for at := 0; at < n; {
		some := make([]T, 0, 250)
		for ; at < n && len(some) < cap(some); at++ {
			some = append(some, row(at))
		}
		if err := db.Insert(f.ctx, f.tx, &some); err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) all(tx *db.Tx) error {
	f.tx = tx
	for _, step := range []func() error{f.addProjects, f.addSources, f.addRepositories, f.addPlans, f.addRuns, f.addSnapshots, f.addAlerts, f.addPeople} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (f *filler) addProjects() error {
	return insert(f, projects, func(i int) backstay.Project {
		r := f.base(1e6)
		f.projects = append(f.projects, r.ID)
		return backstay.Project{Record: r, Name: fmt.Sprint("Project ", i), Scope: backstay.ProjectScope(r.ID)}
	})
}

func (f *filler) project(i int) string { return f.projects[i%projects] }

func (f *filler) addSources() error {
	err := insert(f, f.scaled(sources), func(i int) backstay.Source {
		r := f.base(9e5)
		f.sources = append(f.sources, r.ID)
		return backstay.Source{Record: r, Placed: f.placed(r, f.project(i), "source"), Name: fmt.Sprintf("server-%04d", i), Kind: "files", Settings: map[string]string{"paths": "/srv/data"}, Local: true}
	})
	if err != nil {
		return err
	}
	return insert(f, len(f.sources), func(i int) backstay.Module {
		r := f.base(9e5)
		m := backstay.Module{Record: r, Name: "Photos", Source: f.sources[i], Paths: []string{"photos"}}
		m.Project, m.Scope = f.project(i), backstay.ProjectScope(f.project(i)).Of("source", f.sources[i]).Of("module", r.ID)
		return m
	})
}

func (f *filler) addRepositories() error {
	storage := ""
	err := insert(f, projects, func(i int) backstay.Storage {
		r := f.base(9e5)
		storage = r.ID
		return backstay.Storage{Record: r, Placed: f.placed(r, f.project(i), "storage"), Name: "Disk", Location: "/srv/backup", Settings: map[string]string{}, Parallel: 2}
	})
	if err != nil {
		return err
	}
	return insert(f, f.scaled(repositories), func(i int) backstay.Repository {
		r := f.base(9e5)
		f.repositories = append(f.repositories, r.ID)
		return backstay.Repository{Record: r, Placed: f.placed(r, f.project(i), "repository"), Name: fmt.Sprintf("repository-%03d", i), Storage: storage, Path: fmt.Sprint(i), Format: f.id(), Bytes: 1e9, Snapshots: 500}
	})
}

func (f *filler) addPlans() error {
	return insert(f, f.scaled(plans), func(i int) backstay.Plan {
		r := f.base(8e5)
		f.plans = append(f.plans, r.ID)
		source := i % len(f.sources)
		return backstay.Plan{Record: r, Placed: f.placed(r, f.project(source), "plan"), Name: fmt.Sprintf("plan-%05d", i), Sources: []string{f.sources[source]},
			Repositories: []string{f.repositories[source%len(f.repositories)]}, Type: "incremental", Schedule: schedule.Schedule{Every: "day", At: fmt.Sprintf("%02d:%02d", i%24, i%60), Zone: "Europe/Berlin"},
			Compression: "auto", Verify: "structure", Retries: 2}
	})
}

func (f *filler) run(i int) backstay.Run {
	source, r := i%len(f.sources), f.base(i)
	ended := r.CreatedAt.Add(time.Minute)
	v := backstay.Run{Record: r, Kind: backstay.RunBackup, State: backstay.Succeeded, Plan: f.plans[i%len(f.plans)], Sources: []string{f.sources[source]}, Repositories: []string{f.repositories[source%len(f.repositories)]},
		Type: "incremental", Trigger: "schedule", DueAt: r.CreatedAt, StartedAt: &r.CreatedAt, EndedAt: &ended, Attempt: 1, Fence: int64(i), Figures: backstay.Figures{Files: 1000, Bytes: 1e9, Added: 1e6, Phases: map[string]int64{"read": 1200}},
		Outcomes: []backstay.Outcome{{Source: f.sources[source], Repository: f.repositories[source%len(f.repositories)], Snapshot: f.id()}}}
	switch {
	case i%10 == 3:
		v.Kind, v.Plan, v.Sources, v.Type, v.Trigger = backstay.RunVerification, "", nil, "", "server"
	case i%50 == 7:
		v.State, v.Failure = backstay.RunFailed, &backstay.Failure{Code: "BST-1000", Text: "the source is gone"}
	}
	v.Project = f.project(source)
	v.Scope = backstay.ProjectScope(v.Project)
	if len(v.Sources) == 1 {
		v.Scope = v.Scope.Of("source", v.Sources[0])
	}
	v.Scope = v.Scope.Of("run", r.ID)
	return v
}

func (f *filler) addRuns() error {
	err := insert(f, f.scaled(runs), func(i int) backstay.Run {
		v := f.run(i)
		f.runs = append(f.runs, v.ID)
		return v
	})
	if err != nil {
		return err
	}
	return insert(f, watched, func(i int) backstay.Run {
		v := f.run(0)
		v.Trigger, v.State, v.StartedAt, v.EndedAt, v.Outcomes, v.DueAt = "person", backstay.Pending, nil, nil, nil, f.now.Add(90*time.Minute)
		f.watched = append(f.watched, v.ID)
		return v
	})
}

func (f *filler) addSnapshots() error {
	return insert(f, f.scaled(snapshots), func(i int) backstay.Snapshot {
		source, r := i%len(f.sources), f.base(i)
		if len(f.ids.snapshots) < 1000 {
			f.ids.snapshots = append(f.ids.snapshots, r.ID)
		}
		health := backstay.HealthGood
		if i%1000 == 5 {
			health = backstay.HealthDamaged
		}
		id := f.id() + f.id() + f.id() + f.id()
		v := backstay.Snapshot{Record: r, Repository: f.repositories[source%len(f.repositories)], Handle: id, Original: id, Source: f.sources[source], Plan: f.plans[i%len(f.plans)], Run: f.runs[i%len(f.runs)],
			Time: r.CreatedAt, Host: fmt.Sprintf("server-%04d", source), Paths: []string{"/srv/data"}, Tags: []string{"source=" + f.sources[source]}, Type: "incremental", Files: f.rand.Int64N(1e6), Bytes: f.rand.Int64N(1e12), Added: f.rand.Int64N(1e9),
			Health: health, HealthLevel: "structure", HealthAt: &r.UpdatedAt}
		v.Project = f.project(source)
		v.Scope = backstay.ProjectScope(v.Project).Of("source", v.Source).Of("snapshot", r.ID)
		return v
	})
}

func (f *filler) addAlerts() error {
	return insert(f, f.scaled(alerts), func(i int) backstay.Alert {
		r := f.base(i)
		return backstay.Alert{Record: r, Placed: f.placed(r, f.project(i), "alert"), Kind: backstay.AlertRunFailed, Severity: "error", Plan: f.plans[i%len(f.plans)], Object: "plan", ObjectID: f.plans[i%len(f.plans)],
			Name: "plan", Text: "the source is gone", Next: "Look at it.", OpenedAt: r.CreatedAt, ResolvedAt: &r.UpdatedAt}
	})
}

// addPeople makes people who have signed in: a viewer of one source, and people with roles in one project each.
func (f *filler) addPeople() error {
	owners, err := f.tx.Owners(f.ctx)
	if err != nil {
		return err
	}
	if f.tokens.owner, err = f.signIn(owners[0]); err != nil {
		return err
	}
	source := len(f.sources) / 2
	user, err := f.person("narrow", backstay.RoleViewer, backstay.ProjectScope(f.project(source)).Of("source", f.sources[source]))
	if err != nil {
		return err
	}
	if f.tokens.narrow, err = f.signIn(user); err != nil {
		return err
	}
	for i := range people {
		role := []backstay.RoleName{backstay.RoleProjectAdmin, backstay.RoleBackupManager, backstay.RoleOperator, backstay.RoleViewer}[i%4]
		user, err := f.person(fmt.Sprint("person-", i), role, backstay.ProjectScope(f.project(i)))
		if err != nil {
			return err
		}
		ticket, err := f.signIn(user)
		if err != nil {
			return err
		}
		f.tokens.people = append(f.tokens.people, ticket)
	}
	return nil
}

func (f *filler) person(name string, role backstay.RoleName, scope backstay.Scope) (id string, err error) {
	u := backstay.User{Record: f.base(7e5), Name: name, Email: name + "@example.org"}
	if err := db.Insert(f.ctx, f.tx, &u); err != nil {
		return "", err
	}
	g := backstay.Grant{Record: f.base(7e5), SubjectKind: backstay.SubjectUser, Subject: u.ID, Role: role, Scope: scope, Effect: backstay.Allow}
	return u.ID, db.Insert(f.ctx, f.tx, &g)
}

// signIn makes a session, and returns what its browser shows.
func (f *filler) signIn(user string) (string, error) {
	ticket, digest, err := auth.NewTicket(rand.Reader, auth.Session)
	if err != nil {
		return "", err
	}
	s := backstay.Session{Record: f.base(1), User: user, Method: "password", IP: "127.0.0.1", LastUsedAt: f.now, FreshUntil: f.now.AddDate(0, 0, 7), ExpiresAt: f.now.AddDate(0, 0, 7), Hash: string(digest)}
	return string(ticket), db.Insert(f.ctx, f.tx, &s)
}
