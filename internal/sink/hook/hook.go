// Package hook sends the audit trail to a program of the user's, one record a request, as JSON signed as Standard Webhooks say.
package hook

import (
	"context"
	"encoding/json"
	"time"

	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/internal/notify/webhook"
	"github.com/backstay/backstay/internal/sink"
	"github.com/backstay/backstay/settings"
)

// Provider is the kind of sink that is a webhook. It is set up as the channel of that name is.
var Provider = sink.Provider{Kind: "webhook", Title: "Webhook", Fields: webhook.Provider.Fields, Open: func(v settings.Values, env notify.Env) (sink.Sink, error) {
	p, err := webhook.NewPoster(v, env)
	if err != nil {
		return nil, err
	}
	return hook{p}, nil
}}

type hook struct{ *webhook.Poster }

// Payload is the body of a request.
type Payload struct {
	Type      string          `json:"type"`      // "audit.event" or "audit.head"
	Timestamp time.Time       `json:"timestamp"` // of the event, or of the signature
	Data      json.RawMessage `json:"data"`      // the event or the head
}

// Send implements sink.Sink.
func (h hook) Send(ctx context.Context, records []sink.Record) (taken int, err error) {
	for i, r := range records {
		p := Payload{Type: "audit.event", Timestamp: r.Time()}
		if r.Head != nil {
			p.Type = "audit.head"
		}
		if p.Data, err = r.JSON(); err != nil {
			return i, err
		}
		body, err := json.Marshal(p)
		if err != nil {
			return i, err
		}
		if err := h.Post(ctx, r.ID(), body); err != nil {
			return i, err
		}
	}
	return len(records), nil
}
