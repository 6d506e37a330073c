// Package email sends messages as mail by a server that speaks SMTP.
//
// The connection is encrypted, by STARTTLS or from its start, and the server's certificate verified; only a server on this machine may do
// without. What mail programs need to put messages in order stands in the header: a Message-ID that is made of the message's ID, so that a
// mail that comes twice is seen to be one, and References that put the messages of one thread together.
package email

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
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
	err = c.server.send(within, msg)
	switch {
	case msg.IsDelivered(): // also if the server didn't wait for the good-bye
		return nil
	case within.Err() != nil:
		return context.Cause(within)
	}
	return c.server.explain(err)
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

// server is where mail is handed in.
type server struct {
	host     string
	address  string // host and port
	security string
	config   *tls.Config
	options  []gomail.Option
	hidden   *strings.Replacer
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
}

// send hands one mail in. The connection is closed at the end and when ctx ends, which lets every wait on it return.
func (s *server) send(ctx context.Context, msg *gomail.Msg) error {
	var conn net.Conn
	stop := func() bool { return true }
	dial := func(dialCtx context.Context, network, _ string) (net.Conn, error) {
		plain, err := s.dial(dialCtx, network, s.address)
		if err != nil {
			return nil, err
		}
		conn = plain
		stop = context.AfterFunc(ctx, func() { plain.Close() })
		return s.secure(dialCtx, plain)
	}
	client, err := gomail.NewClient(s.host, append([]gomail.Option{gomail.WithDialContextFunc(dial), gomail.WithTimeout(notify.Timeout)}, s.options...)...)
	if err != nil {
		return err
	}
	err = client.DialAndSendWithContext(ctx, msg)
	stop()
	if conn != nil {
		conn.Close()
	}
	return err
}

// explain returns the error of a mail that was not handed in, with nothing secret in it.
func (s *server) explain(err error) error {
	shown := notify.Masked(s.hidden, err)
	var refused *gomail.SendError
	if errors.As(err, &refused) && !refused.IsTemp() && refused.ErrorCode() >= 500 {
		return fmt.Errorf("%w: %w", notify.ErrRefused, shown)
	}
	return shown
}
