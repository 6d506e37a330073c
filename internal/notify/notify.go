// Package notify tells people what happened.
//
// A Message is what there is to tell of one event. A Channel brings it to one receiver; its adapters are the packages below. A rule
// (backstay.NotificationRule) says which events become messages and when they are due: Takes, Due and Reminder are pure. A Delivery
// is one message on its way by one channel: Deliver tries once and says when to try again. The package stores nothing and waits for
// nothing: whoever keeps deliveries in a database asks for those that are due, and writes back what Deliver returns.
//
// A message may come twice, if the receiver took it and its answer was lost. It never comes with another ID, so that a receiver can tell.
package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/settings"
)

// Message tells of one event. What is in it may come from anywhere, such as from the name of a file: adapters send it as Clean returns it.
type Message struct {
	ID       string            `json:"id"`    // of the event; a reminder has another one
	Event    string            `json:"event"` // such as "run.failed"
	Severity backstay.Severity `json:"severity"`
	Subject  string            `json:"subject"`
	Text     string            `json:"text"` // plain, of several lines
	Link     string            `json:"link,omitempty"`
	Facts    []Fact            `json:"facts,omitempty"`
	Time     time.Time         `json:"time"`
	Project  string            `json:"project"` // its name
	// Thread is the same in messages that are about the same thing, such as an alert, so that they can be shown together; it may be "".
	Thread string `json:"thread,omitempty"`
}

// Fact is a name and a value, such as "files" and "12,345".
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Ref is a short name of the message for people and for receivers that know no ids: the same for the same ID.
func (m Message) Ref() string {
	sum := sha256.Sum256([]byte(m.ID))
	return hex.EncodeToString(sum[:4])
}

// Channel brings messages to one receiver. It may be used by several goroutines.
type Channel interface {
	// Send returns once the receiver has the message, or with the reason why not, in which no secret stands. It tries once, and returns
	// at once when ctx ends, with its cause. The error wraps ErrRefused if the receiver won't take this message however often it is
	// tried, and is a *LaterError if it said when to come again.
	Send(ctx context.Context, m Message) error
}

// ErrRefused means that the receiver won't take this message.
var ErrRefused = errors.New("message refused")

// LaterError means that the receiver asks to be left alone for a time.
type LaterError struct {
	After time.Duration
	Err   error
}

func (e *LaterError) Error() string { return e.Err.Error() }

// Unwrap returns the error without the time.
func (e *LaterError) Unwrap() error { return e.Err }

// Provider is a kind of channel, told once: forms, the API and the reference are made of it.
type Provider struct {
	Kind   string
	Title  string
	Fields []settings.Field
	// Open returns the Channel for checked values. It asks nobody: whether anybody is there shows when something is sent.
	Open func(v settings.Values, env Env) (Channel, error)
}

// Env is what an adapter gets from the program around it.
type Env struct {
	Clock    clock.Clock
	Rand     io.Reader
	Hostname string // of this machine, as it calls itself to mail servers
	// Dial makes every connection of the adapter, so that one place says which addresses may be reached.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}
