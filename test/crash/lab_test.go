//go:build linux

package crash

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/test/quickrepo"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/treegen"
)

const password = "crash test"

// lab is what all kills start from.
type lab struct {
	binary string
	trap   string // what kills it at points; "" where nothing does
	restic resticbin.Bin
	repo   string // a repository with a snapshot of each of the states
	root   string // the tree that was backed up, since changed once more
	states []state
}

// state is what the tree once was, and the snapshot of it.
type state struct {
	id   string
	copy string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{binary: build(t, "../../cmd/backstay"), restic: resticbin.Newest(t), repo: filepath.Join(t.TempDir(), "repository"), root: filepath.Join(t.TempDir(), "tree")}
	spec := treegen.Spec{Seed: 1, Dirs: 6, Files: 60, Traits: treegen.Names | treegen.HardLinks | treegen.Symlinks | treegen.Attributes}
	if err := treegen.Generate(l.root, spec); err != nil {
		t.Fatal(err)
	}
	newRepository(t, l.repo, 2)
	for seed := range uint64(3) {
		l.states = append(l.states, l.snapshot(t))
		if err := treegen.Mutate(l.root, seed); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// newRepository makes an empty repository.
func newRepository(t *testing.T, dir string, version uint) {
	t.Helper()
	if _, err := quickrepo.Make(t.Context(), local.New(local.OS{}, dir, local.Options{}), password, version); err != nil {
		t.Fatal(err)
	}
}

// build builds the program in a folder.
func build(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(dir))
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-C", dir, "-o", path).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v: %s", dir, err, out)
	}
	return path
}

// snapshot backs the tree up as it is.
func (l *lab) snapshot(t *testing.T) state {
	t.Helper()
	s := state{copy: filepath.Join(t.TempDir(), "state")}
	copyAll(t, l.root, s.copy)
	src, now := files.New([]string{l.root}, files.Options{}), time.Now()
	r := open(t, l.repo, "")
	results, err := runner.Backup(t.Context(), src, []*repo.Repo{r}, runner.BackupOptions{Start: now, Template: snapshot.Snapshot{Time: now, Paths: src.Paths(), Hostname: "h"}})
	if err != nil {
		t.Fatal(err)
	}
	s.id = results[0].Snapshot.ID.String()
	return s
}

func copyAll(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
}

// open opens a repository in this process.
func open(t *testing.T, dir, lockDir string) *repo.Repo {
	t.Helper()
	r, err := repo.Open(t.Context(), local.New(local.OS{}, dir, local.Options{}), password, repo.Options{LockDir: lockDir})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// each calls fn for each item in a test of its own, some at once: most of what a kill takes is waiting.
func each[T any](t *testing.T, items []T, name func(T) string, fn func(t *testing.T, item T)) {
	var group errgroup.Group
	group.SetLimit(8)
	for _, item := range items {
		group.Go(func() error {
			t.Run(name(item), func(t *testing.T) { fn(t, item) })
			return nil
		})
	}
	_ = group.Wait() // the tests have failed or not
}

// room is where one kill happens.
type room struct {
	*lab
	dir string // holds the repository, the state of the programs that were started, and what they restore
}

// enter makes a room for an operation.
func (l *lab) enter(t *testing.T, op operation) *room {
	t.Helper()
	r := &room{lab: l, dir: t.TempDir()}
	copyAll(t, cmp.Or(op.from, l.repo), r.at("repository"))
	if err := os.WriteFile(r.at("password"), []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	if op.prepare != nil {
		op.prepare(t, r)
	}
	return r
}

// open opens the repository of the room in this process.
func (r *room) open(ctx context.Context) (*repo.Repo, error) {
	return repo.Open(ctx, local.New(local.OS{}, r.at("repository"), local.Options{}), password, repo.Options{LockDir: r.locks()})
}

func (r *room) at(name string) string { return filepath.Join(r.dir, name) }

func (r *room) locks() string { return r.at("state/backstay/locks") }

func (r *room) theirs() resticbin.Repo {
	return resticbin.Repo{Bin: r.restic, Dir: r.at("repository"), Password: password, Work: r.dir}
}

// command is a call of the binary on the repository of the room.
func (r *room) command(ctx context.Context, args ...string) (*exec.Cmd, *strings.Builder) {
	cmd := exec.CommandContext(ctx, r.binary, args...)
	cmd.Dir = r.dir
	cmd.Env = []string{"BACKSTAY_REPOSITORY=" + r.at("repository"), "BACKSTAY_PASSWORD_FILE=" + r.at("password"), "XDG_STATE_HOME=" + r.at("state"),
		"HOME=" + r.dir, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + r.dir}
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	return cmd, &said
}

// run runs the binary to its end.
func (r *room) run(ctx context.Context, args ...string) error {
	cmd, said := r.command(ctx, args...)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("backstay %s: %w: %s", strings.Join(args, " "), err, said)
	}
	return nil
}

// kill runs the binary and kills it at a moment. It returns false if it was done before.
func (r *room) kill(t *testing.T, at moment, args ...string) bool {
	t.Helper()
	cmd, said := r.command(t.Context(), args...)
	kill := func() { _ = cmd.Process.Kill() } // it may be done
	started := make(chan struct{})
	_, stop := watch(t, r.at("repository"), at.changes, func() { <-started; kill() })
	err := cmd.Start()
	close(started)
	if err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(at.after, kill)
	err = cmd.Wait()
	timer.Stop()
	stop()
	if err != nil && cmd.ProcessState.ExitCode() >= 0 {
		t.Fatalf("backstay %s: %v: %s", strings.Join(args, " "), err, said)
	}
	return err != nil
}
