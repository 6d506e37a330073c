//go:build linux

package conformance

import (
	"context"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/test/resticbin"
	"github.com/backstay/backstay/test/treegen"
)

// A history is a tree that changes, the snapshots that were made of it, and a copy of the tree as each of them saw it.
type history struct {
	*site
	rng  *rand.Rand
	root string
	kept []saved
}

type saved struct {
	*snapshot.Snapshot
	copy string
}

func TestWhoeverBacksUpForgetsAndPrunesKeptSnapshotsStayWhole(t *testing.T) {
	t.Parallel()
	eachRestic(t, func(t *testing.T, bin resticbin.Bin) {
		eachSeed(t, 2, func(t *testing.T, seed uint64) {
			t.Parallel()
			spec := treegen.Spec{Seed: seed, Dirs: 6, Files: 40, Traits: treegen.Names | treegen.HardLinks | treegen.Symlinks | treegen.Attributes}
			h := &history{site: newSite(t, bin, 2), rng: rand.New(rand.NewPCG(seed, 5)), root: newTree(t, spec)}
			for range 5 {
				h.round(t)
			}
		})
	})
}

func (h *history) coin() bool { return h.rng.IntN(2) == 0 }

// round is one day: some backups, something is forgotten, space is freed. Then all must be well.
func (h *history) round(t *testing.T) {
	for i := range 2 {
		if err := treegen.Mutate(h.root, h.rng.Uint64()); err != nil {
			t.Fatal(err)
		}
		h.backup(t, i == 0)
	}
	for len(h.kept) > 3 {
		h.forget(t)
	}
	if h.coin() {
		h.ourPrune(t, []pruner.Options{{}, {MaxUnused: pruner.Bytes(0)}, {MaxUnused: pruner.Unlimited}, {RepackSmall: true}}[h.rng.IntN(4)])
	} else {
		args := [][]string{nil, {"--max-unused", "0"}, {"--max-unused", "unlimited"}, {"--repack-small"}, {"--repack-cacheable-only"}}
		h.run(t, append([]string{"prune"}, args[h.rng.IntN(len(args))]...)...)
	}
	h.check(t)
	for i, s := range h.kept {
		out := ""
		if i == len(h.kept)-1 {
			out = h.theirRestore(t, s.Snapshot)
		} else {
			out = h.ourRestore(t, s.Snapshot)
		}
		wantEqual(t, s.copy, filepath.Join(out, h.root), treegen.Options{}, h.lostByRestic)
	}
}

func (h *history) backup(t *testing.T, ours bool) {
	s := saved{copy: filepath.Join(t.TempDir(), "copy")}
	if out, err := exec.Command("cp", "-a", h.root, s.copy).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v: %s", err, out)
	}
	if ours {
		s.Snapshot, _ = h.ourBackup(t, everything(), h.root)
	} else {
		s.Snapshot, _ = h.theirBackup(t, h.root)
	}
	h.kept = append(h.kept, s)
}

func (h *history) forget(t *testing.T) {
	i := h.rng.IntN(len(h.kept))
	gone := h.kept[i].Snapshot
	h.kept = append(h.kept[:i], h.kept[i+1:]...)
	if h.coin() {
		h.ourForget(t, gone)
	} else {
		h.run(t, "forget", gone.ID.String())
	}
}

// ourPrune frees space with our side.
func (s *site) ourPrune(t *testing.T, opt pruner.Options) {
	t.Helper()
	s.locked(t, repo.Exclusive, func(ctx context.Context) error {
		plan, err := pruner.Prepare(ctx, s.ours, opt)
		if err != nil {
			return err
		}
		result, err := plan.Apply(ctx)
		if result.Left.Files > 0 {
			t.Errorf("prune left %d packs", result.Left.Files)
		}
		return err
	})
}
