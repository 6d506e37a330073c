// Package sink brings the audit trail to other machines while it is written.
//
// A Record is an event of the trail, or a signed head of it: what the trail was at one moment. A Sink is a receiver of records; its adapters
// are the packages below. Whoever keeps the trail calls Send with what a sink has not got, in order, and remembers how far it came.
//
// A record may come twice, if the receiver took it and nobody heard of it. It never comes with another ID, so that a receiver can tell. The
// package stores nothing, and tries nothing again.
package sink

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/chain"
	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/settings"
)

// Record is one event of the trail, or a head.
type Record struct {
	Event backstay.AuditEvent // unless it is a head
	Head  *chain.Head
}

// ID is the same whenever the record is sent, and that of no other one.
func (r Record) ID() string {
	if r.Head != nil {
		return fmt.Sprintf("audit-head-%d-%d", r.Head.Seq, r.Head.Time.Unix())
	}
	return fmt.Sprintf("audit-%d-%.16s", r.Event.Seq, r.Event.Hash)
}

// Time is when it happened, or was signed.
func (r Record) Time() time.Time {
	if r.Head != nil {
		return r.Head.Time.UTC()
	}
	return r.Event.Time.UTC()
}

// JSON is the event as an export of the trail has it, or the head as a verification takes it.
func (r Record) JSON() ([]byte, error) {
	if r.Head != nil {
		return json.Marshal(r.Head)
	}
	return json.Marshal(r.Event)
}

// maxText is how long the texts of a short event are, in bytes.
const maxText = 200

// Short is what JSON is where that is too long: an event without what the thing was before and after, and says so. Its hash is that of the
// whole event.
func (r Record) Short() ([]byte, error) {
	if r.Head != nil {
		return r.JSON()
	}
	e := r.Event
	e.Before, e.After = nil, nil
	for _, text := range []*string{&e.ActorName, &e.UserAgent, &e.Name, &e.Reason} {
		*text = notify.Cut(*text, maxText)
	}
	return json.Marshal(struct {
		backstay.AuditEvent
		Shortened bool `json:"shortened"`
	}{e, true})
}

// Sink is a receiver of records. It may be used by several goroutines.
type Sink interface {
	// Send sends records in their order, once, and returns how many of them the receiver has, from the first on. It is all of them if there
	// is no error. It returns at once when ctx ends, with its cause. No secret stands in the error.
	Send(ctx context.Context, records []Record) (taken int, err error)
}

// Provider is a kind of sink, told once: forms, the API and the reference are made of it.
type Provider struct {
	Kind   string
	Title  string
	Fields []settings.Field
	// Open returns the Sink for checked values. It asks nobody: whether anybody is there shows when something is sent.
	Open func(v settings.Values, env notify.Env) (Sink, error)
}
