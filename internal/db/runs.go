package db

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/backstay/backstay"
)

// DuePlans returns the active plans whose time has come, the longest due first; and those of which a clock that was ahead has handled times
// that are still to come. An index answers each of the two: one question about both would look at all plans.
func (tx *Tx) DuePlans(ctx context.Context, now time.Time, limit int) (plans []backstay.Plan, err error) {
	for _, column := range []string{"next_at <= ?", "handled_at > ?"} {
		var some []backstay.Plan
		order, _, _ := strings.Cut(column, " ")
		if err := tx.tx.NewSelect().Model(&some).Where("active and "+column, now).Order(order).Limit(int64(limit - len(plans))).Scan(ctx); err != nil {
			return nil, explain("find due plans", err)
		}
		for _, p := range some {
			if !slices.ContainsFunc(plans, func(other backstay.Plan) bool { return other.ID == p.ID }) {
				plans = append(plans, p)
			}
		}
		if len(plans) >= limit {
			break
		}
	}
	return plans, nil
}

// LastHandled returns the latest due time of a plan that has its run and isn't after now; ErrNotFound if there is none.
func (tx *Tx) LastHandled(ctx context.Context, plan string, now time.Time) (at time.Time, err error) {
	err = tx.tx.NewRaw(`select due_at from runs where plan = ? and "trigger" = 'schedule' and due_at <= ? order by due_at desc limit 1`, plan, now).Scan(ctx, &at)
	return at, explain("find handled time", err)
}

// StartRun adds the run of a due time, unless that has one already.
func (tx *Tx) StartRun(ctx context.Context, run *backstay.Run) (added bool, err error) {
	result, err := tx.tx.NewInsert().Model(run).On("conflict do nothing").Exec(ctx)
	if err != nil {
		return false, explain("start run", err)
	}
	return affected(result) > 0, nil
}

// PlanHandled notes that the due times of a plan up to one have their runs, unless another process has done so.
func (tx *Tx) PlanHandled(ctx context.Context, p backstay.Plan, handled time.Time, next *time.Time) (mine bool, err error) {
	n, err := tx.exec(ctx, "update plans set handled_at = ?, next_at = ? where id = ? and version = ? and next_at is not distinct from ?", handled, next, p.ID, p.Version, p.NextAt)
	return n > 0, err
}

// farAhead is longer than any run is made to wait: a later time was written by a clock that was ahead, and is taken for now.
const farAhead = 2 * time.Hour

// Waiting reports whether a run is due.
func (tx *Tx) Waiting(ctx context.Context, now time.Time) (bool, error) {
	var n int
	err := tx.tx.NewRaw("select count(*) from (select 1 from runs where state = 'pending' and (due_at <= ? or due_at > ?) limit 1) t", now, now.Add(farAhead)).Scan(ctx, &n)
	return n > 0, explain("look for due runs", err)
}

// ClaimRun gives the first due run that fits beside those at work to a worker; ErrNotFound if there is none. Processes claim one after the
// other, since fits has to see what the others have claimed.
func (tx *Tx) ClaimRun(ctx context.Context, worker string, now, lease time.Time, fits func(run backstay.Run, working []backstay.Run) bool) (run backstay.Run, err error) {
	var fence int64
	if err := tx.tx.NewRaw("update queue_head set fence = fence + 1 where id = 1 returning fence").Scan(ctx, &fence); err != nil {
		return run, explain("claim run", err)
	}
	working, err := tx.RunsAtWork(ctx)
	if err != nil {
		return run, err
	}
	for _, enough := range []int{few, many} {
		var due []backstay.Run
		if err := tx.tx.NewSelect().Model(&due).Where("state = 'pending' and (due_at <= ? or due_at > ?)", now, now.Add(farAhead)).Order("priority desc", "due_at", "id").Limit(int64(enough)).Scan(ctx); err != nil {
			return run, explain("list due runs", err)
		}
		for _, run := range due {
			if !fits(run, working) {
				continue
			}
			run.State, run.Worker, run.Fence, run.LeaseUntil, run.StartedAt, run.UpdatedAt = backstay.Running, worker, fence, &lease, &now, now
			return run, Update(ctx, tx, &run)
		}
		if len(due) < enough {
			break
		}
	}
	return run, ErrNotFound
}

