package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/retention"
	"github.com/backstay/backstay/storage"
)

// ErrProtected means that a snapshot that is to be removed has the tag retention.Protected.
var ErrProtected = errors.New("the snapshot is protected")

// ErrUnread means that some snapshots could not be read. A policy that doesn't see them might remove what it should keep.
var ErrUnread = errors.New("not every snapshot can be read")

// ForgetOptions say which snapshots to remove.
type ForgetOptions struct {
	IDs     []crypto.ID      // just these; then the rest of the options is of no account, but DryRun
	Filter  snapshot.Filter  // which snapshots the policy is applied to
	GroupBy snapshot.GroupBy // what a group of them is
	Policy  retention.Policy // an empty one keeps everything
	DryRun  bool
	Removed func(crypto.ID) // told of each snapshot once it is removed; may be nil
}

// Forgotten is what becomes of one group of snapshots.
type Forgotten struct {
	snapshot.Group
	Keep, Remove []*snapshot.Snapshot    // newest first; where IDs were given, Keep is empty
	Reasons      map[crypto.ID][]string  // why each is kept
	Held         map[crypto.ID]time.Time // those of Remove that object lock keeps until then: they stay for now
}

// Forget removes snapshots from an open repository; the context holds an exclusive lock on it. It decides about all of them
// before it removes the first. The data that only they needed stays until it is pruned. Left is the number of snapshots
// that the repository still has, or in a dry run would have.
func Forget(ctx context.Context, r *repo.Repo, opt ForgetOptions) (groups []Forgotten, left int, err error) {
	all, err := listAll(ctx, r)
	if err != nil {
		return nil, 0, fmt.Errorf("forget: %w", err)
	}
	if len(opt.IDs) > 0 {
		groups, err = pick(all, opt.IDs)
	} else {
		groups, err = Choose(all, r.Options().Clock.Now(), opt)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("forget: %w", err)
	}
	left = len(all)
	for i := range groups {
		gone, err := groups[i].apply(ctx, r, opt)
		left -= gone
		if err != nil {
			return groups, left, fmt.Errorf("forget: %w", err)
		}
	}
	return groups, left, nil
}

// apply removes the snapshots of a group that are to be removed, and returns how many. By a policy those that object lock keeps are
// left for a later run; one that was named is an error.
func (g *Forgotten) apply(ctx context.Context, r *repo.Repo, opt ForgetOptions) (gone int, err error) {
	g.Held = make(map[crypto.ID]time.Time)
	for _, s := range g.Remove {
		held, err := r.Held(ctx, repo.Snapshots, s.ID)
		if err != nil {
			return gone, err
		}
		if !held.IsZero() && len(opt.IDs) == 0 {
			g.Held[s.ID] = held
			continue
		}
		if err := r.Removable(ctx, repo.Snapshots, s.ID); err != nil {
			return gone, err
		}
		if !opt.DryRun {
			if err := r.RemoveFile(ctx, repo.Snapshots, s.ID); err != nil {
				return gone, err
			}
			if opt.Removed != nil {
				opt.Removed(s.ID)
			}
		}
		gone++
	}
	return gone, nil
}

// listAll returns all snapshots, newest first.
func listAll(ctx context.Context, r *repo.Repo) ([]*snapshot.Snapshot, error) {
	var all []*snapshot.Snapshot
	var unread []error
	for s, err := range snapshot.List(ctx, r, snapshot.Filter{}) {
		var one *snapshot.FileError
		switch {
		case err == nil:
			all = append(all, s)
		case errors.As(err, &one) && errors.Is(err, snapshot.ErrWrongKind): // it is none, and stands for none
		case errors.As(err, &one):
			unread = append(unread, err)
		default:
			return nil, err
		}
	}
	if len(unread) > 0 {
		return nil, fmt.Errorf("%w: %w", ErrUnread, errors.Join(unread...))
	}
	slices.SortFunc(all, func(a, b *snapshot.Snapshot) int { return snapshot.Compare(b, a) })
	return all, nil
}

// pick makes one group of all snapshots, of which those named are removed.
func pick(all []*snapshot.Snapshot, ids []crypto.ID) ([]Forgotten, error) {
	g := Forgotten{Group: snapshot.Group{Snapshots: all}}
	for _, s := range all {
		if !slices.Contains(ids, s.ID) {
			continue
		}
		if s.HasTag(retention.Protected) {
			return nil, fmt.Errorf("snapshot %s: %w", s.ID.Short(), ErrProtected)
		}
		g.Remove = append(g.Remove, s)
	}
	for _, id := range ids {
		if !slices.ContainsFunc(all, func(s *snapshot.Snapshot) bool { return s.ID == id }) {
			return nil, fmt.Errorf("snapshot %s: %w", id.Short(), storage.ErrNotFound)
		}
	}
	return []Forgotten{g}, nil
}

// Choose applies the policy to those of some snapshots that the filter selects, group by group. It removes nothing: that is Forget, which asks it.
func Choose(all []*snapshot.Snapshot, now time.Time, opt ForgetOptions) ([]Forgotten, error) {
	var selected []*snapshot.Snapshot
	for _, s := range all {
		if opt.Filter.Match(s) {
			selected = append(selected, s)
		}
	}
	var groups []Forgotten
	for _, g := range snapshot.Split(selected, opt.GroupBy) {
		byID := make(map[string]*snapshot.Snapshot)
		var given []retention.Snapshot
		for _, s := range g.Snapshots {
			byID[s.ID.String()] = s
			given = append(given, retention.Snapshot{ID: s.ID.String(), Time: s.Time, Tags: s.Tags})
		}
		decisions, err := retention.Apply(opt.Policy, now, given)
		if err != nil {
			return nil, fmt.Errorf("snapshots of %s: %w", g.Host, err)
		}
		f := Forgotten{Group: g, Reasons: make(map[crypto.ID][]string)}
		for _, d := range decisions {
			s := byID[d.ID]
			if d.Keep {
				f.Keep = append(f.Keep, s)
				f.Reasons[s.ID] = d.Reasons
			} else {
				f.Remove = append(f.Remove, s)
			}
		}
		groups = append(groups, f)
	}
	return groups, nil
}
