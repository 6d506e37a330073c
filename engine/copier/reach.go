package copier

import (
	"context"
	"errors"
	"fmt"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/engine/tree"
)

// lost reports whether an error means that something is gone for good. Others end the run: a storage that can't be
// reached now is no reason to leave snapshots out.
func lost(err error) bool {
	var problem *tree.ProblemError
	return errors.Is(err, repo.ErrDamaged) || errors.Is(err, repo.ErrUnknownBlob) || errors.As(err, &problem)
}

// find walks the trees of a snapshot that were not seen yet, and notes what the destination lacks.
func (c *copying) find(ctx context.Context, s *snapshot.Snapshot) error {
	return tree.Reach(ctx, c.from, []crypto.ID{s.Tree}, finder{c})
}

type finder struct{ *copying }

func (f finder) Blob(_ crypto.ID, h pack.Handle) (enter bool, err error) {
	added, known := f.seen.Add(h)
	switch {
	case !known:
		f.damage.Store(true)
	case added && !f.writer.Known(h):
		f.wanted.Add(h)
		size, _ := f.index.Size(h)
		f.lacking.Add(int64(size))
	}
	return added, nil
}

func (f finder) Broken(_ crypto.ID, err error) error {
	if !lost(err) {
		return err
	}
	f.damage.Store(true)
	return nil
}

// examine walks all trees of a snapshot and returns the first reason why it can't be copied.
func (c *copying) examine(ctx context.Context, s *snapshot.Snapshot) error {
	return tree.Reach(ctx, c.from, []crypto.ID{s.Tree}, examiner{c.lost, c.index.NewSet()})
}

type examiner struct{ lost, seen *index.Set }

func (x examiner) Blob(_ crypto.ID, h pack.Handle) (enter bool, err error) {
	added, known := x.seen.Add(h)
	switch {
	case !known:
		return false, fmt.Errorf("it needs %s: %w", h, repo.ErrUnknownBlob)
	case x.lost.Has(h):
		return false, fmt.Errorf("it needs %s, which is %w", h, repo.ErrDamaged)
	}
	return added, nil
}

func (x examiner) Broken(_ crypto.ID, err error) error { return err }
