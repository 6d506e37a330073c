package powercut

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/test/sim"
)

// count is what was seen of some plays.
type count struct {
	cuts, lost int
	keep       string // folder for the first states that lost something; "": they are not kept
	kept       []loss
}

type loss struct {
	dir string // of the state
	err error
}

func (c count) String() string {
	return fmt.Sprintf("%s power cuts, %s lost", sim.Number(c.cuts), sim.Number(c.lost))
}

// look returns a function that examines states, counts, and reports the first losses.
func (c *count) look(t *testing.T, report func(format string, args ...any)) func([]state) {
	return func(states []state) {
		var mu sync.Mutex
		var workers sync.WaitGroup
		next := make(chan state)
		for range runtime.GOMAXPROCS(0) {
			workers.Go(func() {
				for s := range next {
					err := s.examine(t.Context())
					if err == nil {
						continue
					}
					mu.Lock()
					if c.lost++; c.lost <= 5 {
						report("%v: %v%s", s, err, c.keepState(s, err))
					}
					mu.Unlock()
				}
			})
		}
		for _, s := range states {
			next <- s
		}
		close(next)
		workers.Wait()
		c.cuts += len(states)
	}
}

// keepState keeps the state, and says how to look into it again.
func (c *count) keepState(s state, reason error) string {
	if c.keep == "" {
		return ""
	}
	dir, err := os.MkdirTemp(c.keep, "state")
	if err == nil {
		err = s.keep(dir)
	}
	if err != nil {
		return fmt.Sprintf(" (the state is not kept: %v)", err)
	}
	c.kept = append(c.kept, loss{dir, reason})
	return fmt.Sprintf(" (%s=%s go test -run Again looks into this state again)", stateEnv, dir)
}

const stateEnv = "BACKSTAY_STATE"

func TestAStateThatLostSomethingCanBeLookedIntoAgain(t *testing.T) {
	if dir := os.Getenv(stateEnv); dir != "" {
		if err := again(t, dir); err != nil {
			t.Error(err)
		}
		return
	}
	seen := count{keep: t.TempDir()}
	for _, f := range []flaw{noSync, noSyncDir, renameSoon} {
		sim.Run(t, func(t *testing.T) {
			if err := newPlay(1, f, seen.look(t, t.Logf)).first(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
		seen.lost = 0 // so that some are kept of each
	}
	for _, l := range seen.kept {
		for range 4 {
			if err := again(t, l.dir); err == nil || err.Error() != l.err.Error() {
				t.Errorf("a state that lost something: %v, and later: %v", l.err, err)
			}
		}
	}
	t.Logf("R2: %d states that lost something do so again, 4 times of 4", len(seen.kept))
	if len(seen.kept) < 10 {
		t.Errorf("%d states were kept, want 10 at least", len(seen.kept))
	}
}

// again examines a state that was kept.
func again(t *testing.T, dir string) (err error) {
	s, loadErr := loadState(dir)
	if loadErr != nil {
		t.Fatal(loadErr)
	}
	sim.Run(t, func(t *testing.T) { err = s.examine(t.Context()) })
	return err
}

func TestNoPowerCutLosesASnapshot(t *testing.T) {
	seen := count{keep: os.TempDir()}
	seed := uint64(1)
	for ; seen.cuts < sim.Scale(2000); seed++ {
		sim.Run(t, func(t *testing.T) {
			if err := newPlay(seed, sound, seen.look(t, t.Errorf)).all(t.Context()); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		})
	}
	t.Logf("R2: %v, seeds 1 to %d", seen, seed-1)
}

func TestPlantedBugsAreFound(t *testing.T) {
	for _, f := range []flaw{noSync, noSyncDir, renameSoon} {
		t.Run(string(f), func(t *testing.T) {
			sim.Run(t, func(t *testing.T) {
				var seen count
				if err := newPlay(1, f, seen.look(t, t.Logf)).first(t.Context()); err != nil {
					t.Fatal(err)
				}
				seen.mustLose(t, string(f))
			})
		})
	}
}

func TestASnapshotSavedBeforeItsIndexIsFound(t *testing.T) {
	sim.Run(t, func(t *testing.T) {
		var seen count
		p := newPlay(1, sound, seen.look(t, t.Logf))
		if err := p.open(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := p.do("backup", func() error {
			_, err := sim.BackupCommittedFirst(t.Context(), p.repo, sim.Files{"a": "content"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		seen.mustLose(t, "snapshot before index")
	})
}

func (c count) mustLose(t *testing.T, bug string) {
	t.Helper()
	t.Logf("R2 with the bug %q: %v", bug, c)
	if c.lost == 0 {
		t.Errorf("with the bug %q nothing is lost, so the simulation finds nothing", bug)
	}
}

// The engine's own Init makes keys that take long to open, so there is a test for it alone.
func TestARepositoryOpensOnceItWasMade(t *testing.T) {
	const password = "secret"
	var states []state
	p := newPlay(1, sound, func(seen []state) { states = seen })
	cheap := repo.InitOptions{KDF: crypto.KDF{N: 1 << 15, R: 8, P: 1}}
	err := p.do("init", func() error {
		_, err := repo.Init(t.Context(), p.storage, password, repo.Options{}, cheap)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	made, without := 0, 0
	for i, s := range states {
		opened, err := openAfter(t.Context(), s.mem, password)
		switch acknowledged := i >= len(states)-len(kept); {
		case err != nil || acknowledged && !opened:
			t.Errorf("%v: opened %t, error %v", s, opened, err)
		case opened:
			made++
		default:
			without++
		}
	}
	t.Logf("R2: %d power cuts while a repository is made: %d times it is there, %d times it is not, 0 lost", len(states), made, without)
}

// openAfter reports whether there is a repository on the disk. If there is one, it opens.
func openAfter(ctx context.Context, mem *vfs.MemFS, password string) (bool, error) {
	_, err := repo.Open(ctx, local.New(&disk{mem: mem}, location, local.Options{}), password, repo.Options{})
	if errors.Is(err, repo.ErrNoRepository) {
		return false, nil
	}
	return err == nil, err
}
