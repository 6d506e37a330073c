package db

import (
	"context"
	"time"

	"github.com/backstay/backstay"
)

// MarkSnapshots notes what a verification has found of a snapshot in a repository; of all of them for "". What was read in full is not
// outdone by a look at the structure.
func (tx *Tx) MarkSnapshots(ctx context.Context, repository, handle string, health backstay.Health, level string, now time.Time) error {
	_, err := tx.exec(ctx, `update snapshots set health = ?, health_level = ?, health_at = ?, updated_at = ?
		where repository = ? and (? = '' or handle = ?)`, health, level, now, now, repository, handle, handle)
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
