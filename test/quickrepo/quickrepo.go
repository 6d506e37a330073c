// Package quickrepo makes repositories for tests whose keys take no time to open, and fills them with chunks by number.
//
// A real key is slow by design, and no program writes one that isn't; here the config and the key files are put together byte by
// byte. Whoever opens such a repository, restic too, takes the cost that a key file names.
package quickrepo

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/backstay/backstay/engine/chunker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/storage"
)

// Make makes an empty repository of the version in b, and returns its master key.
func Make(ctx context.Context, b storage.Backend, password string, version uint) (*crypto.Key, error) {
	pol, err := chunker.RandomPol(rand.Reader)
	if err != nil {
		return nil, err
	}
	return MakeWith(ctx, b, password, version, pol)
}

// Begin makes an empty repository and opens it, as repo.Init does, which is left to refuse where there is one already.
func Begin(ctx context.Context, b storage.Backend, password string, opt repo.Options, init repo.InitOptions) (*repo.Repo, error) {
	if _, err := b.Stat(ctx, string(repo.Config)); !errors.Is(err, storage.ErrNotFound) {
		return repo.Init(ctx, b, password, opt, init)
	}
	if _, err := Make(ctx, b, password, 2); err != nil {
		return nil, err
	}
	return repo.Open(ctx, b, password, opt)
}

// MakeWith makes an empty repository that cuts files by the polynomial.
func MakeWith(ctx context.Context, b storage.Backend, password string, version uint, pol chunker.Pol) (*crypto.Key, error) {
	master, err := crypto.NewKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if _, err := AddKey(ctx, b, master, password); err != nil {
		return nil, err
	}
	config := repo.RepoConfig{Version: version, Polynomial: pol}
	if _, err := rand.Read(config.ID[:]); err != nil {
		return nil, err
	}
	plain, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	sealed, err := master.Seal(nil, plain, rand.Reader)
	if err != nil {
		return nil, err
	}
	return master, b.Save(ctx, string(repo.Config), storage.Bytes(sealed))
}

// AddKey saves a key file by which the password opens the repository of the master key, and returns its ID.
func AddKey(ctx context.Context, b storage.Backend, master *crypto.Key, password string) (crypto.ID, error) {
	quick := crypto.KDF{N: 16, R: 8, P: 1}
	salt := make([]byte, crypto.SaltSize)
	if _, err := rand.Read(salt); err != nil {
		return crypto.ID{}, err
	}
	user, err := quick.Derive(password, salt)
	if err != nil {
		return crypto.ID{}, err
	}
	plain, err := json.Marshal(master)
	if err != nil {
		return crypto.ID{}, err
	}
	data, err := user.Seal(nil, plain, rand.Reader)
	if err != nil {
		return crypto.ID{}, err
	}
	return SaveKey(ctx, b, quick, salt, data)
}

// SaveKey saves a key file that says just this, and returns its ID.
func SaveKey(ctx context.Context, b storage.Backend, cost crypto.KDF, salt, data []byte) (crypto.ID, error) {
	p, err := json.Marshal(struct {
		Created  time.Time `json:"created"`
		Username string    `json:"username"`
		Hostname string    `json:"hostname"`
		KDF      string    `json:"kdf"`
		N        int       `json:"N"`
		R        int       `json:"r"`
		P        int       `json:"p"`
		Salt     []byte    `json:"salt"`
		Data     []byte    `json:"data"`
	}{time.Now(), "u", "h", "scrypt", cost.N, cost.R, cost.P, salt, data})
	if err != nil {
		return crypto.ID{}, err
	}
	id := crypto.Hash(p)
	if err := b.Save(ctx, repo.Keys.Name(id), storage.Bytes(p)); err != nil {
		return crypto.ID{}, fmt.Errorf("save key: %w", err)
	}
	return id, nil
}
