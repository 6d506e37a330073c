// Package copies simulates backups and copies to several targets of different kinds that are killed, or fail, half way.
//
// A play has three targets with a snapshot each. It backs up to all of them at once, or copies to each, while there are faults: the process is
// killed at a random call, or calls fail, or one target is so slow that it drops out and is caught up by a copy. Then each target is looked
// at alone, without the others and without faults: it has to be clean in a full check, and what was reported as saved has to be there.
// In the end the same is done once more without faults, and must succeed everywhere.
package copies

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/limit"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/retry"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/sim"
)

// places are the kinds of targets. A storage that is to be played on as well gets a line here.
func places() []func(t *testing.T) storage.Backend {
	return []func(t *testing.T) storage.Backend{
		func(t *testing.T) storage.Backend { return local.New(local.OS{}, t.TempDir(), local.Options{}) },
		func(*testing.T) storage.Backend { return mem.New() },
		func(*testing.T) storage.Backend { return mem.New() }, // behind a slow line, where there is one
	}
}

// target is a repository.
type target struct {
	below    storage.Backend // what is there in truth
	faulty   *storagetest.Faulty
	repo     *repo.Repo
	promised map[crypto.ID]sim.Files // what was reported as saved
}

// play is one case.
type play struct {
	rng     *rand.Rand
	origin  *sim.Origin
	files   sim.Files
	targets []*target
	death   *death
	backup  backupFunc
}

// backupFunc is backup, or a bug planted in its place.
type backupFunc func(ctx context.Context, files sim.Files, rs []*repo.Repo) ([]runner.BackupResult, error)

// On the slow line a full buffer takes longer than the patience, which no passing fault does.
const (
	patience = time.Minute
	slowLine = 64 << 10 // bytes per second
)

func backup(ctx context.Context, files sim.Files, rs []*repo.Repo) ([]runner.BackupResult, error) {
	now := time.Now()
	return runner.Backup(ctx, files, rs, runner.BackupOptions{Start: now, Patience: patience, Template: *sim.Record(now, crypto.ID{})})
}

// newPlay makes the targets, with a snapshot in each.
func newPlay(t *testing.T, seed uint64, origin *sim.Origin, backup backupFunc) (*play, error) {
	p := &play{rng: rand.New(rand.NewPCG(seed, 25)), origin: origin, death: new(death), backup: backup}
	for _, place := range places() {
		g := &target{below: place(t), promised: map[crypto.ID]sim.Files{}}
		if err := sim.Init(t.Context(), g.below); err != nil {
			return nil, err
		}
		p.targets = append(p.targets, g)
	}
	if err := p.open(t.Context(), storagetest.Faults{}, -1, false); err != nil {
		return nil, err
	}
	p.files = sim.Files{}.Grow(p.rng)
	return p, p.backUp(t.Context())
}

// open opens all targets anew, with faults in all; one of them, unless it is -1, has no space left after some files, and the last one
// may be behind a slow line.
func (p *play) open(ctx context.Context, faults storagetest.Faults, full int, slow bool) (err error) {
	p.death.at.Store(0)
	for i, g := range p.targets {
		faults.Seed++
		faults.At = nil
		if i == full {
			faults.At = []storagetest.At{{N: 1 + p.rng.IntN(5), Op: storagetest.Save, Fault: storagetest.NoSpace}}
		}
		g.faulty = storagetest.NewFaulty(g.below, faults)
		b := storage.Backend(&mortal{g.faulty, p.death})
		if slow && i == len(p.targets)-1 {
			b = limit.New(b, limit.Options{Upload: limit.PerSecond(slowLine)})
		}
		b = retry.New(b, retry.Options{Rand: sim.NewRand(faults.Seed)})
		if g.repo, err = sim.Open(ctx, b, repo.Options{}); err != nil {
			return fmt.Errorf("open target %d: %w", i, err)
		}
	}
	return nil
}

func (p *play) backUp(ctx context.Context) error {
	var rs []*repo.Repo
	for _, g := range p.targets {
		rs = append(rs, g.repo)
	}
	results, err := p.backup(ctx, p.files, rs)
	for i, r := range results {
		if r.Err == nil && r.Snapshot != nil {
			p.targets[i].promised[r.Snapshot.ID] = p.files
		}
		err = errors.Join(err, r.Err)
	}
	return err
}

func (p *play) copyAll(ctx context.Context) (err error) {
	for _, g := range p.targets {
		copies, copyErr := p.origin.CopyTo(ctx, g.repo)
		maps.Copy(g.promised, copies)
		err = errors.Join(err, copyErr)
	}
	return err
}

// large adds a file that fills the buffer of a slow target.
func (p *play) large() {
	noise := make([]byte, 12<<20)
	random := sim.NewRand(p.rng.Uint64())
	_, _ = random.Read(noise) // never fails
	p.files["large"] = string(noise)
}

// unclean looks at a target alone, and returns what is wrong with it.
func (g *target) unclean(ctx context.Context) error {
	r, err := sim.Open(ctx, g.below, repo.Options{})
	if err == nil {
		err = sim.Check(ctx, r)
	}
	return err
}

// ahead returns what was reported as saved, and isn't there.
func (g *target) ahead(ctx context.Context) error {
	r, err := sim.Open(ctx, g.below, repo.Options{})
	if err == nil {
		err = r.LoadIndex(ctx)
	}
	for id, files := range g.promised {
		if err == nil {
			err = sim.Expect(ctx, r, id, files)
		}
	}
	return err
}

// death is when the process is killed, and whether it was.
type death struct {
	at   atomic.Int64 // the call after which it is; 0: never
	call atomic.Int64
}

var errKilled = storage.Mark(errors.New("the process was killed"), storage.ErrPermanent)

func (d *death) due() bool {
	n, at := d.call.Add(1), d.at.Load()
	return at > 0 && n > at
}

// mortal is a backend of a process that may be killed: from then on it does nothing more, not even give back a lock.
type mortal struct {
	storage.Backend
	death *death
}

// Save implements storage.Backend.
func (m *mortal) Save(ctx context.Context, name string, body storage.Body) error {
	if m.death.due() {
		return errKilled
	}
	return m.Backend.Save(ctx, name, body)
}

// Load implements storage.Backend.
func (m *mortal) Load(ctx context.Context, name string, p []byte, offset int64) error {
	if m.death.due() {
		return errKilled
	}
	return m.Backend.Load(ctx, name, p, offset)
}

// Remove implements storage.Backend.
func (m *mortal) Remove(ctx context.Context, name string) error {
	if m.death.due() {
		return errKilled
	}
	return m.Backend.Remove(ctx, name)
}