// So many runs can be held back by limits before one is found that isn't. Most of the time one of the first few fits.
const few, many = 5, 200

// Narrow returns of the repositories in storages that bear a limited number of runs at once in which storage they lie, and that number by
// the ids of the storages.
func (tx *Tx) Narrow(ctx context.Context) (storageOf map[string]string, most map[string]int, err error) {
	var rows []struct {
		ID, Storage string
		Parallel    int
	}
	err = tx.tx.NewRaw("select r.id, r.storage, s.parallel from repositories r join storages s on s.id = r.storage where s.parallel > 0").Scan(ctx, &rows)
	storageOf, most = map[string]string{}, map[string]int{}
	for _, r := range rows {
		storageOf[r.ID], most[r.Storage] = r.Storage, r.Parallel
	}
	return storageOf, most, explain("find limits of storages", err)
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

// RunsAtWork returns the runs that somebody works on, or did when they were last heard of.
func (tx *Tx) RunsAtWork(ctx context.Context) (runs []backstay.Run, err error) {
	err = tx.tx.NewSelect().Model(&runs).Where("state = 'running'").Scan(ctx)
	return runs, explain("list running runs", err)
}

// TakeRun takes a run from its claim, whose writes are refused from then on. It reports false if the claim was heard of since run was read.
func (tx *Tx) TakeRun(ctx context.Context, run *backstay.Run) (taken bool, err error) {
	var fence int64
	if err := tx.tx.NewRaw("update queue_head set fence = fence + 1 where id = 1 returning fence").Scan(ctx, &fence); err != nil {
		return false, explain("take run", err)
	}
	n, err := tx.exec(ctx, "update runs set fence = ? where id = ? and fence = ? and state = 'running' and lease_until is not distinct from ?", fence, run.ID, run.Fence, run.LeaseUntil)
	run.Fence = fence
	return n > 0, err
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
	_, err := tx.tx.NewInsert().Model(&lines).On("conflict do nothing").Exec(ctx) // of a commit that was not known to have succeeded
	return explain("add to log", err)
}

// RunsOf returns those of some runs that are there, which are named by the keys of a map.
func (tx *Tx) RunsOf(ctx context.Context, ids map[string]int64) (runs []backstay.Run, err error) {
	for some := range slices.Chunk(slices.Collect(maps.Keys(ids)), MaxPage) {
		var found []backstay.Run
		if err := tx.tx.NewSelect().Model(&found).Where("id in (?)", bun.List(some)).Scan(ctx); err != nil {
			return nil, explain("find watched runs", err)
		}
		runs = append(runs, found...)
	}
	return runs, nil
}

// Lines returns the log of a run after a line.
func (tx *Tx) Lines(ctx context.Context, run string, after int64, limit int) (lines []backstay.RunLine, err error) {
	lines = []backstay.RunLine{}
	err = tx.tx.NewSelect().Model(&lines).Where("run = ? and seq > ?", run, after).Order("seq").Limit(int64(limit)).Scan(ctx)
	return lines, explain("read log", err)
}

// SliceRuns returns the verifications of slices of a repository, of so many as they are now, the oldest first.
func (tx *Tx) SliceRuns(ctx context.Context, repository string, parts int) (runs []backstay.Run, err error) {
	err = tx.tx.NewSelect().Model(&runs).Where("kind = ? and repositories like ? and options like ?", backstay.RunVerification, `%"`+repository+`"%`, fmt.Sprintf(`%%"slice":"%%/%d"%%`, parts)).
		Order("created_at").Scan(ctx)
	return runs, explain("find verified slices", err)
}

// ForgotSince reports whether snapshots were removed from a repository by runs that ended after a time.
func (tx *Tx) ForgotSince(ctx context.Context, repository string, since time.Time) (bool, error) {
	var runs []backstay.Run
	err := tx.tx.NewSelect().Model(&runs).Column("figures").Where("kind = ? and repositories like ? and ended_at > ?", backstay.RunForget, `%"`+repository+`"%`, since).Scan(ctx)
	return slices.ContainsFunc(runs, func(r backstay.Run) bool { return r.Figures.Changed > 0 }), explain("find forgotten snapshots", err)
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
