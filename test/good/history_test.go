//go:build linux

package good

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/entry"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/source"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/test/sim"
	"github.com/backstay/backstay/test/treegen"
)

// history is a source that changes.
type history interface {
	change(rng *rand.Rand) error
	source() source.Source
	paths() []string
	proof() proof // of what the source is now
}

// proof returns an error unless the snapshot is what was backed up.
type proof func(ctx context.Context, r *repo.Repo, s *snapshot.Snapshot) error

// memory is a history without a disk.
type memory struct{ files sim.Files }

func (m *memory) change(rng *rand.Rand) error { m.files = m.files.Grow(rng); return nil }
func (m *memory) source() source.Source       { return m.files }
func (m *memory) paths() []string             { return []string{"/"} }

func (m *memory) proof() proof {
	want := m.files
	return func(ctx context.Context, r *repo.Repo, s *snapshot.Snapshot) error {
		if err := r.LoadIndex(ctx); err != nil {
			return err
		}
		return sim.Expect(ctx, r, s.ID, want)
	}
}

// disk is a history in a folder. What it once was can be made again from the seeds.
type disk struct {
	scratch func() string // makes a folder
	root    string
	spec    treegen.Spec
	changes []uint64
}

func newDisk(scratch func() string, spec treegen.Spec) (*disk, error) {
	d := &disk{scratch: scratch, root: filepath.Join(scratch(), "tree"), spec: spec}
	return d, treegen.Generate(d.root, spec)
}

func (d *disk) change(rng *rand.Rand) error {
	seed := rng.Uint64()
	d.changes = append(d.changes, seed)
	return treegen.Mutate(d.root, seed)
}

func (d *disk) source() source.Source { return files.New([]string{d.root}, files.Options{}) }
func (d *disk) paths() []string       { return []string{d.root} }

func (d *disk) proof() proof {
	changes := slices.Clone(d.changes)
	return func(ctx context.Context, r *repo.Repo, s *snapshot.Snapshot) error {
		dir := d.scratch()
		again, out := filepath.Join(dir, "tree"), filepath.Join(dir, "out")
		if err := treegen.Generate(again, d.spec); err != nil {
			return err
		}
		for _, seed := range changes {
			if err := treegen.Mutate(again, seed); err != nil {
				return err
			}
		}
		if err := restore(ctx, r, s, out); err != nil {
			return err
		}
		return errors.Join(compare(again, filepath.Join(out, d.root)), os.RemoveAll(dir))
	}
}

func restore(ctx context.Context, r *repo.Repo, s *snapshot.Snapshot, dir string) error {
	var failed error
	err := runner.Restore(ctx, r, s, files.NewTarget(dir, files.TargetOptions{}), runner.RestoreOptions{Report: func(c entry.Change) {
		if c.Action == entry.Failed {
			failed = errors.Join(failed, fmt.Errorf("restore of %q: %s", c.Path, c.Reason))
		}
	}})
	return errors.Join(err, failed)
}

func compare(a, b string) error {
	different, err := treegen.Compare(a, b, treegen.Options{IgnoreSockets: true, Limit: 5})
	for _, d := range different {
		err = errors.Join(err, errors.New(d.String()))
	}
	return err
}
