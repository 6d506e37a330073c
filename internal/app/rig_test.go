package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/app"
	"github.com/backstay/backstay/internal/catalog"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/secret"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/source"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/test/quickrepo"
	"github.com/backstay/backstay/test/servers"
)

// wall is a clock whose hands can be set. Its time stands still but for that; who sleeps does so fifty times as fast as they think.
type wall struct {
	mu  sync.Mutex
	now time.Time
}

func (w *wall) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// jump moves the hands, by themselves.
func (w *wall) jump(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(by)
}

func (w *wall) set(to time.Time) { w.jump(to.Sub(w.Now())) }

func (w *wall) Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d / 50)
	defer t.Stop()
	select {
	case <-t.C:
		w.jump(d)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// rig is a server of several processes without doors: one database, storages in memory, and sources that wait or fail as a test says.
type rig struct {
	t        *testing.T
	ctx      context.Context
	location string
	ring     *secret.Ring
	clock    *wall
	project  string

	wrap func(*mem.Backend) storage.Backend // around storages; may be nil

	mu       sync.Mutex
	storages map[string]*mem.Backend
	gates    map[string]func(ctx context.Context) error // what reading a source begins with, by its path
}

func eachRig(t *testing.T, fn func(r *rig)) {
	t.Helper()
	for name, location := range map[string]func(t *testing.T) string{
		"SQLite":     func(t *testing.T) string { return filepath.Join(t.TempDir(), "backstay.db") },
		"PostgreSQL": func(t *testing.T) string { return servers.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			key, err := secret.NewKey(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			r := &rig{t: t, ctx: t.Context(), location: location(t), ring: secret.NewRing(key), clock: &wall{now: time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)},
				storages: map[string]*mem.Backend{}, gates: map[string]func(context.Context) error{}}
			fn(r)
		})
	}
}

// process is one more of those that share the database, with a clock of its own if one is given.
func (r *rig) process(clocks ...clock.Clock) *app.App {
	r.t.Helper()
	d, err := db.Open(r.ctx, r.location)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := d.Close(); err != nil {
			r.t.Error(err)
		}
	})
	c, err := catalog.Open(r.ctx, filepath.Join(r.t.TempDir(), "catalogue.db"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		if err := c.Close(); err != nil {
			r.t.Error(err)
		}
	})
	var clk clock.Clock = r.clock
	if len(clocks) > 0 {
		clk = clocks[0]
	}
	return app.New(app.Options{DB: d, Clock: clk, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler), Init: quickrepo.Begin, Ring: r.ring, Places: places{r}, Catalog: c, Data: r.t.TempDir(), Hostname: "host"})
}

// places is an app.Places of the rig.
type places struct{ r *rig }

func (places) OpenTarget(string, string) source.Restorer { return nil }

func (places) StorageKinds() []app.Kind                         { return nil }
func (places) SourceKinds() []app.Kind                          { return nil }
func (places) CheckStorage(app.Place) ([]settings.Field, error) { return nil, nil }
func (places) CheckSource(app.Place) ([]settings.Field, error)  { return nil, nil }
func (places) CheckRate(string) error                           { return nil }
func (places) LocalPath(app.Place) (string, bool)               { return "", false }
func (p places) OpenStorage(at app.Place) (storage.Backend, int, error) {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	if p.r.storages[at.Location] == nil {
		p.r.storages[at.Location] = mem.New()
	}
	if p.r.wrap != nil {
		return p.r.wrap(p.r.storages[at.Location]), 2, nil
	}
	return p.r.storages[at.Location], 2, nil
}

func (p places) OpenSource(at app.Place, _ source.Part, _ func(string)) (source.Source, []string, error) {
	path := at.Settings["path"]
	return gated{p.r, path}, []string{path}, nil
}

// gated is a source of one file, behind the gate of its path.
type gated struct {
	r    *rig
	path string
}

func (g gated) Open(ctx context.Context) (source.View, error) {
	g.r.mu.Lock()
	gate := g.r.gates[g.path]
	g.r.mu.Unlock()
	if gate != nil {
		if err := gate(ctx); err != nil {
			return nil, err
		}
	}
	return files.NewReader("file", g.r.clock, func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader([]byte(g.path + " at " + g.r.clock.Now().String()))), nil
	}).Open(ctx)
}

