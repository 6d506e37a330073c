package app

import (
	"context"
	"errors"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/notify"
)

// deliveryLease is how long a process has to send a message, after which another one takes it over. It is longer than any channel tries.
const deliveryLease = 5 * time.Minute

// keepDeliveries is how long it can be seen what was sent and what was not.
const keepDeliveries = 90 * 24 * time.Hour

func (a *App) deliveries() *Noun[backstay.Delivery, *backstay.Delivery] {
	return &Noun[backstay.Delivery, *backstay.Delivery]{app: a, Kind: "delivery", Read: backstay.ManageChannels, Manage: backstay.ManageChannels,
		Filters: []string{"state", "channel", "event", "alert", "severity"},
		name:    func(d *backstay.Delivery) string { return d.Subject }}
}

// Deliver sends all messages that are due. Any number of processes and goroutines may call it: each message is sent by one of them.
func (a *App) Deliver(ctx context.Context) error {
	return whileAny(ctx, a.deliver)
}

// whileAny does one thing after the other, as long as there are any.
func whileAny(ctx context.Context, one func(context.Context) (worked bool, err error)) error {
	for ctx.Err() == nil {
		if worked, err := one(ctx); err != nil || !worked {
			return err
		}
	}
	return nil
}

// deliver sends one message, or one digest. It reports false if there is none.
func (a *App) deliver(ctx context.Context) (worked bool, err error) {
	now, due := a.now(), false
	err = a.DB.Read(ctx, func(tx *db.Tx) error {
		due, err = tx.DueDelivery(ctx, now)
		return err
	})
	if err != nil || !due {
		return false, err
	}
	var claimed []backstay.Delivery
	err = a.DB.Write(ctx, func(tx *db.Tx) error {
		claimed, err = tx.ClaimDeliveries(ctx, now, now.Add(deliveryLease), func(limit int, sent []time.Time) time.Time {
			return notify.Rate{Messages: limit, Per: time.Hour}.Free(now, sent)
		})
		return err
	})
	switch {
	case errors.Is(err, db.ErrNotFound):
		return false, nil
	case errors.Is(err, db.ErrChanged):
		return true, nil // another one has it: look for the next
	case err != nil:
		return false, err
	case len(claimed) == 0:
		return true, nil // its channel isn't free: look for the next
	}
	err = a.send(ctx, claimed)
	stopped := err != nil && ctx.Err() != nil
	return true, a.sent(context.WithoutCancel(ctx), claimed, err, stopped)
}

// send brings what was claimed to the channel, as one message.
func (a *App) send(ctx context.Context, claimed []backstay.Delivery) error {
	var open notify.Channel
	err := a.DB.Read(ctx, func(tx *db.Tx) (err error) {
		t := &task{app: a, ctx: ctx, tx: tx}
		_, open, err = t.openChannel(claimed[0].Channel, claimed[0].To)
		return err
	})
	if err != nil {
		return err
	}
	messages := make([]notify.Message, len(claimed))
	for i, d := range claimed {
		if messages[i], err = a.letter(d); err != nil {
			return err
		}
	}
	return open.Send(ctx, notify.Digest(messages, a.now()))
}

// sent records what became of an attempt. One that was stopped was none. What is no longer this claim's stays as it is.
func (a *App) sent(ctx context.Context, claimed []backstay.Delivery, failed error, stopped bool) error {
	now := a.now()
	return a.DB.Write(ctx, func(tx *db.Tx) error {
		for _, d := range claimed {
			d.LeaseUntil, d.UpdatedAt = nil, now
			if !stopped {
				n := notify.Delivery{Due: d.Due, Attempts: d.Attempts, State: notify.State(d.State)}.After(failed, now)
				d.Attempts, d.Next, d.Error, d.State = n.Attempts, n.Next.UTC().Truncate(time.Microsecond), n.Error, backstay.DeliveryState(n.State)
			}
			if d.State != backstay.DeliveryPending {
				d.Sealed = "" // nobody needs it any more
			}
			if err := db.Update(ctx, tx, &d); err != nil && !errors.Is(err, db.ErrChanged) {
				return err
			}
			if d.State == backstay.DeliveryFailed {
				a.Log.WarnContext(ctx, "a message was given up", "delivery", d.ID, "channel", d.Channel, "error", d.Error)
			}
		}
		return nil
	})
}
