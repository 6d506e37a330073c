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

const (
	// keepEnded is how long one sees that a token or a link has run out.
	keepEnded = 90 * 24 * time.Hour
	// keepCertificates is how long the certificate of a process that is not there any more is told of.
	keepCertificates = 24 * time.Hour
)

// KeepHouse removes what has run out, but never anything of the audit trail, signs the audit trail, and starts what repositories need from time to time.
func (a *App) KeepHouse(ctx context.Context) error {
	now := a.now()
	var keepRuns time.Time
	err := a.DB.Write(ctx, func(tx *db.Tx) error {
		set, err := tx.Settings(ctx)
		if err != nil {
			return err
		}
		keepRuns = now.AddDate(0, 0, -set.KeepRunsDays)
		_, err = tx.ForgetRuns(ctx, keepRuns)
		return errors.Join(err, tx.ForgetAlerts(ctx, keepRuns), tx.ForgetRestores(ctx, keepRuns), tx.ForgetAttempts(ctx, now.Add(-attemptsForget)), tx.EndOldSessions(ctx, now.Add(-familiarFor)),
			tx.ForgetSignIns(ctx, now, now.Add(-keepEnded)), a.noteCertificate(ctx, tx))
	})
	if err != nil {
		keepRuns = time.Time{} // it is not known how long they are kept
	}
	return errors.Join(err, a.SignAudit(ctx), a.startUpkeep(ctx), a.startServerBackup(ctx), a.recordUsage(ctx), a.LookAround(ctx), a.discardOldRestores(ctx), a.sweepRestores("*"+reportEnd, keepRuns), a.DB.Tidy(ctx))
}

// noteCertificate writes down what this process shows by TLS, for the alerts, and forgets what processes showed that are gone.
func (a *App) noteCertificate(ctx context.Context, tx *db.Tx) error {
	if a.Certificate == nil {
		return nil
	}
	if c, ok := a.Certificate(); ok {
		c.SeenAt = a.now()
		if err := tx.SaveCertificate(ctx, c); err != nil {
			return err
		}
	}
	return tx.ForgetCertificates(ctx, a.now().Add(-keepCertificates))
}

// startUpkeep starts the prunes and verifications that are due. Each repository has a transaction of its own: to look at what ran in all of them may take
// longer than others should wait who write.
func (a *App) startUpkeep(ctx context.Context) error {
	var all []backstay.Repository
	err := a.DB.Read(ctx, func(tx *db.Tx) (err error) {
		all, err = db.All[backstay.Repository](ctx, tx)
		return err
	})
	for _, r := range all {
		err = errors.Join(err, a.DB.Write(ctx, func(tx *db.Tx) error { return a.startUpkeepOf(ctx, tx, r) }))
	}
	return err
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
	if err := a.startExtension(ctx, tx, r); err != nil {
		return err
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
