package serve

import (
	"crypto/rand"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/test/quickrepo"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/servers"
)

const (
	sources    = 20
	sourceSize = 1 << 20
	upload     = "32" // KiB per second, so that runs are at work when the server ends
	settled    = 30 * time.Second
)

// rounds is how often a server is ended.
func rounds(gate int) int {
	if os.Getenv("BACKSTAY_SOAK") != "" {
		return 20 * gate
	}
	return gate
}

// site is what is backed up by an installation.
type site struct {
	plans      []string
	sources    []string // folders
	storage    string   // id
	repository string   // folder
	id         string   // of the repository
	password   string
}

// setUp claims the server, and makes a plan for each source, all into one repository, whose key takes no time to open.
func setUp(t *testing.T, p *process) *site {
	t.Helper()
	s := &site{repository: filepath.Join(t.TempDir(), "repository"), password: "a password of the test"}
	p.ask(t, "POST", "/claim", map[string]string{"code": p.claim, "name": "Ada", "email": "ada@example.org", "password": password}, nil)
	if _, err := quickrepo.Make(t.Context(), local.New(local.OS{}, s.repository, local.Options{}), s.password, 2); err != nil {
		t.Fatal(err)
	}
	project := p.id(t, "/projects", map[string]any{"name": "Home"})
	s.storage = p.id(t, "/storages", map[string]any{"project": project, "name": "Disk", "location": s.repository})
	s.id = p.id(t, "/repositories", map[string]any{"project": project, "name": "Main", "storage": s.storage, "password": s.password, "adopt": true})
	for i := range sources {
		dir := t.TempDir()
		s.sources = append(s.sources, dir)
		source := p.id(t, "/sources", map[string]any{"project": project, "name": fmt.Sprint("source ", i), "kind": "files", "settings": map[string]string{"paths": dir}})
		s.plans = append(s.plans, p.id(t, "/plans", map[string]any{"project": project, "name": fmt.Sprint("plan ", i), "sources": []string{source},
			"repositories": []string{s.id}, "type": "incremental", "verify": "none", "retries": 0}))
	}
	return s
}

// startAll changes all sources and starts all plans. They take half a minute, unless they are ended; those that are started after hurry
// was called take no longer than they need.
func (s *site) startAll(t *testing.T, p *process) {
	t.Helper()
	p.ask(t, "PATCH", "/storages/"+s.storage, map[string]string{"upload": upload}, nil)
	for i, plan := range s.plans {
		content := make([]byte, sourceSize)
		if _, err := rand.Read(content); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.sources[i], "file"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		p.ask(t, "POST", "/plans/"+plan+"/start", nil, nil)
	}
}

// hurry lets runs that are yet to begin upload as fast as they can. Those at work stay slow.
func (s *site) hurry(t *testing.T, p *process) {
	t.Helper()
	p.ask(t, "PATCH", "/storages/"+s.storage, map[string]string{"upload": ""}, nil)
}

// runs lists all runs, the oldest first.
func (p *process) runs(t *testing.T) []backstay.Run {
	t.Helper()
	var list struct{ Items []backstay.Run }
	p.ask(t, "GET", "/runs?limit=1000&sort=created_at", nil, &list)
	return list.Items
}

