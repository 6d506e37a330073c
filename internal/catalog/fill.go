package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/differ"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/progress"
)

// FillOptions say how a repository is named in the catalogue.
type FillOptions struct {
	Repository string
	// Source returns the source that a snapshot is of, "" for one that is left out. It is valid text.
	Source   func(*snapshot.Snapshot) string
	Progress progress.Func // an item is a snapshot
}

// Lag is how a catalogue differs from a repository.
type Lag struct {
	Missing []Snapshot // not in the catalogue, oldest first
	Gone    []Snapshot // in the catalogue, and not in the repository like that
}

// crowd is how many series a source has in a repository before they are made one again. One is the rule; there are more
// where snapshots came late, older than those that were in already.
const crowd = 4

// Fill brings the catalogue to what the repository holds, oldest snapshots first: those that are gone are removed, those
// that are missing are added. Memory is bounded; ctx ends it at once, and what is in by then stays in.
//
// The repository's index must be loaded, and nobody should prune it meanwhile: ctx holds a lock for that. What
// can't be read is told as Failed, and is missing in the catalogue; a listing of snapshots that is not complete removes
// none.
func Fill(ctx context.Context, c *Catalog, r *repo.Repo, opt FillOptions) error {
	there, complete, err := opt.list(ctx, r)
	if err != nil {
		return fmt.Errorf("fill the catalogue: %w", err)
	}
	lag, err := c.Lag(ctx, opt.Repository, there)
	if err != nil {
		return err
	}
	if lag, err = c.untangle(ctx, opt.Repository, there, lag); err != nil {
		return err
	}
	if !complete { // then only those are known to be gone that something else has replaced
		lag.Gone = slices.DeleteFunc(lag.Gone, func(g Snapshot) bool {
			return !slices.ContainsFunc(there, func(s Snapshot) bool { return s.ID == g.ID })
		})
	}
	if err := c.Remove(ctx, lag.Gone...); err != nil {
		return err
	}
	if err := r.LoadIndex(ctx); err != nil { // what a snapshot needs is in an index before it is there to be listed
		return fmt.Errorf("fill the catalogue: %w", err)
	}
	opt.Progress.Send(progress.Event{Kind: progress.Total, Files: int64(len(lag.Missing))})
	for _, s := range lag.Missing {
		opt.Progress.Send(progress.Event{Kind: progress.Started, Item: s.ID.Short()})
		if err := opt.add(ctx, c, r, s); err != nil {
			return err
		}
		opt.Progress.Send(progress.Event{Kind: progress.Finished, Item: s.ID.Short()})
	}
	return nil
}

// list returns the snapshots of the repository that have a source, and whether these are all.
func (o FillOptions) list(ctx context.Context, r *repo.Repo) (all []Snapshot, complete bool, err error) {
	newest := make(map[crypto.ID]*snapshot.Snapshot) // a replacement that was broken off leaves two of one identity
	complete = true
	for s, err := range snapshot.List(ctx, r, snapshot.Filter{}) {
		var file *snapshot.FileError
		switch {
		case errors.Is(err, snapshot.ErrWrongKind):
		case errors.As(err, &file):
			complete = false
			o.Progress.Send(progress.Event{Kind: progress.Failed, Item: file.ID.Short(), Err: err})
		case err != nil:
			return nil, false, err
		case newest[s.Identity()] == nil || snapshot.Compare(s, newest[s.Identity()]) > 0:
			newest[s.Identity()] = s
		}
	}
	for id, s := range newest {
		if source := o.Source(s); source != "" {
			all = append(all, Snapshot{Repository: o.Repository, Source: source, ID: id, Tree: s.Tree, Time: s.Time.UTC().Truncate(time.Microsecond)})
		}
	}
	slices.SortFunc(all, byTime)
	return all, complete, nil
}

func byTime(a, b Snapshot) int {
	return cmp.Or(a.Time.Compare(b.Time), slices.Compare(a.ID[:], b.ID[:]))
}

// Lag compares what the catalogue has of a repository with the snapshots that are there. One whose tree, time or source
// has changed is gone and missing.
func (c *Catalog) Lag(ctx context.Context, repository string, there []Snapshot) (Lag, error) {
	var lag Lag
	known, err := c.Snapshots(ctx, repository)
	if err != nil {
		return lag, err
	}
	has, wants := make(map[Snapshot]bool), make(map[Snapshot]bool)
	for _, s := range there {
		wants[s.plain()] = true
	}
	for _, s := range known {
		has[s.plain()] = true
		if !wants[s.plain()] {
			lag.Gone = append(lag.Gone, s)
		}
	}
	for _, s := range there {
		if !has[s.plain()] {
			lag.Missing = append(lag.Missing, s)
		}
	}
	slices.SortFunc(lag.Missing, byTime)
	return lag, nil
}

// plain returns what makes a snapshot the same one.
func (s Snapshot) plain() Snapshot {
	s.Lost, s.Time = 0, s.Time.UTC()
	return s
}

// untangle lets those sources be added anew whose series have become many.
func (c *Catalog) untangle(ctx context.Context, repository string, there []Snapshot, lag Lag) (Lag, error) {
	seen := make(map[string]bool)
	for _, s := range slices.Clone(lag.Missing) {
		if seen[s.Source] {
			continue
		}
		seen[s.Source] = true
		heads, err := c.heads(ctx, repository, s.Source)
		if err != nil {
			return lag, err
		}
		late := !slices.ContainsFunc(heads, func(h Snapshot) bool { return !h.Time.After(s.Time) })
		if len(heads) < crowd || !late {
			continue
		}
		of := func(o Snapshot) bool { return o.Source == s.Source }
		lag.Missing = slices.DeleteFunc(lag.Missing, of)
		for _, o := range there {
			if of(o) {
				lag.Missing = append(lag.Missing, o)
				lag.Gone = append(lag.Gone, o)
			}
		}
	}
	slices.SortFunc(lag.Missing, byTime)
	return lag, nil
}

// add adds a snapshot with what differs from the one before. If that can't be told, because something is damaged, the
// snapshot begins a series.
func (o FillOptions) add(ctx context.Context, c *Catalog, r *repo.Repo, s Snapshot) error {
	base, err := c.Base(ctx, s)
	if err != nil {
		return err
	}
	if base != nil {
		err := c.Add(ctx, s, base, differ.Diff(ctx, r, base.Tree, s.Tree, differ.Options{}))
		var lost *entry.Error
		if err == nil || ctx.Err() != nil || !errors.As(err, &lost) {
			return err
		}
	}
	return c.Add(ctx, s, nil, o.told(differ.Diff(ctx, r, crypto.ID{}, s.Tree, differ.Options{})))
}

// told tells of what was lost.
func (o FillOptions) told(changes iter.Seq2[differ.Change, error]) iter.Seq2[differ.Change, error] {
	return func(yield func(differ.Change, error) bool) {
		for c, err := range changes {
			var lost *entry.Error
			if errors.As(err, &lost) {
				o.Progress.Send(progress.Event{Kind: progress.Failed, Item: lost.Path, Err: err})
			}
			if !yield(c, err) {
				return
			}
		}
	}
}
