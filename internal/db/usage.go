package db

import (
	"context"

	"github.com/backstay/backstay"
)

// RecordUsage notes what each repository takes as that of a day. All that are not as they were noted are written at once, so that the sum over a storage is right
// for each day that there is. In the order of their ids: two processes that do so at once would otherwise wait for each other.
func (tx *Tx) RecordUsage(ctx context.Context, day string) error {
	_, err := tx.exec(ctx, `insert into usage (repository, day, storage, bytes, snapshots) select r.id, ?, r.storage, r.bytes, r.snapshots from repositories r
		where not exists (select 1 from usage u where u.repository = r.id and u.day = ? and u.bytes = r.bytes and u.snapshots = r.snapshots) order by r.id
		on conflict (repository, day) do update set bytes = excluded.bytes, snapshots = excluded.snapshots`, day, day)
	return err
}

// ForgetUsage removes the days before one.
func (tx *Tx) ForgetUsage(ctx context.Context, day string) error {
	_, err := tx.exec(ctx, "delete from usage where day < ?", day)
	return err
}

// StorageDay is what a storage held on a day.
type StorageDay struct {
	Storage string
	backstay.UsageDay
}

// UsageOf returns what some storages held on each day from one on, storage by storage and the oldest first.
func (tx *Tx) UsageOf(ctx context.Context, storages []string, from string) (days []StorageDay, err error) {
	err = tx.tx.NewRaw(`select storage, day, cast(sum(bytes) as bigint) as bytes, cast(sum(snapshots) as bigint) as snapshots from usage
		where storage in (?) and day >= ? group by storage, day order by storage, day`, list(storages), from).Scan(ctx, &days)
	return days, explain("read usage", err)
}

// RepositoryUsage returns what a repository took on each day from one on, the oldest first.
func (tx *Tx) RepositoryUsage(ctx context.Context, repository, from string) (days []backstay.UsageDay, err error) {
	err = tx.tx.NewRaw("select day, bytes, snapshots from usage where repository = ? and day >= ? order by day", repository, from).Scan(ctx, &days)
	return days, explain("read usage", err)
}

// StorageHolding is a storage with what its repositories take.
type StorageHolding struct {
	ID, Name, Project              string
	Limit                          int64
	Repositories, Bytes, Snapshots int64
}

// StorageHoldings returns the storages of a region, in the order of their names.
func (tx *Tx) StorageHoldings(ctx context.Context, r Region) (all []StorageHolding, err error) {
	seen := r.in(tx, tx.tx.NewSelect().Model((*backstay.Storage)(nil)).Column("id", "name", "project", "limit"), backstay.Storage{}, true)
	err = tx.tx.NewSelect().TableExpr("(?) as s", seen).Join("left join (select storage, count(*) as repositories, cast(sum(bytes) as bigint) as bytes, cast(sum(snapshots) as bigint) as snapshots from repositories group by storage) r on r.storage = s.id").
		ColumnExpr(`s.id, s.name, s.project, s."limit", coalesce(r.repositories, 0) as repositories, coalesce(r.bytes, 0) as bytes, coalesce(r.snapshots, 0) as snapshots`).
		OrderExpr("lower(s.name), s.id").Scan(ctx, &all)
	return all, explain("list what storages hold", err)
}
