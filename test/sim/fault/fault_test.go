package fault

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/sim"
)

// count is what was seen.
type count struct{ plays, faults, silent, lost, felt, alarms int }

func (c count) String() string {
	return fmt.Sprintf("%s faults in %s plays, %d silent corruptions, %d lost, %d passing faults felt, %d false alarms of damage",
		sim.Number(c.faults), sim.Number(c.plays), c.silent, c.lost, c.felt, c.alarms)
}

func (c *count) add(d count) {
	c.plays += d.plays
	c.faults += d.faults
	c.silent += d.silent
	c.lost += d.lost
	c.felt += d.felt
	c.alarms += d.alarms
}

// rig plays, over and over.
type rig struct {
	count
	base   *play
	report func(format string, args ...any) // of what must not be
}

func newRig(t *testing.T, report func(format string, args ...any)) *rig {
	t.Helper()
	base, err := newPlay(t.Context())
	if err != nil {
		t.Fatalf("before any fault: %v", err)
	}
	return &rig{base: base, report: report}
}

// perform plays on a storage, and returns how many faults there were. Pass says that they are such as must not be felt.
func (r *rig) perform(t *testing.T, below storage.Backend, faults storagetest.Faults, pass bool) int {
	t.Helper()
	p, err := r.base.moved(t.Context(), below)
	if err != nil {
		t.Fatalf("before any fault: %v", err)
	}
	faults.Delay = 10 * time.Second
	p.perform(t.Context(), faults)
	r.plays++
	r.faults += p.faults()
	err = errors.Join(p.errs...)
	if errors.Is(err, sim.ErrSilent) {
		r.silent++
		r.report("%v: %v", faults, err)
	}
	if pass && err != nil {
		r.felt++
		if errors.Is(err, repo.ErrDamaged) {
			r.alarms++
		}
		r.report("%v: a passing fault is felt: %v", faults, err)
	}
	if err := p.lost(t.Context()); err != nil {
		r.lost++
		r.report("%v: %v, after %v", faults, err, p.errs)
	}
	return p.faults()
}

// calls returns how many calls of each kind a play without faults makes.
func (r *rig) calls(t *testing.T) map[storagetest.Op]int {
	t.Helper()
	p, err := r.base.moved(t.Context(), mem.New())
	if err != nil {
		t.Fatal(err)
	}
	p.prune = sim.Prune
	p.perform(t.Context(), storagetest.Faults{Seed: 1})
	if err := errors.Join(p.errs...); err != nil {
		t.Fatalf("without faults: %v", err)
	}
	n := make(map[storagetest.Op]int)
	for _, c := range p.faulty.Trace() {
		n[c.Op]++
	}
	return n
}

// sweep has each call fail in turn, in a play of its own, or with a longer stride some of them.
func (r *rig) sweep(t *testing.T, faults []storagetest.Fault, pass bool, stride int) {
	t.Helper()
	for op, n := range r.calls(t) {
		for k, fault := range faults {
			for i := k % stride; i < n; i += stride {
				at := []storagetest.At{{N: i + 1, Op: op, Fault: fault}}
				if r.perform(t, mem.New(), storagetest.Faults{Seed: 1, At: at}, pass) == 0 {
					break // it fits no such call
				}
			}
		}
	}
}

func TestNoSingleFaultCostsASnapshot(t *testing.T) {
	for _, kind := range []struct {
		name   string
		faults []storagetest.Fault
		pass   bool
	}{{"passing", slices.Concat(passing, []storagetest.Fault{storagetest.FlipBody}), true}, {"lies", lies, false}, {"losses", losses, false}} {
		t.Run(kind.name, func(t *testing.T) {
			sim.Run(t, func(t *testing.T) {
				r := newRig(t, t.Errorf)
				r.sweep(t, kind.faults, kind.pass, sim.Stride)
				t.Logf("R6, each call in turn: %v", r.count)
			})
		})
	}
}

// swarm has faults of some kinds with a chance each.
func swarm(seed uint64, faults []storagetest.Fault, chance float64) storagetest.Faults {
	f := storagetest.Faults{Seed: seed, Chance: map[storagetest.Fault]float64{}}
	for _, fault := range faults {
		f.Chance[fault] = chance
	}
	return f
}

func TestNoSwarmOfFaultsCostsASnapshot(t *testing.T) {
	var seen count
	seed := uint64(0)
	for seen.faults < sim.Scale(4800) {
		sim.Run(t, func(t *testing.T) {
			r := newRig(t, t.Errorf)
			for range 30 {
				seed++
				below := storage.Backend(mem.New())
				if seed%10 == 0 {
					below = local.New(local.OS{}, t.TempDir(), local.Options{})
				}
				switch seed % 3 {
				case 0: // a file that is short twice in a row counts as short, so not that
					often := []storagetest.Fault{storagetest.Refuse, storagetest.LostAnswer, storagetest.CutList, storagetest.Late}
					r.perform(t, below, swarm(seed, often, 0.08), true)
				case 1:
					r.perform(t, below, swarm(seed, slices.Concat(passing, lies), 0.03), false)
				case 2:
					r.perform(t, below, swarm(seed, slices.Concat(passing, losses), 0.02), false)
				}
			}
			seen.add(r.count)
		})
	}
	t.Logf("R6, seeds 1 to %d: %v", seed, seen)
}

func TestAPlantedBugIsFound(t *testing.T) {
	sim.Run(t, func(t *testing.T) {
		r := newRig(t, func(string, ...any) {})
		r.base.prune = sim.PruneBlindly
		r.sweep(t, []storagetest.Fault{storagetest.SilentCut, storagetest.EmptyList}, false, 1)
		t.Logf("R6 with the bug %q: %v", "prune believes a short list", r.count)
		if r.lost == 0 {
			t.Error("nothing is lost, so the simulation finds nothing")
		}
	})
}
