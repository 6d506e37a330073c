// Package archiver backs up a view into repositories.
//
// The view is read once. Its entries come in tree order and are merged with the directories of the parent, the snapshot
// it is compared with: a file whose metadata is unchanged keeps its content, an unchanged directory its tree, neither
// opened nor encoded again. Other files are read by a few readers, cut into chunks, hashed, and what a repository lacks is
// compressed once and sealed for each repository that lacks it. A directory's tree is made by whoever finishes
// the last thing in it. The goroutine that ranges over the view is the brake on it: it waits while all readers are busy.
//
// Repositories with the same chunker polynomial form a group: their chunks and trees are the same, compressed as the first of
// them says. For each further
// polynomial content is cut and hashed again, though read only once.
//
// Each repository has a buffer: the packs of its repo.Writer that are being filled or uploaded, of each type as many as it has
// connections, but two at least; with the default options that is 69 MiB. While one buffer is full the others wait, or, with
// Options.Patience, that repository drops out.
package archiver

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/backstay/backstay/engine/chunker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/source"
)

// Target is a repository to back up into.
type Target struct {
	Repo   *repo.Repo // its index loaded, and locked by the context
	Parent crypto.ID  // root tree of the snapshot to compare with; null: every file is read
}

// Options say how to archive. The zero value is useful.
type Options struct {
	Readers int  // files read at once, as far as the view allows; by default 2 for each processor
	DryRun  bool // nothing is saved; what would be is counted

	// Patience is how long a repository may keep the others waiting until it drops out with ErrSlow; 0: as long as it takes. It keeps them
	// waiting while its buffer is full, or it does not give a tree of the parent, and another one has nothing to upload. See ErrSlow.
	Patience time.Duration

	// Read, if not nil, is called once all of the view was read, before anything is made durable: the view can be closed then. An error
	// ends the run.
	Read func() error
	// Done, if not nil, gets the result of each target as soon as it is known, while others may go on: its tree is durable, or it dropped
	// out. Calls come from several goroutines, no more than one for each target. If the run ends early there is none for some.
	Done func(target int, r Result)

	// Progress gets Finished for each entry but directories, with the State "new", "changed" or "unmodified", Started and Advanced for large
	// files, Failed for each loss, and Notice for a file that changed while it was read.
	Progress progress.Func
}

// Result is what became of one repository.
type Result struct {
	Tree   crypto.ID // the root tree, durable
	Counts Counts
	Stored repo.Stored
	Err    error // why the repository dropped out; then Tree is null
}

// Counts are the numbers of a snapshot's summary.
type Counts struct {
	FilesNew, FilesChanged, FilesUnmodified int64 // all that is no directory
	DirsNew, DirsChanged, DirsUnmodified    int64
	Files, Bytes                            int64 // all files and their bytes
	Lost                                    int64 // entries, or the attributes of some, that could not be read
	DataBlobs, TreeBlobs                    int64 // new in this repository
	Added, AddedPacked                      int64 // bytes of those, as plaintext and as stored
}

// Archive reads the view and saves its tree in every target. The results are in the order of the targets. An error ends
// the whole: the view broke off or is out of order, ctx ended, or no repository is left. A target whose tree was durable by then has it
// in its result all the same. What else was uploaded is named by an index, so that the next run finds it.
func Archive(ctx context.Context, targets []Target, view source.View, opt Options) ([]Result, error) {
	a, err := newArchive(ctx, targets, view, opt)
	if err != nil {
		return nil, err
	}
	defer a.close()
	err = a.run(view)
	return a.results(), err
}

// archive is one run of Archive.
type archive struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	opt    Options
	groups []*group
	lanes  []*lane // of all groups, in the order of the targets

	files   chan fileTask
	readers sync.WaitGroup
	chunks  chan chunkTask
	savers  sync.WaitGroup
	loads   sync.WaitGroup // of the parent's directories
	large   chan struct{}  // a place for each large file that is read at once
	buffers chan []byte    // for chunks; the number of them bounds the bytes in flight

	counts counts
	links  map[version]*linked // files of which more names are to come; used by the ranging goroutine only
}

// mostSavers bounds the memory on machines with many processors: each saver may hold a chunk of 8 MiB and what it compresses to.
const mostSavers = 16

