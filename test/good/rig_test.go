//go:build linux

package good

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/chunker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/test/quickrepo"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/sim"
	"github.com/backstay/backstay/test/treegen"
)

// host is a machine that is backed up.
type host struct {
	history
	name string
}

// rig is a repository to which nothing bad happens.
type rig struct {
	scratch func() string // makes a folder
	rng     *rand.Rand
	clock   *clock
	hosts   []*host
	steps   []string // what was done

	storage  storage.Backend
	restic   *resticbin.Repo // the same repository, if that is in a folder
	master   *crypto.Key
	password string
	version  uint
	pol      chunker.Pol
	kept     []saved // the snapshots
	untidy   bool    // a run was broken off, and no prune has cleared away what it left
}

// saved is a snapshot, and what it must be.
type saved struct {
	id    crypto.ID
	proof proof
}

// newRig makes a repository, in a folder if it is given a restic.
func newRig(t testing.TB, seed uint64, bin *resticbin.Bin) (*rig, error) {
	g := &rig{scratch: t.TempDir, rng: rand.New(rand.NewPCG(seed, 0)), clock: new(clock)}
	g.version = 1 + uint(min(g.rng.IntN(4), 1)) // every fourth is of version 1
	var err error
	if g.pol, err = chunker.RandomPol(sim.NewRand(seed)); err != nil {
		return g, err
	}
	b := storage.Backend(mem.New())
	if bin != nil {
		g.restic = &resticbin.Repo{Bin: *bin, Dir: filepath.Join(t.TempDir(), "repository"), Work: t.TempDir()}
		b = local.New(local.OS{}, g.restic.Dir, local.Options{})
	}
	if err := g.make(t.Context(), b); err != nil {
		return g, err
	}
	for i := range 1 + g.rng.IntN(3) {
		h, err := g.newHistory(seed + uint64(i)<<32)
		if err != nil {
			return g, err
		}
		g.hosts = append(g.hosts, &host{h, fmt.Sprintf("host%d", i)})
	}
	return g, nil
}

// make makes the repository in b, and makes it the one that the rig goes on with.
func (g *rig) make(ctx context.Context, b storage.Backend) (err error) {
	g.storage, g.password, g.kept, g.untidy = b, "good", nil, false
	g.master, err = quickrepo.MakeWith(ctx, b, g.password, g.version, g.pol)
	return err
}

// newHistory makes a source: one in memory half the time, else a tree with some awkward things in it.
func (g *rig) newHistory(seed uint64) (history, error) {
	if g.restic == nil && g.rng.IntN(2) == 0 {
		return &memory{sim.Files{}.Grow(g.rng)}, nil
	}
	traits := treegen.Traits(g.rng.Uint64()) & treegen.Everything()
	if g.rng.IntN(4) > 0 {
		traits &^= treegen.Sizes | treegen.Sparse // these are large
	}
	if g.restic != nil {
		traits &^= treegen.Symlinks | treegen.Times // restic 0.14 changes some of them
	}
	return newDisk(g.scratch, treegen.Spec{Seed: seed, Dirs: g.rng.IntN(6), Files: g.rng.IntN(25), Wide: g.rng.IntN(10), Deep: g.rng.IntN(5), Traits: traits})
}

// open opens the repository, as a process of its own with settings of its own would.
func (g *rig) open(ctx context.Context, b storage.Backend) (*repo.Repo, error) {
	g.clock.minutes.Add(1 + g.rng.Int64N(3000))
	return repo.Open(ctx, b, g.password, repo.Options{Clock: g.clock, Hostname: "h", Username: "u",
		Compression: pick(g.rng, repo.Auto, repo.Auto, repo.Fastest, repo.Off, repo.Better, repo.Max), PackSize: pick(g.rng, 4, 4, 8, 16, 64) << 20})
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }

func (g *rig) coin() bool { return g.rng.IntN(2) == 0 }

func (g *rig) keep(id crypto.ID, p proof) { g.kept = append(g.kept, saved{id, p}) }

// find returns the place of a snapshot among those kept, or less than 0.
func (g *rig) find(id crypto.ID) int {
	return slices.IndexFunc(g.kept, func(s saved) bool { return s.id == id })
}

// drop returns the proof of a snapshot that is kept no more.
func (g *rig) drop(id crypto.ID) proof {
	i := g.find(id)
	p := g.kept[i].proof
	g.kept = slices.Delete(g.kept, i, i+1)
	return p
}

// locked opens the repository in b and calls fn under a lock.
func (g *rig) locked(ctx context.Context, b storage.Backend, mode repo.LockMode, fn func(ctx context.Context, r *repo.Repo) error) error {
	r, err := g.open(ctx, b)
	if err != nil {
		return err
	}
	return quickrepo.Locked(ctx, r, mode, func(ctx context.Context) error { return fn(ctx, r) })
}

// check reads all data of the repository and returns what it finds beside what the rig knows to be there.
func (g *rig) check(ctx context.Context, harmless ...checker.Kind) (alarms []checker.Finding, err error) {
	if g.untidy {
		harmless = append(harmless, checker.PackUnindexed, checker.PackRepeated)
	}
	unindexed := 0
	err = g.locked(ctx, g.storage, repo.Shared, func(ctx context.Context, r *repo.Repo) error {
		report, err := checker.Check(ctx, r, checker.Options{ReadData: true, Found: func(f checker.Finding) {
			if f.Severity != checker.Hint || !slices.Contains(harmless, f.Kind) {
				alarms = append(alarms, f)
			}
			if f.Kind == checker.PackUnindexed {
				unindexed++
			}
		}})
		if err == nil && (report.Snapshots < len(g.kept) || report.PacksRead+unindexed != report.Packs) {
			err = fmt.Errorf("the check saw %d of %d snapshots, and read %d of %d packs beside %d without index",
				report.Snapshots, len(g.kept), report.PacksRead, report.Packs, unindexed)
		}
		return err
	})
	return alarms, err
}

// prove restores one of the snapshots.
func (g *rig) prove(ctx context.Context) error {
	if len(g.kept) == 0 {
		return nil
	}
	one := pick(g.rng, g.kept...)
	r, err := g.open(ctx, g.storage)
	if err != nil {
		return err
	}
	s, err := snapshot.Load(ctx, r, one.id)
	if err != nil {
		return err
	}
	if err := one.proof(ctx, r, s); err != nil {
		return fmt.Errorf("snapshot %s of %s: %w", one.id.Short(), s.Hostname, err)
	}
	g.steps = append(g.steps, "restore")
	return nil
}