// until looks again and again whether the runs are as wanted, for so long at most.
func (p *process) until(t *testing.T, long time.Duration, what string, is func(all []backstay.Run) bool) {
	t.Helper()
	begun := time.Now()
	for !is(p.runs(t)) {
		if time.Since(begun) > long {
			for _, run := range p.runs(t) {
				t.Logf("%s of %s: %s, attempt %d, worker %q, failure %+v", run.ID, run.Plan, run.State, run.Attempt, run.Worker, run.Failure)
			}
			t.Fatalf("within %s it is not so that %s", long, what)
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Logf("%s after %s", what, time.Since(begun).Round(100*time.Millisecond))
}

func atWork(n int) func([]backstay.Run) bool {
	return func(all []backstay.Run) bool {
		working := 0
		for _, run := range all {
			if run.State == backstay.Running {
				working++
			}
		}
		return working >= n
	}
}

// without reports whether no run is one of a process that is gone.
func (p *process) without() func([]backstay.Run) bool {
	name := fmt.Sprintf("/%d/", p.cmd.Process.Pid)
	return func(all []backstay.Run) bool {
		return !slices.ContainsFunc(all, func(run backstay.Run) bool {
			return run.State == backstay.Running && strings.Contains(run.Worker, name)
		})
	}
}

func allOver(all []backstay.Run) bool {
	return !slices.ContainsFunc(all, func(run backstay.Run) bool { return !run.State.Ended() })
}

// sound fails the test unless each run ended well or was repeated until one did, never two of a source at once, and each made one
// snapshot at most; and unless the repository is as if nothing had happened.
func (s *site) sound(t *testing.T, p *process, in *installation, started int) {
	t.Helper()
	last := map[string]backstay.Run{}
	succeeded := 0
	for _, run := range p.runs(t) {
		if run.Kind != backstay.RunBackup {
			continue
		}
		switch run.State {
		case backstay.Succeeded:
			succeeded++
		case backstay.RunFailed:
			if run.Failure == nil || run.Failure.Code == "" || run.Failure.Hint == "" {
				t.Errorf("run %s failed without a reason: %+v", run.ID, run.Failure)
			}
		default:
			t.Errorf("run %s is %s", run.ID, run.State)
		}
		if before, ok := last[run.Plan]; ok && run.StartedAt.Before(*before.EndedAt) {
			t.Errorf("run %s began at %s, before %s had ended at %s", run.ID, run.StartedAt, before.ID, before.EndedAt)
		}
		last[run.Plan] = run
	}
	if succeeded != started {
		t.Errorf("%d runs succeeded of %d that were started", succeeded, started)
	}
	s.sweep(t, p)
	s.repositorySound(t)
	for _, dir := range []string{s.repository, in.temp, in.data} {
		_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
			if name := filepath.Base(path); err != nil || strings.HasPrefix(name, ".backstay-") || filepath.Dir(path) == in.temp {
				t.Errorf("%s is left, %v", path, err)
			}
			return nil
		})
	}
}

// sweep lets a day go by for what a killed process was writing, after which a prune takes it.
func (s *site) sweep(t *testing.T, p *process) {
	t.Helper()
	old := time.Now().Add(-25 * time.Hour)
	err := filepath.WalkDir(s.repository, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(filepath.Base(path), ".backstay-") {
			err = os.Chtimes(path, old, old)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p.ask(t, "POST", "/repositories/"+s.id+"/prune", nil, nil)
	p.until(t, time.Minute, "the prune is over", allOver)
}

// repositorySound asks restic.
func (s *site) repositorySound(t *testing.T) {
	t.Helper()
	theirs := resticbin.Repo{Bin: resticbin.Newest(t), Dir: s.repository, Password: s.password}
	if err := theirs.Check(t.Context()); err != nil {
		t.Error(err)
	}
	var all []struct {
		Paths []string
		Tags  []string
	}
	if err := theirs.JSON(t.Context(), &all, "snapshots"); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, snapshot := range all {
		i := slices.IndexFunc(snapshot.Tags, func(tag string) bool { return strings.HasPrefix(tag, "run=") })
		if i < 0 || seen[snapshot.Tags[i]] {
			t.Errorf("a second snapshot of one run: %+v", snapshot)
			continue
		}
		seen[snapshot.Tags[i]] = true
	}
	if locks, err := os.ReadDir(filepath.Join(s.repository, "locks")); err != nil || len(locks) > 0 {
		t.Errorf("locks are left: %v, %v", locks, err)
	}
}

func TestAServerThatIsEndedGoesOnWithItsRuns(t *testing.T) {
	for name, database := range map[string]func(t *testing.T) string{
		"SQLite":     func(*testing.T) string { return "" },
		"PostgreSQL": func(t *testing.T) string { return servers.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			in := newInstallation(t, database(t))
			p := in.start(t, "--runs", "20")
			s := setUp(t, p)
			n := rounds(2)
			for i := range n {
				s.startAll(t, p)
				p.until(t, time.Minute, "all are at work", atWork(sources))
				s.hurry(t, p)
				signal := []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM}[i%2]
				p.end(t, signal)
				gone := p
				p = in.start(t, "--runs", "20")
				p.until(t, settled, fmt.Sprintf("none is at work of the process that ended by %s", signal), gone.without())
				p.until(t, 3*time.Minute, "all are over", allOver)
			}
			s.sound(t, p, in, n*sources)
		})
	}
}

func TestOfTwoServersOneIsKilled(t *testing.T) {
	in := newInstallation(t, servers.Postgres(t))
	p := in.start(t, "--runs", "10")
	s := setUp(t, p)
	n := rounds(1)
	for range n {
		other := in.start(t, "--runs", "10")
		s.startAll(t, p)
		p.until(t, time.Minute, "both have runs", func(all []backstay.Run) bool {
			return atWork(sources)(all) && !other.without()(all) && !p.without()(all)
		})
		s.hurry(t, p)
		other.end(t, syscall.SIGKILL)
		p.until(t, settled, "none is at work of the one that was killed", other.without())
		p.until(t, 3*time.Minute, "all are over", allOver)
	}
	s.sound(t, p, in, n*sources)
}
