package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/alert"
	"github.com/backstay/backstay/internal/db"
)

// StartServerBackup begins a backup of what the server itself knows now.
func (a *App) StartServerBackup(ctx context.Context, who backstay.Actor) (run backstay.Run, err error) {
	err = a.change(ctx, who, "server.started", func(t *task) error {
		r, err := t.serverRepository()
		if err != nil {
			return err
		}
		run = a.serverRun(r, "person")
		run.Owner, t.event.Run = who.User, run.ID
		return db.Insert(ctx, t.tx, &run)
	})
	return run, err
}

// ServerBackup is a snapshot of what the server itself knows.
type ServerBackup struct {
	Snapshot string    `json:"snapshot" doc:"What the repository calls it"`
	Time     time.Time `json:"time"`
	Host     string    `json:"host"`
	Bytes    int64     `json:"bytes"`
}

// ServerBackups asks the repository which backups of the server there are, the newest first. They have no records as other snapshots have:
// whoever may browse snapshots is not to read them.
func (a *App) ServerBackups(ctx context.Context, who backstay.Actor) (all []ServerBackup, err error) {
	repository := ""
	err = a.look(ctx, who, "server.read", func(t *task) error {
		t.on("settings", "server", "")
		if err := t.allow(backstay.ManageSystem, backstay.System, ""); err != nil {
			return err
		}
		set, err := t.tx.Settings(ctx)
		repository = set.BackupRepository
		return err
	})
	if err != nil || repository == "" {
		return nil, err
	}
	r, err := a.openRepository(ctx, repository, openOptions{patience: personPatience})
	if err != nil {
		return nil, storageError(err)
	}
	for s, err := range snapshot.List(ctx, r.Repo, snapshot.Filter{Tags: [][]string{{ServerTag}}}) {
		var unreadable *snapshot.FileError
		if errors.As(err, &unreadable) {
			continue
		}
		if err != nil {
			return nil, storageError(err)
		}
		b := ServerBackup{Snapshot: s.ID.String(), Time: s.Time.UTC(), Host: s.Hostname}
		if s.Summary != nil {
			b.Bytes = int64(s.Summary.TotalBytesProcessed)
		}
		all = append(all, b)
	}
	slices.SortFunc(all, func(x, y ServerBackup) int { return y.Time.Compare(x.Time) })
	return all, nil
}

// serverRepository is the one that an administrator has chosen for the server's backups.
func (t *task) serverRepository() (r backstay.Repository, err error) {
	t.on("settings", "server", "")
	if err := t.allow(backstay.ManageSystem, backstay.System, ""); err != nil {
		return r, err
	}
	set, err := t.tx.Settings(t.ctx)
	if err != nil {
		return r, err
	}
	if set.BackupRepository == "" {
		return r, backstay.Errorf(backstay.Conflict, "no repository is chosen for the backups of the server").WithHint("Choose one: 'backstay server backup --to REPOSITORY', or backup_repository in the settings of the server.")
	}
	return db.Find[backstay.Repository](t.ctx, t.tx, set.BackupRepository)
}

// notServers refuses to remove the repository that the server is backed up to.
func (t *task) notServers(repository string) error {
	set, err := t.tx.Settings(t.ctx)
	if err == nil && set.BackupRepository == repository {
		err = backstay.Errorf(backstay.Conflict, "the settings of the server are backed up to this repository").WithHint("Choose another one in the settings of the server first.")
	}
	return err
}

// lookAtServer looks whether the server has a recent backup of itself.
func (t *task) lookAtServer() (th thing, found []alert.Finding, err error) {
	set, err := t.tx.Settings(t.ctx)
	if err != nil {
		return th, nil, err
	}
	th = thing{object: "server", id: "server", name: set.Name, scope: backstay.System}
	if set.BackupRepository == "" {
		return th, nil, nil
	}
	last, err := t.tx.LastRun(t.ctx, backstay.RunServer, set.BackupRepository, backstay.Succeeded, backstay.RunFailed)
	if errors.Is(err, db.ErrNotFound) {
		return th, nil, nil // it is about to be begun
	}
	if err != nil {
		return th, nil, err
	}
	good, err := t.tx.LastRun(t.ctx, backstay.RunServer, set.BackupRepository, backstay.Succeeded)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return th, nil, err
	}
	var at time.Time
	if good.EndedAt != nil {
		at = *good.EndedAt
	}
	f, is := alert.Server(set.ServerSchedule(), last, at, t.app.now())
	return th, findings(f, is), nil
}

// serverEnded opens or resolves the alert about the server's backups.
func (w *alarm) serverEnded() error {
	th, found, err := w.lookAtServer()
	if err != nil {
		return err
	}
	return w.settle(th, []backstay.AlertKind{backstay.AlertServerBackup}, found)
}
