package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/copier"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/storage/mem"
)

// Origin is a repository in memory, with nothing wrong, from which snapshots are copied.
type Origin struct {
	repo  *repo.Repo
	files map[crypto.ID]Files
}

// NewOrigin makes an Origin with two snapshots.
func NewOrigin(ctx context.Context) (*Origin, error) {
	b := mem.New()
	if err := Init(ctx, b); err != nil {
		return nil, err
	}
	r, err := Open(ctx, b, repo.Options{})
	if err != nil {
		return nil, err
	}
	o := &Origin{repo: r, files: map[crypto.ID]Files{}}
	files, rng := Files{}, rand.New(rand.NewPCG(1, 0))
	for range 2 {
		files = files.Grow(rng)
		id, err := Backup(ctx, r, files)
		if err != nil {
			return nil, err
		}
		o.files[id] = files
		time.Sleep(time.Millisecond) // no two are of the same moment
	}
	return o, nil
}

// CopyTo copies the snapshots into a repository. Those of the copies that are acknowledged are returned even with an error.
func (o *Origin) CopyTo(ctx context.Context, r *repo.Repo) (map[crypto.ID]Files, error) {
	copies := make(map[crypto.ID]Files)
	err := locked(ctx, r, repo.Shared, func(ctx context.Context) error {
		var all []*snapshot.Snapshot
		for s, err := range snapshot.List(ctx, o.repo, snapshot.Filter{}) {
			if err != nil {
				return err
			}
			all = append(all, s)
		}
		result, err := copier.Copy(ctx, o.repo, r, all, copier.Options{})
		for _, outcome := range result.Outcomes {
			err = errors.Join(err, outcome.Err)
			if outcome.Err == nil {
				copies[outcome.Copy.ID] = o.files[outcome.Source.ID]
			}
		}
		return err
	})
	return copies, err
}

// Check looks for damage under a shared lock.
func Check(ctx context.Context, r *repo.Repo) error {
	return locked(ctx, r, repo.Shared, func(ctx context.Context) error { return Damage(ctx, r) })
}

// Damage checks a repository, all data included. What is wrong makes an error that wraps repo.ErrDamaged. The context holds a lock.
func Damage(ctx context.Context, r *repo.Repo) error {
	var found error
	_, err := checker.Check(ctx, r, checker.Options{ReadData: true, Found: func(f checker.Finding) {
		if f.Severity == checker.Error {
			found = errors.Join(found, fmt.Errorf("%v: %w: %s", f.Object, repo.ErrDamaged, f.Message))
		}
	}})
	return errors.Join(found, err)
}
