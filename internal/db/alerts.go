package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"github.com/backstay/backstay"
)

// PlanRuns returns the newest backups of a plan that are over, the newest first.
func (tx *Tx) PlanRuns(ctx context.Context, plan string, limit int) (runs []backstay.Run, err error) {
	err = tx.tx.NewSelect().Model(&runs).Where("plan = ? and kind = 'backup' and ended_at is not null", plan).Order("created_at desc").Limit(int64(limit)).Scan(ctx)
	return runs, explain("find runs of plan", err)
}

// Verifications returns the newest verifications of a repository that are over, the newest first.
func (tx *Tx) Verifications(ctx context.Context, repository string, limit int) (runs []backstay.Run, err error) {
	err = tx.tx.NewSelect().Model(&runs).Where("kind = 'verification' and ended_at is not null and repositories like ?", `%"`+repository+`"%`).
		Order("created_at desc").Limit(int64(limit)).Scan(ctx)
	return runs, explain("find verifications", err)
}

// LastGood is when the last good backup of a plan ended.
type LastGood struct {
	Plan string
	At   time.Time
}

// LastGoods returns when the last good backup of each plan ended, by the ids of the plans.
func (tx *Tx) LastGoods(ctx context.Context) (map[string]time.Time, error) {
	var rows []LastGood
	err := tx.tx.NewRaw(`select r.plan as plan, r.ended_at as at from runs r where r.id in (
		select (select id from runs where plan = p.id and kind = 'backup' and state in ('succeeded', 'warning') order by created_at desc limit 1) from plans p)`).Scan(ctx, &rows)
	all := map[string]time.Time{}
	for _, r := range rows {
		all[r.Plan] = r.At
	}
	return all, explain("find last good runs", err)
}

// OpenAlert adds an alert, unless there is an open one of its kind about the same thing.
func (tx *Tx) OpenAlert(ctx context.Context, alert backstay.Alert) (opened bool, err error) {
	result, err := tx.tx.NewInsert().Model(&alert).On("conflict (kind, object_id) where open do nothing").Exec(ctx)
	if err != nil {
		return false, explain("open alert", err)
	}
	return affected(result) > 0, nil
}

// OpenAlerts returns the open alerts of some kinds about one thing; of all kinds for none, and about everything for "".
func (tx *Tx) OpenAlerts(ctx context.Context, object string, kinds []backstay.AlertKind) (all []backstay.Alert, err error) {
	q := tx.tx.NewSelect().Model(&all).Where("open").Order("created_at", "id")
	if len(kinds) > 0 {
		q = q.Where("kind in (?)", bun.List(kinds))
	}
	if object != "" {
		q = q.Where("object_id = ?", object)
	}
	return all, explain("find open alerts", q.Scan(ctx))
}

// ResolveAlert closes an alert. It reports false if another process did.
func (tx *Tx) ResolveAlert(ctx context.Context, id string, now time.Time) (resolved bool, err error) {
	n, err := tx.exec(ctx, "update alerts set open = ?, resolved_at = ?, updated_at = ?, version = version + 1 where id = ? and open", false, now, now, id)
	return n > 0, err
}

// RetextAlert notes what an open alert says by now.
func (tx *Tx) RetextAlert(ctx context.Context, a backstay.Alert) error {
	_, err := tx.tx.NewUpdate().Model(&a).Column("severity", "run", "text", "next", "clean_up", "updated_at").Set("version = version + 1").Where("id = ? and open", a.ID).Exec(ctx)
	return explain("change alert", err)
}
