package repo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/progress"
	"github.com/backstay/backstay/storage"
)

// keyFile is the JSON of a key file, which is not sealed as a whole.
type keyFile struct {
	Created  time.Time `json:"created"`
	Username string    `json:"username"`
	Hostname string    `json:"hostname"`
	KDF      string    `json:"kdf"` // "scrypt"
	N        int       `json:"N"`
	R        int       `json:"r"`
	P        int       `json:"p"`
	Salt     []byte    `json:"salt"`
	Data     []byte    `json:"data"` // the master key as JSON, sealed with the key derived from the password
}

// KeyOptions say what a new key file tells of its maker; by default what the repository's Options say.
type KeyOptions struct{ Hostname, Username string }

// KeyInfo is what a key file tells of itself. Err is why the file can't be used, if so.
type KeyInfo struct {
	ID                 crypto.ID
	Created            time.Time
	Hostname, Username string
	Current            bool // it is the one that the password opened
	Err                error
}

// findKey tries the password on each key file, until one opens the config. Files that are no key files are reported and
// passed over, as are keys that open nothing here: whoever can write to the storage can put those of another repository there.
func (r *Repo) findKey(ctx context.Context, password string) error {
	var config, damage error
	tried := 0
	for info, err := range r.List(ctx, Keys) {
		if err != nil {
			return err
		}
		r.key, err = r.openKey(ctx, info.ID, password)
		if err == nil {
			if err = r.loadConfig(ctx); !errors.Is(err, ErrDamaged) {
				r.useKey(info.ID)
				return err
			}
			config = err
		}
		switch {
		case errors.Is(err, errPassword):
			tried++
		case errors.Is(err, ErrDamaged):
			damage = err
			r.opt.Progress.Send(progress.Event{Kind: progress.Notice, Item: Keys.Name(info.ID), Text: err.Error()})
		case errors.Is(err, storage.ErrNotFound): // removed since it was listed
		default:
			return err
		}
	}
	switch {
	case config != nil:
		return config
	case tried > 0:
		return fmt.Errorf("%w: it opens none of %d keys", ErrWrongPassword, tried)
	case damage != nil:
		return fmt.Errorf("it has no usable key: %w", damage)
	}
	return fmt.Errorf("%w: it has no key", ErrDamaged)
}

var errPassword = errors.New("the password doesn't open this key")

func (r *Repo) openKey(ctx context.Context, id crypto.ID, password string) (*crypto.Key, error) {
	f, err := r.loadKeyFile(ctx, id)
	if err != nil {
		return nil, err
	}
	derived, err := crypto.KDF{N: f.N, R: f.R, P: f.P}.Derive(password, f.Salt)
	if err != nil {
		return nil, &DamageError{Type: Keys, ID: id, Err: err}
	}
	plain, err := derived.Open(nil, f.Data)
	if err != nil {
		return nil, fmt.Errorf("open key %s: %w", id.Short(), errPassword)
	}
	var key crypto.Key
	if err := json.Unmarshal(plain, &key); err != nil {
		return nil, &DamageError{Type: Keys, ID: id, Err: err}
	}
	return &key, nil
}

func (r *Repo) loadKeyFile(ctx context.Context, id crypto.ID) (f keyFile, err error) {
	p, err := r.LoadRaw(ctx, Keys, id)
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(p, &f); err != nil {
		return f, &DamageError{Type: Keys, ID: id, Err: fmt.Errorf("not a key file: %w", err)}
	}
	if f.KDF != "scrypt" {
		return f, &DamageError{Type: Keys, ID: id, Err: fmt.Errorf("its key derivation is %q, not scrypt", f.KDF)}
	}
	return f, nil
}

