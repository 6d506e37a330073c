package mount_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/mount"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newRepo(t testing.TB, b storage.Backend) *repo.Repo {
	t.Helper()
	r, err := repo.Init(t.Context(), b, "password", repo.Options{}, repo.InitOptions{KDF: crypto.KDF{N: 1 << 15, R: 8, P: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// aTime is when the first snapshot of a test is made.
var aTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// backUp makes a snapshot of dir.
func backUp(t testing.TB, r *repo.Repo, dir string, s snapshot.Snapshot) *snapshot.Snapshot {
	t.Helper()
	s.Paths = []string{dir}
	if s.Hostname == "" {
		s.Hostname = "host"
	}
	results, err := runner.Backup(t.Context(), files.New(s.Paths, files.Options{}), []*repo.Repo{r}, runner.BackupOptions{Type: snapshot.Full, Template: s})
	if err != nil {
		t.Fatal(err)
	}
	return results[0].Snapshot
}

// mountpoint is a mounted repository.
type mountpoint struct {
	dir    string
	cancel context.CancelCauseFunc
	ended  chan struct{}
	err    error // once ended is closed

	mu     sync.Mutex
	events []progress.Event
}

var errOver = errors.New("the test is over")

// mountRepo mounts until the test ends, or skips aloud where there is no FUSE.
func mountRepo(t testing.TB, r *repo.Repo, opt mount.Options) *mountpoint {
	t.Helper()
	if f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED: nothing can be mounted: %v", err)
	} else {
		f.Close()
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	m := &mountpoint{dir: t.TempDir(), cancel: cancel, ended: make(chan struct{})}
	ready := make(chan struct{})
	opt.Ready = func() { close(ready) }
	opt.Progress = func(e progress.Event) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.events = append(m.events, e)
	}
	go func() {
		defer close(m.ended)
		m.err = mount.Mount(ctx, r, m.dir, opt)
	}()
	t.Cleanup(func() {
		cancel(errOver)
		<-m.ended
	})
	select {
	case <-ready:
	case <-m.ended:
		t.Fatal(m.err)
	}
	return m
}

func (m *mountpoint) path(elements ...string) string {
	return filepath.Join(append([]string{m.dir}, elements...)...)
}

// failures returns what was reported as unreadable.
func (m *mountpoint) failures() (list []progress.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.events {
		if e.Kind == progress.Failed {
			list = append(list, e)
		}
	}
	return list
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
