// Package syslog sends the audit trail to a syslog server, as messages of RFC 5424 with JSON in them.
//
// Over TLS (RFC 5425) and TCP (RFC 6587, by counts of octets) a server never says that it has a message. So each Send has a connection of its
// own: this side ends it, and what was sent counts once the server has ended its side too, in good order, as they do when they have read to the
// end. One that was killed, or cut off, ends otherwise. Datagrams (UDP, RFC
// 5426, and the local socket) can be lost unseen; they are for receivers that know nothing else.
package syslog

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/backstay/backstay/internal/notify"
	"github.com/backstay/backstay/internal/sink"
	"github.com/backstay/backstay/settings"
)

// Provider is the kind of sink that is a syslog server.
var Provider = sink.Provider{Kind: "syslog", Title: "Syslog", Open: open, Fields: []settings.Field{
	Transport, address, maxBytes, notify.Certificate, certificate,
}}

// Transport is the setting that says how the server is reached. Unix is for those who may reach the server's own machine.
var Transport = settings.Field{Name: "transport", Title: "Transport", Kind: settings.Choice, Choices: []string{"tls", "tcp", "udp", Unix}, Default: "tls",
	Help: "tls and tcp are sure; udp, and unix for a socket of this machine, may lose events unseen."}

// Unix is the transport by a socket of this machine.
const Unix = "unix"

var (
	address = settings.Field{Name: "address", Title: "Address", Required: true,
		Help: "HOST or HOST:PORT, by default port 6514 with tls, 601 with tcp and 514 with udp; with unix the path of the socket, such as /dev/log."}
	maxBytes = settings.Field{Name: "max-bytes", Title: "Size of a message", Kind: settings.Number,
		Help: "What the server takes, by default 8192 bytes, and 2048 with udp. An event that is larger goes without what the thing was before and after."}
	certificate = settings.Field{Name: "client-certificate", Title: "Own certificate", Kind: settings.Pages,
		Help: "The certificate and its private key, as PEM, if the server asks for one."}
)

var ports = map[string]string{"tls": "6514", "tcp": "601", "udp": "514"}

// least is what each server takes (RFC 5424, 6.1).
const least = 480

type server struct {
	env       notify.Env
	transport string
	address   string
	max       int
	tls       *tls.Config
}

func open(v settings.Values, env notify.Env) (sink.Sink, error) {
	s := &server{env: env, transport: v[Transport.Name], address: v[address.Name], max: int(v.Int(maxBytes.Name))}
	if s.max == 0 && s.transport == "udp" {
		s.max = 2048
	} else if s.max == 0 {
		s.max = 8192
	}
	if s.max < least || s.max > 1<<20 {
		return nil, &settings.Error{Field: maxBytes, Why: fmt.Sprintf("want %d to %d", least, 1<<20)}
	}
	if s.transport == Unix {
		if !strings.HasPrefix(s.address, "/") {
			return nil, &settings.Error{Field: address, Why: "want the path of a socket, such as /dev/log"}
		}
		return s, nil
	}
	host, port, err := net.SplitHostPort(s.address)
	if err != nil {
		host, port = strings.Trim(s.address, "[]"), ports[s.transport]
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || host == "" || strings.ContainsAny(host, "/@ ") {
		return nil, &settings.Error{Field: address, Why: "want HOST or HOST:PORT"}
	}
	s.address = net.JoinHostPort(host, port)
	if s.transport == "tls" {
		if s.tls, err = secure(v, host); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// secure is how TLS is spoken with a host.
func secure(v settings.Values, host string) (*tls.Config, error) {
	config, err := notify.TLS(v)
	if err != nil {
		return nil, err
	}
	config.ServerName = host
	if pages := v[certificate.Name]; pages != "" {
		pair, err := tls.X509KeyPair([]byte(pages), []byte(pages))
		if err != nil { // it may show some of the key
			return nil, &settings.Error{Field: certificate, Why: "want a certificate and the private key that belongs to it, both as PEM"}
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// Send implements sink.Sink.
func (s *server) Send(ctx context.Context, records []sink.Record) (taken int, err error) {
	messages := make([][]byte, len(records))
	for i, r := range records {
		if messages[i], err = format(r, s.env.Hostname, s.max); err != nil {
			return 0, err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, notify.Timeout, fmt.Errorf("no answer within %v", notify.Timeout))
	defer cancel()
	conn, err := s.dial(ctx)
	if err != nil {
		return 0, because(ctx, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // ends what waits
	defer stop()
	if s.transport == "udp" || s.transport == Unix {
		for i, m := range messages {
			if _, err := conn.Write(m); err != nil {
				return i, because(ctx, err)
			}
		}
		return len(messages), nil
	}
	if err := stream(conn, messages); err != nil {
		return 0, because(ctx, err)
	}
	return len(messages), nil
}

// because is the cause of the end of ctx, if that is why err came.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (s *server) dial(ctx context.Context) (net.Conn, error) {
	network := map[string]string{"udp": "udp", Unix: "unixgram"}[s.transport]
	if network == "" {
		network = "tcp"
	}
	conn, err := s.env.Dial(ctx, network, s.address)
	if err != nil || s.tls == nil {
		return conn, err
	}
	secured := tls.Client(conn, s.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("speak TLS with %s: %w", s.address, err), conn.Close())
	}
	return secured, nil
}

// stream sends messages, each with its length before it, ends this side, and waits for the other side's end.
func stream(conn net.Conn, messages [][]byte) error {
	var all bytes.Buffer
	for _, m := range messages {
		fmt.Fprintf(&all, "%d ", len(m))
		all.Write(m)
	}
	if _, err := conn.Write(all.Bytes()); err != nil {
		return err
	}
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.New("the connection can't be ended by one side")
	}
	if err := half.CloseWrite(); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		return fmt.Errorf("wait until the server has read all: %w", err)
	}
	return nil
}
