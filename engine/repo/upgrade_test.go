package repo

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/storagetest"
)

// wantConfigAlone fails the test unless there is a config and no next one.
func wantConfigAlone(t *testing.T, b storage.Backend) {
	t.Helper()
	if _, err := b.Stat(t.Context(), "config"); err != nil {
		t.Error(err)
	}
	if _, err := b.Stat(t.Context(), nextConfig); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("%s is still there: %v", nextConfig, err)
	}
}

func TestAnOldRepositoryIsUpgraded(t *testing.T) {
	r, b := initialized(t, Options{}, InitOptions{Version: 1})
	ctx := locked(t, r, Exclusive)
	if err := r.UpgradeVersion(ctx); err != nil {
		t.Fatal(err)
	}
	wantConfigAlone(t, b)
	again, err := Open(t.Context(), b, "p", Options{})
	if err != nil || again.Config() != r.Config() || again.Config().Version != 2 {
		t.Errorf("opened again: %v, want %v", err, r.Config())
	}
	if err := r.UpgradeVersion(ctx); err == nil {
		t.Error("a second UpgradeVersion = nil error")
	}
}

func TestAnUpgradeThatFailsPutsTheOldConfigBack(t *testing.T) {
	r, inner := initialized(t, Options{}, InitOptions{Version: 1})
	before, err := storage.LoadAll(t.Context(), inner, "config")
	if err != nil {
		t.Fatal(err)
	}
	ctx := locked(t, r, Exclusive)
	b, saves := hook(inner), 0
	b.before(func(_ context.Context, op storagetest.Op, name string) error {
		if op == storagetest.Save && name == "config" {
			if saves++; saves == 1 {
				return storagetest.ErrInjected
			}
		}
		return nil
	})
	r.backend = b
	if err := r.UpgradeVersion(ctx); !errors.Is(err, storagetest.ErrInjected) {
		t.Errorf("UpgradeVersion = %v, want the injected fault", err)
	}
	if after, err := storage.LoadAll(t.Context(), inner, "config"); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the config is %d bytes, %v, want the old one", len(after), err)
	}
	if err := r.UpgradeVersion(ctx); err != nil {
		t.Errorf("once more: %v", err)
	}
	wantConfigAlone(t, inner)
}

func TestAnUpgradeThatWasKilledIsEndedByTheNext(t *testing.T) {
	versions := make(map[uint]int)
	for calls, done := 0, false; !done; calls++ {
		r, inner := initialized(t, Options{}, InitOptions{Version: 1})
		ctx := locked(t, r, Exclusive)
		b, left := hook(inner), calls
		b.before(func(context.Context, storagetest.Op, string) error {
			if left--; left < 0 {
				return storagetest.ErrInjected // the process is no more
			}
			return nil
		})
		r.backend = b
		done = r.UpgradeVersion(ctx) == nil
		r.backend = inner
		again, err := Open(t.Context(), inner, "p", Options{})
		if err != nil {
			t.Fatalf("killed after %d calls: %v", calls, err)
		}
		versions[again.Config().Version]++
		once := again.EndUpgrade
		if again.Config().Version == 1 {
			once = again.UpgradeVersion
		}
		if err := once(locked(t, again, Exclusive)); err != nil {
			t.Errorf("killed after %d calls, once more: %v", calls, err)
		}
		wantConfigAlone(t, inner)
	}
	if versions[1] < 3 || versions[2] < 2 {
		t.Errorf("kills that left version 1 and 2: %v, want some of both", versions)
	}
}

func TestARepositoryMayBeOpenedInTheMiddleOfItsUpgrade(t *testing.T) {
	for _, moment := range []string{"save config", "remove " + nextConfig} {
		r, inner := initialized(t, Options{}, InitOptions{Version: 1})
		ctx := locked(t, r, Exclusive)
		b, opened := hook(inner), false
		b.before(func(_ context.Context, op storagetest.Op, name string) error {
			if string(op)+" "+name != moment || opened {
				return nil
			}
			opened = true
			_, err := Open(t.Context(), inner, "p", Options{})
			return err
		})
		r.backend = b
		if err := r.UpgradeVersion(ctx); err != nil || !opened {
			t.Errorf("UpgradeVersion = %v, opened at %q: %t", err, moment, opened)
		}
		wantConfigAlone(t, inner)
	}
}

func TestWithoutAConfigThereIsNoRepository(t *testing.T) {
	_, b := initialized(t, Options{}, InitOptions{})
	if err := b.Remove(t.Context(), "config"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), b, "p", Options{}); !errors.Is(err, ErrNoRepository) {
		t.Errorf("Open = %v, want ErrNoRepository", err)
	}
	if err := b.Save(t.Context(), nextConfig, storage.Bytes(make([]byte, maxSize[Config]+1))); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), b, "p", Options{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("Open with a huge %s = %v, want ErrDamaged", nextConfig, err)
	}
}
