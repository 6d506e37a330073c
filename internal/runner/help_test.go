package runner_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/source"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// still is a clock that stands still, at which locks neither wait nor grow old.
type still struct{}

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (still) Now() time.Time { return now }

func (still) Sleep(ctx context.Context, d time.Duration) error {
	if d == time.Second { // the pulse of those who keep a lock fresh
		<-ctx.Done()
	}
	return context.Cause(ctx)
}

// slot is a repository whose storage can be exchanged, since to make one takes the time of a password. All have the same
// polynomial.
type slot struct {
	storage.Backend
	repo *repo.Repo
	init *mem.Backend // what a new one consists of
}

// free are the slots that no test uses now. Tests run one after the other.
var free []*slot

// newRepo returns a new repository in b.
func newRepo(t testing.TB, b storage.Backend) *repo.Repo {
	t.Helper()
	if len(free) == 0 {
		s := &slot{init: mem.New()}
		s.Backend = s.init
		var err error
		s.repo, err = repo.Init(t.Context(), s, "password", repo.Options{Clock: still{}},
			repo.InitOptions{Polynomial: 0x3da3358b4dc173, KDF: crypto.KDF{N: 1 << 15, R: 8, P: 1}})
		if err != nil {
			t.Fatal(err)
		}
		free = append(free, s)
	}
	s := free[0]
	free = free[1:]
	t.Cleanup(func() { free = append(free, s) })
	for _, name := range append(names(t, s.init, "keys"), "config") {
		content, err := storage.LoadAll(t.Context(), s.init, name)
		if err == nil {
			err = b.Save(t.Context(), name, storage.Bytes(content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s.Backend = b
	s.repo.ForgetIndex()
	return s.repo
}

// names returns the files in some folders of a storage.
func names(t testing.TB, b storage.Backend, dirs ...string) (found []string) {
	t.Helper()
	for _, dir := range dirs {
		for info, err := range b.List(context.Background(), dir) {
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, info.Name)
		}
	}
	return found
}

// plant makes files below a new directory, and makes that the working directory: what is given as "name=content" is at
// "root/name".
func plant(t testing.TB, files ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, file := range files {
		name, content, _ := strings.Cut(file, "=")
		write(t, name, content)
	}
}

func write(t testing.TB, name, content string) {
	t.Helper()
	name = filepath.Join("root", name)
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		err = os.WriteFile(name, []byte(content), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// options are those of the n-th backup of root.
func options(n int) runner.BackupOptions {
	return runner.BackupOptions{
		Template: snapshot.Snapshot{Time: now.Add(time.Duration(n) * time.Hour), Hostname: "host", Paths: []string{"/root"}, Tags: []string{"tag"}},
		Start:    now,
	}
}

// backup backs up root, which must go well.
func backup(t testing.TB, opt runner.BackupOptions, rs ...*repo.Repo) *snapshot.Snapshot {
	t.Helper()
	results, err := runner.Backup(t.Context(), files.New([]string{"root"}, files.Options{}), rs, opt)
	if err != nil {
		t.Fatalf("Backup = %v", err)
	}
	for _, r := range results {
		if r.Err != nil {
			t.Fatalf("Backup of a repository = %v", r.Err)
		}
	}
	return results[0].Snapshot
}

// restore restores a snapshot and returns what was reported, one line for each path.
func restore(t testing.TB, r *repo.Repo, s *snapshot.Snapshot, to source.Restorer, opt runner.RestoreOptions) (lines []string) {
	t.Helper()
	opt.Report = func(c entry.Change) { lines = append(lines, fmt.Sprintf("%s %s", c.Path, c.Action)) }
	if err := runner.Restore(t.Context(), r, s, to, opt); err != nil {
		t.Fatalf("Restore = %v", err)
	}
	slices.Sort(lines)
	return lines
}

// odd is a source that is spoiled at one place.
type odd struct {
	source.Source
	opening, closing error
	entries          func(ctx context.Context) // is called when the entries are ranged over
}

func (o odd) Open(ctx context.Context) (source.View, error) {
	if o.opening != nil {
		return nil, o.opening
	}
	v, err := o.Source.Open(ctx)
	return oddView{v, o}, err
}

type oddView struct {
	source.View
	odd
}

func (v oddView) Entries(ctx context.Context) iter.Seq2[entry.Entry, error] {
	if v.odd.entries != nil {
		v.odd.entries(ctx)
	}
	return v.View.Entries(ctx)
}

func (v oddView) Close() error { return errors.Join(v.View.Close(), v.closing) }
