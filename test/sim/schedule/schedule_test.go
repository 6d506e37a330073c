package schedule

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pack"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/mem"
	"github.com/backstay/backstay/test/sim"
)

// part is an actor's role in a play, and how often it plays that at most.
type part struct {
	role    role
	times   int
	foreign bool
}

// cast is who takes part in a schedule: each of the first parts, and some of the others.
type cast struct {
	all, some []part
	cut       bool // one listing of snapshots is short
}

var everybody = cast{
	all: []part{{role: backup, times: 2}, {role: prune, times: 3}, {role: unlock, times: 8}},
	some: []part{{role: backup, times: 2}, {role: forget, times: 2}, {role: read, times: 2}, {role: check, times: 1},
		{role: foreignBackup, times: 2, foreign: true}, {role: foreignPrune, times: 2, foreign: true}},
}

// product is everybody, with copies, and with backups that are made by all of the product. What these compute at once comes in an
// order that no seed decides.
var product = cast{
	all:  []part{{role: archive, times: 2}, {role: archive, times: 2}, {role: prune, times: 3}, {role: unlock, times: 8}},
	some: append([]part{{role: copyInto, times: 1}, {role: copyInto, times: 1}}, everybody.some...),
}

// shortened is a prune beside backups, which once is told of half of the snapshots only.
var shortened = cast{all: []part{{role: backup, times: 3}, {role: prune, times: 3}}, cut: true}

// stage has what stays from one schedule to the next.
type stage struct {
	actors []*actor
	oracle *repo.Repo
	door   *door
	base   *mem.Backend // an empty repository
	origin *sim.Origin
}

// door is the storage of the oracle: that of the schedule at hand.
type door struct{ storage.Backend }

const crowd = 8 // actors at most

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{base: mem.New()}
	if err := sim.Init(t.Context(), s.base); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.origin, err = sim.NewOrigin(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.door = &door{s.base}
	if s.oracle, err = sim.Open(t.Context(), s.door, repo.Options{}); err != nil {
		t.Fatal(err)
	}
	for n := range crowd {
		a := &actor{number: n, random: sim.NewRand(0)}
		through := &door{s.base}
		a.repo, err = sim.Open(t.Context(), through, repo.Options{Clock: a, Rand: a.random, Hostname: fmt.Sprint("host", n), Username: "u",
			Connections: 64}) // more than there is to do at once: which comes first is for the scheduler to say
		if err != nil {
			t.Fatal(err)
		}
		through.Backend = a
		s.actors = append(s.actors, a)
	}
	return s
}

// perform runs the schedule of a seed.
func (s *stage) perform(seed uint64, c cast) *world {
	w := s.world(seed)
	if c.cut {
		w.cut = 1 + w.rng.IntN(10)
	}
	parts := slices.Clone(c.all)
	if len(c.some) > 0 {
		for range w.rng.IntN(4) {
			parts = append(parts, c.some[w.rng.IntN(len(c.some))])
		}
	}
	for n, p := range parts {
		a := s.actors[n]
		a.random.Seed(seed<<8 | uint64(n))
		a.repo.ForgetIndex()
		a.world, a.foreign, a.skew = w, p.foreign, time.Duration(w.rng.IntN(60)-30)*time.Second
		a.suspended, a.dead, a.holding = start, false, nil
		w.actors = append(w.actors, a)
	}
	var done sync.WaitGroup
	for n, p := range parts {
		done.Go(func() { w.actors[n].perform(p.role, p.times) })
	}
	w.run()
	done.Wait()
	if !w.model.broken() {
		w.model.readAll()
	}
	return w
}

