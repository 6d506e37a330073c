//go:build linux

package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/source"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/test/treegen"
)

// added is what a backup told of itself: the words are those of restic.
type added struct {
	SnapshotID  string `json:"snapshot_id"`
	DataBlobs   int    `json:"data_blobs"`
	TreeBlobs   int    `json:"tree_blobs"`
	DataAdded   int64  `json:"data_added"`
	TotalFiles  int64  `json:"total_files_processed"`
	TotalBytes  int64  `json:"total_bytes_processed"`
	MessageType string `json:"message_type"`
}

// theirBackup has restic make a snapshot. The arguments are those of its backup.
func (s *site) theirBackup(t *testing.T, args ...string) (*snapshot.Snapshot, added) {
	t.Helper()
	out := s.run(t, append([]string{"backup", "--json", "--host", host}, args...)...)
	return s.saved(t, out)
}

// saved finds the snapshot that a backup with --json says it saved.
func (s *site) saved(t *testing.T, out []byte) (*snapshot.Snapshot, added) {
	t.Helper()
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	var a added
	if err := json.Unmarshal(lines[len(lines)-1], &a); err != nil || a.MessageType != "summary" {
		t.Fatalf("restic backup ended with %q: %v", lines[len(lines)-1], err)
	}
	found, err := snapshot.Find(t.Context(), s.ours, a.SnapshotID, snapshot.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	return found, a
}

// ourBackup makes a snapshot of the paths with our side. Nothing may be lost.
func (s *site) ourBackup(t *testing.T, opt files.Options, paths ...string) (*snapshot.Snapshot, added) {
	t.Helper()
	src := files.New(paths, opt)
	saved, a, err := backup(t, s.ours, src, src.Paths(), snapshot.Incremental)
	if err != nil {
		t.Fatal(err)
	}
	return saved, a
}

// backup makes a snapshot of a source with our side.
func backup(t *testing.T, r *repo.Repo, src source.Source, paths []string, kind snapshot.Type) (*snapshot.Snapshot, added, error) {
	now := time.Now()
	opt := runner.BackupOptions{Type: kind, Start: now, Template: snapshot.Snapshot{Time: now, Hostname: host, Paths: paths}, Progress: func(e progress.Event) {
		if e.Kind == progress.Failed {
			t.Errorf("backup lost %q: %v", e.Item, e.Err)
		}
	}}
	results, err := runner.Backup(t.Context(), src, []*repo.Repo{r}, opt)
	if err != nil {
		return nil, added{}, err
	}
	c := results[0].Counts
	return results[0].Snapshot, added{DataBlobs: int(c.DataBlobs), TreeBlobs: int(c.TreeBlobs), DataAdded: c.Added, TotalFiles: c.Files, TotalBytes: c.Bytes}, nil
}

// ourRestore restores the snapshot with our side and returns the folder. Nothing may be lost.
func (s *site) ourRestore(t *testing.T, of *snapshot.Snapshot) string {
	t.Helper()
	out := t.TempDir()
	opt := runner.RestoreOptions{
		Report: func(c entry.Change) {
			if c.Action == entry.Failed {
				t.Errorf("restore of %q: %s", c.Path, c.Reason)
			}
		},
	}
	if err := runner.Restore(t.Context(), s.ours, of, files.NewTarget(out, files.TargetOptions{}), opt); err != nil {
		t.Fatal(err)
	}
	return out
}

// theirRestore restores the snapshot with restic and returns the folder.
func (s *site) theirRestore(t *testing.T, of *snapshot.Snapshot) string {
	t.Helper()
	out := t.TempDir()
	s.run(t, "restore", of.ID.String(), "--target", out)
	return out
}

// ourForget removes the snapshot with our side.
func (s *site) ourForget(t *testing.T, gone *snapshot.Snapshot) {
	t.Helper()
	s.locked(t, repo.Exclusive, func(ctx context.Context) error { return s.ours.RemoveFile(ctx, repo.Snapshots, gone.ID) })
}

// locked does something under a lock of ours.
func (s *site) locked(t *testing.T, mode repo.LockMode, do func(ctx context.Context) error) {
	t.Helper()
	ctx, unlock, err := s.ours.Lock(t.Context(), mode, repo.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(do(ctx), unlock()); err != nil {
		t.Fatal(err)
	}
}

// newTree makes a tree of the spec and returns its folder.
func newTree(t *testing.T, spec treegen.Spec) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "tree")
	if err := treegen.Generate(root, spec); err != nil {
		t.Fatal(err)
	}
	return root
}

// wantTree compares the tree at root with what was restored of it into out. Sockets are no part of a backup. Differences that
// except says yes to are left out.
func wantTree(t *testing.T, root, out string, opt treegen.Options, except func(treegen.Difference) bool) {
	t.Helper()
	wantEqual(t, root, filepath.Join(out, root), opt, except)
}

func wantEqual(t *testing.T, a, b string, opt treegen.Options, except func(treegen.Difference) bool) {
	t.Helper()
	opt.IgnoreSockets = true
	found, err := treegen.Compare(a, b, opt)
	if err != nil {
		t.Error(err)
	}
	found = slices.DeleteFunc(found, except)
	for _, d := range found[:min(len(found), 10)] {
		t.Error(d)
	}
	if len(found) > 10 {
		t.Errorf("and %d more", len(found)-10)
	}
}

func nothing(treegen.Difference) bool { return false }

// lostLinks excuses what restic before 0.16 does to link targets that are no UTF-8.
func lostLinks(d treegen.Difference) bool {
	return d.Fact == treegen.Target && strings.Contains(d.A, `\x`)
}

// lostByRestic excuses what this restic can't restore, whoever backed it up: times that no int64 of nanoseconds holds, and such
// targets if it is an old one.
func (s *site) lostByRestic(d treegen.Difference) bool {
	return s.old() && lostLinks(d) || d.Fact == treegen.ModTime && d.A >= "2262-04-11T23:47:16.854775808Z"
}

// old reports whether the restic is one from before 0.16, which destroys link targets that are no UTF-8.
func (s *site) old() bool { return s.before(16) }

// before reports whether the restic is older than 0.minor.
func (s *site) before(minor int) bool {
	var major, its int
	_, err := fmt.Sscanf(s.restic.Bin.Version, "%d.%d", &major, &its)
	return err == nil && major == 0 && its < minor
}
