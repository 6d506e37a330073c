package app

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/secret"
)

// reveal shows stored secrets of one thing to a person. Each time is an event, which says which ones but not what they are.
func reveal[T any, P record[T]](ctx context.Context, n *Noun[T, P], who backstay.Actor, id string, open func(v P) (map[string]string, error)) (values map[string]string, err error) {
	err = n.app.change(ctx, who, "vault.revealed", func(t *task) error {
		v, err := n.find(t, id)
		if err != nil {
			return err
		}
		if err := n.allow(t, backstay.RevealSecrets, &v); err != nil {
			return err
		}
		if values, err = open(&v); err != nil {
			return err
		}
		t.event.Reason = fmt.Sprint("shown: ", slices.Sorted(maps.Keys(values)))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return values, nil
}

// RevealPassword shows the password of a repository.
func (a *App) RevealPassword(ctx context.Context, who backstay.Actor, id string) (string, error) {
	values, err := reveal(ctx, a.Repositories, who, id, func(r *backstay.Repository) (map[string]string, error) {
		password, err := a.open(repositoryPlace(r.ID), r.Sealed)
		return map[string]string{"password": password.Reveal()}, err
	})
	return values["password"], err
}

// RevealStorage shows the secret settings of a storage, by their names.
func (a *App) RevealStorage(ctx context.Context, who backstay.Actor, id string) (map[string]string, error) {
	return reveal(ctx, a.Storages, who, id, func(s *backstay.Storage) (map[string]string, error) {
		return a.hidden(storagePlace(s.ID), s.Sealed)
	})
}

// RevealSource shows the secret settings of a source, by their names.
func (a *App) RevealSource(ctx context.Context, who backstay.Actor, id string) (map[string]string, error) {
	return reveal(ctx, a.Sources, who, id, func(s *backstay.Source) (map[string]string, error) {
		return a.hidden(sourcePlace(s.ID), s.Sealed)
	})
}

// resealAtOnce is how many secrets one transaction seals anew.
const resealAtOnce = 100

// Reseal seals with the current key what older keys have sealed, and returns how many secrets that were. Once it has returned without an
// error, the older keys open nothing of the database that the current one doesn't. A process that stops half way goes on the next time.
func (a *App) Reseal(ctx context.Context) (resealed int, err error) {
	for _, v := range db.Vaults {
		for last, more := "", true; more; {
			err := a.DB.Write(ctx, func(tx *db.Tx) error {
				values, err := tx.SealedAfter(ctx, v, last, resealAtOnce)
				if more = len(values) == resealAtOnce; err != nil || len(values) == 0 {
					return err
				}
				last = values[len(values)-1].ID
				n, err := a.reseal(ctx, tx, v, values)
				resealed += n
				return err
			})
			if err != nil {
				return resealed, err
			}
		}
	}
	return resealed, nil
}

func (a *App) reseal(ctx context.Context, tx *db.Tx, v db.Vault, values []db.Sealed) (n int, err error) {
	for _, old := range values {
		at := secret.Place{Table: v.Table, Row: old.ID, Column: v.Column}
		raw, err := base64.StdEncoding.DecodeString(old.Value)
		if err != nil {
			return n, fmt.Errorf("a sealed value of %s is damaged", at)
		}
		if !a.box.Stale(raw) {
			continue
		}
		again, err := a.box.Reseal(at, raw)
		if err != nil {
			return n, err
		}
		if err := tx.Reseal(ctx, v, old, base64.StdEncoding.EncodeToString(again)); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
