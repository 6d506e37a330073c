// Package runner does one run: a backup, a restore, a copy, a change of what is kept. Sources, the engine and storages meet
// here, and nowhere else.
//
// A run takes its locks, does its work and gives the locks back, whatever happens. It is handed open repositories and
// sources, and knows nothing of plans, people or terminals. The invariant: a snapshot is saved only once the source was
// closed cleanly and all that the snapshot needs was seen in the storage.
package runner

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/backstay/backstay/engine/archiver"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/source"
)

// BackupOptions say how to back up and what the snapshot tells of itself.
type BackupOptions struct {
	Type            snapshot.Type     // by default incremental; with nothing to compare with it becomes full
	Template        snapshot.Snapshot // what is known beforehand: time, host, user, paths, excludes, tags, program
	Start           time.Time         // for the summary
	Lock            repo.LockOptions
	SkipIfUnchanged bool // no snapshot where its tree is that of the base
	DryRun          bool
	Estimate        bool // walk the source beside the backup where nothing tells how large it is; not for one that can be read only once

	// Patience is how long a repository may keep the others waiting until it drops out as too slow; 0: as long as it takes. Once the
	// others have their snapshots it is caught up with a copy of one. See archiver.ErrSlow.
	Patience time.Duration
	Names    []string // of the repositories, for notices about them; by default their numbers
	Progress progress.Func
}

// BackupResult is what became of one repository.
type BackupResult struct {
	Snapshot *snapshot.Snapshot // as saved, or as it would be; nil if Err is set
	Skipped  bool               // nothing has changed, and so nothing was saved
	CaughtUp *CaughtUp          // the repository was too slow, and Snapshot is a copy; nil for others
	Counts   archiver.Counts
	Err      error // why the repository dropped out
}

// CaughtUp says how a repository came to its snapshot that had dropped out.
type CaughtUp struct {
	From   int   // the repository that was copied from, by its number
	Reason error // why it had dropped out
}

// backup is one repository of a run.
type backup struct {
	name   string
	repo   *repo.Repo
	base   *snapshot.Snapshot // nil: full
	kind   snapshot.Type
	known  bool // what became of it
	result BackupResult
}

// Backup reads src once and makes a snapshot of it in each repository. The results are in the order of the repositories; those that
// drop out have an error there. Backup itself returns one if it was not possible to make any, or if the run ended early: those that have
// a snapshot in their results have it then all the same.
func Backup(ctx context.Context, src source.Source, rs []*repo.Repo, opt BackupOptions) (results []BackupResult, err error) {
	if opt.Type == "" {
		opt.Type = snapshot.Incremental
	}
	ctx, unlock, lockErrs := repo.LockAll(ctx, rs, repo.Shared, opt.Lock)
	defer func() { err = errors.Join(err, unlock()) }()
	backups := make([]*backup, len(rs))
	for i, r := range rs {
		backups[i] = &backup{name: opt.name(i), repo: r, result: BackupResult{Err: lockErrs[i]}}
	}
	prepareAll(ctx, backups, opt)
	err = archive(ctx, src, backups, opt)
	if err == nil {
		catchUp(ctx, backups, opt)
	}
	results = make([]BackupResult, len(backups))
	for i, b := range backups {
		results[i] = b.result
	}
	if err == nil {
		err = allFailed(results)
	}
	return results, err
}

func (o BackupOptions) name(i int) string {
	if i < len(o.Names) {
		return o.Names[i]
	}
	return strconv.Itoa(i + 1)
}

func allFailed(results []BackupResult) error {
	var errs []error
	for _, r := range results {
		if r.Err == nil {
			return nil
		}
		errs = append(errs, r.Err)
	}
	return errors.Join(errs...)
}

