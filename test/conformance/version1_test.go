//go:build linux

package conformance

import (
	"strings"
	"testing"

	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/treegen"
)

func TestARepositoryThatResticMadeAsVersion1StaysOneAndIsUsedByBoth(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		t.Parallel()
		s := place(t, bin)
		s.run(t, "init", "--repository-version", "1")
		s.open(t)
		root := newTree(t, treegen.Random(300))
		theirs, _ := s.theirBackup(t, root)
		except := nothing
		if s.old() {
			except = lostLinks
		}
		wantTree(t, root, s.ourRestore(t, theirs), treegen.Options{Holes: true}, except)
		if err := treegen.Mutate(root, 1); err != nil {
			t.Fatal(err)
		}
		ours, _ := s.ourBackup(t, everything(), root)
		wantTree(t, root, s.theirRestore(t, ours), treegen.Options{}, s.lostByRestic)
		s.ourForget(t, theirs)
		s.ourPrune(t, pruner.Options{MaxUnused: pruner.Bytes(0)})
		s.check(t)
		wantTree(t, root, s.ourRestore(t, ours), treegen.Options{Holes: true}, nothing)
		if config := string(s.run(t, "cat", "config")); !strings.Contains(config, `"version": 1`) {
			t.Errorf("config is %s, want version 1", config)
		}
	})
}
