// Package checker finds what is wrong in a repository, and says what is lost by it and what to do.
//
// A check of the structure reads all small files and all trees: each index file by itself, the list of packs against what
// the indexes say of them, and each distinct tree that a snapshot needs, once. A check of the data also reads packs in full:
// the hash of each, its header against the index, and every blob. What is wrong is a Finding. Files and blobs are read a
// second time before they are called damaged, so that a fault of the moment is no Finding.
//
// A pack with a fault has one Finding, of the kind that tells most. Only if there are faults the trees are walked a second
// time, to learn which snapshots and paths are hit: a blob is lost if no pack has it whole.
//
// The invariant: a check changes nothing, and whatever a repository holds it ends with a Report. The index that it makes
// of what it can read is its own; beside that it needs two bits for each blob.
package checker

import (
	"context"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/progress"
)

// Options say how much to check. The zero value checks the structure.
type Options struct {
	ReadData bool          // read packs in full
	Subset   Subset        // which packs, with ReadData; the zero value is all
	Found    func(Finding) // gets each Finding, one at a time; nil: they are only counted
	// Progress gets Started and Finished for each stage ("files", "index", "trees", "packs", "damage"), the Total of packs to
	// be read, and Advanced with the bytes read of them.
	Progress progress.Func
}

// Report sums a check up.
type Report struct {
	Errors   int `json:"errors"`
	Warnings int `json:"warnings"`
	Hints    int `json:"hints"`

	Snapshots   int   `json:"snapshots"`
	IndexFiles  int   `json:"index_files"`
	Packs       int   `json:"packs"`        // in the storage
	Trees       int   `json:"trees"`        // distinct ones that snapshots need
	Blobs       int   `json:"blobs"`        // places of blobs that the index names
	UnusedBlobs int   `json:"unused_blobs"` // places that no snapshot needs: garbage and second copies
	UnusedBytes int64 `json:"unused_bytes"` // as stored
	PacksRead   int   `json:"packs_read"`
	BytesRead   int64 `json:"bytes_read"` // of those packs
}

// OK reports whether nothing is lost or in danger: there is no Finding of severity Error.
func (r Report) OK() bool { return r.Errors == 0 }

// Check checks a repository. The context should hold a lock on it, a shared one is enough; without one, what others remove
// meanwhile is reported as missing. Damage is no error of Check: it is in the Report. An error means that the check could
// not be finished, because a listing failed or ctx ended. The Report is then of what was done so far.
func Check(ctx context.Context, r *repo.Repo, opt Options) (Report, error) {
	c := &check{
		r: r, opt: opt, workers: max(r.Options().Connections, runtime.GOMAXPROCS(0)), index: index.New(),
		packs: make(map[crypto.ID]*packState), missing: make(map[pack.Handle]struct{}), problems: make(map[crypto.ID][]problem),
	}
	c.loading = make(chan struct{}, c.workers)
	err := c.run(ctx)
	return c.report, err
}

// check is one run of Check.
type check struct {
	r         *repo.Repo
	opt       Options
	workers   int           // goroutines at once
	loading   chan struct{} // has an element for each pack that is being loaded
	index     *index.Index
	snapshots []*snapshot.Snapshot // those that can be read, the newest first
	trees     bitmap               // by number: those that a snapshot needs, and that were read
	data      bitmap               // by number: those that a snapshot needs

	mu       sync.Mutex // guards what follows
	report   Report
	packs    map[crypto.ID]*packState // all that are in the storage or in the index
	missing  map[pack.Handle]struct{} // needed, but not in the index
	problems map[crypto.ID][]problem  // by tree
	later    []*Finding               // those that wait to learn what they hit
}

// run takes the steps in the one order in which a backup that goes on at the same time can't make them
// contradict each other: snapshots are listed before the indexes, these before the packs.
func (c *check) run(ctx context.Context) error {
	for _, stage := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"files", c.readFiles},
		{"index", c.readIndex},
		{"trees", c.readTrees},
		{"packs", c.readPacks},
		{"damage", c.tellDamage},
	} {
		c.opt.Progress.Send(progress.Event{Kind: progress.Started, Item: stage.name})
		if err := stage.run(ctx); err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		c.opt.Progress.Send(progress.Event{Kind: progress.Finished, Item: stage.name})
	}
	return nil
}

// found counts a Finding and hands it out.
func (c *check) found(f Finding) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch f.Severity {
	case Error:
		c.report.Errors++
	case Warning:
		c.report.Warnings++
	case Hint:
		c.report.Hints++
	}
	if c.opt.Found != nil {
		c.opt.Found(f)
	}
}

// each calls fn for all items, some at once, and returns the cause if ctx ended.
func each[T any](ctx context.Context, workers int, items []T, fn func(ctx context.Context, item T)) error {
	var group errgroup.Group
	group.SetLimit(workers)
	for _, item := range items {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			fn(ctx, item)
			return nil
		})
	}
	_ = group.Wait() // fn has no error
	return context.Cause(ctx)
}

// twice calls fn a second time if it has an error, which may be one of the moment.
func twice(ctx context.Context, fn func() error) error {
	err := fn()
	if err != nil && ctx.Err() == nil {
		err = fn()
	}
	return err
}

// list returns the files of one type, in the order of their IDs.
func (c *check) list(ctx context.Context, t repo.FileType) ([]repo.FileInfo, error) {
	var files []repo.FileInfo
	for info, err := range c.r.List(ctx, t) {
		if err != nil {
			return nil, err
		}
		files = append(files, info)
	}
	slices.SortFunc(files, func(a, b repo.FileInfo) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return files, nil
}

// readFiles reads the snapshots, then looks at keys, locks and strange names.
func (c *check) readFiles(ctx context.Context) error {
	files, err := c.list(ctx, repo.Snapshots)
	if err != nil {
		return err
	}
	if err := each(ctx, c.workers, files, c.readSnapshot); err != nil {
		return err
	}
	slices.SortFunc(c.snapshots, func(a, b *snapshot.Snapshot) int { return snapshot.Compare(b, a) })
	c.report.Snapshots = len(c.snapshots)
	if err := c.readKeys(ctx); err != nil {
		return err
	}
	if err := c.readLocks(ctx); err != nil {
		return err
	}
	for _, t := range []repo.FileType{repo.Keys, repo.Locks, repo.Snapshots, repo.Index, repo.Packs} {
		if err := c.findForeign(ctx, t); err != nil {
			return err
		}
		if err := c.findHidden(ctx, t); err != nil {
			return err
		}
	}
	return c.findHidden(ctx, repo.Config)
}
