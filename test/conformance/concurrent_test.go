//go:build linux

package conformance

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/source/files"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/treegen"
)

func TestFourWritersAtOnceLoseNothing(t *testing.T) {
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		eachSeed(t, 2, func(t *testing.T, seed uint64) {
			s := newSite(t, bin, 2)
			var roots [4]string
			for i := range roots { // much is common to two of them, as between machines of one make
				spec := treegen.Spec{Seed: seed, Dirs: 5, Files: 30, Traits: treegen.Sizes}
				if roots[i] = newTree(t, spec); i%2 == 1 {
					if err := treegen.Mutate(roots[i], seed); err != nil {
						t.Fatal(err)
					}
				}
			}
			found := s.atOnce(t, roots[:])
			if _, err := s.restic.Run(t.Context(), "check", "--read-data"); err != nil { // copies of what two saved at once are no error
				t.Error(err)
			}
			s.ourPrune(t, pruner.Options{})
			s.check(t)
			for i, f := range found {
				wantTree(t, roots[i], s.ourRestore(t, f), treegen.Options{}, nothing)
			}
		})
	})
}

// atOnce has restic back up the even roots and us the odd ones, all at the same time.
func (s *site) atOnce(t *testing.T, roots []string) []*snapshot.Snapshot {
	t.Helper()
	var writers sync.WaitGroup
	for i, root := range roots {
		writers.Go(func() {
			if i%2 == 0 {
				if _, err := s.restic.Run(t.Context(), "backup", "--host", host, root); err != nil {
					t.Error(err)
				}
				return
			}
			r, err := s.again(t.Context())
			if err == nil {
				_, _, err = backup(t, r, files.New([]string{root}, everything()), []string{root}, snapshot.Incremental)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	found := make([]*snapshot.Snapshot, len(roots))
	for i, root := range roots {
		var err error
		if found[i], err = snapshot.Find(t.Context(), s.ours, snapshot.Latest, snapshot.Filter{Paths: []string{root}}); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// Restic's backup goes on until its input ends, and our lock is kept until restic has ended: one of them must have given way.
func TestAPruneAndABackupThatStartTogetherNeverBothRun(t *testing.T) {
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		s := newSite(t, bin, 2)
		var ours, theirs int
		eachSeed(t, 12, func(t *testing.T, seed uint64) {
			rng := rand.New(rand.NewPCG(seed, 6))
			b := s.startBackup(t)
			time.Sleep(time.Duration(rng.IntN(24)) * time.Millisecond) // about when restic looks for locks and writes its own
			_, unlock, err := s.ours.Lock(t.Context(), repo.Exclusive, repo.LockOptions{})
			if err == nil {
				ours++
				time.AfterFunc(2*time.Second, b.end) // it should have ended long before
				if b.wait() == nil {
					t.Error("restic made a backup while we held an exclusive lock")
				}
				err = unlock()
			} else if errors.Is(err, repo.ErrLocked) {
				b.end()
				if b.wait() == nil {
					theirs++
				}
				err = nil
			}
			if err != nil {
				t.Error(err)
			}
		})
		t.Logf("we won %d times, restic %d times", ours, theirs)
	})
}
