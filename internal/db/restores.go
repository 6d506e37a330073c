package db

import (
	"context"
	"time"
)

// DropRun ends a run that nobody has begun.
func (tx *Tx) DropRun(ctx context.Context, id string, now time.Time) error {
	_, err := tx.exec(ctx, "update runs set state = 'cancelled', cancel = ?, ended_at = ?, updated_at = ? where id = ? and state = 'pending'", true, now, now, id)
	return err
}
