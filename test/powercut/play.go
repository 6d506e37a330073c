package powercut

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/test/sim"
)

// location is the folder of the repository. Those above it have yet to be made.
const location = "/backups/of/repository"

// promise is what must be true whatever happens from now on.
type promise struct {
	made      bool // the repository is there
	snapshots map[crypto.ID]sim.Files
	gone      map[crypto.ID]bool // forgotten, and never to come back
}

// state is a disk after a power cut, and what must be true there.
type state struct {
	mem      *vfs.MemFS
	kept     int    // percentage of what was not durable
	during   string // what was being done
	promised promise
}

func (s state) String() string {
	return fmt.Sprintf("power cut during %s, %d %% of what was not durable is kept", s.during, s.kept)
}

// play works on a disk and hands out its states.
type play struct {
	look    func([]state) // at the states of each thing that was done
	disk    *disk
	storage storage.Backend
	repo    *repo.Repo
	origin  *sim.Origin
	rng     *rand.Rand
	files   sim.Files

	mu       sync.Mutex // guards what follows
	during   string
	promised promise
	states   []state // of what is being done
}

func newPlay(seed uint64, f flaw, look func([]state)) *play {
	p := &play{look: look, disk: newDisk(seed, f), rng: rand.New(rand.NewPCG(seed, 1)), files: sim.Files{},
		promised: promise{snapshots: map[crypto.ID]sim.Files{}, gone: map[crypto.ID]bool{}}}
	p.disk.cut = p.cut
	p.storage = local.New(p.disk, location, local.Options{Rand: sim.NewRand(seed)})
	if f == renameSoon {
		p.storage = hasty{p.storage, p.disk}
	}
	return p
}

func (p *play) cut(after []*vfs.MemFS) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, mem := range after {
		p.states = append(p.states, state{mem, kept[i], p.during, p.promised})
	}
}

// do does one thing, during which and after which the power is cut.
func (p *play) do(what string, fn func() error) error {
	p.mu.Lock()
	p.during = what
	p.mu.Unlock()
	if err := fn(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	p.disk.snap()
	states := p.states
	p.states = nil // there may be many more to come
	p.look(states)
	return nil
}

// promise changes what is promised from now on. States keep what was promised when they came about.
func (p *play) promise(fn func(*promise)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.promised.snapshots, p.promised.gone = maps.Clone(p.promised.snapshots), maps.Clone(p.promised.gone)
	fn(&p.promised)
}

// open makes the repository and opens it.
func (p *play) open(ctx context.Context) error {
	err := p.do("init", func() error { return sim.Init(ctx, p.storage) })
	if err != nil {
		return err
	}
	p.promise(func(is *promise) { is.made = true })
	if p.origin, err = sim.NewOrigin(ctx); err != nil {
		return err
	}
	p.repo, err = sim.Open(ctx, p.storage, repo.Options{})
	return err
}

func (p *play) backup(ctx context.Context) error {
	p.files = p.files.Grow(p.rng)
	return p.do("backup", func() error {
		id, err := sim.Backup(ctx, p.repo, p.files)
		if err == nil {
			p.promise(func(is *promise) { is.snapshots[id] = p.files })
		}
		return err
	})
}

// forget removes any one of the snapshots.
func (p *play) forget(ctx context.Context) error {
	ids := sorted(p.promised.snapshots)
	id := ids[p.rng.IntN(len(ids))]
	p.promise(func(is *promise) { delete(is.snapshots, id) })
	return p.do("forget", func() error {
		err := sim.Forget(ctx, p.repo, id)
		if err == nil {
			p.promise(func(is *promise) { is.gone[id] = true })
		}
		return err
	})
}

func (p *play) copyInto(ctx context.Context) error {
	return p.do("copy", func() error {
		copies, err := p.origin.CopyTo(ctx, p.repo)
		p.promise(func(is *promise) { maps.Copy(is.snapshots, copies) })
		return err
	})
}

func (p *play) prune(ctx context.Context) error {
	return p.do("prune", func() error { return sim.Prune(ctx, p.repo, len(p.promised.snapshots)) })
}

// all is the play: some of everything.
func (p *play) all(ctx context.Context) error {
	for _, act := range []func(context.Context) error{p.open, p.backup, p.backup, p.backup, p.forget, p.prune,
		p.copyInto, p.backup, p.forget, p.forget, p.prune, p.backup} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

// first makes the repository and a first backup, which is all that most planted bugs need.
func (p *play) first(ctx context.Context) error {
	if err := p.open(ctx); err != nil {
		return err
	}
	return p.backup(ctx)
}
