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

// Free says when a channel may send its next message, from its limit an hour and when it sent those of the last one.
type Free func(limit int, sent []time.Time) time.Time

// ClaimDeliveries gives what is to be sent first to the caller until its lease ends: one delivery, or all of one digest. ErrNotFound means
// that there is nothing; ErrChanged that another process was faster. It returns none if the channel isn't free: what is due by it is held until then.
func (tx *Tx) ClaimDeliveries(ctx context.Context, now, lease time.Time, free Free) (claimed []backstay.Delivery, err error) {
	var first backstay.Delivery
	err = tx.tx.NewRaw("select * from deliveries d where "+due+" order by d.next, d.created_at, d.id limit 1", now, now, now).Scan(ctx, &first)
	if err != nil {
		return nil, explain("find due delivery", err)
	}
	if first, err = tx.firstOf(ctx, first.Channel, now); err != nil {
		return nil, err
	}
	if held, err := tx.hold(ctx, first, now, free); err != nil || held {
		return nil, err
	}
	if claimed, err = tx.together(ctx, first, now); err != nil {
		return nil, err
	}
	for i := range claimed {
		claimed[i].LeaseUntil = &lease
		if err := Update(ctx, tx, &claimed[i]); err != nil {
			return nil, err
		}
	}
	return claimed, nil
}

// together returns all that goes as one message with a delivery: a digest has those of its project; what was held, all that is due by now.
// Critical messages are never among them.
func (tx *Tx) together(ctx context.Context, first backstay.Delivery, now time.Time) (all []backstay.Delivery, err error) {
	if first.Severity == backstay.SeverityCritical || !first.Held && !first.Digest {
		return []backstay.Delivery{first}, nil
	}
	which, args := "d.digest and d.project = ?", []any{now, now, now, first.Channel, first.Project}
	if first.Held {
		which, args = "d.severity <> 'critical'", args[:4]
	}
	err = tx.tx.NewRaw("select * from deliveries d where "+due+" and d.channel = ? and "+which+" order by d.created_at, d.id limit ?", append(args, MaxPage)...).Scan(ctx, &all)
	return all, explain("find digest", err)
}

// hold makes all that is due by the channel of a delivery wait, if it isn't free for another message. Critical messages don't wait; they count.
func (tx *Tx) hold(ctx context.Context, first backstay.Delivery, now time.Time, free Free) (held bool, err error) {
	c, err := Find[backstay.Channel](ctx, tx, first.Channel)
	if err != nil || c.HourlyLimit == 0 || first.Severity == backstay.SeverityCritical {
		return false, err
	}
	var sent []time.Time // what went together went at the same time
	err = tx.tx.NewRaw("select distinct next from deliveries where channel = ? and state = 'sent' and next > ?", c.ID, now.Add(-time.Hour)).Scan(ctx, &sent)
	if err != nil {
		return false, explain("find sent messages", err)
	}
	at := free(c.HourlyLimit, sent)
	if !at.After(now) {
		return false, nil
	}
	_, err = tx.exec(ctx, `update deliveries set next = ?, held = ?, updated_at = ?, version = version + 1
		where channel = ? and state = 'pending' and severity <> 'critical' and next <= ? and (lease_until is null or lease_until <= ?)`,
		at.UTC().Truncate(time.Microsecond), true, now, c.ID, now, now)
	return true, err
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
