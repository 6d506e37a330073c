package app

import (
	"context"
	"errors"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// pruneEvery is how long what no snapshot needs may stay in a repository.
const pruneEvery = 7 * 24 * time.Hour

// KeepHouse removes what has run out, signs the audit trail, and starts what repositories need from time to time.
func (a *App) KeepHouse(ctx context.Context) error {
	now := a.now()
	err := a.DB.Write(ctx, func(tx *db.Tx) error {
		set, err := tx.Settings(ctx)
		if err != nil {
			return err
		}
		_, err = tx.ForgetRuns(ctx, now.AddDate(0, 0, -set.KeepRunsDays))
		return errors.Join(err, tx.ForgetAttempts(ctx, now.Add(-attemptsForget)), tx.EndOldSessions(ctx, now.Add(-familiarFor)))
	})
	return errors.Join(err, a.SignAudit(ctx), a.startUpkeep(ctx), a.startServerBackup(ctx), a.LookAround(ctx), a.discardOldRestores(ctx))
}

// startUpkeep starts the prunes and verifications that are due.
func (a *App) startUpkeep(ctx context.Context) error {
	return a.DB.Write(ctx, func(tx *db.Tx) error {
		all, err := db.All[backstay.Repository](ctx, tx)
		if err != nil {
			return err
		}
		for _, r := range all {
			if err := a.startUpkeepOf(ctx, tx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *App) startUpkeepOf(ctx context.Context, tx *db.Tx, r backstay.Repository) error {
	pruned, err := tx.LastRun(ctx, backstay.RunPrune, r.ID, backstay.Succeeded)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	forgot, err := tx.ForgotSince(ctx, r.ID, pruned.CreatedAt)
	if err != nil {
		return err
	}
	if forgot { // data may be free
		if err := a.startIfOlder(ctx, tx, r, backstay.Run{Kind: backstay.RunPrune}, pruneEvery); err != nil {
			return err
		}
	}
	return a.startSlice(ctx, tx, r)
}

// startIfOlder starts a run on a repository unless there was one of its kind lately, whatever came of it.
func (a *App) startIfOlder(ctx context.Context, tx *db.Tx, r backstay.Repository, run backstay.Run, age time.Duration) error {
	last, err := tx.LastRun(ctx, run.Kind, r.ID, backstay.Pending, backstay.Running, backstay.Succeeded, backstay.RunFailed, backstay.RanPartly, backstay.Stopped)
	if err == nil && (!last.State.Ended() || last.Options.Level == run.Options.Level && a.now().Sub(last.CreatedAt) < age) {
		return nil
	}
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	a.fill(&run, r.Project, []string{r.ID}, "server")
	run.Priority = -5
	return db.Insert(ctx, tx, &run)
}
