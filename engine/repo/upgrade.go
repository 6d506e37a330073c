package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/storage"
)

// nextConfig is the name of a file that the config of an upgrade has while the old one is replaced, which no storage does in one
// step. Where the upgrade was killed in between it is the only config, and Open goes on with it. Others don't look at the name.
const nextConfig = "config-next"

// UpgradeVersion makes a version 1 repository one of version 2. The context must hold an exclusive lock, and nothing else may use the
// Repo meanwhile. Where it fails the old config is put back; where it is killed the next Open ends it.
func (r *Repo) UpgradeVersion(ctx context.Context) error {
	if err := r.guard(ctx, Exclusive); err != nil {
		return fmt.Errorf("upgrade repository: %w", err)
	}
	if r.config.Version != 1 {
		return fmt.Errorf("upgrade repository: it is of version %d", r.config.Version)
	}
	next := r.config
	next.Version = 2
	if err := r.replaceConfig(ctx, next); err != nil {
		return fmt.Errorf("upgrade repository: %w", err)
	}
	r.config = next
	return nil
}

// EndUpgrade removes what an upgrade left that was killed when all else was done. The context must hold an exclusive lock.
func (r *Repo) EndUpgrade(ctx context.Context) error {
	err := r.guard(ctx, Exclusive)
	if err == nil {
		err = r.backend.Remove(ctx, nextConfig)
	}
	if err != nil {
		return fmt.Errorf("end upgrade: %w", err)
	}
	return nil
}

func (r *Repo) replaceConfig(ctx context.Context, next RepoConfig) error {
	plain, err := json.Marshal(next)
	if err != nil {
		return err
	}
	_, sealed, err := r.sealFile(Config, writes(plain))
	if err != nil {
		return err
	}
	old, err := r.LoadRaw(ctx, Config, crypto.ID{})
	if err != nil {
		return err
	}
	if err := r.backend.Remove(ctx, nextConfig); err != nil { // of an upgrade that failed
		return err
	}
	if err := r.backend.Save(ctx, nextConfig, storage.Bytes(sealed)); err != nil {
		return err
	}
	if err := r.removeRaw(ctx, Config, crypto.ID{}); err != nil {
		return err
	}
	if err := r.saveConfig(ctx, sealed); err != nil {
		return errors.Join(err, r.saveConfig(context.WithoutCancel(ctx), old))
	}
	return r.backend.Remove(ctx, nextConfig)
}

// saveConfig saves the config, unless somebody was faster who opened the repository in the moment in which it had none.
func (r *Repo) saveConfig(ctx context.Context, sealed []byte) error {
	if err := r.saveRaw(ctx, Config, crypto.ID{}, sealed); !errors.Is(err, storage.ErrExists) {
		return err
	}
	return nil
}

// findConfig looks whether there is a config, and ends an upgrade that left only the next one. That asks for no lock: without a
// config nobody works here.
func (r *Repo) findConfig(ctx context.Context) error {
	info, err := r.backend.Stat(ctx, string(Config))
	if err == nil {
		r.sizes.Store(string(Config), info.Size)
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	next, err := r.loadNextConfig(ctx)
	if errors.Is(err, storage.ErrNotFound) {
		if _, err = r.backend.Stat(ctx, string(Config)); errors.Is(err, storage.ErrNotFound) { // else an upgrade has just ended
			return ErrNoRepository
		}
		return err
	}
	if err == nil {
		err = r.saveConfig(ctx, next)
	}
	if err == nil {
		err = r.backend.Remove(ctx, nextConfig)
	}
	if err != nil {
		return fmt.Errorf("end an upgrade that was cut short: %w", err)
	}
	return nil
}

func (r *Repo) loadNextConfig(ctx context.Context) ([]byte, error) {
	info, err := r.backend.Stat(ctx, nextConfig)
	if err != nil {
		return nil, err
	}
	if info.Size > maxSize[Config] {
		return nil, fmt.Errorf("%s: %w: %d bytes are more than a config may have", nextConfig, ErrDamaged, info.Size)
	}
	return storage.LoadAll(ctx, r.backend, nextConfig)
}