// world returns a world with nobody in it, and an empty repository.
func (s *stage) world(seed uint64) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 0)), store: s.base.Clone(), origin: s.origin, now: start}
	s.door.Backend = w.store
	s.oracle.ForgetIndex()
	w.model = model{world: w, oracle: s.oracle, byName: map[string]*file{}, packs: map[string]map[string][]pack.Handle{},
		needs: map[crypto.ID]map[pack.Handle]bool{}, promised: map[crypto.ID]sim.Files{}, forgotten: map[crypto.ID]bool{}}
	for info := range w.store.List(context.Background(), string(repo.Keys)) {
		w.model.files = append(w.model.files, &file{Info: info, came: start})
	}
	if w.rng.IntN(4) == 0 {
		w.lag = 150 * time.Millisecond // less than lockers wait for one another
	}
	return w
}

// batch is how many schedules run in one bubble.
const batch = 200

// survey runs schedules from seed 1 on, as many as there is time for, and reports what is lost.
func survey(t *testing.T, what string, c cast, most int, limit time.Duration) {
	t.Helper()
	begun, seed, snapshots := time.Now(), uint64(0), 0
	var lost []string
	for time.Since(begun) < limit && seed < uint64(most) {
		sim.Run(t, func(t *testing.T) {
			s := newStage(t)
			for range batch {
				seed++
				w := s.perform(seed, c)
				snapshots += w.model.total
				if w.model.broken() {
					lost = append(lost, fmt.Sprintf("seed %d: %s", seed, w.model.violations[0]))
				}
			}
		})
	}
	t.Logf("R8, %s: %s schedules, %s snapshots acknowledged, seeds 1 to %d, %d lost",
		what, sim.Number(int(seed)), sim.Number(snapshots), seed, len(lost))
	for _, reason := range lost[:min(len(lost), 10)] {
		t.Error(reason)
	}
}

func TestNoScheduleLosesASnapshot(t *testing.T) {
	survey(t, "step by step", everybody, sim.Scale(10_000), time.Duration(sim.Scale(50))*time.Second)
}

func TestNoScheduleOfTheProductLosesASnapshot(t *testing.T) {
	survey(t, "whole backups", product, sim.Scale(1000), time.Duration(sim.Scale(10))*time.Second)
}

func TestNoShortListLosesASnapshot(t *testing.T) {
	survey(t, "short lists", shortened, sim.Scale(1000), time.Duration(sim.Scale(5))*time.Second)
}

func TestASeedGivesTheSameTrace(t *testing.T) {
	const seeds = 20
	var first, second [seeds][]string
	for _, traces := range []*[seeds][]string{&first, &second} {
		sim.Run(t, func(t *testing.T) {
			s := newStage(t)
			for i := range traces {
				traces[i] = s.perform(uint64(i+1), everybody).trace
			}
		})
	}
	same := 0
	for i := range first {
		if slices.Equal(first[i], second[i]) {
			same++
			continue
		}
		for n := range first[i] {
			if n >= len(second[i]) || first[i][n] != second[i][n] {
				t.Errorf("seed %d: step %d of %d is %q, and the second time another one", i+1, n, len(first[i]), first[i][n])
				break
			}
		}
	}
	t.Logf("R8: %d of %d seeds replay identically", same, seeds)
}

func TestPlantedBugsAreFound(t *testing.T) {
	for bug, c := range map[string]cast{
		"lock not refreshed": {all: []part{{role: carelessBackup, times: 2, foreign: true}, {role: unlock, times: 8}, {role: prune, times: 4},
			{role: backup, times: 1}}},
		"prune believes a short list": {all: []part{{role: backup, times: 3}, {role: pruneBlindly, times: 3}}, cut: true},
		"snapshot before index":       {all: []part{{role: commitFirst, times: 2}, {role: prune, times: 2}}},
	} {
		t.Run(bug, func(t *testing.T) {
			found, reason := 0, ""
			sim.Run(t, func(t *testing.T) {
				s := newStage(t)
				for seed := range uint64(batch) {
					if w := s.perform(seed, c); w.model.broken() {
						found++
						reason = w.model.violations[0]
					}
				}
			})
			t.Logf("R8 with the bug %q: %d schedules, %d lost, such as: %s", bug, batch, found, reason)
			if found == 0 {
				t.Errorf("with the bug %q nothing is lost, so the simulation finds nothing", bug)
			}
		})
	}
}