// prepare finds what to compare with and loads the index, in that order: the index then knows all that the base needs.
func (b *backup) prepare(ctx context.Context, opt BackupOptions) {
	if b.result.Err != nil {
		return
	}
	b.kind = snapshot.Full
	var err error
	if opt.Type != snapshot.Full {
		b.base, err = findBase(ctx, b.repo, opt)
	}
	if b.base != nil {
		b.kind = opt.Type
	}
	if err == nil {
		err = b.repo.LoadIndex(ctx)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	b.drop(err, opt)
}

// drop takes the repository out of the run, if there is a reason.
func (b *backup) drop(reason error, opt BackupOptions) {
	b.result.Err = reason
	if errors.Is(reason, archiver.ErrSlow) {
		opt.Progress.Send(progress.Event{Kind: progress.Notice, Text: fmt.Sprintf("repository %q drops out and is caught up later: %v", b.name, reason)})
	}
}

// findBase returns the newest snapshot of the same host and paths, for a differential backup the newest full one; nil if there is
// none. Snapshots that can't be read are passed over: comparing with another one only takes longer.
func findBase(ctx context.Context, r *repo.Repo, opt BackupOptions) (*snapshot.Snapshot, error) {
	var base *snapshot.Snapshot
	filter := snapshot.Filter{Hosts: []string{opt.Template.Hostname}, Paths: opt.Template.Paths}
	for s, err := range snapshot.List(ctx, r, filter) {
		var unreadable *snapshot.FileError
		if errors.As(err, &unreadable) {
			opt.Progress.Send(progress.Event{Kind: progress.Notice, Item: repo.Snapshots.Name(unreadable.ID), Text: err.Error()})
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(s.Paths) != len(opt.Template.Paths) || opt.Type == snapshot.Differential && s.Type() != snapshot.Full {
			continue
		}
		if base == nil || snapshot.Compare(s, base) > 0 {
			base = s
		}
	}
	return base, nil
}

// archive reads the source into all repositories that are left. An error means that no snapshot may be made at all.
func archive(ctx context.Context, src source.Source, backups []*backup, opt BackupOptions) error {
	var left []*backup
	var targets []archiver.Target
	for _, b := range backups {
		if b.result.Err != nil {
			continue
		}
		target := archiver.Target{Repo: b.repo}
		if b.base != nil {
			target.Parent = b.base.Tree
		}
		left, targets = append(left, b), append(targets, target)
	}
	if len(left) == 0 {
		return nil
	}
	view, err := src.Open(ctx)
	if err != nil {
		err = fmt.Errorf("open source: %w", err)
	} else {
		err = read(ctx, src, view, left, targets, opt)
	}
	for _, b := range left {
		if !b.known {
			b.result.Err = err
		}
	}
	return err
}

// read archives the view. As soon as it is closed cleanly each repository gets its snapshot when it has all that this needs, and does not
// wait for the others.
func read(ctx context.Context, src source.Source, view source.View, left []*backup, targets []archiver.Target, opt BackupOptions) error {
	defer total(ctx, src, left, opt)()
	closeView := sync.OnceValue(func() error {
		if err := view.Close(); err != nil { // what was saved is unreferenced; prune takes it
			return fmt.Errorf("close source: %w", err)
		}
		return nil
	})
	results, err := archiver.Archive(ctx, targets, view, archiver.Options{DryRun: opt.DryRun, Progress: opt.Progress, Patience: opt.Patience,
		Read: closeView, Done: func(i int, r archiver.Result) { left[i].done(ctx, r, opt) }})
	for i, r := range results {
		left[i].result.Counts = r.Counts
	}
	if closeErr := closeView(); !errors.Is(err, closeErr) {
		err = errors.Join(err, closeErr)
	}
	return err
}

// done takes what the archiver made of the repository, and saves the snapshot.
func (b *backup) done(ctx context.Context, r archiver.Result, opt BackupOptions) {
	b.known = true
	b.result.Counts = r.Counts
	if r.Err == nil {
		r.Err = b.save(ctx, r.Tree, opt)
	}
	b.drop(r.Err, opt)
}

// save saves the snapshot of a tree.
func (b *backup) save(ctx context.Context, tree crypto.ID, opt BackupOptions) error {
	s := opt.Template
	s.Tree = tree
	s.Summary = summary(b.result.Counts, opt.Start, b.repo.Options().Clock.Now())
	s.SetFact(snapshot.FactType, string(b.kind))
	if b.base != nil {
		s.Parent = b.base.ID
		s.SetFact(snapshot.FactBase, b.base.Identity().String())
		b.result.Skipped = opt.SkipIfUnchanged && s.Tree == b.base.Tree
	}
	if !b.result.Skipped && !opt.DryRun {
		if err := snapshot.Save(ctx, b.repo, &s); err != nil {
			return err
		}
	}
	b.result.Snapshot = &s
	return nil
}

func summary(c archiver.Counts, start, end time.Time) *snapshot.Summary {
	return &snapshot.Summary{BackupStart: start, BackupEnd: end,
		FilesNew: uint64(c.FilesNew), FilesChanged: uint64(c.FilesChanged), FilesUnmodified: uint64(c.FilesUnmodified),
		DirsNew: uint64(c.DirsNew), DirsChanged: uint64(c.DirsChanged), DirsUnmodified: uint64(c.DirsUnmodified),
		DataBlobs: uint64(c.DataBlobs), TreeBlobs: uint64(c.TreeBlobs), DataAdded: uint64(c.Added), DataAddedPacked: uint64(c.AddedPacked),
		TotalFilesProcessed: uint64(c.Files), TotalBytesProcessed: uint64(c.Bytes)}
}
