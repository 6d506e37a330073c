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

// due is what can be sent now: a channel is sent one message after the other, so that an end is not told before its beginning.
const due = `d.state = 'pending' and d.next <= ? and (d.lease_until is null or d.lease_until <= ?)
	and not exists (select 1 from deliveries o where o.channel = d.channel and o.state = 'pending' and o.lease_until > ?)`

// DueDelivery reports whether there is something to be sent.
func (tx *Tx) DueDelivery(ctx context.Context, now time.Time) (bool, error) {
	var n int
	err := tx.tx.NewRaw("select count(*) from (select 1 from deliveries d where "+due+" limit 1) t", now, now, now).Scan(ctx, &n)
	return n > 0, explain("look for due deliveries", err)
}

// ClaimDeliveries gives what is to be sent first to the caller until its lease ends: one delivery, or all of one digest. ErrNotFound means
// that there is nothing; ErrChanged that another process was faster.
func (tx *Tx) ClaimDeliveries(ctx context.Context, now, lease time.Time) (claimed []backstay.Delivery, err error) {
	var first backstay.Delivery
	err = tx.tx.NewRaw("select * from deliveries d where "+due+" order by d.next, d.created_at, d.id limit 1", now, now, now).Scan(ctx, &first)
	if err != nil {
		return nil, explain("find due delivery", err)
	}
	if first, err = tx.firstOf(ctx, first.Channel, now); err != nil {
		return nil, err
	}
	claimed = []backstay.Delivery{first}
	if first.Digest {
		claimed = nil
		err = tx.tx.NewRaw("select * from deliveries d where "+due+" and d.digest and d.channel = ? and d.project = ? order by d.created_at, d.id limit ?",
			now, now, now, first.Channel, first.Project, MaxPage).Scan(ctx, &claimed)
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

// firstOf finds what a channel is to send first, and keeps others from claiming of it until the transaction ends.
func (tx *Tx) firstOf(ctx context.Context, channel string, now time.Time) (first backstay.Delivery, err error) {
	if tx.postgres { // SQLite has one writer at a time
		if _, err := tx.exec(ctx, "select 1 from channels where id = ? for no key update", channel); err != nil {
			return first, err
		}
	}
	err = tx.tx.NewRaw("select * from deliveries d where "+due+" and d.channel = ? order by d.next, d.created_at, d.id limit 1", now, now, now, channel).Scan(ctx, &first)
	if err = explain("find due delivery", err); err == ErrNotFound {
		err = ErrChanged // another one has it
	}
	return first, err
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
