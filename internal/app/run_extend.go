package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/engine/crypto"
	"github.com/backstay/backstay/engine/pruner"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/runner"
	"github.com/backstay/backstay/storage"
)

// Object lock is made longer so many times in a period: what is kept for less than half of it then is kept for a whole one, so that runs that
// fail leave time for others.
const (
	extensions     = 4
	extensionRetry = time.Hour
)

// startExtension starts to make the object lock of a repository longer, if its storage has one and it is time.
func (a *App) startExtension(ctx context.Context, tx *db.Tx, r backstay.Repository) error {
	t := &task{app: a, ctx: ctx, tx: tx}
	_, p, err := t.placeOfStorage(r.Storage)
	if err != nil {
		return err
	}
	b, _, err := a.Places.OpenStorage(p)
	if err != nil {
		a.Log.WarnContext(ctx, "a storage can't be used", "storage", r.Storage, "error", err)
		return nil // its runs say so, too; the other repositories have to be looked after
	}
	keeper, ok := storage.As[storage.Retainer](b)
	if !ok || keeper.Period() <= 0 {
		return nil
	}
	last, err := tx.LastRun(ctx, backstay.RunExtension, r.ID, backstay.Succeeded)
	if err == nil && a.now().Sub(last.CreatedAt) < keeper.Period()/extensions {
		return nil
	}
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	return a.startIfOlder(ctx, tx, r, backstay.Run{Kind: backstay.RunExtension}, extensionRetry)
}

// extend keeps from deletion for longer what snapshots need. What no plan keeps any more is left to run out.
func (e *execution) extend(ctx context.Context) (backstay.RunState, error) {
	return e.eachRepository(ctx, func(ctx context.Context, r *opened) (err error) {
		keeper, ok := r.Retainer()
		if !ok {
			return nil // it was taken out of the settings
		}
		ctx, unlock, err := r.Lock(ctx, repo.Shared, repo.LockOptions{Wait: lockWait})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, unlock()) }()
		left, err := e.leftToRunOut(ctx, r)
		if err != nil {
			return err
		}
		plan, err := pruner.Prepare(ctx, r.Repo, pruner.Options{Progress: e.event, Without: left})
		if err != nil {
			return err
		}
		now, period := e.app.Clock.Now(), keeper.Period()
		done, err := plan.Extend(ctx, now.Add(period/2), now.Add(period))
		if err != nil {
			return err
		}
		e.log("info", fmt.Sprintf("repository %q: %d files are needed, object lock of %d is longer now, %d snapshots are left to run out", r.record.Name, done.Files, done.Extended, len(left)))
		return e.app.recordLocks(ctx, r, true)
	})
}

// leftToRunOut are the snapshots that the retention of their plans removes, or of the server's own backups, once object lock lets it.
func (e *execution) leftToRunOut(ctx context.Context, r *opened) (map[crypto.ID]bool, error) {
	var plans []backstay.Plan
	err := e.app.DB.Read(ctx, func(tx *db.Tx) (err error) {
		plans, err = db.All[backstay.Plan](ctx, tx, db.Condition{Column: "repositories", Op: db.Has, Value: r.record.ID})
		return err
	})
	if err != nil {
		return nil, explain(err, "plan")
	}
	policies := []runner.ForgetOptions{serverPolicy}
	for _, p := range plans {
		if !p.Retention.IsEmpty() {
			policies = append(policies, policyOf(p))
		}
	}
	left := map[crypto.ID]bool{}
	for _, policy := range policies {
		groups, _, err := runner.Forget(ctx, r.Repo, policy)
		if err != nil {
			return nil, err
		}
		doomed, err := e.unprotected(ctx, r, groups, nil)
		if err != nil {
			return nil, err
		}
		for _, id := range doomed {
			left[id] = true
		}
	}
	return left, e.sureOfTime(ctx)
}

// sureOfTime refuses to lock anything by a time that has jumped: nobody could take that back.
func (e *execution) sureOfTime(ctx context.Context) error {
	return e.app.DB.Read(ctx, func(tx *db.Tx) error {
		held, err := e.app.clockHeld(ctx, tx)
		if err == nil && held {
			err = errJumped
		}
		return err
	})
}

// recordLocks notes until when object lock keeps snapshots: those of which it isn't known, or all.
func (a *App) recordLocks(ctx context.Context, r *opened, all bool) error {
	if _, ok := r.Retainer(); !ok {
		return nil
	}
	var known []backstay.Snapshot
	err := a.DB.Read(ctx, func(tx *db.Tx) (err error) {
		known, err = db.All[backstay.Snapshot](ctx, tx, db.Condition{Column: "repository", Op: db.Is, Value: r.record.ID})
		return err
	})
	if err != nil {
		return explain(err, "snapshot")
	}
	held := map[string]time.Time{}
	for _, s := range known {
		if s.KeptUntil != nil && !all {
			continue
		}
		id, err := crypto.ParseID(s.Handle)
		if err != nil {
			return err
		}
		until, err := r.Held(ctx, repo.Snapshots, id)
		switch {
		case errors.Is(err, storage.ErrNotFound): // somebody removed it just now
		case err != nil:
			return err
		case !until.IsZero():
			held[s.Handle] = until
		}
	}
	return a.recordHeld(ctx, r, held)
}
