//go:build linux

package good

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/sim"
)

// repositories is how many of them there are in all; under "make test" they are fewer.
const repositories = 1000

// tally counts what was done. It is used by many tests at once.
type tally struct {
	mu     sync.Mutex // guards what follows
	good   int        // repositories without an alarm
	untidy int        // of them those with hints at something broken off
	alarms int
	did    map[string]int // repositories to which a step was done
}

// add takes in what came of a repository.
func (c *tally) add(g *rig, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(err, errAlarm) {
		c.alarms++
	}
	if err != nil {
		return
	}
	c.good++
	if g.untidy {
		c.untidy++
	}
	did := append(slices.Clone(g.steps), fmt.Sprintf("version %d", g.version))
	slices.Sort(did)
	for _, name := range slices.Compact(did) {
		c.did[name]++
	}
}

// TestGoodRepositoriesRaiseNoAlarm goes on with one seed after the other; a seed is run again by its name.
func TestGoodRepositoriesRaiseNoAlarm(t *testing.T) {
	n := repositories / 8
	if os.Getenv("BACKSTAY_SOAK") == "1" {
		n = repositories
	}
	c := &tally{did: make(map[string]int)}
	t.Run("all", func(t *testing.T) {
		for seed := range uint64(n) {
			t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
				t.Parallel()
				good(t, seed, c)
			})
		}
	})
	t.Logf("R7: %s good repositories, %d false alarms", sim.Number(c.good), c.alarms)
	for _, s := range append(ours(), theirs()...) {
		if c.good == n && c.did[s.name] == 0 {
			t.Errorf("in no repository there was a %s", s.name)
		}
	}
	t.Logf("%d had something left of a run that was broken off; how many saw what: %v", c.untidy, c.did)
}

// good makes the repository of a seed, checks it, and restores a snapshot.
func good(t *testing.T, seed uint64, c *tally) {
	g, err := build(t, seed)
	if err == nil {
		alarms, failed := g.check(t.Context())
		err = errors.Join(failed, raised(alarms))
	}
	if err == nil {
		err = g.prove(t.Context())
	}
	c.add(g, err)
	if err != nil {
		t.Errorf("seed %d, version %d, after %s: %v", seed, g.version, strings.Join(g.steps, ", "), err)
	}
}

// build makes the repository of a seed. Some are empty, and some have nothing but an empty folder; in some restic takes part.
func build(t *testing.T, seed uint64) (*rig, error) {
	var bin *resticbin.Bin
	steps, n := ours(), 0
	switch seed % 25 {
	case 0:
		newest := resticbin.Newest(t)
		bin, n = &newest, 12
		steps = slices.DeleteFunc(steps, func(s step) bool { return s.name == "copy" }) // which would leave the folder
		steps = append(steps, slices.Repeat(theirs(), 4)...)
	case 1: // empty
	case 2:
		steps, n = []step{{"backup of an empty folder", (*rig).backupEmpty}}, 1
	default:
		n = 10
	}
	g, err := newRig(t, seed, bin)
	for i := 0; err == nil && i < n; i++ {
		s := pick(g.rng, steps...)
		g.steps = append(g.steps, s.name)
		err = s.run(g, t.Context())
	}
	return g, err
}

func TestAWrongByteInAPackRaisesAnAlarm(t *testing.T) {
	var spoilt atomic.Int64
	t.Run("all", func(t *testing.T) {
		for seed := uint64(3); seed < 24; seed++ {
			t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
				t.Parallel()
				g, err := build(t, seed)
				if err != nil {
					t.Fatal(err)
				}
				name, ok := g.spoil(t)
				if !ok {
					return
				}
				spoilt.Add(1)
				alarms, err := g.check(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if len(alarms) == 0 || !strings.HasSuffix(name, alarms[0].Object.ID.String()) {
					t.Errorf("seed %d: a wrong byte in %s raised %v", seed, name, alarms)
				}
			})
		}
	})
	if n := spoilt.Load(); n < 12 {
		t.Errorf("%d repositories were spoilt, want a dozen", n)
	}
	t.Logf("%d repositories with a wrong byte", spoilt.Load())
}

// spoil changes a byte of a pack. It isn't ok if there is none.
func (g *rig) spoil(t *testing.T) (name string, ok bool) {
	t.Helper()
	err := g.locked(t.Context(), g.storage, repo.Exclusive, func(ctx context.Context, r *repo.Repo) error {
		if err := r.LoadIndex(ctx); err != nil {
			return err
		}
		var names []string
		for id := range r.Index().EachPack() {
			names = append(names, repo.Packs.Name(id))
		}
		if ok = len(names) > 0; !ok {
			return nil
		}
		slices.Sort(names)
		name = pick(g.rng, names...)
		content, err := storage.LoadAll(ctx, g.storage, name)
		if err != nil {
			return err
		}
		content = slices.Clone(content)
		content[g.rng.IntN(len(content))] ^= byte(1 + g.rng.IntN(255))
		if err := g.storage.Remove(ctx, name); err != nil {
			return err
		}
		return g.storage.Save(ctx, name, storage.Bytes(content))
	})
	if err != nil {
		t.Fatal(err)
	}
	return name, ok
}
