package archiver

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/backstay/backstay/engine/chunker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/tree"
	"github.com/backstay/backstay/progress"
)

// group is the repositories of one polynomial: their chunks and trees have the same IDs.
type group struct {
	archive *archive
	number  int // position in archive.groups
	chunker *chunker.Chunker
	lanes   []*lane
	root    crypto.ID // once all is archived
}

// lane is one repository.
type lane struct {
	archive *archive
	number  int // position in archive.lanes
	ctx     context.Context
	cancel  context.CancelCauseFunc // ends what it has under way
	repo    *repo.Repo
	group   *group
	writer  *repo.Writer
	parent  crypto.ID
	tree    crypto.ID // once that is durable

	dead atomic.Pointer[error] // why it dropped out

	asked, answered atomic.Int64 // trees of the parent
	pace            pace

	mu     sync.Mutex
	counts Counts // only what is counted for each repository
}

func (a *archive) newLane(t Target) *lane {
	l := &lane{archive: a, number: len(a.lanes), repo: t.Repo, writer: t.Repo.NewWriter(), parent: t.Parent}
	l.ctx, l.cancel = context.WithCancelCause(a.ctx)
	return l
}

func (l *lane) failed() error {
	if err := l.dead.Load(); err != nil {
		return *err
	}
	return nil
}

// drop takes the repository out of the run, the first time for good. What it has under way ends: it is of no use any more, and others
// may wait for it.
func (l *lane) drop(err error) {
	if !l.dead.CompareAndSwap(nil, &err) {
		return
	}
	l.cancel(err)
	l.done()
}

func (l *lane) done() {
	if done := l.archive.opt.Done; done != nil {
		done(l.number, l.result())
	}
}

func (l *lane) result() Result {
	r := Result{Tree: l.tree, Counts: l.archive.counts.load(), Stored: l.writer.Stored(), Err: l.failed()}
	l.count(&r.Counts)
	return r
}

// save makes the blob known to every repository of the group. The only error is that no repository of any group is left.
func (g *group) save(h pack.Handle, plain []byte) error {
	first := slices.IndexFunc(g.lanes, func(l *lane) bool { return l.lacks(h) })
	if first < 0 {
		return nil
	}
	err := g.lanes[0].repo.Encoder().Encode(h, plain, func(e repo.Encoded) error {
		for i, l := range g.lanes[first:] {
			if i > 0 && !l.lacks(h) {
				continue
			}
			if l.save(e); l.failed() == nil {
				continue
			}
			if err := g.archive.alive(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		g.archive.cancel(err) // also if the memory or the processor is at fault: nothing it made can be trusted
	}
	return err
}

// lacks reports whether the lane is to be given the blob, and is so once.
func (l *lane) lacks(h pack.Handle) bool { return l.failed() == nil && l.writer.Claim(h) }

func (l *lane) save(e repo.Encoded) {
	stored := len(e.Packed) + crypto.Overhead
	if !l.archive.opt.DryRun {
		var err error
		if stored, err = l.writer.Save(l.ctx, e); err != nil {
			l.drop(err)
			return
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Type == pack.Tree {
		l.counts.TreeBlobs++
	} else {
		l.counts.DataBlobs++
	}
	l.counts.Added += int64(len(e.Plain))
	l.counts.AddedPacked += int64(stored)
}

func (l *lane) count(c *Counts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.DataBlobs, c.TreeBlobs, c.Added, c.AddedPacked = l.counts.DataBlobs, l.counts.TreeBlobs, l.counts.Added, l.counts.AddedPacked
}

// finish makes the lane's blobs durable and proves that its packs are there.
func (l *lane) finish() {
	if l.failed() != nil {
		return
	}
	if err := l.flush(); err != nil {
		l.drop(err)
		return
	}
	l.tree = l.group.root
	l.done()
}

func (l *lane) flush() error {
	if l.archive.opt.DryRun {
		return nil
	}
	if err := l.writer.Flush(l.ctx); err != nil {
		return err
	}
	return l.writer.Verify(l.ctx)
}

// known reports whether every repository that is left has all the blobs.
func (g *group) known(t pack.Type, ids ...crypto.ID) bool {
	for _, l := range g.lanes {
		if l.failed() != nil {
			continue
		}
		for _, id := range ids {
			if !l.writer.Known(pack.Handle{ID: id, Type: t}) {
				return false
			}
		}
	}
	return true
}

// parentRoot is the tree to compare with: that of the first repository that has one.
func (g *group) parentRoot() crypto.ID {
	for _, l := range g.lanes {
		if !l.parent.IsNull() {
			return l.parent
		}
	}
	return crypto.ID{}
}

// listing is a directory of the parent.
type listing struct {
	id     crypto.ID
	nodes  []tree.Node // those that are good, in order
	flawed bool        // it has others too, and must not be kept
}

// loadTree returns a directory of the parent from whichever repository has it, or nil if none does: then its files are
// read again.
func (g *group) loadTree(id crypto.ID) *listing {
	var errs error
	for _, l := range g.lanes {
		if l.failed() != nil {
			continue
		}
		plain, err := l.load(id)
		if err == nil {
			return decode(id, plain)
		}
		errs = errors.Join(errs, err)
	}
	if errs != nil && g.archive.ctx.Err() == nil {
		g.archive.opt.Progress.Send(progress.Event{Kind: progress.Notice, Item: pack.Tree.String() + "/" + id.Short(),
			Text: "a directory of the snapshot compared with can't be read, its files are read again: " + errs.Error()})
	}
	return nil
}

func (l *lane) load(id crypto.ID) ([]byte, error) {
	l.asked.Add(1)
	defer l.answered.Add(1)
	return l.repo.LoadBlob(l.ctx, pack.Handle{ID: id, Type: pack.Tree}, nil)
}

func decode(id crypto.ID, plain []byte) *listing {
	d := decoders.Get().(*tree.Decoder)
	defer decoders.Put(d)
	d.Reset(plain)
	l := &listing{id: id, nodes: make([]tree.Node, 0, len(plain)/400)} // bytes of a node
	for {
		l.nodes = append(l.nodes, tree.Node{})
		err := d.Next(&l.nodes[len(l.nodes)-1])
		if err != nil {
			l.nodes = l.nodes[:len(l.nodes)-1]
		}
		if err == io.EOF {
			return l
		}
		l.flawed = l.flawed || err != nil
	}
}

var decoders = sync.Pool{New: func() any { return new(tree.Decoder) }} // they keep names of users and zones

// counts are the numbers common to all repositories.
type counts struct {
	filesNew, filesChanged, filesUnmodified atomic.Int64
	dirsNew, dirsChanged, dirsUnmodified    atomic.Int64
	files, bytes, lost                      atomic.Int64
}

func (c *counts) load() Counts {
	return Counts{FilesNew: c.filesNew.Load(), FilesChanged: c.filesChanged.Load(), FilesUnmodified: c.filesUnmodified.Load(),
		DirsNew: c.dirsNew.Load(), DirsChanged: c.dirsChanged.Load(), DirsUnmodified: c.dirsUnmodified.Load(),
		Files: c.files.Load(), Bytes: c.bytes.Load(), Lost: c.lost.Load()}
}
