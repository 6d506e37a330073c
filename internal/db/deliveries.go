package db

import (
	"context"
	"time"

	"github.com/backstay/backstay"
)

// Enqueue adds a delivery, unless the channel has one of the same event already.
func (tx *Tx) Enqueue(ctx context.Context, d backstay.Delivery) error {
	_, err := tx.tx.NewInsert().Model(&d).On("conflict (event_id, channel) do nothing").Exec(ctx)
	return explain("add delivery", err)
}

// DueDelivery reports whether there is something to be sent.
func (tx *Tx) DueDelivery(ctx context.Context, now time.Time) (bool, error) {
	var n int
	err := tx.tx.NewRaw("select count(*) from (select 1 from deliveries where state = 'pending' and next <= ? and (lease_until is null or lease_until <= ?) limit 1) t", now, now).Scan(ctx, &n)
	return n > 0, explain("look for due deliveries", err)
}

// ClaimDeliveries gives what is to be sent first to the caller until its lease ends: one delivery, or all of one digest. ErrNotFound means
// that there is nothing; ErrChanged that another process was faster.
func (tx *Tx) ClaimDeliveries(ctx context.Context, now, lease time.Time) (claimed []backstay.Delivery, err error) {
	var first backstay.Delivery
	err = tx.tx.NewSelect().Model(&first).Where("state = 'pending' and next <= ? and (lease_until is null or lease_until <= ?)", now, now).Order("next", "id").Limit(1).Scan(ctx)
	if err != nil {
		return nil, explain("find due delivery", err)
	}
	claimed = []backstay.Delivery{first}
	if first.Digest {
		err = tx.tx.NewSelect().Model(&claimed).Where("state = 'pending' and digest and channel = ? and project = ? and next <= ? and (lease_until is null or lease_until <= ?)",
			first.Channel, first.Project, now, now).Order("created_at", "id").Limit(MaxPage).Scan(ctx)
		if err != nil {
			return nil, explain("find digest", err)
		}
	}
	for i := range claimed {
		claimed[i].LeaseUntil = &lease
		if err := Update(ctx, tx, &claimed[i]); err != nil {
			return nil, err
		}
	}
	return claimed, nil
}

// LastTold returns when a channel was last to tell of an alert; ErrNotFound if never.
func (tx *Tx) LastTold(ctx context.Context, alert, channel string) (at time.Time, err error) {
	err = tx.tx.NewRaw("select due from deliveries where alert = ? and channel = ? order by due desc limit 1", alert, channel).Scan(ctx, &at)
	return at, explain("find last message", err)
}

// ForgetDeliveries removes what was sent, or given up, before a time.
func (tx *Tx) ForgetDeliveries(ctx context.Context, before time.Time) error {
	_, err := tx.exec(ctx, "delete from deliveries where state <> 'pending' and next < ?", before)
	return err
}
