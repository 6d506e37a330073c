package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/backstay/backstay/clock"
)

// Delivery is one message on its way by one channel.
type Delivery struct {
	ID       string    `json:"id"`
	Channel  string    `json:"channel"` // its id
	Message  Message   `json:"message"`
	Due      time.Time `json:"due"` // when it is to be sent first
	Attempts int       `json:"attempts"`
	Next     time.Time `json:"next"` // when to try next; of one that isn't pending: when it was tried last
	Error    string    `json:"error,omitempty"`
	State    State     `json:"state"`
}

// State is how far a delivery is.
type State string

// The states. Only a pending delivery changes.
const (
	Pending State = "pending"
	Sent    State = "sent"
	Failed  State = "failed"
)

const (
	firstWait = 10 * time.Second // a connection that broke, a receiver that restarts
	growth    = 3                // 10 s, 30 s, 90 s, 5 min, 14 min, 41 min, 2 h, 6 h, 6 h ...
	maxWait   = 6 * time.Hour
	// maxAge is how long a message is tried: a receiver that is down over a weekend gets it on Monday.
	maxAge = 3 * 24 * time.Hour
	// maxError is how much of an error is kept: with a hundred recipients each may have its own.
	maxError = 2000
)

// NewDelivery returns a delivery that is due at a time. Its message is clean, so that it has its bounds wherever it is stored.
func NewDelivery(id, channel string, m Message, due time.Time) Delivery {
	return Delivery{ID: id, Channel: channel, Message: m.Clean(), Due: due, Next: due, State: Pending}
}

// Deliver tries once to send a pending delivery, and returns what has become of it. If ctx ends meanwhile, as when the program is stopped,
// that was no attempt: the delivery comes back as it was, and is due at once. The receiver may have the message all the same.
func Deliver(ctx context.Context, c Channel, d Delivery, clk clock.Clock) Delivery {
	if d.State != Pending {
		return d
	}
	err := c.Send(ctx, d.Message)
	if err != nil && ctx.Err() != nil {
		return d
	}
	return d.After(err, clk.Now())
}

// After returns the delivery after an attempt that ended at a time, with an error or nil.
func (d Delivery) After(err error, now time.Time) Delivery {
	d.Attempts++
	d.Next = now
	if err == nil {
		d.State, d.Error = Sent, ""
		return d
	}
	d.Error = line(err.Error(), maxError)
	next := now.Add(wait(d.Attempts, err))
	switch {
	case errors.Is(err, ErrRefused):
		d.State = Failed
	case next.After(d.Due.Add(maxAge)):
		d.State = Failed
		d.Error = fmt.Sprintf("given up after %d attempts in %d hours: %s", d.Attempts, int(now.Sub(d.Due).Hours()), d.Error)
	default:
		d.Next = next
	}
	return d
}

// wait returns how long to wait after the attempts so far: longer each time, and as long as the receiver asked for.
func wait(attempts int, err error) time.Duration {
	d := firstWait
	for i := 1; i < attempts && d < maxWait; i++ {
		d *= growth
	}
	if later := (*LaterError)(nil); errors.As(err, &later) {
		d = max(d, later.After)
	}
	return min(d, maxWait)
}

// Rate is how many messages a channel takes in a time, so that a bad night doesn't fill a phone or get the sender blocked.
type Rate struct {
	Messages int
	Per      time.Duration
}

// Free returns when the next message may be sent: now, or later if as many as allowed were sent too short a time ago. Sent are the times
// of messages by the channel, in any order; those that are older than Per don't matter.
func (r Rate) Free(now time.Time, sent []time.Time) time.Time {
	if r.Messages <= 0 || len(sent) < r.Messages {
		return now
	}
	latest := slices.SortedFunc(slices.Values(sent), func(a, b time.Time) int { return b.Compare(a) })
	if free := latest[r.Messages-1].Add(r.Per); free.After(now) {
		return free
	}
	return now
}
