package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"net/textproto"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/backstay/backstay/internal/notify"
)

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
func (s *server) send(ctx context.Context, msg io.WriterTo, from string, to []*mail.Address) error {
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
	defer func() {
		if stop(); conn != nil {
			conn.Close()
		}
	}()
	client, err := gomail.NewClient(s.host, append([]gomail.Option{gomail.WithDialContextFunc(dial), gomail.WithTimeout(notify.Timeout)}, s.options...)...)
	if err != nil {
		return err
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return notify.Masked(s.hidden, err)
	}
	return s.transfer(session, msg, from, to)
}

// goodbye is how long a server that has the mail is waited for.
const goodbye = 2 * time.Second

// transfer sends the mail to those whom the server lets it be sent to, and names the others in an error that wraps notify.ErrRefused.
func (s *server) transfer(session *smtp.Client, msg io.WriterTo, from string, to []*mail.Address) error {
	if err := session.Mail(from); err != nil {
		return s.explain("sender "+from, err)
	}
	var refused []error
	for _, a := range to {
		err := s.explain(a.Address, session.Rcpt(a.Address))
		if err != nil && !errors.Is(err, notify.ErrRefused) {
			return err
		}
		if err != nil {
			refused = append(refused, err)
		}
	}
	if len(refused) == len(to) {
		return errors.Join(refused...)
	}
	if err := s.explain("mail", data(session, msg)); err != nil {
		return err
	}
	if session.UpdateDeadline(goodbye) == nil {
		_ = session.Quit() // the server has the mail, whatever it says now
	}
	return errors.Join(refused...)
}

// data sends what the mail is made of.
func data(session *smtp.Client, msg io.WriterTo) error {
	w, err := session.Data()
	if err != nil {
		return err
	}
	if _, err := msg.WriteTo(w); err != nil {
		return err
	}
	return w.Close()
}

// explain returns an error about something with nothing secret in it: one that wraps notify.ErrRefused if the server says that it is for good.
func (s *server) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	shown := fmt.Errorf("%s: %w", what, notify.Masked(s.hidden, err))
	var answer *textproto.Error
	if errors.As(err, &answer) && answer.Code >= 500 {
		return fmt.Errorf("%w: %w", notify.ErrRefused, shown)
	}
	return shown
}
