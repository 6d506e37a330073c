// Package webhook sends messages to a program of the user's, as JSON, signed as Standard Webhooks say (https://www.standardwebhooks.com).
//
// A receiver knows by the signature that the message comes from here and is as it was sent, by the timestamp that it is fresh, and by the
// id whether it has come before. While a secret is being changed, each message is signed with the old one and the new one.
package webhook

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/settings"
)

// Provider is the kind of channel that is a webhook.
var Provider = notify.Provider{Kind: "webhook", Title: "Webhook", Open: open, Fields: []settings.Field{
	address, secret, oldSecret, notify.Certificate,
}}

var (
	address = settings.Field{Name: "url", Title: "Address", Required: true, Kind: settings.Secret,
		Help: "Where messages are posted to, such as https://hooks.example/backstay. It is kept secret, since many addresses hold a token."}
	secret = settings.Field{Name: "secret", Title: "Secret", Kind: settings.Secret, Required: true,
		Help: "What messages are signed with: whsec_ and 24 to 64 random bytes in base64. The receiver needs it too."}
	oldSecret = settings.Field{Name: "old-secret", Title: "Old secret", Kind: settings.Secret,
		Help: "While the secret is being changed: the one before, which messages are signed with too, until the receiver knows the new one."}
)

func open(v settings.Values, env notify.Env) (notify.Channel, error) {
	p, err := NewPoster(v, env)
	if err != nil {
		return nil, err
	}
	return channel{p}, nil
}

// Poster posts JSON to one address, signed. It may be used by several goroutines.
type Poster struct {
	http    *notify.HTTP
	address string
	keys    []key
	clock   clock.Clock
}

// NewPoster returns one for the values of the Provider's fields. It asks nobody.
func NewPoster(v settings.Values, env notify.Env) (*Poster, error) {
	u, err := url.Parse(v["url"])
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil {
		return nil, &settings.Error{Field: address, Why: "want https://HOST/PATH, without user and password"}
	}
	p := &Poster{address: u.String(), clock: env.Clock}
	for _, f := range []settings.Field{secret, oldSecret} {
		if v[f.Name] == "" {
			continue
		}
		k, err := parseKey(v[f.Name])
		if err != nil {
			return nil, &settings.Error{Field: f, Why: err.Error()}
		}
		p.keys = append(p.keys, k)
	}
	config, err := notify.TLS(v)
	if err != nil {
		return nil, err
	}
	p.http = notify.NewHTTP(env, config, v["url"], u.Path, u.RawQuery, v["secret"], v["old-secret"])
	return p, nil
}

// Post sends a body with the ID of what it tells, once. The errors are those of a notify.Channel.
func (p *Poster) Post(ctx context.Context, id string, body []byte) error {
	id, now := messageID(id), p.clock.Now()
	header := http.Header{"Content-Type": {"application/json"}, "Webhook-Id": {id}, "Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)},
		"Webhook-Signature": {sign(p.keys, id, now, body)}}
	_, err := p.http.Do(ctx, http.MethodPost, p.address, header, string(body))
	return err
}

type channel struct{ *Poster }

// Payload is the body of a request.
type Payload struct {
	Type      string    `json:"type"`      // the name of the event
	Timestamp time.Time `json:"timestamp"` // of the event
	Data      Data      `json:"data"`
}

// Data is what there is to tell of the event.
type Data struct {
	Severity backstay.Severity `json:"severity"`
	Project  string            `json:"project"`
	Subject  string            `json:"subject"`
	Text     string            `json:"text"`
	Link     string            `json:"link,omitempty"`
	Facts    []notify.Fact     `json:"facts"`
	Thread   string            `json:"thread,omitempty"`
}

// Send implements notify.Channel.
func (c channel) Send(ctx context.Context, m notify.Message) error {
	m = m.Clean()
	body, err := json.Marshal(Payload{Type: m.Event, Timestamp: m.Time.UTC(), Data: Data{Severity: m.Severity, Project: m.Project,
		Subject: m.Subject, Text: m.Text, Link: m.Link, Facts: m.Facts, Thread: m.Thread}})
	if err != nil {
		return err
	}
	return c.Post(ctx, m.ID, body)
}
