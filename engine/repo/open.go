package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/backstay/backstay/engine/chunker"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/index"
	"github.com/backstay/backstay/storage"
)

// RepoConfig is the content of the config file.
type RepoConfig struct {
	Version    uint        `json:"version"` // 1, or 2 with compression
	ID         crypto.ID   `json:"id"`      // random, tells repositories apart
	Polynomial chunker.Pol `json:"chunker_polynomial"`
}

// InitOptions say what a new repository is like. The zero value is useful.
type InitOptions struct {
	Version    uint        // by default 2
	Polynomial chunker.Pol // by default a random one; another repository's where blobs are to be shared with it
	KDF        crypto.KDF  // by default crypto.DefaultKDF
}

// Init makes a new repository and opens it. It refuses (ErrExists) where a config, a key or data is. The config is written
// last: without it there is no repository. So an Init that was killed may leave a key and nothing else; if the password
// opens that key, Init goes on from there.
func Init(ctx context.Context, b storage.Backend, password string, opt Options, init InitOptions) (*Repo, error) {
	r, err := newRepo(b, opt)
	if err != nil {
		return nil, err
	}
	left, err := r.remains(ctx, password)
	if err != nil {
		return nil, fmt.Errorf("create repository: %w", err)
	}
	if err := r.create(ctx, password, init, left); err != nil {
		return nil, fmt.Errorf("create repository: %w", err)
	}
	r.openCache()
	return r, nil
}

func newRepo(b storage.Backend, opt Options) (*Repo, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	x := index.New()
	return &Repo{backend: b, opt: opt, codec: NewEncoder(opt.Compression), index: x, next: x, loaded: make(map[crypto.ID][]crypto.ID)}, nil
}

// remains returns the key that a killed Init has left, null if there is nothing. Anything else is a repository, or what is left of one.
func (r *Repo) remains(ctx context.Context, password string) (key crypto.ID, err error) {
	_, err = r.backend.Stat(ctx, string(Config))
	if err == nil {
		return key, ErrExists
	}
	if !errors.Is(err, storage.ErrNotFound) {
		return key, err
	}
	for _, t := range []FileType{Keys, Snapshots, Index, Packs} {
		for info, err := range r.List(ctx, t) {
			if errors.Is(err, storage.ErrNotFound) { // the location itself is yet to be made
				break
			}
			if err != nil {
				return key, err
			}
			if t != Keys || !key.IsNull() {
				return key, fmt.Errorf("%w: %s is there, though no config", ErrExists, t.short(info.ID))
			}
			key = info.ID
		}
	}
	if key.IsNull() {
		return key, nil
	}
	r.key, err = r.openKey(ctx, key, password)
	if errors.Is(err, errPassword) || errors.Is(err, ErrDamaged) {
		err = fmt.Errorf("%w: %s is there, though no config: %v", ErrExists, Keys.short(key), err)
	}
	return key, err
}

// create makes the config, and the key before it unless that is there.
func (r *Repo) create(ctx context.Context, password string, init InitOptions, key crypto.ID) (err error) {
	if r.config, err = r.newConfig(init); err != nil {
		return err
	}
	if key.IsNull() {
		if key, err = r.createKey(ctx, password, init.KDF); err != nil {
			return err
		}
	}
	r.useKey(key)
	plain, err := json.Marshal(r.config)
	if err != nil {
		return err
	}
	_, sealed, err := r.sealFile(Config, writes(plain))
	if err != nil {
		return err
	}
	return r.saveRaw(ctx, Config, crypto.ID{}, sealed)
}

func (r *Repo) createKey(ctx context.Context, password string, kdf crypto.KDF) (id crypto.ID, err error) {
	if r.key, err = crypto.NewKey(r.opt.Rand); err != nil {
		return id, err
	}
	if kdf == (crypto.KDF{}) {
		kdf = crypto.DefaultKDF
	}
	return r.saveKey(ctx, password, kdf, KeyOptions{})
}

func (r *Repo) newConfig(init InitOptions) (c RepoConfig, err error) {
	c = RepoConfig{Version: init.Version, Polynomial: init.Polynomial}
	if c.Version == 0 {
		c.Version = 2
	}
	if c.Polynomial == 0 {
		if c.Polynomial, err = chunker.RandomPol(r.opt.Rand); err != nil {
			return c, err
		}
	}
	if _, err := io.ReadFull(r.opt.Rand, c.ID[:]); err != nil {
		return c, fmt.Errorf("read random bytes: %w", err)
	}
	return c, c.check()
}

func (c RepoConfig) check() error {
	if c.Version < 1 || c.Version > 2 {
		return fmt.Errorf("%w %d: this program knows 1 and 2", ErrUnsupported, c.Version)
	}
	if !c.Polynomial.Valid() {
		return fmt.Errorf("chunker polynomial %v is not irreducible", c.Polynomial)
	}
	return nil
}

// Open opens the repository. The error wraps ErrNoRepository or ErrWrongPassword where that is the reason. A key file that
// is damaged, or holds the key of another repository, is passed over and reported as progress.Notice.
func Open(ctx context.Context, b storage.Backend, password string, opt Options) (*Repo, error) {
	r, err := newRepo(b, opt)
	if err != nil {
		return nil, err
	}
	if err := r.findConfig(ctx); err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	if err := r.findKey(ctx, password); err != nil {
		return nil, fmt.Errorf("open repository: %w", err)
	}
	r.openCache()
	runtime.GC() // the derivation took as much memory as a backup does: let that be the same memory
	return r, nil
}

func (r *Repo) loadConfig(ctx context.Context) error {
	plain, err := r.LoadFile(ctx, Config, crypto.ID{})
	if err != nil {
		return err
	}
	var c RepoConfig
	if err := json.Unmarshal(plain, &c); err != nil {
		return &DamageError{Type: Config, Err: err}
	}
	r.config = c
	return c.check()
}
