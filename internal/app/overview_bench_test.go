package app_test

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/secret"
	"github.com/backstay/backstay/schedule"
)

// What the large database holds that the overview is measured with.
const (
	manySources   = 1000
	manyStorages  = 10
	manyRepos     = 200
	manyRuns      = 10_000
	manySnapshots = 100_000
)

// BenchmarkOverview measures it for an owner, and for somebody with a role in one source.
func BenchmarkOverview(b *testing.B) {
	location := filepath.Join(b.TempDir(), "backstay.db")
	d, err := db.Open(b.Context(), location)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	now := time.Now().UTC().Truncate(time.Microsecond)
	if err := d.Write(b.Context(), func(tx *db.Tx) error { return large{b, tx, now}.fill() }); err != nil {
		b.Fatal(err)
	}
	if err := d.Tidy(b.Context()); err != nil {
		b.Fatal(err)
	}
	key, err := secret.NewKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	a := app.New(app.Options{DB: d, Clock: clock.System, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler), Ring: secret.NewRing(key)})
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	narrow := backstay.Actor{Kind: backstay.ActorUser, User: "narrow", Rights: []backstay.Right{{Role: viewer(), Scope: scopeOf("source", 7), Effect: backstay.Allow}}}
	for name, who := range map[string]backstay.Actor{"owner": backstay.Server, "one source": narrow} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := a.Overview(b.Context(), who, "", berlin); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	page := make([]string, 50)
	for i := range page {
		page[i] = fmt.Sprint("source", i*3)
	}
	b.Run("page of sources", func(b *testing.B) {
		for b.Loop() {
			if all, err := a.SourceStates(b.Context(), backstay.Server, page); err != nil || len(all) != 50 {
				b.Fatal(len(all), err)
			}
		}
	})
}

func viewer() backstay.Role {
	for _, r := range backstay.BuiltInRoles() {
		if r.ID == string(backstay.RoleViewer) {
			return r
		}
	}
	panic("there is no viewer")
}

func scopeOf(kind string, i int) backstay.Scope {
	return backstay.ProjectScope("project").Of(kind, fmt.Sprint(kind, i))
}

// large fills a database.
type large struct {
	b   *testing.B
	tx  *db.Tx
	now time.Time
}

func (l large) record(kind string, i int, age time.Duration) backstay.Record {
	at := l.now.Add(-age)
	return backstay.Record{ID: fmt.Sprint(kind, i), CreatedAt: at, UpdatedAt: at, Version: 1}
}

func (l large) placed(kind string, i int) backstay.Placed {
	return backstay.Placed{Project: "project", Scope: scopeOf(kind, i)}
}

func rows[T any](l large, n int, row func(i int) T) error {
	for at := 0; at < n; {
		some := make([]T, 0, 200)
		for ; at < n && len(some) < cap(some); at++ {
			some = append(some, row(at))
		}
		if err := db.Insert(l.b.Context(), l.tx, &some); err != nil {
			return err
		}
	}
	return nil
}

func (l large) fill() error {
	for _, step := range []func() error{l.places, l.plans, l.runs, l.snapshots} {
		if err := step(); err != nil {
			return err
		}
	}
	for i := range 90 {
		if err := l.tx.RecordUsage(l.b.Context(), l.now.AddDate(0, 0, i-90).Format(time.DateOnly)); err != nil {
			return err
		}
	}
	return nil
}

