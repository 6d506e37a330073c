package smb

import (
	"context"
	"net"
	"time"

	"github.com/cloudsoda/go-smb2"
)

// patience is how long a connection may take to be made.
const patience = 30 * time.Second

// login says how a share is reached.
type login struct {
	address                string // HOST:PORT
	host, share            string
	user, password, domain string
	dial                   func(ctx context.Context, network, address string) (net.Conn, error)
}

// conn is a connection to a server, with a session and a share.
type conn struct {
	net.Conn
	share *smb2.Share
	ctx   context.Context // ends when the connection is lost
	lost  context.CancelFunc
	used  bool // guarded by pool.mu: since the last beat
}

// connect makes a connection and logs in.
func (l login) connect(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	wire, err := l.dial(ctx, "tcp", l.address)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: wire, used: true}
	c.ctx, c.lost = context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, c.hangUp)
	if c.share, err = l.mount(ctx, c); err != nil || !stop() {
		c.hangUp()
		if err == nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return c, nil
}

func (l login) mount(ctx context.Context, c *conn) (*smb2.Share, error) {
	d := smb2.Dialer{Initiator: &smb2.NTLMInitiator{User: l.user, Password: l.password, Domain: l.domain,
		TargetSPN: "cifs/" + l.host}} // some servers want their own name
	session, err := d.DialConn(ctx, c, l.address)
	if err != nil {
		return nil, err
	}
	return session.WithContext(ctx).Mount(`\\`+l.host+`\`+l.share, smb2.WithMapPosix()) // as Linux and macOS do
}

// Read notes when the other side is gone. The client reads at all times.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.lost()
	}
	return n, err
}

// hangUp cuts the connection. It may be called several times, from any goroutine.
func (c *conn) hangUp() {
	c.lost()
	_ = c.Conn.Close()
}
