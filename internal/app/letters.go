package app

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/backstay/backstay"
	"github.com/backstay/backstay/internal/auth"
	"github.com/backstay/backstay/internal/db"
	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/internal/secret"
)

// resetFor is how long a link is good that somebody asked for who had forgotten their password.
const resetFor = time.Hour

// forgotten is why the address of somebody is kept who has forgotten their password.
const forgotten = "password forgotten"

// mailerFor is the channel that a person's links are mailed by. ErrNotFound means that there is none, or that whoever set it up has less rights
// than the person: they could have it send them the link.
func (t *task) mailerFor(u backstay.User) (backstay.Channel, error) {
	c, err := t.mailer()
	if err != nil {
		return c, err
	}
	ok, err := t.vouches(c.LinksBy, u.ID)
	if err == nil && !ok {
		t.app.Log.WarnContext(t.ctx, "a link was not mailed: whoever set the channel up has less rights than its person", "user", u.ID, "channel", c.Name)
		err = db.ErrNotFound
	}
	return c, err
}

// mailer is the channel that links are mailed by; of several the oldest. ErrNotFound means that there is none.
func (t *task) mailer() (c backstay.Channel, err error) {
	all, err := db.All[backstay.Channel](t.ctx, t.tx, db.Condition{Column: "project", Op: db.Is, Value: ""}, db.Condition{Column: "kind", Op: db.Is, Value: backstay.ChannelEmail})
	if err != nil {
		return c, err
	}
	for _, c := range all {
		if c.Links {
			return c, nil
		}
	}
	return c, db.ErrNotFound
}

// vouches reports whether somebody has all the rights of a person: what they have set up may give the account away.
func (t *task) vouches(somebody, person string) (bool, error) {
	rights, err := t.tx.Rights(t.ctx, somebody)
	if err != nil {
		return false, err
	}
	as := *t
	as.who = backstay.Actor{Kind: backstay.ActorUser, User: somebody, Rights: rights}
	err = as.mayActFor(person)
	var refused *backstay.Error
	if errors.As(err, &refused) {
		return false, nil
	}
	return err == nil, err
}

// newLink makes a link by which a person chooses a password.
func (t *task) newLink(user string, good time.Duration) (ticket auth.Secret, link backstay.Link, err error) {
	ticket, digest, err := auth.NewTicket(t.app.Rand, auth.Invitation)
	if err != nil {
		return "", link, err
	}
	link = backstay.Link{User: user, ExpiresAt: t.app.now().Add(good), Hash: string(digest)}
	t.app.stamp(link.Base())
	return ticket, link, db.Insert(t.ctx, t.tx, &link)
}

// mail puts a link into the queue, for nobody but its person. It is sealed there: who reads the database is not to get the account.
func (t *task) mail(c backstay.Channel, u backstay.User, link backstay.Link, ticket auth.Secret, address string) error {
	text := "By this link you choose the password of your account: once, and until " + link.ExpiresAt.Format("2006-01-02 15:04 UTC") +
		".\n\nIf you don't know why you got it, do nothing: without the link nothing changes. Nobody will ever ask you for it."
	m, err := t.message(happening{id: "link-" + link.ID, Event: notify.Event{Name: "auth.link", Severity: backstay.SeverityInfo}, subject: "Choose a password", text: text})
	if err != nil {
		return err
	}
	m.Link = address + "/link#" + string(ticket)
	d := backstay.Delivery{Channel: c.ID, To: u.Email}
	t.app.stamp(d.Base())
	n := notify.NewDelivery(d.ID, c.ID, m, d.CreatedAt)
	whole, err := json.Marshal(n.Message)
	if err != nil {
		return err
	}
	if d.Sealed, err = t.app.seal(deliveryPlace(d.ID), secret.New(string(whole))); err != nil {
		return err
	}
	d.Placed = backstay.Placed{Owner: c.Owner, Scope: c.Scope.Of("delivery", d.ID)}
	d.Event, d.EventID, d.Severity, d.Subject, d.Message = m.Event, m.ID, m.Severity, m.Subject, json.RawMessage("{}")
	d.State, d.Due, d.Next = backstay.DeliveryPending, n.Due, n.Next
	return t.tx.Enqueue(t.ctx, d)
}

func deliveryPlace(id string) secret.Place {
	return secret.Place{Table: "deliveries", Row: id, Column: "sealed"}
}

