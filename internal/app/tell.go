package app

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/notify"
)

// happening is something that people may want to be told of.
type happening struct {
	notify.Event
	id            string // the same whoever is told, and however often
	subject, text string
	thread, path  string // of messages about the same thing; of the page that shows it
	alert         string // the id of the alert that it is about
	facts         []notify.Fact
	scope         backstay.Scope // where that lies which it is about
	owner         string
}

// tell puts a message into the queue for each channel that a rule names for what happened, but for those in told already. It is part of the
// transaction in which it happened: both are there, or neither. It adds the channels to told.
func (t *task) tell(h happening, told map[string]bool) error {
	rules, err := db.All[backstay.NotificationRule](t.ctx, t.tx)
	if err != nil {
		return err
	}
	due := map[string]backstay.Delivery{}
	for _, r := range rules {
		if told[r.Channel] || !notify.Takes(r, h.Event) {
			continue
		}
		if may, err := t.mayHear(r, h); err != nil || !may {
			if err != nil {
				return err
			}
			continue
		}
		at, digest := notify.Due(r, h.Severity, t.app.now())
		if other, ok := due[r.Channel]; !ok || at.Before(other.Due) { // of several rules with one channel the first counts
			due[r.Channel] = backstay.Delivery{Channel: r.Channel, Rule: r.ID, Digest: digest, Due: at}
		}
	}
	for channel, d := range due {
		if err := t.enqueue(h, d); err != nil {
			return err
		}
		if told != nil {
			told[channel] = true
		}
	}
	return nil
}

// enqueue puts one message into the queue.
func (t *task) enqueue(h happening, d backstay.Delivery) error {
	c, err := db.Find[backstay.Channel](t.ctx, t.tx, d.Channel)
	if errors.Is(err, db.ErrNotFound) {
		return nil // it was deleted just now, together with the rule
	}
	if err != nil {
		return err
	}
	m, err := t.message(h)
	if err != nil {
		return err
	}
	t.app.stamp(d.Base())
	n := notify.NewDelivery(d.ID, d.Channel, m, d.Due.UTC().Truncate(time.Microsecond))
	if d.Message, err = json.Marshal(n.Message); err != nil {
		return err
	}
	d.Placed = backstay.Placed{Project: h.Project, Owner: c.Owner, Scope: c.Scope.Of("delivery", d.ID)}
	d.Event, d.EventID, d.Severity, d.Subject, d.Alert = h.Name, h.id, h.Severity, n.Message.Subject, h.alert
	d.State, d.Due, d.Next = backstay.DeliveryPending, n.Due, n.Next
	return t.tx.Enqueue(t.ctx, d)
}

// message is what people read of it.
func (t *task) message(h happening) (notify.Message, error) {
	set, err := t.tx.Settings(t.ctx)
	if err != nil {
		return notify.Message{}, err
	}
	name := set.Name
	if h.Project != "" {
		p, err := db.Find[backstay.Project](t.ctx, t.tx, h.Project)
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			return notify.Message{}, err
		}
		name = p.Name
	}
	m := notify.Message{ID: h.id, Event: h.Name, Severity: h.Severity, Subject: h.subject, Text: h.text, Facts: h.facts, Time: t.app.now(), Project: name, Thread: h.thread}
	if set.URL != "" && h.path != "" {
		m.Link = strings.TrimSuffix(set.URL, "/") + h.path
	}
	return m.Clean(), nil
}
