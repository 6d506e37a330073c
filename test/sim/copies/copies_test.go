package copies

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/sim"
)

// count is what was seen.
type count struct{ cases, killed, failed, faults, caughtUp, unclean, ahead, stuck int }

func (c count) String() string {
	return fmt.Sprintf("%s cases with 3 targets, %s killed, %s with a target that failed, %s faults, %s caught up; %d targets unclean, %d with a status ahead of the truth, %d not mended by doing it again",
		sim.Number(c.cases), sim.Number(c.killed), sim.Number(c.failed), sim.Number(c.faults), sim.Number(c.caughtUp), c.unclean, c.ahead, c.stuck)
}

// rig plays, over and over.
type rig struct {
	count
	backup backupFunc
	report func(format string, args ...any) // of what must not be
}

// passing returns faults such as a storage has that keeps its promises.
func passing(seed uint64) storagetest.Faults {
	f := storagetest.Faults{Seed: 3 * seed, Chance: map[storagetest.Fault]float64{}, Delay: 10 * time.Second}
	for _, fault := range []storagetest.Fault{storagetest.Refuse, storagetest.LostAnswer, storagetest.CutList, storagetest.Late} {
		f.Chance[fault] = 0.05
	}
	return f
}

// perform plays the case of a seed: a backup or a copy, killed or with faults, at times with a slow target.
func (r *rig) perform(t *testing.T, seed uint64, origin *sim.Origin) {
	t.Helper()
	ctx := t.Context()
	r.cases++
	p, err := newPlay(t, seed, origin, r.counted)
	if err != nil {
		t.Fatalf("seed %d, before any fault: %v", seed, err)
	}
	copying, failing, slow := seed%2 == 1, seed%3 == 0, seed%4 == 0
	killed := !failing && seed%8 > 0 // or else the end of a slow one is seldom seen
	p.files = p.files.Grow(p.rng)
	if slow {
		p.large()
	}
	do := p.backUp
	if copying {
		do = p.copyAll
	}
	swarm, full := storagetest.Faults{}, -1
	if failing {
		swarm, full = passing(seed), int(seed/3)%len(p.targets)
	}
	if err = p.open(ctx, swarm, full, slow); err == nil {
		if killed {
			p.death.at.Store(p.death.call.Load() + 1 + p.rng.Int64N(lifetime(slow)))
		}
		err = do(ctx)
	}
	if killed && err != nil {
		r.killed++
	} else if err != nil {
		r.failed++
	}
	r.look(t, p, seed)
	if err := p.open(ctx, storagetest.Faults{}, -1, false); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if err := do(ctx); err != nil {
		r.stuck++
		r.report("seed %d: once more, without faults: %v", seed, err)
	}
	r.look(t, p, seed)
}

// lifetime is about how many calls a backup or a copy to three targets makes. One with a slow target makes more, and in the end copies.
func lifetime(slow bool) int64 {
	if slow {
		return 60
	}
	return 30
}

// counted is the backup, and counts who was caught up.
func (r *rig) counted(ctx context.Context, files sim.Files, rs []*repo.Repo) ([]runner.BackupResult, error) {
	results, err := r.backup(ctx, files, rs)
	for _, result := range results {
		if result.CaughtUp != nil && result.Err == nil {
			r.caughtUp++
		}
	}
	return results, err
}

func (r *rig) look(t *testing.T, p *play, seed uint64) {
	t.Helper()
	for i, g := range p.targets {
		for _, c := range g.faulty.Trace() {
			if c.Fault != storagetest.None {
				r.faults++
			}
		}
		if err := g.unclean(t.Context()); err != nil {
			r.unclean++
			r.report("seed %d: target %d alone: %v", seed, i, err)
		}
		if err := g.ahead(t.Context()); err != nil {
			r.ahead++
			r.report("seed %d: target %d lacks what was reported as saved: %v", seed, i, err)
		}
	}
}

// batch is how many cases are played in one bubble.
const batch = 20

// play plays the cases after the first ones.
func (r *rig) play(t *testing.T, first uint64) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // more savers than open packs wait at a mutex, and then no time passes in a bubble
	sim.Run(t, func(t *testing.T) {
		origin, err := sim.NewOrigin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(batch) {
			r.perform(t, first+i+1, origin)
		}
	})
}

func TestEachTargetIsCleanAloneAndNoStatusIsAheadOfTheTruth(t *testing.T) {
	r := &rig{backup: backup, report: t.Errorf}
	for first := 0; first < sim.Scale(batch); first += batch {
		r.play(t, uint64(first))
	}
	t.Logf("R25, seeds 1 to %d: %v", r.cases, r.count)
	if r.killed == 0 || r.failed == 0 || r.caughtUp == 0 {
		t.Error("something that is to be played never happened")
	}
}

// committedFirst is a backup to each target with a bug planted: it saves the snapshot before what that needs.
func committedFirst(ctx context.Context, files sim.Files, rs []*repo.Repo) ([]runner.BackupResult, error) {
	flat := make(sim.Files, len(files))
	for name, content := range files {
		flat[fmt.Sprintf("%x", name)] = content
	}
	results := make([]runner.BackupResult, len(rs))
	for i, r := range rs {
		_, results[i].Err = sim.BackupCommittedFirst(ctx, r, flat)
	}
	return results, nil
}

// hasty is a backup with another bug planted: it reports every target as saved if one is.
func hasty(ctx context.Context, files sim.Files, rs []*repo.Repo) ([]runner.BackupResult, error) {
	results, err := backup(ctx, files, rs)
	for _, good := range results {
		for i := range results {
			if good.Err == nil && results[i].Err != nil {
				results[i] = good
			}
		}
	}
	return results, err
}

func TestPlantedBugsAreFound(t *testing.T) {
	for name, bug := range map[string]struct {
		backup backupFunc
		found  func(c count) int
	}{
		"the snapshot is saved first":          {committedFirst, func(c count) int { return c.unclean }},
		"one success is reported as all of it": {hasty, func(c count) int { return c.ahead }},
	} {
		r := &rig{backup: bug.backup, report: func(string, ...any) {}}
		r.play(t, 0)
		t.Logf("R25 with the bug %q: %v", name, r.count)
		if bug.found(r.count) == 0 {
			t.Errorf("%s: nothing is found, so the simulation finds nothing", name)
		}
	}
}
