package app

import (
	"context"
	"encoding/json"
	"reflect"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/db"
)

// Settings returns the settings of the server.
func (a *App) Settings(ctx context.Context, who backstay.Actor) (s backstay.Settings, err error) {
	err = a.look(ctx, who, "settings.read", func(t *task) error {
		if err := t.free(); err != nil {
			return err
		}
		s, err = t.tx.Settings(ctx)
		return err
	})
	return s, err
}

// UpdateSettings changes what the JSON of patch names.
func (a *App) UpdateSettings(ctx context.Context, who backstay.Actor, version int64, patch []byte) (s backstay.Settings, err error) {
	err = a.change(ctx, who, "config.changed", func(t *task) error {
		t.on("settings", "server", "")
		if err := t.allow(backstay.ManageSystem, backstay.System, ""); err != nil {
			return err
		}
		old, err := t.tx.Settings(ctx)
		if err != nil {
			return err
		}
		if version != 0 && version != old.Version {
			return db.ErrChanged
		}
		s = old
		s.MFARoles = nil
		s.MFARoles = append(s.MFARoles, old.MFARoles...)
		if err := json.Unmarshal(patch, &s); err != nil {
			return backstay.Errorf(backstay.Invalid, "what is to be changed is no JSON of settings: %w", err)
		}
		keepReadOnly(reflect.ValueOf(&s).Elem(), reflect.ValueOf(&old).Elem())
		if s.Hooks && !old.Hooks && !who.Has(backstay.RoleOwner) {
			return backstay.Errorf(backstay.Denied, "only the owner can let plans run commands on this machine").OnField("hooks")
		}
		if err := s.Check(); err != nil {
			return err
		}
		if s.BackupRepository != "" && s.BackupRepository != old.BackupRepository {
			if _, err := db.Find[backstay.Repository](ctx, t.tx, s.BackupRepository); err != nil {
				return missing(err, "repository", "backup_repository")
			}
		}
		s.Version++
		if err := t.tx.SaveSettings(ctx, s); err != nil {
			return err
		}
		return t.changed(old, s)
	})
	return s, err
}

// NewClaimCode makes the code for the first account; "" where there is one already. It is good until the process ends.
func (a *App) NewClaimCode(ctx context.Context) (auth.Secret, error) {
	claimed, err := a.Claimed(ctx)
	if err != nil || claimed {
		return "", err
	}
	code, digest, err := auth.NewClaimCode(a.Rand)
	if err != nil {
		return "", err
	}
	a.claim = digest
	return code, nil
}