// gate puts something before the reading of a source.
func (r *rig) gate(path string, fn func(ctx context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gates[path] = fn
}

// hold makes a source wait, until release or its run's end. begun tells that it waits.
func (r *rig) hold(path string) (begun <-chan struct{}, release func()) {
	wait, in := make(chan struct{}), make(chan struct{}, 100)
	r.gate(path, func(ctx context.Context) error {
		in <- struct{}{}
		select {
		case <-wait:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	return in, sync.OnceFunc(func() { close(wait) })
}

func must[T any](r *rig, v T, err error) T {
	r.t.Helper()
	if err != nil {
		var e *backstay.Error
		if errors.As(err, &e) {
			err = errors.Join(err, e.Err)
		}
		r.t.Fatal(err)
	}
	return v
}

// placed is the one project of the rig.
func (r *rig) placed(a *app.App) backstay.Placed {
	r.t.Helper()
	if r.project == "" {
		p, err := a.Projects.Create(r.ctx, backstay.Server, backstay.Project{Name: "Home"})
		r.project = must(r, p, err).ID
	}
	return backstay.Placed{Project: r.project}
}

func (r *rig) storage(a *app.App, name string, parallel int) string {
	r.t.Helper()
	s, err := a.Storages.Create(r.ctx, backstay.Server, backstay.Storage{Placed: r.placed(a), Name: name, Location: "mem:" + name, Parallel: parallel})
	return must(r, s, err).ID
}

func (r *rig) repository(a *app.App, storage, name string) string {
	r.t.Helper()
	v, err := a.CreateRepository(r.ctx, backstay.Server, backstay.Repository{Placed: r.placed(a), Name: name, Storage: storage, Path: name})
	return must(r, v, err).ID
}

func (r *rig) source(a *app.App, path string) string {
	r.t.Helper()
	s, err := a.Sources.Create(r.ctx, backstay.Server, backstay.Source{Placed: r.placed(a), Name: path, Kind: "files", Settings: map[string]string{"path": path}})
	return must(r, s, err).ID
}

// plan makes one; what the test does not say is of no interest.
func (r *rig) plan(a *app.App, p backstay.Plan) backstay.Plan {
	r.t.Helper()
	p.Placed, p.Type, p.Verify = r.placed(a), "incremental", "none"
	made, err := a.Plans.Create(r.ctx, backstay.Server, p)
	return must(r, made, err)
}

func (r *rig) start(a *app.App, plan string) backstay.Run {
	r.t.Helper()
	run, err := a.StartPlan(r.ctx, backstay.Server, plan, app.RunNow{})
	return must(r, run, err)
}

func (r *rig) run(a *app.App, id string) backstay.Run {
	r.t.Helper()
	run, err := a.Runs.Find(r.ctx, backstay.Server, id)
	return must(r, run, err)
}

// runs lists all runs, the oldest first.
func (r *rig) runs(a *app.App) []backstay.Run {
	r.t.Helper()
	page, _, err := a.Runs.List(r.ctx, backstay.Server, app.List{Limit: 1000, Sort: "created_at"})
	return must(r, page, err)
}

// backups lists the backups that meet filters, the oldest first.
func (r *rig) backups(a *app.App, filters map[string]string) []backstay.Run {
	r.t.Helper()
	filters = maps.Clone(filters)
	if filters == nil {
		filters = map[string]string{}
	}
	filters["kind"] = "backup"
	page, _, err := a.Runs.List(r.ctx, backstay.Server, app.List{Limit: 1000, Sort: "created_at", Filters: filters})
	return must(r, page, err)
}

// work does one run, and reports whether there was one.
func (r *rig) work(a *app.App, name string) bool {
	r.t.Helper()
	worked, err := a.Work(r.ctx, name)
	return must(r, worked, err)
}

// background does one run beside the test; the channel tells that it is over.
func (r *rig) background(a *app.App, name string) <-chan error {
	ended := make(chan error, 1)
	go func() {
		_, err := a.Work(r.ctx, name)
		ended <- err
	}()
	return ended
}

// soon fails the test unless something comes within seconds.
func soon[T any](r *rig, c <-chan T) (v T) {
	r.t.Helper()
	select {
	case v = <-c:
	case <-time.After(30 * time.Second):
		r.t.Fatal("it doesn't happen")
	}
	return v
}
