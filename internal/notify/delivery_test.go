package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
)

// start is when the deliveries here are due.
var start = time.Date(2026, 11, 27, 22, 0, 0, 0, time.UTC)

// at is a clock that shows one time.
type at struct{ clock.Clock }

func (at) Now() time.Time { return start }

// channelFunc is a channel made of a function.
type channelFunc func(ctx context.Context, m Message) error

func (f channelFunc) Send(ctx context.Context, m Message) error { return f(ctx, m) }

var errDown = errors.New("connection refused")

func TestADeliveryIsTriedForThreeDaysAtGrowingDistances(t *testing.T) {
	d := NewDelivery("d", "c", Message{ID: "m"}, start)
	var waits []time.Duration
	for now := d.Next; d.State == Pending; now = d.Next {
		if d = d.After(errDown, now); d.State == Pending {
			waits = append(waits, d.Next.Sub(now))
		}
	}
	want := []time.Duration{10 * time.Second, 30 * time.Second, 90 * time.Second, 270 * time.Second, 810 * time.Second, 2430 * time.Second, 7290 * time.Second,
		6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour, 6 * time.Hour}
	if fmt.Sprint(waits) != fmt.Sprint(want) {
		t.Errorf("it waited %v, want %v", waits, want)
	}
	if d.State != Failed || d.Error != "given up after 19 attempts in 69 hours: connection refused" || d.Next.Sub(start) > maxAge {
		t.Errorf("in the end it was %+v", d)
	}
}

func TestWhatBecomesOfAnAttempt(t *testing.T) {
	later := func(d time.Duration) error {
		return fmt.Errorf("send: %w", &LaterError{After: d, Err: errors.New("busy")})
	}
	for _, c := range []struct {
		name  string
		err   error
		state State
		wait  time.Duration
		text  string
	}{
		{"it was taken", nil, Sent, 0, ""},
		{"nobody was there", errDown, Pending, 10 * time.Second, "connection refused"},
		{"it was refused", fmt.Errorf("%w: no such user", ErrRefused), Failed, 0, "message refused: no such user"},
		{"the receiver asked for two minutes", later(2 * time.Minute), Pending, 2 * time.Minute, "send: busy"},
		{"the receiver asked for less than there is between tries", later(time.Second), Pending, 10 * time.Second, "send: busy"},
		{"the receiver asked for a year", later(365 * 24 * time.Hour), Pending, 6 * time.Hour, "send: busy"},
	} {
		d := Deliver(t.Context(), channelFunc(func(context.Context, Message) error { return c.err }), NewDelivery("d", "c", Message{}, start), at{})
		if d.State != c.state || d.Next.Sub(start) != c.wait || d.Error != c.text || d.Attempts != 1 {
			t.Errorf("%s: %s, next in %v, %d attempts, %q", c.name, d.State, d.Next.Sub(start), d.Attempts, d.Error)
		}
	}
}

func TestADeliveryHasItsBounds(t *testing.T) {
	d := NewDelivery("d", "c", Message{Subject: strings.Repeat("x", 1<<20), Text: strings.Repeat("x", 1<<20)}, start)
	d = d.After(errors.New(strings.Repeat("x", 1<<20)), start)
	if text, err := json.Marshal(d); err != nil || len(text) > 64<<10 {
		t.Errorf("Marshal = %d bytes, %v", len(text), err)
	}
}

func TestAnErrorIsForgottenOnceTheMessageIsTaken(t *testing.T) {
	d := NewDelivery("d", "c", Message{}, start).After(errDown, start).After(nil, start.Add(time.Minute))
	if d.State != Sent || d.Error != "" || d.Attempts != 2 || !d.Next.Equal(start.Add(time.Minute)) {
		t.Errorf("it is %+v", d)
	}
}

func TestAProgramThatIsStoppedMeanwhileMadeNoAttempt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stopped := channelFunc(func(ctx context.Context, _ Message) error { cancel(); return ctx.Err() })
	d := NewDelivery("d", "c", Message{}, start)
	if got := Deliver(ctx, stopped, d, at{}); got.State != Pending || got.Attempts != 0 || !got.Next.Equal(start) {
		t.Errorf("Deliver = %+v, want it as it was", got)
	}
}

func TestADeliveryThatIsDoneIsNotSentAgain(t *testing.T) {
	for _, state := range []State{Sent, Failed} {
		d := NewDelivery("d", "c", Message{}, start)
		d.State = state
		Deliver(t.Context(), channelFunc(func(context.Context, Message) error { t.Errorf("a %s one was sent", state); return nil }), d, at{})
	}
}

func TestADeliveryIsReadBackFromItsJSON(t *testing.T) {
	d := NewDelivery("d", "c", Message{ID: "m", Facts: []Fact{{"a", "b"}}, Time: start}, start).After(errDown, start)
	text, err := json.Marshal(d)
	var back Delivery
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if err != nil || fmt.Sprint(back) != fmt.Sprint(d) {
		t.Errorf("Unmarshal = %+v, %v, want %+v", back, err, d)
	}
}

func TestAChannelIsFreeWhenItsRateAllows(t *testing.T) {
	ago := func(minutes ...int) (all []time.Time) {
		for _, m := range minutes {
			all = append(all, start.Add(-time.Duration(m)*time.Minute))
		}
		return all
	}
	rate := Rate{Messages: 3, Per: time.Hour}
	for _, c := range []struct {
		name string
		rate Rate
		sent []time.Time
		want int // minutes from now
	}{
		{"nothing sent yet", rate, nil, 0},
		{"fewer than allowed", rate, ago(1, 2), 0},
		{"as many as allowed, the third last 50 minutes ago", rate, ago(50, 20, 10), 10},
		{"in any order", rate, ago(10, 50, 20), 10},
		{"the third last an hour ago", rate, ago(10, 20, 60), 0},
		{"old ones don't matter", rate, ago(5, 300, 400, 500, 600), 0},
		{"more than allowed", rate, ago(1, 2, 3, 4, 5), 57},
		{"no limit", Rate{}, ago(0, 0, 0, 0), 0},
	} {
		if got := c.rate.Free(start, c.sent); !got.Equal(start.Add(time.Duration(c.want) * time.Minute)) {
			t.Errorf("%s: Free = in %v, want %d minutes", c.name, got.Sub(start), c.want)
		}
	}
}
