package email

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
)

// maxRead is how much a server has to say to one mail at most: some hundred lines, and its certificates.
const maxRead = 1 << 20

var (
	errPlain = errors.New("without encryption mail goes to a server on this machine only")
	errTalks = errors.New("the server says more than a mail server has to say")
)

// secure returns the connection as the setting has it.
func (s *server) secure(ctx context.Context, conn net.Conn) (net.Conn, error) {
	conn = &bounded{Conn: conn}
	switch s.security {
	case implicitTLS:
		secured := tls.Client(conn, s.config)
		return secured, secured.HandshakeContext(ctx)
	case none:
		if at, err := netip.ParseAddrPort(conn.RemoteAddr().String()); err != nil || !at.Addr().Unmap().IsLoopback() {
			return nil, errPlain
		}
	}
	return conn, nil
}

// bounded is a connection that ends when the other side has said too much: whoever reads a line would keep all of it.
type bounded struct {
	net.Conn
	read atomic.Int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if b.read.Add(int64(n)) > maxRead {
		return 0, errTalks
	}
	return n, err
}
