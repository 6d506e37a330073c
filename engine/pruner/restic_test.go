package pruner_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/test/resticbin"
)

// scatter writes some files of random content over those of a folder.
func scatter(t *testing.T, dir string, random *rand.Rand) {
	t.Helper()
	for range 12 {
		name := filepath.Join(dir, fmt.Sprint("d", random.IntN(4)), fmt.Sprint("f", random.IntN(12)))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		content := strings.Repeat(fmt.Sprint(random.Uint64()), 10+random.IntN(4000))
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestResticAndThisPackagePruneOneRepositoryInTurn(t *testing.T) {
	t.Parallel()
	bin := resticbin.Newest(t)
	ctx, source, dir := t.Context(), t.TempDir(), t.TempDir()
	random := rand.New(rand.NewPCG(1, 2))
	backend := local.New(local.OS{}, dir, local.Options{})
	init := repo.InitOptions{KDF: crypto.KDF{N: 1 << 15, R: 8, P: 1}}
	r, err := repo.Init(ctx, backend, "password", repo.Options{}, init)
	if err != nil {
		t.Fatal(err)
	}
	restic := resticbin.Repo{Bin: bin, Dir: dir, Password: "password"}
	for round := range 10 {
		scatter(t, source, random)
		if _, err := restic.Run(ctx, "backup", source); err != nil {
			t.Fatal(err)
		}
		if round%2 == 0 {
			forgetAndPrune(t, r, random)
		} else if _, err := restic.Run(ctx, "forget", "--keep-last", "3", "--prune", "--max-unused", fmt.Sprint(random.IntN(20), "%")); err != nil {
			t.Fatal(err)
		}
		if err := restic.Check(ctx); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

// forgetAndPrune removes a snapshot and then what it alone needed.
func forgetAndPrune(t *testing.T, r *repo.Repo, random *rand.Rand) {
	t.Helper()
	ctx, unlock, err := r.Lock(t.Context(), repo.Exclusive, repo.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	err = func(ctx context.Context) error {
		var ids []crypto.ID
		for s, err := range snapshot.List(ctx, r, snapshot.Filter{}) {
			if err != nil {
				return err
			}
			ids = append(ids, s.ID)
		}
		if len(ids) > 1 {
			if err := r.RemoveFile(ctx, repo.Snapshots, ids[random.IntN(len(ids))]); err != nil {
				return err
			}
		}
		p, err := pruner.Prepare(ctx, r, pruner.Options{MaxUnused: pruner.Percent(float64(random.IntN(20))), RepackSmall: random.IntN(2) == 0}.
			WithIndexBlobs(20))
		if err != nil {
			return err
		}
		_, err = p.Apply(ctx)
		return err
	}(ctx)
	if err := errors.Join(err, unlock()); err != nil {
		t.Fatal(err)
	}
}
