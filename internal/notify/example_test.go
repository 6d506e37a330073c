package notify_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/notify"
)

// fixed is a clock that shows the time it is set to.
type fixed struct {
	clock.Clock
	now time.Time
}

func (c *fixed) Now() time.Time { return c.now }

// shaky is a channel that takes a message at the second attempt.
type shaky struct{ attempts int }

func (s *shaky) Send(_ context.Context, m notify.Message) error {
	if s.attempts++; s.attempts == 1 {
		return &notify.LaterError{After: time.Minute, Err: errors.New("the receiver answers 429 Too Many Requests")}
	}
	fmt.Println("arrived:", m.Subject)
	return nil
}

// An event becomes a delivery for each rule that takes it. A loop asks for those that are due, tries each once, and keeps what came of it.
func Example() {
	clk := &fixed{now: time.Date(2026, 11, 27, 23, 0, 0, 0, time.UTC)}
	rule := backstay.NotificationRule{Placed: backstay.Placed{Project: "p1"}, Channel: "c1", Events: []string{"run.*"}, MinSeverity: backstay.SeverityWarning,
		Quiet: &backstay.QuietHours{From: "22:00", To: "07:00", Zone: "Europe/Berlin"}}
	event := notify.Event{Name: "run.failed", Severity: backstay.SeverityError, Project: "p1"}

	var outbox []notify.Delivery
	if notify.Takes(rule, event) {
		due, _ := notify.Due(rule, event.Severity, clk.Now())
		message := notify.Message{ID: "run-1", Event: event.Name, Severity: event.Severity, Subject: "Backup failed", Time: clk.Now()}
		outbox = append(outbox, notify.NewDelivery("d1", rule.Channel, message, due))
	}

	channel, rate, sent := &shaky{}, notify.Rate{Messages: 10, Per: time.Hour}, []time.Time(nil)
	for i := 0; i < len(outbox); {
		d := outbox[i]
		if clk.now = rate.Free(d.Next, sent); d.State != notify.Pending {
			i++
			continue
		}
		d = notify.Deliver(context.Background(), channel, d, clk)
		if d.State == notify.Sent {
			sent = append(sent, d.Next)
		}
		fmt.Println(d.State, d.Next.Format("15:04:05"), d.Error)
		outbox[i] = d
	}
	// Output:
	// pending 06:01:00 the receiver answers 429 Too Many Requests
	// arrived: Backup failed
	// sent 06:01:00
}