func newArchive(ctx context.Context, targets []Target, view source.View, opt Options) (*archive, error) {
	if len(targets) == 0 {
		return nil, errors.New("archive: no repository to archive into")
	}
	procs := min(runtime.GOMAXPROCS(0), mostSavers)
	if opt.Readers == 0 {
		opt.Readers = 2 * procs
	}
	opt.Readers = max(1, min(opt.Readers, view.Parallel()))
	ctx, cancel := context.WithCancelCause(ctx)
	a := &archive{ctx: ctx, cancel: cancel, opt: opt, links: make(map[version]*linked)}
	a.files, a.chunks = make(chan fileTask, 4*opt.Readers), make(chan chunkTask)
	if err := a.group(targets); err != nil {
		cancel(err)
		return nil, err
	}
	large := (procs + 1) / 2 // one reader keeps several savers busy
	a.large = make(chan struct{}, large)
	n := len(a.groups) * (large + procs + 1) // one for each large file and each saver, and one to carry over to
	a.buffers = make(chan []byte, n)
	for range n {
		a.buffers <- nil // made when first needed
	}
	for range opt.Readers {
		a.readers.Go(a.read)
	}
	for range procs {
		a.savers.Go(a.save)
	}
	return a, nil
}

// group sorts the targets by their polynomials.
func (a *archive) group(targets []Target) error {
	byPol := make(map[chunker.Pol]*group)
	for _, t := range targets {
		l := a.newLane(t)
		a.lanes = append(a.lanes, l)
		pol := t.Repo.Config().Polynomial
		g := byPol[pol]
		if g == nil {
			c, err := chunker.New(pol)
			if err != nil {
				return err
			}
			g = &group{archive: a, number: len(a.groups), chunker: c}
			byPol[pol] = g
			a.groups = append(a.groups, g)
		}
		l.group = g
		g.lanes = append(g.lanes, l)
	}
	return nil
}

// close ends all goroutines. What a run that ends early has uploaded serves the next one.
func (a *archive) close() {
	a.cancel(context.Canceled)
	a.loads.Wait()
	for _, l := range a.lanes {
		l.writer.Close()
		if err := l.writer.Keep(a.ctx); err != nil {
			a.opt.Progress.Send(progress.Event{Kind: progress.Notice, Text: "what was uploaded has to be uploaded again: " + err.Error()})
		}
	}
}

// run ranges over the view, then waits for the root.
func (a *archive) run(view source.View) error {
	stop := a.watch()
	err := a.walk(view)
	if err != nil {
		a.cancel(err)
	}
	close(a.files)
	a.readers.Wait()
	close(a.chunks)
	a.savers.Wait()
	stop()
	if cause := context.Cause(a.ctx); err == nil && cause != nil {
		err = cause
	}
	if err == nil && a.opt.Read != nil {
		err = a.opt.Read()
	}
	if err != nil {
		return err
	}
	return a.flush()
}

func (a *archive) walk(view source.View) error {
	w := walker{archive: a}
	if err := w.begin(); err != nil {
		return err
	}
	for e, err := range view.Entries(a.ctx) {
		if cause := context.Cause(a.ctx); cause != nil {
			return cause
		}
		var lost *entry.Error
		if errors.As(err, &lost) {
			a.lose(lost.Path, lost.Err)
			continue
		}
		if err != nil {
			return err
		}
		if err := w.take(e); err != nil {
			return err
		}
	}
	w.end()
	return nil
}

// flush makes everything durable and proves that it is there, in all repositories at once.
func (a *archive) flush() error {
	var lanes sync.WaitGroup
	for _, l := range a.lanes {
		lanes.Go(l.finish)
	}
	lanes.Wait()
	if err := a.alive(); err != nil {
		return err
	}
	return context.Cause(a.ctx)
}

// alive returns an error if no repository is left.
func (a *archive) alive() error {
	var errs []error
	for _, l := range a.lanes {
		err := l.failed()
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return fmt.Errorf("no repository is left: %w", errors.Join(errs...))
}

func (a *archive) results() []Result {
	results := make([]Result, len(a.lanes))
	for i, l := range a.lanes {
		results[i] = l.result()
	}
	return results
}

func (a *archive) lose(path string, err error) {
	a.counts.lost.Add(1)
	a.opt.Progress.Send(progress.Event{Kind: progress.Failed, Item: path, Err: err})
}

// finished reports an entry as archived.
func (a *archive) finished(path, state string, size uint64) {
	a.opt.Progress.Send(progress.Event{Kind: progress.Finished, Item: path, State: state, Bytes: int64(size)})
}
