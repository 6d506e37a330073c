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

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/source"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/quickrepo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = quickrepo.Still{}.Now()

// newRepo returns a new repository in b. All have the same polynomial.
func newRepo(t testing.TB, b storage.Backend) *repo.Repo {
	t.Helper()
	r, _ := quickrepo.Init(t, b, 2, quickrepo.Polynomial, repo.Options{})
	return r
}

// names returns the files in some folders of a storage.
func names(t testing.TB, b storage.Backend, dirs ...string) []string {
	t.Helper()
	found, err := quickrepo.Names(t.Context(), b, dirs...)
	if err != nil {
		t.Fatal(err)
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
