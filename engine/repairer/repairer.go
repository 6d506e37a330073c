// Package repairer mends what a check found: the index (Index), damaged packs (Packs), and snapshots that need what is lost
// (Snapshots), to be used in this order.
//
// Each takes an exclusive lock of the context (see repo.Repo.Lock) and refuses to change anything without one. A dry run
// reads the same and returns the same, but for the names of files that are not made.
//
// The invariant: what can be restored never becomes less. New files are saved, read again and compared before old ones
// are removed; a pack that is there keeps its place in the index; a blob is given up only if it was read and is damaged, not
// because the storage had an error.
package repairer

import (
	"context"
	"errors"
	"slices"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
)

// lost reports whether an error of loading a blob means that there is no whole copy of it; otherwise it may be there, but
// could not be read.
func lost(err error) bool {
	switch e := err.(type) {
	case *repo.DamageError:
		return true
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(err error) bool { return !lost(err) })
	case interface{ Unwrap() error }:
		return lost(e.Unwrap())
	}
	return errors.Is(err, repo.ErrUnknownBlob)
}

// list returns the files of one type with their sizes.
func list(ctx context.Context, r *repo.Repo, t repo.FileType) (map[crypto.ID]int64, error) {
	files := make(map[crypto.ID]int64)
	for info, err := range r.List(ctx, t) {
		if err != nil {
			return nil, err
		}
		files[info.ID] = info.Size
	}
	return files, nil
}

// sorted returns the keys of m in order.
func sorted[V any](m map[crypto.ID]V) []crypto.ID {
	ids := make([]crypto.ID, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, compare)
	return ids
}

func compare(a, b crypto.ID) int { return slices.Compare(a[:], b[:]) }
