//go:build linux

package crash

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/source/files"
)

// recovers returns an error if something was lost, or the same command does not do what is left: after the kill, after the command
// once more, and after a prune.
func (r *room) recovers(ctx context.Context, op operation, theirs bool) error {
	if op.name == "init" {
		return r.initialised(ctx, op)
	}
	kept := r.states
	if op.forgets {
		kept = kept[1:]
	}
	if err := r.begun(ctx, op, kept); err != nil {
		return fmt.Errorf("after the kill: %w", err)
	}
	if op.removes == nil || exists(r.at("repository/"+op.removes(r))) {
		if err := r.run(ctx, op.args(r)...); err != nil {
			return fmt.Errorf("once more: %w", err)
		}
	}
	if err := r.age(); err != nil {
		return err
	}
	if err := r.run(ctx, "prune", "--max-unused", "0"); err != nil {
		return err
	}
	return r.sound(ctx, op, kept, theirs)
}

// begun returns an error if something is lost right after the kill.
func (r *room) begun(ctx context.Context, op operation, kept []state) error {
	if op.begun != nil {
		if err := op.begun(r); err != nil {
			return err
		}
	}
	opened, err := r.open(ctx)
	if err != nil || op.partial {
		return err
	}
	return whole(ctx, opened, kept)
}

// age makes the temporary files of the repository as old as those must be that a prune takes away.
func (r *room) age() error {
	all, err := contents(r.at("repository"))
	for path := range all {
		if isTemp(path) {
			err = errors.Join(err, os.Chtimes(path, time.Time{}, time.Now().Add(-48*time.Hour)))
		}
	}
	return err
}

// sound returns an error if anything is not as it should be after the command and a prune.
func (r *room) sound(ctx context.Context, op operation, kept []state, theirs bool) error {
	opened, err := r.open(ctx)
	if err == nil {
		err = restores(ctx, opened, r.root, kept)
	}
	if err == nil {
		err = errors.Join(clean(ctx, opened), r.tidy())
	}
	if err == nil && op.done != nil {
		err = op.done(r)
	}
	if err == nil && theirs {
		err = r.theirs().Check(ctx)
	}
	return err
}

// initialised looks at what is left of a repository that was being made.
func (r *room) initialised(ctx context.Context, op operation) error {
	if !exists(r.at("repository/config")) {
		if err := r.run(ctx, op.args(r)...); err != nil {
			return fmt.Errorf("once more: %w", err)
		}
	}
	if err := r.run(ctx, "backup", r.root); err != nil {
		return err
	}
	return r.theirs().Check(ctx)
}

// check reads everything, under a lock that only goes with no dead one.
func check(ctx context.Context, r *repo.Repo) (report checker.Report, found []checker.Finding, err error) {
	ctx, unlock, err := r.Lock(ctx, repo.Exclusive, repo.LockOptions{})
	if err != nil {
		return report, nil, err
	}
	report, err = checker.Check(ctx, r, checker.Options{ReadData: true, Found: func(f checker.Finding) { found = append(found, f) }})
	return report, found, errors.Join(err, unlock())
}

// whole returns an error unless the snapshots of the states are there, and all that they need can be read.
func whole(ctx context.Context, opened *repo.Repo, states []state) error {
	report, found, err := check(ctx, opened)
	if err == nil && !report.OK() {
		err = fmt.Errorf("check finds %+v", found)
	}
	for _, s := range states {
		_, missing := findIdentity(ctx, opened, s.id)
		err = errors.Join(err, missing)
	}
	return err
}

// restores restores the snapshots of the states and compares them with what the tree at root was then.
func restores(ctx context.Context, opened *repo.Repo, root string, states []state) error {
	for _, s := range states {
		if err := restoresOne(ctx, opened, root, s); err != nil {
			return fmt.Errorf("snapshot %.8s: %w", s.id, err)
		}
	}
	return nil
}

func restoresOne(ctx context.Context, opened *repo.Repo, root string, s state) (err error) {
	found, err := findIdentity(ctx, opened, s.id)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "crash")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var failed error
	opt := runner.RestoreOptions{NoLock: true, Report: func(c entry.Change) {
		if c.Action == entry.Failed {
			failed = fmt.Errorf("restore of %q: %s", c.Path, c.Reason)
		}
	}}
	err = runner.Restore(ctx, opened, found, files.NewTarget(dir, files.TargetOptions{}), opt)
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	return same(s.copy, filepath.Join(dir, root))
}

// findIdentity finds a snapshot, or what it was replaced by or copied as.
func findIdentity(ctx context.Context, r *repo.Repo, id string) (*snapshot.Snapshot, error) {
	for s, err := range snapshot.List(ctx, r, snapshot.Filter{}) {
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(s.Identity().String(), id) { // restic before 0.15 tells only the beginning of an ID
			return s, nil
		}
	}
	return nil, fmt.Errorf("snapshot %s is lost", id)
}

// clean returns an error if anything is left that a prune should have taken, a dead lock too.
func clean(ctx context.Context, opened *repo.Repo) error {
	report, found, err := check(ctx, opened)
	if err != nil {
		return err
	}
	if len(found) > 0 || report.UnusedBlobs > 0 {
		return fmt.Errorf("after a prune there are %d unused blobs, and check finds %+v", report.UnusedBlobs, found)
	}
	for lock, err := range opened.ListLocks(ctx) {
		if err != nil {
			return err
		}
		return fmt.Errorf("after a prune there is %v", lock)
	}
	return nil
}

// tidy returns an error if the repository has a temporary file.
func (r *room) tidy() error {
	all, err := contents(r.at("repository"))
	for path := range all {
		if isTemp(path) {
			err = errors.Join(err, fmt.Errorf("after a prune there is %q", path))
		}
	}
	return err
}

// contents returns what the files below a folder hold, by their paths.
func contents(dir string) (map[string]string, error) {
	all := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == dir {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		all[path] = string(content)
		return err
	})
	return all, err
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func isTemp(path string) bool { return strings.HasPrefix(filepath.Base(path), ".backstay-") }
