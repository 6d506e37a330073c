package app

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/repo"
)

// shortestKey is how many letters a further password of a repository has at least: whoever gets at the files may try for ever.
const shortestKey = 12

// RepositoryKey is a password of a repository, of which nobody can tell what it is.
type RepositoryKey struct {
	ID      string    `json:"id" doc:"As restic shows it"`
	Created time.Time `json:"created_at"`
	Host    string    `json:"host"`
	User    string    `json:"user"`
	Own     bool      `json:"own" doc:"By it the server opens the repository"`
	Damaged bool      `json:"damaged" doc:"Its file can't be read"`
}

// RepositoryKeys lists the passwords that open a repository, the oldest first.
func (a *App) RepositoryKeys(ctx context.Context, who backstay.Actor, id string) (keys []RepositoryKey, err error) {
	err = a.look(ctx, who, "repository.keys-listed", func(t *task) error {
		r, err := a.Repositories.find(t, id)
		if err != nil {
			return err
		}
		return t.allow(backstay.ManageRepository, r.Scope, r.Owner)
	})
	if err != nil {
		return nil, err
	}
	r, err := a.openRepository(ctx, id, openOptions{patience: personPatience})
	if err != nil {
		return nil, storageError(err)
	}
	for k, err := range r.ListKeys(ctx) {
		if err != nil {
			return nil, storageError(err)
		}
		keys = append(keys, RepositoryKey{ID: k.ID.String(), Created: k.Created.UTC(), Host: k.Hostname, User: k.Username, Own: k.Current, Damaged: k.Err != nil})
	}
	slices.SortFunc(keys, func(a, b RepositoryKey) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return keys, nil
}

// AddRepositoryKey adds a password that opens a repository too. Who has it reads everything: it takes the right to see the one that there is.
func (a *App) AddRepositoryKey(ctx context.Context, who backstay.Actor, id, password, user string) (key RepositoryKey, err error) {
	user = cmp.Or(user, who.Name)
	err = a.keyChange(ctx, who, id, "repository.key-added", repo.Shared, func(t *task) error {
		if utf8.RuneCountInString(password) < shortestKey {
			return backstay.Errorf(backstay.Invalid, "the password has fewer than %d letters", shortestKey).WithHint("Take a longer one.").OnField("password")
		}
		return t.changed(nil, map[string]string{"user": user})
	}, func(ctx context.Context, r *opened) error {
		added, err := r.AddKey(ctx, password, repo.KeyOptions{Username: user})
		key = RepositoryKey{ID: added.String(), Created: a.now(), Host: r.Options().Hostname, User: user}
		return err
	})
	return key, err
}

// RemoveRepositoryKey removes a password of a repository, never that of the server, so that one is always left.
func (a *App) RemoveRepositoryKey(ctx context.Context, who backstay.Actor, id, key string) error {
	var file crypto.ID
	return a.keyChange(ctx, who, id, "repository.key-removed", repo.Exclusive, func(t *task) (err error) {
		if file, err = crypto.ParseID(key); err != nil {
			return backstay.Errorf(backstay.Invalid, "%q is not the id of a key", key).WithHint("List the keys: their ids have 64 letters.")
		}
		return t.changed(map[string]string{"key": key}, nil)
	}, func(ctx context.Context, r *opened) error {
		if file == r.CurrentKey() {
			return backstay.Errorf(backstay.Conflict, "key %q is the server's own", file.Short()).WithHint("Without it the server couldn't open the repository.")
		}
		if _, err := r.FindFile(ctx, repo.Keys, key); err != nil {
			return err
		}
		return r.RemoveKey(ctx, file)
	})
}

// keyChange changes the keys of a repository. The event is written before; if it can't be done, another one says so.
func (a *App) keyChange(ctx context.Context, who backstay.Actor, id, action string, mode repo.LockMode, check func(t *task) error, do func(ctx context.Context, r *opened) error) error {
	var told backstay.AuditEvent
	err := a.change(ctx, who, action, func(t *task) error {
		r, err := a.Repositories.find(t, id)
		if err != nil {
			return err
		}
		if err := t.allow(backstay.RevealSecrets, r.Scope, r.Owner); err != nil {
			return err
		}
		told = t.event
		return check(t)
	})
	if err != nil {
		return err
	}
	if err := a.locked(ctx, id, mode, do); err != nil {
		return a.failed(ctx, who, told, err)
	}
	return nil
}

// locked does something with a repository under a lock.
func (a *App) locked(ctx context.Context, id string, mode repo.LockMode, do func(ctx context.Context, r *opened) error) (err error) {
	r, err := a.openRepository(ctx, id, openOptions{patience: personPatience})
	if err != nil {
		return storageError(err)
	}
	if mode == repo.Exclusive {
		a.yield(id)
	}
	ctx, unlock, err := r.Lock(ctx, mode, repo.LockOptions{Wait: personWait})
	if err != nil {
		return storageError(err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	err = do(ctx, r)
	var known *backstay.Error
	if err != nil && !errors.As(err, &known) {
		return storageError(err)
	}
	return err
}
