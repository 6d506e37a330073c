// Package email sends messages as mail by a server that speaks SMTP.
//
// The connection is encrypted, by STARTTLS or from its start, and the server's certificate verified; only a server on this machine may do
// without. What mail programs need to put messages in order stands in the header: a Message-ID that is made of the message's ID, so that a
// mail that comes twice is seen to be one, and References that put the messages of one thread together.
//
// All people of a channel get one mail. Those whom the server won't send it to are named in the error, and the others get it all the same:
// an address that is no more keeps nobody from being told.
package email

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/mail"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/backstay/backstay/internal/notify"
)

type channel struct {
	server *server
	from   *mail.Address
	to     []*mail.Address
	env    notify.Env
}

// Send implements notify.Channel.
func (c *channel) Send(ctx context.Context, m notify.Message) error {
	msg, err := c.compose(m.Clean())
	if err != nil {
		return err
	}
	within, cancel := context.WithTimeoutCause(ctx, notify.Timeout, fmt.Errorf("the mail wasn't taken within %v", notify.Timeout))
	defer cancel()
	err = c.server.send(within, msg, c.from.Address, c.to)
	if err != nil && within.Err() != nil {
		return context.Cause(within)
	}
	return err
}

// compose makes the mail of a message that is clean.
func (c *channel) compose(m notify.Message) (*gomail.Msg, error) {
	boundary, err := c.boundary()
	if err != nil {
		return nil, err
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithBoundary(boundary))
	msg.FromMailAddress(c.from)
	msg.ToMailAddress(c.to...)
	msg.Subject("[" + strings.ToUpper(string(m.Severity)) + "] " + m.Subject)
	msg.SetDateWithValue(c.env.Clock.Now())
	msg.SetMessageIDWithValue(c.id("message", m.ID))
	if m.Thread != "" {
		thread := "<" + c.id("thread", m.Thread) + ">"
		msg.SetGenHeader(gomail.HeaderReferences, thread)
		msg.SetGenHeader(gomail.HeaderInReplyTo, thread)
	}
	// Programs that answer mail by themselves, as in holidays, leave such mail alone (RFC 3834).
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("X-Backstay-Event", m.Event)
	msg.SetBodyString(gomail.TypeTextPlain, m.Plain(maxBody))
	page, err := html(m)
	if err != nil {
		return nil, err
	}
	msg.AddAlternativeString(gomail.TypeTextHTML, page)
	return msg, nil
}

// maxBody is more than a clean message has.
const maxBody = 64 << 10

// id makes an id as mails have it of one that may hold anything.
func (c *channel) id(what, id string) string {
	sum := sha256.Sum256([]byte(what + "\x00" + id))
	return what + "." + hex.EncodeToString(sum[:16]) + "@" + c.env.Hostname
}

// boundary returns what parts the plain text from the page: it is in neither.
func (c *channel) boundary() (string, error) {
	random := make([]byte, 20)
	if _, err := io.ReadFull(c.env.Rand, random); err != nil {
		return "", fmt.Errorf("read random bytes: %w", err)
	}
	return hex.EncodeToString(random), nil
}
