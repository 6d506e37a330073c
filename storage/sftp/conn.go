package sftp

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// conn is a connection to a server.
type conn struct {
	*sftp.Client
	ctx    context.Context // ends with the connection
	hangUp func()          // ends the connection at once; may be called several times, from any goroutine

	handles handles

	ssh      *ssh.Client // nil where a command makes the connection, which looks after it by itself
	wire     *listening  // as ssh
	knocking atomic.Bool // the other side has yet to answer a knock
}

// newConn starts to watch over a connection that cut ends. Once it has ended, end is called.
func newConn(client *sftp.Client, cut, end func()) *conn {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_ = client.Wait() // who used the connection has the error
		cancel()
		end()
	}()
	return &conn{Client: client, ctx: ctx, hangUp: func() { cancel(); cut() }}
}

// syncs reports whether the server can make files durable.
func (c *conn) syncs() bool {
	version, _ := c.HasExtension("fsync@openssh.com")
	return version == "1"
}

// heard reports whether the other side sent anything since the last call.
func (c *conn) heard() bool { return c.wire == nil || c.wire.heard.Swap(false) }

// knock asks the other side for a sign, which also keeps routers from forgetting the connection.
func (c *conn) knock() {
	if c.ssh == nil || c.knocking.Swap(true) {
		return
	}
	go func() { // ends with the connection at the latest
		_, _, _ = c.ssh.SendRequest("keepalive@openssh.com", true, nil)
		c.knocking.Store(false)
	}()
}

// listening is a network connection that notes whether anything comes.
type listening struct {
	net.Conn
	heard atomic.Bool
}

func (l *listening) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if n > 0 {
		l.heard.Store(true)
	}
	return n, err
}
