package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
)

// ClockTick is how much steady time lies between two calls of WatchClock.
const ClockTick = time.Minute

// What a clock may do before it is doubted: a snapshot that is dated wrong makes a policy remove others for it.
const (
	maxJump     = time.Hour          // forward between two ticks, beyond which nothing is forgotten until the time is sure
	maxSetBack  = time.Minute        // backward
	maxOff      = 3 * 24 * time.Hour // a machine that was off or asleep comes back within that; what is more a person has to confirm
	steadyTicks = 60                 // after which a time that moved on by itself is taken for sure
)

// ClockState is what is known of the server's time.
type ClockState struct {
	Seen   time.Time `json:"seen" doc:"When it was last looked at, by itself"`
	Held   bool      `json:"held" doc:"The clock has jumped: nothing is forgotten or pruned"`
	From   time.Time `json:"from,omitzero" doc:"Before the jump"`
	To     time.Time `json:"to,omitzero" doc:"After the jump"`
	Left   int       `json:"minutes_left,omitempty" doc:"After which the time is trusted again; 0: when a person confirms it"`
	Person bool      `json:"person,omitempty" doc:"A person has to confirm the time"`
	Older  bool      `json:"older,omitempty" doc:"The database is older than what the repositories hold, such as after a restore: a person has to confirm that all is as they want it"`
}

// jumped reports whether the clock is now where it can't have come to since it was seen.
func (c ClockState) jumped(now time.Time) bool {
	by := now.Sub(c.Seen)
	return by > maxJump || by < -maxSetBack
}

// next is what is known a tick later.
func (c ClockState) next(now time.Time) ClockState {
	by := now.Sub(c.Seen)
	switch {
	case c.jumped(now):
		if !c.Held {
			c.From = c.Seen
		}
		c.Held, c.To, c.Left = true, now, steadyTicks
		c.Person = c.Person || by < 0 || by > maxOff
	case c.Held && !c.Person:
		c.Left--
		c.Held = c.Left > 0
	}
	if c.Person {
		c.Left = 0
	}
	if !c.Held {
		c = ClockState{}
	}
	c.Seen = now
	return c
}

// clock recalls what is known of the server's time.
func (a *App) clock(ctx context.Context, tx *db.Tx) (c ClockState, err error) {
	text, err := tx.Recall(ctx, "clock")
	if errors.Is(err, db.ErrNotFound) {
		return ClockState{Seen: a.now()}, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &c)
	}
	return c, err
}

func rememberClock(ctx context.Context, tx *db.Tx, c ClockState) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return tx.Remember(ctx, "clock", string(text))
}

// clockHeld reports whether the time is not sure enough to remove anything by it.
func (a *App) clockHeld(ctx context.Context, tx *db.Tx) (bool, error) {
	c, err := a.clock(ctx, tx)
	return c.Held || c.jumped(a.now()), err
}

// WatchClock notes the time, and whether it has jumped since it was last noted, by any process. A process calls it once each ClockTick,
// and when it begins.
func (a *App) WatchClock(ctx context.Context) error {
	err := a.DB.Write(ctx, func(tx *db.Tx) error {
		was, err := a.clock(ctx, tx)
		if err != nil {
			return err
		}
		c := was.next(a.now())
		if err := rememberClock(ctx, tx, c); err != nil || was.Held == c.Held {
			return err
		}
		t := a.task(ctx, backstay.Server, "clock.trusted")
		t.tx = tx
		reason := "it has moved on by itself for an hour"
		if c.Held {
			t.event.Action = "clock.jumped"
			reason = fmt.Sprintf("from %s to %s: nothing is forgotten or pruned for now", c.From.Format(time.RFC3339), c.To.Format(time.RFC3339))
		}
		t.on("clock", "server", "")
		return t.log(backstay.ResultAllowed, reason)
	})
	if err != nil {
		return explain(err, "clock")
	}
	return nil
}

// ServerClock returns what is known of the server's time.
func (a *App) ServerClock(ctx context.Context, who backstay.Actor) (c ClockState, err error) {
	err = a.look(ctx, who, "clock.read", func(t *task) error {
		if err := t.free(); err != nil {
			return err
		}
		c, err = a.clock(ctx, t.tx)
		return err
	})
	return c, err
}

// ConfirmClock says that the server's time is right, however it came to be: what was held is done.
func (a *App) ConfirmClock(ctx context.Context, who backstay.Actor) (c ClockState, err error) {
	err = a.change(ctx, who, "clock.confirmed", func(t *task) error {
		t.on("clock", "server", "")
		if err := t.allow(backstay.ManageSystem, backstay.System, ""); err != nil {
			return err
		}
		was, err := a.clock(ctx, t.tx)
		if err != nil {
			return err
		}
		c = ClockState{Seen: a.now()}
		if err := rememberClock(ctx, t.tx, c); err != nil {
			return err
		}
		return t.changed(was, c)
	})
	return c, err
}
