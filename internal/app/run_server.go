package app

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/engine/snapshot"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/retention"
	"github.com/backstay/backstay/source/files"
)

// ServerTag is that of the snapshots that a server makes of itself, and ServerFile is the file in them, a dump of the database.
const (
	ServerTag  = "backstay-server"
	ServerFile = "backstay-server.jsonl"
)

// serverRetention is which of them stay.
var serverRetention = retention.Policy{Daily: 7, Weekly: 4}

// server backs up what the server itself knows: all that is in its database and in no repository.
func (e *execution) server(ctx context.Context) (backstay.RunState, error) {
	return e.eachRepository(ctx, func(ctx context.Context, r *opened) error {
		source := files.NewReader(ServerFile, e.app.Clock, func() (io.ReadCloser, error) { return e.app.dump(ctx), nil })
		opt := runner.BackupOptions{Type: snapshot.Incremental, Start: e.app.Clock.Now(), Lock: repo.LockOptions{Wait: lockWait}, Progress: e.event}
		s := &opt.Template
		s.Time, s.Hostname, s.Paths, s.Tags, s.ProgramVersion = opt.Start, e.app.Hostname, []string{"/" + ServerFile}, []string{ServerTag}, "backstay "+e.app.Version
		s.SetFact(snapshot.FactRun, e.run.ID)
		results, err := runner.Backup(ctx, source, []*repo.Repo{r.Repo}, opt)
		if err != nil {
			return err
		}
		e.stored(results[0])
		e.log("info", fmt.Sprintf("the settings of the server are in snapshot %s of repository %q", results[0].Snapshot.ID.Short(), r.record.Name))
		return errors.Join(e.app.recordSnapshots(ctx, r), e.app.measure(ctx, r))
	})
}

// dump is the database at one moment, as it is read.
func (a *App) dump(ctx context.Context) io.ReadCloser {
	r, w := io.Pipe()
	head := db.DumpHead{Made: a.now(), Program: a.Version}
	for _, key := range a.Ring.Keys() {
		head.Keys = append(head.Keys, key.ID())
	}
	go func() { // it ends when all was read, or the reader is closed
		_ = w.CloseWithError(a.DB.Read(ctx, func(tx *db.Tx) error { return tx.Dump(ctx, w, head) })) // it never fails
	}()
	return r
}

// startServerBackup starts the server's backup of itself when it is due: at once in a repository that has none.
func (a *App) startServerBackup(ctx context.Context) error {
	return a.DB.Write(ctx, func(tx *db.Tx) error {
		set, err := tx.Settings(ctx)
		if err != nil || set.BackupRepository == "" {
			return err
		}
		r, err := db.Find[backstay.Repository](ctx, tx, set.BackupRepository)
		if err != nil {
			return explain(err, "repository")
		}
		run := a.serverRun(r, "schedule")
		last, err := tx.LastRun(ctx, backstay.RunServer, r.ID, backstay.Pending, backstay.Running, backstay.Succeeded, backstay.RunFailed, backstay.Stopped)
		switch {
		case errors.Is(err, db.ErrNotFound):
		case err != nil || !last.State.Ended():
			return err
		default:
			due, err := set.ServerSchedule().Due(last.DueAt, a.now(), string(backstay.RunServer))
			if err != nil || due.At.IsZero() {
				return err
			}
			run.DueAt = due.At.UTC()
		}
		_, err = tx.StartRun(ctx, &run)
		return err
	})
}

func (a *App) serverRun(r backstay.Repository, trigger string) backstay.Run {
	run := backstay.Run{Kind: backstay.RunServer}
	a.fill(&run, r.Project, []string{r.ID}, trigger)
	return run
}

// forgetServer enqueues the forget of old backups of the server, after a new one.
func (t *task) forgetServer(run backstay.Run) error {
	next := backstay.Run{Kind: backstay.RunForget, Options: backstay.RunOptions{Server: true}}
	t.app.fill(&next, run.Project, run.Repositories, "server")
	next.Priority = -1
	return db.Insert(t.ctx, t.tx, &next)
}
