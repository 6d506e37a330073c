// Package fault simulates storages that fail and lie.
//
// A play makes backups, copies, forgets, prunes, reads and checks, on a storage with faults (see storagetest.Faulty) and with storage/retry
// on top, as the product has it. The faults are of three kinds. A passing one, such as a refused call or a lost answer,
// must not be felt: each step succeeds. A lie, such as a listing that lacks files, may make a step fail, but must not
// cost anything: all that was acknowledged is there afterwards. A loss takes a file, or half of it: whatever is done
// then must not make it worse, which is seen by putting the file back. In no case are other bytes read than were backed up.
package fault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/retry"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/sim"
)

// The kinds of faults.
var (
	passing = []storagetest.Fault{storagetest.Refuse, storagetest.LostAnswer, storagetest.ShortRead, storagetest.CutList, storagetest.Late}
	lies    = []storagetest.Fault{storagetest.SilentCut, storagetest.EmptyList, storagetest.StaleList, storagetest.FlipName,
		storagetest.FlipBody}
	losses = []storagetest.Fault{storagetest.NoSpace, storagetest.Vanish, storagetest.TornWrite}
)

// play is a scenario on a storage.
type play struct {
	below    storage.Backend // what is there in truth
	via      storage.Backend // the way there that is used; nil: straight
	clock    clock.Clock     // of the repository; nil: the system's
	waits    clock.Clock     // of the tries at the storage; nil: the system's
	stall    time.Duration   // after which a try is given up, by waits; 0: as the product has it
	faulty   *storagetest.Faulty
	mirror   *mirror // all that was ever to be saved
	repo     *repo.Repo
	origin   *sim.Origin
	files    sim.Files // of the last backup
	promised map[crypto.ID]sim.Files
	unsure   int // snapshots that could not be forgotten, or perhaps were: whoever prunes has to reckon with them
	prune    pruneFunc
	errs     []error // of steps
}

// pruneFunc is sim.Prune, or a bug planted in its place.
type pruneFunc func(ctx context.Context, r *repo.Repo, known int) error

// mirror keeps a copy of all that is saved through it.
type mirror struct {
	storage.Backend
	mu    sync.Mutex
	files map[string][]byte // guarded by mu
}

// Save implements storage.Backend.
func (m *mirror) Save(ctx context.Context, name string, body storage.Body) error {
	p, err := io.ReadAll(body.Open())
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.files[name] = p
	m.mu.Unlock()
	return m.Backend.Save(ctx, name, body)
}

// newPlay makes a repository with two snapshots, before there are any faults.
func newPlay(ctx context.Context) (*play, error) {
	below := mem.New()
	p := &play{below: below, mirror: &mirror{Backend: below, files: map[string][]byte{}}, promised: map[crypto.ID]sim.Files{},
		files: sim.Files{}, prune: sim.Prune}
	if err := sim.Init(ctx, p.mirror); err != nil {
		return nil, err
	}
	var err error
	if p.repo, err = sim.Open(ctx, p.mirror, repo.Options{}); err != nil {
		return nil, err
	}
	if p.origin, err = sim.NewOrigin(ctx); err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(0, 0))
	return p, errors.Join(p.backup(ctx, rng), p.backup(ctx, rng))
}

