//go:build linux

package conformance

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/checker"
	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/treegen"
)

func TestAfterResticWasKilledWeGoOn(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		eachSeed(t, 4, func(t *testing.T, seed uint64) {
			t.Parallel()
			s, root := newSite(t, bin, 2), newTree(t, treegen.Spec{Seed: seed, Dirs: 5, Files: 50, Traits: treegen.Sizes})
			before, _ := s.ourBackup(t, everything(), root)
			if err := treegen.Mutate(root, seed); err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(seed, 8))
			for _, args := range [][]string{{"backup", "--host", host, root}, {"forget", before.ID.String()}, {"prune", "--max-unused", "0"}} {
				s.killed(t, time.Duration(rng.IntN(500))*time.Millisecond, args...)
			}
			after, _ := s.ourBackup(t, everything(), root)
			s.ourPrune(t, pruner.Options{MaxUnused: pruner.Bytes(0)})
			s.check(t, checker.ForeignFiles) // restic leaves the file that it was writing, under a temporary name
			wantTree(t, root, s.ourRestore(t, after), treegen.Options{}, nothing)
		})
	})
}

// killed runs a restic command, kills it after some time, and removes the lock that it may have left, as a person would.
func (s *site) killed(t *testing.T, after time.Duration, args ...string) {
	t.Helper()
	cmd := s.restic.Command(t.Context(), args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // it may have ended by itself
	defer kill.Stop()
	_ = cmd.Wait() // the state that it left is what counts
	s.unlock(t)
}

// unlock has our side remove the locks of the dead.
func (s *site) unlock(t *testing.T) {
	t.Helper()
	if _, err := s.ours.Unlock(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if left := s.list(t, repo.Locks); len(left) > 0 {
		t.Errorf("%d locks of dead processes are left", len(left))
	}
}