func (r *Repo) saveKey(ctx context.Context, password string, kdf crypto.KDF, opt KeyOptions) (crypto.ID, error) {
	if opt.Hostname == "" {
		opt.Hostname = r.opt.Hostname
	}
	if opt.Username == "" {
		opt.Username = r.opt.Username
	}
	if password == "" {
		return crypto.ID{}, errors.New("the password is empty")
	}
	if err := kdf.ValidForWriting(); err != nil {
		return crypto.ID{}, err
	}
	f := keyFile{Created: r.opt.Clock.Now(), Username: opt.Username, Hostname: opt.Hostname, KDF: "scrypt", N: kdf.N, R: kdf.R, P: kdf.P,
		Salt: make([]byte, crypto.SaltSize)}
	if _, err := io.ReadFull(r.opt.Rand, f.Salt); err != nil {
		return crypto.ID{}, fmt.Errorf("read random bytes: %w", err)
	}
	if err := r.sealKey(&f, password, kdf); err != nil {
		return crypto.ID{}, err
	}
	p, err := json.Marshal(f)
	if err != nil {
		return crypto.ID{}, err
	}
	id := crypto.Hash(p)
	if err := r.saveRaw(ctx, Keys, id, p); err != nil {
		return crypto.ID{}, err
	}
	if _, err := r.LoadRaw(ctx, Keys, id); err != nil { // an old key may be removed next
		return crypto.ID{}, err
	}
	return id, nil
}

func (r *Repo) sealKey(f *keyFile, password string, kdf crypto.KDF) error {
	derived, err := kdf.Derive(password, f.Salt)
	if err != nil {
		return err
	}
	master, err := json.Marshal(r.key)
	if err != nil {
		return err
	}
	f.Data, err = derived.Seal(nil, master, r.opt.Rand)
	return err
}

// ListKeys yields the key files. Unreadable ones have Err set.
func (r *Repo) ListKeys(ctx context.Context) iter.Seq2[KeyInfo, error] {
	return func(yield func(KeyInfo, error) bool) {
		for info, err := range r.List(ctx, Keys) {
			if err != nil {
				yield(KeyInfo{}, err)
				return
			}
			f, err := r.loadKeyFile(ctx, info.ID)
			if errors.Is(err, storage.ErrNotFound) { // removed since it was listed
				continue
			}
			if err != nil && !errors.Is(err, ErrDamaged) {
				yield(KeyInfo{}, err)
				return
			}
			k := KeyInfo{ID: info.ID, Created: f.Created, Hostname: f.Hostname, Username: f.Username, Current: info.ID == r.CurrentKey(), Err: err}
			if !yield(k, nil) {
				return
			}
		}
	}
}

// AddKey adds a password that opens the repository. All keys open the same master key. The context must hold a lock.
func (r *Repo) AddKey(ctx context.Context, password string, opt KeyOptions) (crypto.ID, error) {
	if err := r.guard(ctx, Shared); err != nil {
		return crypto.ID{}, fmt.Errorf("add key: %w", err)
	}
	id, err := r.saveKey(ctx, password, crypto.DefaultKDF, opt)
	if err != nil {
		return crypto.ID{}, fmt.Errorf("add key: %w", err)
	}
	return id, nil
}

// RemoveKey deletes a key file, never the one in use. The context must hold an exclusive lock. Whoever saw the master key keeps
// his access: only a copy to a new repository ends that.
func (r *Repo) RemoveKey(ctx context.Context, id crypto.ID) error {
	if id == r.CurrentKey() {
		return fmt.Errorf("remove key %s: it is the key in use", id.Short())
	}
	return r.RemoveFile(ctx, Keys, id)
}

// ChangePassword adds a key for the new password, proves that it opens, uses it from then on and deletes the old one. The
// context must hold an exclusive lock.
func (r *Repo) ChangePassword(ctx context.Context, password string) (crypto.ID, error) {
	if err := r.guard(ctx, Exclusive); err != nil {
		return crypto.ID{}, fmt.Errorf("change password: %w", err)
	}
	if err := r.Removable(ctx, Keys, r.CurrentKey()); err != nil {
		return crypto.ID{}, fmt.Errorf("change password: %w", err)
	}
	id, err := r.AddKey(ctx, password, KeyOptions{})
	if err != nil {
		return crypto.ID{}, err
	}
	if _, err := r.openKey(ctx, id, password); err != nil {
		return crypto.ID{}, fmt.Errorf("change password: read the new key: %w", err)
	}
	old := r.CurrentKey()
	r.useKey(id)
	return id, r.RemoveKey(ctx, old)
}
