// Package copier brings snapshots from one repository into another.
//
// A blob that the destination lacks is read once from its pack in the source, opened, verified, and sealed with the key of the
// destination, compressed as it was. Snapshots are copied in rounds: first all trees of some snapshots are walked to find out
// what they need, each tree once in the whole run; then what is lacking is copied, pack by pack; then those snapshots are
// saved. What an interrupted run has copied is known to the next one, which copies the rest.
//
// The invariant: a snapshot is saved in the destination only when all that it reaches is durable there. One that reaches
// something that is lost in the source is not copied; the others are.
package copier

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/progress"
)

// Options say how to copy. The zero value is useful.
type Options struct {
	// SaveEvery is after how many bytes that were found lacking these are copied and the snapshots that need them are saved. The
	// default of 1 GiB costs one listing of the destination each time, and seldom more than a minute's work if interrupted.
	SaveEvery int64
	Progress  progress.Func
}

func (o Options) withDefaults() Options {
	if o.SaveEvery == 0 {
		o.SaveEvery = 1 << 30
	}
	return o
}

// Outcome is what became of one snapshot.
type Outcome struct {
	Source  *snapshot.Snapshot
	Copy    *snapshot.Snapshot // in the destination; nil if Err is set
	Skipped bool               // Copy was there already
	Err     error              // why it was not copied
}

// Result is what became of all of them.
type Result struct {
	Outcomes []Outcome   // in the order of the snapshots
	Stored   repo.Stored // what the destination got, snapshots and index files left out
}

// errNotReached is the reason of those that an earlier error kept from being copied.
var errNotReached = errors.New("not copied, because the run ended before")

// Copy copies snapshots of one repository into the other. The context must hold a lock on the destination, and should hold one on the source,
// lest a prune removes what is being read. Both indexes are loaded here. Snapshots that are there already are
// skipped: those of the same identity, time and tree. The copies have the Identity of their sources as Original, and no parent.
//
// An error means that the run ended early; each snapshot that was not copied has a reason in the Result in any case.
func Copy(ctx context.Context, from, to *repo.Repo, snapshots []*snapshot.Snapshot, opt Options) (Result, error) {
	c := &copying{from: from, to: to, opt: opt.withDefaults(), outcomes: make([]Outcome, len(snapshots))}
	for i, s := range snapshots {
		c.outcomes[i] = Outcome{Source: s, Err: errNotReached}
	}
	if err := c.open(ctx); err != nil {
		return Result{Outcomes: c.outcomes}, fmt.Errorf("copy snapshots: %w", err)
	}
	defer c.close(ctx)
	err := c.all(ctx)
	if err != nil {
		err = fmt.Errorf("copy snapshots: %w", err)
	}
	return Result{Outcomes: c.outcomes, Stored: c.writer.Stored()}, err
}

// copying is one run of Copy.
type copying struct {
	from, to *repo.Repo
	opt      Options
	outcomes []Outcome
	there    map[identity]*snapshot.Snapshot // in the destination

	index   *index.Index // of the source
	writer  *repo.Writer
	encoder *repo.Encoder // nil: blobs stay as they are

	seen    *index.Set   // blobs that were come across
	wanted  *index.Set   // those of them that the destination lacked
	lost    *index.Set   // those of them that can't be read
	lacking atomic.Int64 // bytes of those of the round
	damage  atomic.Bool  // something was not read or not known: snapshots have to be looked at one by one
}

// identity tells whether two snapshots are one.
type identity struct {
	id, tree crypto.ID
	time     int64 // UnixNano
}

func identify(s *snapshot.Snapshot) identity {
	return identity{s.Identity(), s.Tree, s.Time.UnixNano()}
}

// open loads what the run needs to know: the snapshots of the destination, and the indexes after them.
func (c *copying) open(ctx context.Context) error {
	if a, b := c.from.Config(), c.to.Config(); a.Polynomial != b.Polynomial {
		c.opt.Progress.Send(progress.Event{Kind: progress.Notice, Text: "The repositories cut files at different places: " +
			"what is copied shares nothing with backups that are made to the destination itself."})
	}
	if c.from.Config().Version == 1 && c.to.Config().Version > 1 {
		c.encoder = c.to.Encoder()
	}
	c.there = make(map[identity]*snapshot.Snapshot)
	for s, err := range snapshot.List(ctx, c.to, snapshot.Filter{}) {
		var file *snapshot.FileError
		switch {
		case errors.As(err, &file): // at worst it is copied once more
			c.opt.Progress.Send(progress.Event{Kind: progress.Notice, Item: repo.Snapshots.Name(file.ID), Text: err.Error()})
		case err != nil:
			return err
		default:
			c.there[identify(s)] = s
		}
	}
	if err := c.from.LoadIndex(ctx); err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if err := c.to.LoadIndex(ctx); err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	c.index = c.from.Index()
	c.seen, c.wanted, c.lost = c.index.NewSet(), c.index.NewSet(), c.index.NewSet()
	c.writer = c.to.NewWriter()
	return nil
}