// moved returns the play, as it is before any faults, on another storage.
func (p *play) moved(ctx context.Context, below storage.Backend) (*play, error) {
	q := &play{below: below, mirror: &mirror{Backend: below, files: map[string][]byte{}}, promised: maps.Clone(p.promised), origin: p.origin,
		files: p.files, prune: p.prune}
	for _, name := range slices.Sorted(maps.Keys(p.mirror.files)) { // the config first, with which some storages begin
		content := p.mirror.files[name]
		if strings.HasPrefix(name, "locks/") {
			continue
		}
		if err := q.mirror.Save(ctx, name, storage.Bytes(content)); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// perform plays with faults.
func (p *play) perform(ctx context.Context, faults storagetest.Faults) {
	p.faulty = storagetest.NewFaulty(cmp.Or(p.via, p.below), faults)
	p.mirror.Backend = retry.New(p.faulty, retry.Options{Rand: sim.NewRand(faults.Seed), Clock: p.waits, Stall: p.stall})
	var err error
	if p.repo, err = sim.Open(ctx, p.mirror, repo.Options{Clock: p.clock}); err != nil {
		p.errs = append(p.errs, fmt.Errorf("open: %w", err))
		return
	}
	rng := rand.New(rand.NewPCG(faults.Seed, 1))
	for name, step := range p.steps(rng) {
		if err := step(ctx); err != nil {
			p.errs = append(p.errs, fmt.Errorf("%s: %w", name, err))
			if p.via != nil {
				return // nothing of it is to be felt, and what went wrong may keep the next step waiting for ever
			}
		}
	}
}

// steps yields what is done, by name.
func (p *play) steps(rng *rand.Rand) func(yield func(string, func(context.Context) error) bool) {
	backup := func(ctx context.Context) error { return p.backup(ctx, rng) }
	check := func(ctx context.Context) error { return sim.Check(ctx, p.repo) }
	prune := func(ctx context.Context) error { return p.prune(ctx, p.repo, len(p.promised)+p.unsure) }
	return func(yield func(string, func(context.Context) error) bool) {
		_ = yield("backup", backup) && yield("forget", p.forget) && yield("prune", prune) && yield("backup", backup) &&
			yield("copy", p.copyInto) && yield("read", p.readAll) && yield("check", check) && yield("prune", prune)
	}
}

func (p *play) backup(ctx context.Context, rng *rand.Rand) error {
	p.files = p.files.Grow(rng)
	id, err := sim.Backup(ctx, p.repo, p.files)
	if err == nil {
		p.promised[id] = p.files
	}
	return err
}

func (p *play) forget(ctx context.Context) error {
	id := slices.SortedFunc(maps.Keys(p.promised), func(a, b crypto.ID) int { return slices.Compare(a[:], b[:]) })[0]
	delete(p.promised, id)
	err := sim.Forget(ctx, p.repo, id)
	if err != nil {
		p.unsure++
	}
	return err
}

func (p *play) copyInto(ctx context.Context) error {
	copies, err := p.origin.CopyTo(ctx, p.repo)
	maps.Copy(p.promised, copies)
	return err
}

// readAll reads what was promised.
func (p *play) readAll(ctx context.Context) error { return readAll(ctx, p.repo, p.promised) }

func readAll(ctx context.Context, r *repo.Repo, promised map[crypto.ID]sim.Files) error {
	if err := r.LoadIndex(ctx); err != nil {
		return err
	}
	var errs error
	for id, files := range promised {
		errs = errors.Join(errs, sim.Expect(ctx, r, id, files))
	}
	return errs
}

// faults counts the faults there were.
func (p *play) faults() (n int) {
	for _, c := range p.faulty.Trace() {
		if c.Fault != storagetest.None {
			n++
		}
	}
	return n
}

// putBack gives the storage back what it lost by itself, unless the engine has removed that as well.
func (p *play) putBack(ctx context.Context) error {
	gone := make(map[string]bool)
	for _, c := range p.faulty.Trace() {
		gone[c.Name] = c.Op == storagetest.Remove && c.Done
	}
	for _, c := range p.faulty.Trace() {
		if c.Fault != storagetest.Vanish && c.Fault != storagetest.TornWrite {
			continue
		}
		if err := p.below.Remove(ctx, c.Name); err != nil {
			return err
		}
		if whole, ok := p.mirror.files[c.Name]; ok && !gone[c.Name] {
			if err := p.below.Save(ctx, c.Name, storage.Bytes(whole)); err != nil {
				return err
			}
		}
	}
	return nil
}

// lost returns an error unless all that was promised is there, as the storage says when it does not fail.
func (p *play) lost(ctx context.Context) error {
	if err := p.putBack(ctx); err != nil {
		return err
	}
	r, err := sim.Open(ctx, p.below, repo.Options{})
	if err != nil {
		return err
	}
	return readAll(ctx, r, p.promised)
}
