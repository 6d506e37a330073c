package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/backstay/backstay"
)

// DuePlans returns the active plans whose time has come, the longest due first.
func (tx *Tx) DuePlans(ctx context.Context, now time.Time, limit int) (plans []backstay.Plan, err error) {
	err = tx.tx.NewSelect().Model(&plans).Where("active and next_at <= ?", now).Order("next_at").Limit(int64(limit)).Scan(ctx)
	return plans, explain("find due plans", err)
}

// PlanHandled notes that the due times of a plan up to one have their runs, unless another process has done so.
func (tx *Tx) PlanHandled(ctx context.Context, p backstay.Plan, handled time.Time, next *time.Time) (mine bool, err error) {
	n, err := tx.exec(ctx, "update plans set handled_at = ?, next_at = ? where id = ? and version = ? and next_at = ?", handled, next, p.ID, p.Version, p.NextAt)
	return n > 0, err
}

// Waiting reports whether a run is due.
func (tx *Tx) Waiting(ctx context.Context, now time.Time) (bool, error) {
	var n int
	err := tx.tx.NewRaw("select count(*) from (select 1 from runs where state = 'pending' and due_at <= ? limit 1) t", now).Scan(ctx, &n)
	return n > 0, explain("look for due runs", err)
}

// ClaimRun gives the first due run that fits beside those at work to a worker; ErrNotFound if there is none. Processes claim one after the
// other, since fits has to see what the others have claimed.
func (tx *Tx) ClaimRun(ctx context.Context, worker string, now, lease time.Time, fits func(run backstay.Run, working []backstay.Run) bool) (run backstay.Run, err error) {
	var fence int64
	if err := tx.tx.NewRaw("update queue_head set fence = fence + 1 where id = 1 returning fence").Scan(ctx, &fence); err != nil {
		return run, explain("claim run", err)
	}
	var working, due []backstay.Run
	if err := tx.tx.NewSelect().Model(&working).Where("state = 'running'").Scan(ctx); err != nil {
		return run, explain("list running runs", err)
	}
	const enough = 200 // that many can be held back by limits before one is found that isn't
	if err := tx.tx.NewSelect().Model(&due).Where("state = 'pending' and due_at <= ?", now).Order("priority desc", "due_at", "id").Limit(enough).Scan(ctx); err != nil {
		return run, explain("list due runs", err)
	}
	for _, run := range due {
		if !fits(run, working) {
			continue
		}
		run.State, run.Worker, run.Fence, run.LeaseUntil, run.StartedAt, run.UpdatedAt = backstay.Running, worker, fence, &lease, &now, now
		return run, Update(ctx, tx, &run)
	}
	return run, ErrNotFound
}

// KeepRun prolongs the lease of a run and notes how far it has come. It reports whether the run is still this claim's, and whether somebody
// wants it to end.
func (tx *Tx) KeepRun(ctx context.Context, run backstay.Run, lease time.Time) (mine, cancel bool, err error) {
	err = tx.tx.NewUpdate().Model(&run).Set("lease_until = ?", lease).Set("figures = ?", run.Figures).
		Where("id = ? and fence = ? and state = 'running'", run.ID, run.Fence).Returning("cancel").Scan(ctx, &cancel)
	if err = explain("keep run", err); err == ErrNotFound {
		return false, false, nil
	}
	return err == nil, cancel, err
}

// EndRun notes how a run ended. It reports false if the run is no longer this claim's.
func (tx *Tx) EndRun(ctx context.Context, run backstay.Run) (mine bool, err error) {
	result, err := tx.tx.NewUpdate().Model(&run).Column("state", "ended_at", "updated_at", "failure", "figures", "outcomes", "lease_until", "worker").
		Set("version = version + 1").Where("id = ? and fence = ? and state = 'running'", run.ID, run.Fence).Exec(ctx)
	if err != nil {
		return false, explain("end run", err)
	}
	return affected(result) > 0, nil
}

// LostRuns returns the runs whose worker has not been heard of in time.
func (tx *Tx) LostRuns(ctx context.Context, now time.Time) (runs []backstay.Run, err error) {
	err = tx.tx.NewSelect().Model(&runs).Where("state = 'running' and lease_until < ?", now).Scan(ctx)
	return runs, explain("find lost runs", err)
}

// CancelRun asks for the end of a running run.
func (tx *Tx) CancelRun(ctx context.Context, id string) error {
	_, err := tx.exec(ctx, "update runs set cancel = ? where id = ? and state = 'running'", true, id)
	return err
}

// AddLines appends to the log of a run.
func (tx *Tx) AddLines(ctx context.Context, lines []backstay.RunLine) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := tx.tx.NewInsert().Model(&lines).Exec(ctx)
	return explain("add to log", err)
}

// Lines returns the log of a run after a line.
func (tx *Tx) Lines(ctx context.Context, run string, after int64, limit int) (lines []backstay.RunLine, err error) {
	lines = []backstay.RunLine{}
	err = tx.tx.NewSelect().Model(&lines).Where("run = ? and seq > ?", run, after).Order("seq").Limit(int64(limit)).Scan(ctx)
	return lines, explain("read log", err)
}

// LastRun returns the newest run of a kind that worked on a repository and ended in one of the states; ErrNotFound if there is none.
func (tx *Tx) LastRun(ctx context.Context, kind backstay.RunKind, repository string, states ...backstay.RunState) (run backstay.Run, err error) {
	err = tx.tx.NewSelect().Model(&run).Where("kind = ? and repositories like ? and state in (?)", kind, `%"`+repository+`"%`, bun.List(states)).
		Order("created_at desc").Limit(1).Scan(ctx)
	return run, explain("find last run", err)
}

// LastFull returns when the newest full backup of a plan was due; ErrNotFound if there is none.
func (tx *Tx) LastFull(ctx context.Context, plan string) (at time.Time, err error) {
	err = tx.tx.NewRaw(`select due_at from runs where plan = ? and kind = 'backup' and type = 'full' and state in ('pending', 'running', 'succeeded', 'warning', 'partial')
		order by due_at desc limit 1`, plan).Scan(ctx, &at)
	return at.UTC(), explain("find last full backup", err)
}

// ForgetRuns removes the records of runs that ended before a time.
func (tx *Tx) ForgetRuns(ctx context.Context, before time.Time) (int64, error) {
	return tx.exec(ctx, "delete from runs where ended_at < ?", before)
}
