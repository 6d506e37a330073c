package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/backstay/backstay/test/resticbin"
)

// flip changes bits of a file.
func flip(t *testing.T, file string, rng *rand.Rand, bits int) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for range bits {
		content[rng.IntN(len(content))] ^= 1 << rng.IntN(8)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// fate is what became of a server on a damaged folder.
type fate struct {
	started bool
	said    string
}

// attempt starts a server on a folder, lets it work for a while and ends it.
func attempt(t *testing.T, data string, long time.Duration) (f fate) {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "serve", "--listen", address, "--data", data, "--log-level", "error")
	cmd.Env = []string{"HOME=" + data, "PATH=" + os.Getenv("PATH")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case <-time.After(long):
		f.started = true
		_ = cmd.Process.Signal(syscall.SIGTERM)
		err = <-ended
	}
	f.said = out.String()
	var exit *exec.ExitError
	if strings.Contains(f.said, "panic:") || strings.Contains(f.said, "SIG") || err != nil && !errors.As(err, &exit) {
		t.Errorf("the server broke down: %v\n%.2000s", err, f.said)
	}
	return f
}

// names are those of the snapshots in the repository.
func (s *site) names(t *testing.T) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(s.repository, "snapshots"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			all = append(all, e.Name())
		}
	}
	return all
}

// made is a server with some snapshots and a retention, which has ended.
func made(t *testing.T) (*installation, *site) {
	t.Helper()
	in := newInstallation(t, "")
	p := in.start(t, "--runs", "10")
	s := setUp(t, p)
	s.unlimited(t, p)
	for round := range 3 {
		for i := range 5 {
			put(t, filepath.Join(s.sources[i], "file"), fmt.Sprint("content ", round, i))
			p.ask(t, "POST", "/plans/"+s.plans[i]+"/start", nil, nil)
		}
		p.until(t, 2*time.Minute, "all are over", allOver)
	}
	for i := range 5 {
		p.ask(t, "PATCH", "/plans/"+s.plans[i], map[string]any{"retention": map[string]string{"last": "50"}, "active": true, "schedule": map[string]any{"every": "5m"}}, nil)
	}
	p.end(t, syscall.SIGTERM)
	return in, s
}

// TestADamagedDatabaseDeletesNothing flips bits of the database, many at a time and few.
func TestADamagedDatabaseDeletesNothing(t *testing.T) {
	theirs := resticbin.Newest(t)
	in, s := made(t)
	want := s.names(t)
	if len(want) != 15 {
		t.Fatalf("there are %d snapshots", len(want))
	}
	rng := rand.New(rand.NewPCG(14, 3))
	flipped, started, told := 0, 0, 0
	for _, bits := range append(slices.Repeat([]int{194}, rounds(5)), slices.Repeat([]int{3}, rounds(10))...) {
		data := filepath.Join(t.TempDir(), "server")
		if err := os.CopyFS(data, os.DirFS(in.data)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(data, "secret.key"), 0o600); err != nil {
			t.Fatal(err)
		}
		flip(t, filepath.Join(data, "backstay.db"), rng, bits)
		flipped += bits
		switch f := attempt(t, data, 4*time.Second); {
		case f.started:
			started++
		case strings.Contains(f.said, "Hint:"):
			told++
		default:
			t.Errorf("the server ends and does not say what to do:\n%s", f.said)
		}
		for _, name := range want {
			if !slices.Contains(s.names(t), name) {
				t.Fatalf("snapshot %s is gone", name)
			}
		}
	}
	repository := resticbin.Repo{Bin: theirs, Dir: s.repository, Password: s.password}
	if err := repository.Check(t.Context()); err != nil {
		t.Error(err)
	}
	s.restores(t)
	found := s.rebuilt(t)
	t.Logf("R14: %d wrong bits in %d databases: %d servers said what to do, %d worked, 0 of %d snapshots deleted, %d found again by a new one", flipped, started+told, told, started, len(want), found)
	if found < len(want) {
		t.Errorf("a new server finds %d snapshots of %d", found, len(want))
	}
}

// restores fails the test unless the command line brings a file back.
func (s *site) restores(t *testing.T) {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "restore", "latest", "--path", s.sources[0], "-r", s.repository, "--target", t.TempDir())
	cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "BACKSTAY_PASSWORD=" + s.password}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("restore: %v\n%s", err, out)
	}
}

// rebuilt has a new server take over the repository, and returns how many snapshots it finds.
func (s *site) rebuilt(t *testing.T) int {
	t.Helper()
	p := newInstallation(t, "").start(t)
	p.ask(t, "POST", "/claim", map[string]string{"code": p.claim, "name": "Ada", "email": "ada@example.org", "password": password}, nil)
	project := p.id(t, "/projects", map[string]any{"name": "Again"})
	storage := p.id(t, "/storages", map[string]any{"project": project, "name": "Disk", "location": s.repository})
	repository := p.id(t, "/repositories", map[string]any{"project": project, "name": "Main", "storage": storage, "password": s.password, "adopt": true})
	p.ask(t, "POST", "/repositories/"+repository+"/scan", nil, nil)
	p.until(t, time.Minute, "the scan is over", allOver)
	var list struct{ Items []json.RawMessage }
	p.ask(t, "GET", "/snapshots?limit=1000", nil, &list)
	return len(list.Items)
}

// TestADatabaseThatIsGoneOrCantBeWrittenDeletesNothing removes the database, and puts it on a disk that can only be read.
func TestADatabaseThatIsGoneOrCantBeWrittenDeletesNothing(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a disk")
	}
	in, s := made(t)
	want := s.names(t)
	n, gone, read := rounds(5), 0, 0
	for range n {
		disk := t.TempDir()
		if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=64m"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
		data := filepath.Join(disk, "server")
		if err := os.CopyFS(data, os.DirFS(in.data)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(data, "secret.key"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		if f := attempt(t, data, 4*time.Second); f.started || !strings.Contains(f.said, "Hint:") || !strings.Contains(strings.ToLower(f.said), "read") {
			t.Errorf("on a disk that can only be read: started %t\n%s", f.started, f.said)
		} else {
			read++
		}
		if err := syscall.Mount("", disk, "", syscall.MS_REMOUNT, ""); err != nil {
			t.Fatal(err)
		}
		if f := attempt(t, data, 2*time.Second); !f.started {
			t.Errorf("once it can be written to: %s", f.said)
		}
		for _, name := range []string{"backstay.db", "backstay.db-wal", "backstay.db-shm"} {
			_ = os.Remove(filepath.Join(data, name)) // some are not there
		}
		if f := attempt(t, data, 4*time.Second); !f.started || !strings.Contains(f.said, "this code: ") {
			t.Errorf("without its database: %s", f.said)
		} else {
			gone++
		}
		if got := s.names(t); len(got) < len(want) {
			t.Fatalf("%d snapshots are left of %d", len(got), len(want))
		}
	}
	s.restores(t)
	found := s.rebuilt(t)
	t.Logf("R14: %d databases on a disk that can only be read and %d that are gone: 0 of %d snapshots deleted, %d found again", read, gone, len(want), found)
	if found < len(want) {
		t.Errorf("a new server finds %d snapshots of %d", found, len(want))
	}
}
