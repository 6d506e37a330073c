package db

import (
	"context"
	"time"

	"github.com/backstay/backstay"
)

// AddSnapshot adds a record of a snapshot, unless somebody else has done so.
func (tx *Tx) AddSnapshot(ctx context.Context, s *backstay.Snapshot) error {
	_, err := tx.tx.NewInsert().Model(s).On("conflict do nothing").Exec(ctx)
	return explain("add snapshot", err)
}

// MarkDamaged notes that a verification has found a snapshot of a repository hit by an error.
func (tx *Tx) MarkDamaged(ctx context.Context, repository, handle, level string, now time.Time) error {
	_, err := tx.exec(ctx, "update snapshots set health = ?, health_level = ?, health_at = ?, updated_at = ? where repository = ? and handle = ?",
		backstay.HealthDamaged, level, now, now, repository, handle)
	return err
}

// MarkGood notes that a verification has found no error in a repository. What was read in full is not outdone by a look at the structure,
// and damage in what was read is gone only if all was read again.
func (tx *Tx) MarkGood(ctx context.Context, repository, level string, now time.Time) error {
	_, err := tx.exec(ctx, `update snapshots set health = ?, health_level = ?, health_at = ?, updated_at = ? where repository = ? and (health = ?
		or health = ? and (health_level = 'structure' or ? = 'full')
		or health in (?, ?) and case health_level when 'full' then 2 when 'sample' then 1 else 0 end <= ?)`,
		backstay.HealthGood, level, now, now, repository, backstay.HealthUnverified, backstay.HealthDamaged, level, backstay.HealthGood, backstay.HealthRepaired,
		map[string]int{"sample": 1, "full": 2}[level])
	return err
}

// ProtectedSnapshots returns the originals of the snapshots that no retention removes from a repository.
func (tx *Tx) ProtectedSnapshots(ctx context.Context, repository string) (originals []string, err error) {
	err = tx.tx.NewRaw("select original from snapshots where repository = ? and protected", repository).Scan(ctx, &originals)
	return originals, explain("find protected snapshots", err)
}

// HeldSnapshot notes until when object lock keeps a snapshot.
func (tx *Tx) HeldSnapshot(ctx context.Context, repository, handle string, until time.Time) error {
	_, err := tx.exec(ctx, "update snapshots set kept_until = ? where repository = ? and handle = ?", until, repository, handle)
	return err
}

// CountedRepository notes how many snapshots a repository holds.
func (tx *Tx) CountedRepository(ctx context.Context, id string, snapshots int64) error {
	_, err := tx.exec(ctx, "update repositories set snapshots = ? where id = ?", snapshots, id)
	return err
}

// MeasuredRepository notes how many bytes a repository takes.
func (tx *Tx) MeasuredRepository(ctx context.Context, id string, bytes int64) error {
	_, err := tx.exec(ctx, "update repositories set bytes = ? where id = ?", bytes, id)
	return err
}

// VerifiedRepository notes that all of a repository was read and found right.
func (tx *Tx) VerifiedRepository(ctx context.Context, id string, at time.Time) error {
	_, err := tx.exec(ctx, "update repositories set verified_at = ? where id = ?", at, id)
	return err
}