// letter is a message as it was put into the queue.
func (a *App) letter(d backstay.Delivery) (m notify.Message, err error) {
	text := string(d.Message)
	if d.Sealed != "" {
		opened, err := a.open(deliveryPlace(d.ID), d.Sealed)
		if err != nil {
			return m, err
		}
		text = opened.Reveal()
	}
	return m, json.Unmarshal([]byte(text), &m)
}

// request is that of somebody who has forgotten their password.
type request struct {
	Email   string
	Address string // where the server is reached
}

// ForgotPassword has a link mailed to a person. Whether there is one with the address nobody learns, neither by the answer nor by how long it takes:
// the account is looked for afterwards, by MailForgotten.
func (a *App) ForgotPassword(ctx context.Context, from backstay.Origin, email string) error {
	who := backstay.Actor{Kind: backstay.ActorNobody, From: from}
	return a.change(ctx, who, "auth.password-forgotten", func(t *task) error {
		t.asked = true // everybody may ask; what comes of it only the person gets
		t.event.Reason = email
		if _, err := t.mailer(); errors.Is(err, db.ErrNotFound) {
			return backstay.Errorf(backstay.Conflict, "this server mails no links").WithHint("Ask an administrator for a link by which you choose a new password.")
		} else if err != nil {
			return err
		}
		if err := t.limitLetters(email); err != nil {
			return err
		}
		set, err := t.tx.Settings(ctx)
		if err != nil {
			return err
		}
		text, err := json.Marshal(request{email, a.address(set)})
		if err != nil {
			return err
		}
		return t.tx.SaveCeremony(ctx, a.newID(), forgotten, string(text), a.now().Add(resetFor))
	})
}

// limitLetters refuses who asks too often, for one person or for many.
func (t *task) limitLetters(email string) error {
	address := t.who.From.IP
	if ip, err := netip.ParseAddr(address); err == nil {
		address = auth.AddressKey(ip)
	}
	mailbox, asker := "letters to:"+strings.ToLower(email), "letters from:"+address
	to, err := t.tx.Attempts(t.ctx, mailbox)
	if err != nil {
		return err
	}
	by, err := t.tx.Attempts(t.ctx, asker)
	if err != nil {
		return err
	}
	now := t.app.now()
	l, next, ok := auth.Letters{Mailbox: auth.Failures{Count: to.Failures, Last: to.LastAt}, Asker: auth.Failures{Count: by.Failures, Last: by.LastAt}}.Take(now)
	if !ok {
		return tooMany(next.Sub(now))
	}
	return errors.Join(t.tx.SaveAttempts(t.ctx, db.Attempt{ID: mailbox, Failures: l.Mailbox.Count, LastAt: l.Mailbox.Last.UTC()}),
		t.tx.SaveAttempts(t.ctx, db.Attempt{ID: asker, Failures: l.Asker.Count, LastAt: l.Asker.Last.UTC()}))
}

// MailForgotten makes links for those who have forgotten their passwords, and puts them into the queue.
func (a *App) MailForgotten(ctx context.Context) error {
	asked := false
	err := a.DB.Read(ctx, func(tx *db.Tx) (err error) {
		asked, err = tx.Awaits(ctx, forgotten)
		return err
	})
	if err != nil || !asked {
		return err
	}
	return a.DB.Write(ctx, func(tx *db.Tx) error {
		all, err := tx.TakeCeremonies(ctx, forgotten)
		for _, text := range all {
			var r request
			err = errors.Join(err, json.Unmarshal([]byte(text), &r), a.mailForgotten(ctx, tx, r))
		}
		return err
	})
}

func (a *App) mailForgotten(ctx context.Context, tx *db.Tx, r request) error {
	t := a.task(ctx, backstay.Server, "auth.link-mailed")
	t.tx = tx
	u, err := db.FindUser(ctx, tx, r.Email)
	if errors.Is(err, db.ErrNotFound) || err == nil && u.Disabled {
		return nil // nobody learns of it
	}
	if err != nil {
		return err
	}
	c, err := t.mailerFor(u)
	if errors.Is(err, db.ErrNotFound) {
		return nil // it is gone since they asked, or not for them
	}
	if err != nil {
		return err
	}
	ticket, link, err := t.newLink(u.ID, resetFor)
	if err != nil {
		return err
	}
	t.on("user", u.ID, u.Name)
	return errors.Join(t.mail(c, u, link, ticket, r.Address), t.log(backstay.ResultAllowed, "they have forgotten their password"))
}
