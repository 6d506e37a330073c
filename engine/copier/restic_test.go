package copier_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/backstay/backstay/engine/copier"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/storage/local"
	"github.com/backstay/backstay/test/quickrepo"
	"github.com/backstay/backstay/test/resticbin"
)

func TestResticFindsNothingWrongWithACopy(t *testing.T) {
	t.Parallel()
	bin, ctx := resticbin.Newest(t), t.Context()
	source, dirs := t.TempDir(), []string{t.TempDir(), t.TempDir()}
	if err := os.WriteFile(filepath.Join(source, "file"), []byte(strings.Repeat("some text ", 9999)), 0o644); err != nil {
		t.Fatal(err)
	}
	var repos []*repo.Repo
	for _, dir := range dirs {
		init := repo.InitOptions{KDF: crypto.KDF{N: 1 << 15, R: 8, P: 1}, Polynomial: quickrepo.Polynomial}
		r, err := repo.Init(ctx, local.New(local.OS{}, dir, local.Options{}), "password", repo.Options{}, init)
		if err != nil {
			t.Fatal(err)
		}
		repos = append(repos, r)
	}
	from, to := resticbin.Repo{Bin: bin, Dir: dirs[0], Password: "password"}, resticbin.Repo{Bin: bin, Dir: dirs[1], Password: "password"}
	if _, err := from.Run(ctx, "backup", "--host", "h", source); err != nil {
		t.Fatal(err)
	}
	if err := copyAll(ctx, repos[0], repos[1]); err != nil {
		t.Fatal(err)
	}
	if err := to.Check(ctx); err != nil {
		t.Error(err)
	}
	var listed []struct{ ID, Original, Tree string }
	if err := to.JSON(ctx, &listed, "snapshots"); err != nil {
		t.Fatal(err)
	}
	var original []struct{ ID, Tree string }
	if err := from.JSON(ctx, &original, "snapshots"); err != nil {
		t.Fatal(err)
	}
	if len(listed) != 1 || len(original) != 1 || listed[0].Original != original[0].ID || listed[0].Tree != original[0].Tree {
		t.Errorf("restic lists %+v as the copy of %+v", listed, original)
	}
}

func copyAll(ctx context.Context, from, to *repo.Repo) error {
	ctx, unlock, err := to.Lock(ctx, repo.Shared, repo.LockOptions{})
	if err != nil {
		return err
	}
	var all []*snapshot.Snapshot
	for s, err := range snapshot.List(ctx, from, snapshot.Filter{}) {
		if err != nil {
			return errors.Join(err, unlock())
		}
		all = append(all, s)
	}
	_, err = copier.Copy(ctx, from, to, all, copier.Options{})
	return errors.Join(err, unlock())
}