// close leaves to the next run what this one has uploaded, also where it ended early.
func (c *copying) close(ctx context.Context) {
	c.writer.Close()
	if err := c.writer.Keep(ctx); err != nil {
		c.opt.Progress.Send(progress.Event{Kind: progress.Notice, Text: "what was copied has to be copied again: " + err.Error()})
	}
}

// all copies round by round.
func (c *copying) all(ctx context.Context) error {
	var round []*Outcome
	for i := range c.outcomes {
		o := &c.outcomes[i]
		if c.skip(o) {
			continue
		}
		c.opt.Progress.Send(progress.Event{Kind: progress.Started, Item: repo.Snapshots.Name(o.Source.ID)})
		if err := c.find(ctx, o.Source); err != nil {
			return err
		}
		round = append(round, o)
		if c.lacking.Load() < c.opt.SaveEvery {
			continue
		}
		if err := c.finish(ctx, round); err != nil {
			return err
		}
		round = nil
	}
	return c.finish(ctx, round)
}

// skip reports whether the snapshot is there already.
func (c *copying) skip(o *Outcome) bool {
	there := c.there[identify(o.Source)]
	if there == nil {
		return false
	}
	o.Copy, o.Skipped, o.Err = there, true, nil
	return true
}

// finish copies what the snapshots of a round lack, and then saves them.
func (c *copying) finish(ctx context.Context, round []*Outcome) error {
	if len(round) == 0 {
		return nil
	}
	c.lacking.Store(0)
	if err := c.copyWanted(ctx); err != nil {
		return err
	}
	if err := c.writer.Flush(ctx); err != nil {
		return err
	}
	if err := c.writer.Verify(ctx); err != nil {
		return err
	}
	for _, o := range round {
		if err := c.save(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// copyWanted copies blobs in the order of their packs, several packs at once.
func (c *copying) copyWanted(ctx context.Context) error {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(c.from.Options().Connections, runtime.GOMAXPROCS(0)))
	for id, blobs := range c.index.EachPack() {
		if groupCtx.Err() != nil {
			break
		}
		var wanted []pack.Blob
		for _, b := range blobs {
			if c.wanted.Has(b.Handle) && c.writer.Claim(b.Handle) {
				wanted = append(wanted, b)
			}
		}
		if len(wanted) > 0 {
			group.Go(func() error { return c.copyPack(groupCtx, ctx, id, wanted) })
		}
	}
	return group.Wait()
}

// copyPack copies blobs of one pack. Uploads go on when the group's context has ended, so they are given the other one.
func (c *copying) copyPack(groupCtx, ctx context.Context, id crypto.ID, blobs []pack.Blob) error {
	copied := int64(0)
	err := c.from.LoadEncoded(groupCtx, id, blobs, func(b pack.Blob, e repo.Encoded, err error) error {
		if lost(err) {
			c.lost.Add(b.Handle)
			c.damage.Store(true)
			c.opt.Progress.Send(progress.Event{Kind: progress.Failed, Item: repo.Packs.Name(id), Err: err})
			return nil
		}
		if err != nil {
			return err
		}
		copied += int64(b.Length)
		return c.put(ctx, e)
	})
	if err != nil {
		return fmt.Errorf("copy blobs of data/%s: %w", id.Short(), err)
	}
	c.opt.Progress.Send(progress.Event{Kind: progress.Advanced, Item: repo.Packs.Name(id), Bytes: copied})
	return nil
}

// put saves a blob in the destination.
func (c *copying) put(ctx context.Context, e repo.Encoded) error {
	save := func(e repo.Encoded) error {
		_, err := c.writer.Save(ctx, e)
		return err
	}
	if c.encoder != nil {
		return c.encoder.Encode(e.Handle, e.Plain, save)
	}
	return save(e)
}

// save makes the copy of a snapshot, if nothing that it needs is lost.
func (c *copying) save(ctx context.Context, o *Outcome) error {
	if c.skip(o) { // the same twice
		return nil
	}
	if c.damage.Load() {
		if o.Err = c.examine(ctx, o.Source); o.Err != nil {
			if !lost(o.Err) {
				return o.Err
			}
			c.opt.Progress.Send(progress.Event{Kind: progress.Failed, Item: repo.Snapshots.Name(o.Source.ID), Err: o.Err})
			return nil
		}
	}
	s := *o.Source
	s.Original = s.Identity()
	s.Parent = crypto.ID{} // it names a snapshot of the source
	if err := snapshot.Save(ctx, c.to, &s); err != nil {
		return err
	}
	o.Copy, o.Err = &s, nil
	c.there[identify(&s)] = &s
	c.opt.Progress.Send(progress.Event{Kind: progress.Finished, Item: repo.Snapshots.Name(o.Source.ID)})
	return nil
}
