package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
)

// Latest is the name by which Find takes the newest snapshot.
const Latest = "latest"

// batch is how many snapshots are loaded before the first of them is yielded: enough to keep connections busy.
const batch = 64

// FileError says which snapshot file could not be read. It wraps ErrWrongKind if the file is something else.
type FileError struct {
	ID  crypto.ID
	Err error
}

func (e *FileError) Error() string { return "snapshot " + e.ID.Short() + ": " + e.Err.Error() }

// Unwrap returns the reason.
func (e *FileError) Unwrap() error { return e.Err }

// Load reads the snapshot of the given ID. The error is a *FileError.
func Load(ctx context.Context, r *repo.Repo, id crypto.ID) (*Snapshot, error) {
	p, err := r.LoadFile(ctx, repo.Snapshots, id)
	if err != nil {
		return nil, &FileError{ID: id, Err: err}
	}
	s, err := Decode(p)
	if err != nil {
		return nil, &FileError{ID: id, Err: err}
	}
	s.ID = id
	return s, nil
}

// List yields the snapshots that f selects, ordered by their IDs. A file that can't be read is yielded as a *FileError, and
// the list goes on; any other error ends it. So a list is complete only if it had no error at all: nothing may be
// deleted because it is not in a list that had one.
func List(ctx context.Context, r *repo.Repo, f Filter) iter.Seq2[*Snapshot, error] {
	return func(yield func(*Snapshot, error) bool) {
		ids, err := listIDs(ctx, r)
		if err != nil {
			yield(nil, err)
			return
		}
		for some := range slices.Chunk(ids, batch) {
			for _, l := range loadAll(ctx, r, some) {
				if ctx.Err() != nil {
					yield(nil, fmt.Errorf("list snapshots: %w", context.Cause(ctx)))
					return
				}
				if wanted := l.err != nil || f.Match(l.s); wanted && !yield(l.s, l.err) {
					return
				}
			}
		}
	}
}

func listIDs(ctx context.Context, r *repo.Repo) ([]crypto.ID, error) {
	var ids []crypto.ID
	for info, err := range r.List(ctx, repo.Snapshots) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, info.ID)
	}
	slices.SortFunc(ids, func(a, b crypto.ID) int { return bytes.Compare(a[:], b[:]) })
	return ids, nil
}

type loaded struct {
	s   *Snapshot
	err error
}

func loadAll(ctx context.Context, r *repo.Repo, ids []crypto.ID) []loaded {
	results := make([]loaded, len(ids))
	var group errgroup.Group
	group.SetLimit(max(r.Options().Connections, runtime.GOMAXPROCS(0)))
	for i, id := range ids {
		group.Go(func() error {
			results[i].s, results[i].err = Load(ctx, r, id)
			return nil // it is yielded in its place
		})
	}
	_ = group.Wait() // never an error, see above
	return results
}

// Find returns the snapshot with the given ID, or a prefix of it that no other has, whatever f says; or, for the name
// Latest, the newest one that f selects. The error wraps storage.ErrNotFound if there is none, repo.ErrAmbiguous if the
// prefix is too short.
//
// If a file could not be read, it might be the latest. Find then returns the newest of the others, if there is one,
// together with an error that wraps each *FileError: callers who must not miss the newest stop there, others go on.
// Files of a wrong kind are passed over.
func Find(ctx context.Context, r *repo.Repo, name string, f Filter) (*Snapshot, error) {
	if name == Latest {
		return findLatest(ctx, r, f)
	}
	if name == "" {
		return nil, errors.New("find snapshot: its ID is empty")
	}
	id, err := r.FindFile(ctx, repo.Snapshots, name)
	if err != nil {
		return nil, err
	}
	return Load(ctx, r, id)
}

func findLatest(ctx context.Context, r *repo.Repo, f Filter) (*Snapshot, error) {
	var latest *Snapshot
	var unread []error
	for s, err := range List(ctx, r, f) {
		var file *FileError
		switch {
		case err == nil:
			if latest == nil || Compare(s, latest) > 0 {
				latest = s
			}
		case !errors.As(err, &file):
			return nil, err
		case !errors.Is(err, ErrWrongKind):
			unread = append(unread, err)
		}
	}
	switch {
	case len(unread) > 0:
		return latest, fmt.Errorf("find the latest snapshot: %w", errors.Join(unread...))
	case latest == nil:
		return nil, fmt.Errorf("find the latest snapshot: %w", storage.ErrNotFound)
	}
	return latest, nil
}

// Save makes s a snapshot of the repository, and sets its ID. All that its tree needs must be durable before. ctx holds a
// lock (see repo.Repo.Lock).
func Save(ctx context.Context, r *repo.Repo, s *Snapshot) error {
	p, err := Encode(s)
	if err != nil {
		return err
	}
	id, err := r.SaveFile(ctx, repo.Snapshots, p)
	if err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	s.ID = id
	return nil
}

// Replace saves s, which was loaded and changed since, as a new file and then removes the file it was loaded from. It
// sets the ID of s, and Original the first time. After an error the repository has the old snapshot, the new one or both, and
// s.ID names one of them. ctx holds an exclusive lock (see repo.Repo.Lock).
func Replace(ctx context.Context, r *repo.Repo, s *Snapshot) error {
	if s.ID.IsNull() {
		return errors.New("replace snapshot: it was not loaded")
	}
	old, next := s.ID, *s
	if err := r.Removable(ctx, repo.Snapshots, old); err != nil {
		return fmt.Errorf("replace snapshot: %w", err)
	}
	next.Original = s.Identity()
	if err := Save(ctx, r, &next); err != nil {
		return fmt.Errorf("replace snapshot %s: %w", old.Short(), err)
	}
	*s = next
	if err := r.RemoveFile(ctx, repo.Snapshots, old); err != nil {
		return fmt.Errorf("replace snapshot %s by %s: %w", old.Short(), s.ID.Short(), err)
	}
	return nil
}