func (l large) places() error {
	project := backstay.Project{Record: l.record("project", 0, 0), Name: "Home", Scope: backstay.ProjectScope("project")}
	project.ID = "project"
	if err := db.Insert(l.b.Context(), l.tx, &project); err != nil {
		return err
	}
	if err := rows(l, manySources, func(i int) backstay.Source {
		return backstay.Source{Record: l.record("source", i, 0), Placed: l.placed("source", i), Name: fmt.Sprintf("server-%04d", i), Kind: "files", Settings: map[string]string{"paths": "/srv/data"}}
	}); err != nil {
		return err
	}
	if err := rows(l, manyStorages, func(i int) backstay.Storage {
		return backstay.Storage{Record: l.record("storage", i, 0), Placed: l.placed("storage", i), Name: fmt.Sprint("Disk ", i), Location: "/srv/backup", Limit: 1e15}
	}); err != nil {
		return err
	}
	return rows(l, manyRepos, func(i int) backstay.Repository {
		return backstay.Repository{Record: l.record("repository", i, 0), Placed: l.placed("repository", i), Name: fmt.Sprint("Main ", i), Storage: fmt.Sprint("storage", i%manyStorages), Path: fmt.Sprint(i), Bytes: 1e9, Snapshots: 500}
	})
}

func (l large) plans() error {
	return rows(l, manySources, func(i int) backstay.Plan {
		next := l.now.Add(time.Duration(i) * time.Minute)
		return backstay.Plan{Record: l.record("plan", i, 0), Placed: l.placed("plan", i), Name: fmt.Sprintf("plan-%05d", i), Active: i%20 != 0, Sources: []string{fmt.Sprint("source", i)},
			Repositories: []string{fmt.Sprint("repository", i%manyRepos)}, Type: "incremental", Schedule: schedule.Schedule{Every: "day", At: "02:30", Zone: "Europe/Berlin"}, Verify: "structure", NextAt: &next}
	})
}

func (l large) runs() error {
	return rows(l, manyRuns, func(i int) backstay.Run {
		r := l.record("run", i, time.Duration(i)*11*time.Minute)
		ended, source := r.CreatedAt.Add(time.Minute), fmt.Sprint("source", i%manySources)
		v := backstay.Run{Record: r, Placed: backstay.Placed{Project: "project", Scope: scopeOf("source", i%manySources).Of("run", r.ID)}, Kind: backstay.RunBackup, State: backstay.Succeeded, Plan: fmt.Sprint("plan", i%manySources),
			Sources: []string{source}, Repositories: []string{fmt.Sprint("repository", i%manyRepos)}, Type: "incremental", Trigger: "schedule", DueAt: r.CreatedAt, StartedAt: &r.CreatedAt, EndedAt: &ended, Attempt: 1,
			Figures: backstay.Figures{Files: 1000, Bytes: 1e9, Added: 1e6, Phases: map[string]int64{"read": 1200}}, Outcomes: []backstay.Outcome{{Source: source, Repository: fmt.Sprint("repository", i%manyRepos), Snapshot: fmt.Sprintf("%064d", i)}}}
		switch {
		case i < 20:
			v.State, v.EndedAt, v.Outcomes = backstay.Running, nil, nil
		case i < 40:
			v.State, v.StartedAt, v.EndedAt, v.Outcomes = backstay.Pending, nil, nil, nil
		case i%50 == 7:
			v.State, v.Failure = backstay.RunFailed, &backstay.Failure{Code: "BST-1000", Text: "the source is gone"}
		}
		return v
	})
}

func (l large) snapshots() error {
	return rows(l, manySnapshots, func(i int) backstay.Snapshot {
		r := l.record("snapshot", i, time.Duration(i)*time.Minute)
		v := backstay.Snapshot{Record: r, Placed: backstay.Placed{Project: "project", Scope: scopeOf("source", i%manySources).Of("snapshot", r.ID)}, Repository: fmt.Sprint("repository", i%manyRepos), Handle: fmt.Sprintf("%064d", i),
			Original: fmt.Sprintf("%064d", i), Source: fmt.Sprint("source", i%manySources), Plan: fmt.Sprint("plan", i%manySources), Time: r.CreatedAt, Host: "host", Paths: []string{"/srv/data"}, Type: "incremental", Files: 1000, Bytes: 1e9, Added: 1e6,
			Health: backstay.HealthGood, HealthLevel: "structure", HealthAt: &r.CreatedAt}
		if i%1000 == 5 {
			v.Health = backstay.HealthDamaged
		}
		return v
	})
}
