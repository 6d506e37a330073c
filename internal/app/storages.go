package app

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/secret"
	"github.com/backstay/backstay/storage"
)

func (a *App) storages() *Noun[backstay.Storage, *backstay.Storage] {
	return &Noun[backstay.Storage, *backstay.Storage]{app: a, Kind: "storage", Read: backstay.ReadSources, Manage: backstay.ManageStorages,
		name: func(s *backstay.Storage) string { return s.Name },
		prepare: func(t *task, s, before *backstay.Storage) error {
			if err := s.Check(); err != nil {
				return err
			}
			s.Local = backstay.Decide(t.who, backstay.ManageStorages, backstay.Everywhere, "").Allowed
			if before != nil {
				s.Local = stillLocal(before.Local, s.Local, before.Location != s.Location, before.Settings, s.Settings)
			}
			old, err := a.hidden(storagePlace(s.ID), s.Sealed)
			if err != nil {
				return err
			}
			if before != nil && (before.Location != s.Location || !sameServer(before.Settings, s.Settings, old)) {
				if err := givenAgain(old, s.Settings); err != nil {
					return err
				}
			}
			p, err := t.storagePlace(*s, old)
			if err != nil {
				return err
			}
			fields, err := a.Places.CheckStorage(p)
			if err != nil {
				return wrongSetting(err)
			}
			s.Settings, s.Sealed, err = a.split(fields, s.Settings, old, storagePlace(s.ID))
			return err
		},
		show: func(_ context.Context, _ *task, s *backstay.Storage) {
			if hidden, err := a.hidden(storagePlace(s.ID), s.Sealed); err == nil {
				s.Secrets = slices.Sorted(maps.Keys(hidden))
			}
		},
	}
}

// sameServer reports whether settings send secrets to the same server in the same way. Any setting of a kind may say where that is, but for
// the number of connections and the secrets themselves.
func sameServer(before, now, hidden map[string]string) bool {
	plain := func(all map[string]string) map[string]string {
		all = maps.Clone(all)
		maps.DeleteFunc(all, func(name, _ string) bool { _, secret := hidden[name]; return secret || name == "connections" })
		return all
	}
	return maps.Equal(plain(before), plain(now))
}

func storagePlace(id string) secret.Place {
	return secret.Place{Table: "storages", Row: id, Column: "sealed"}
}

// storagePlace is where the storage is, with its secrets.
func (t *task) storagePlace(s backstay.Storage, hidden map[string]string) (p Place, err error) {
	p = Place{Location: s.Location, Settings: join(s.Settings, hidden), Upload: s.Upload, Download: s.Download}
	for name, value := range join(s.Settings, nil) { // what is given now wins over what was hidden
		p.Settings[name] = value
	}
	p.Guard, err = t.guard(s.Local)
	return p, err
}

// placeOfStorage is where a stored storage is.
func (t *task) placeOfStorage(id string) (backstay.Storage, Place, error) {
	s, err := db.Find[backstay.Storage](t.ctx, t.tx, id)
	if err != nil {
		return s, Place{}, missing(err, "storage", "storage")
	}
	hidden, err := t.app.hidden(storagePlace(s.ID), s.Sealed)
	if err != nil {
		return s, Place{}, err
	}
	p, err := t.storagePlace(s, hidden)
	return s, p, err
}

// StorageTest is what trying a storage has shown.
type StorageTest struct {
	SaveMillis int64 `json:"save_milliseconds" doc:"How long a small file took to save"`
	LoadMillis int64 `json:"load_milliseconds" doc:"How long it took to load"`
	Entries    bool  `json:"holds_repository" doc:"There is a repository at the location itself"`
}

// TestStorage saves, loads and removes a small file in a storage, to know whether it can be used.
func (a *App) TestStorage(ctx context.Context, who backstay.Actor, id string) (result StorageTest, err error) {
	var p Place
	err = a.look(ctx, who, "storage.tested", func(t *task) error {
		s, err := a.Storages.find(t, id)
		if err != nil {
			return err
		}
		if err := t.allow(backstay.ManageStorages, s.Scope, s.Owner); err != nil {
			return err
		}
		_, p, err = t.placeOfStorage(id)
		return err
	})
	if err != nil {
		return result, err
	}
	p.Patience = personPatience
	b, _, err := a.Places.OpenStorage(p)
	if err == nil {
		result, err = a.probe(ctx, b)
	}
	if err != nil {
		return result, storageError(err)
	}
	return result, nil
}

// probe tries what a repository needs of a storage.
func (a *App) probe(ctx context.Context, b storage.Backend) (result StorageTest, err error) {
	name, text := "backstay-test-"+a.newID(), []byte("This file was left by a test of the storage. It can be deleted.\n")
	begun := a.Clock.Now()
	if err := b.Save(ctx, name, storage.Bytes(text)); err != nil {
		return result, err
	}
	result.SaveMillis = a.Clock.Now().Sub(begun).Milliseconds()
	begun = a.Clock.Now()
	loaded := make([]byte, len(text))
	if err := b.Load(ctx, name, loaded, 0); err != nil {
		return result, err
	}
	result.LoadMillis = a.Clock.Now().Sub(begun).Milliseconds()
	if !bytes.Equal(loaded, text) {
		return result, backstay.Errorf(backstay.Damaged, "the storage gave back something else than was saved")
	}
	if _, err := b.Stat(ctx, "config"); err == nil {
		result.Entries = true
	}
	remove, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return result, b.Remove(remove, name)
}
