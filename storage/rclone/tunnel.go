package rclone

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
)

// patience is how long a connection may take to be made.
const patience = 30 * time.Second

// tunnel leads the connections of rclone, which dials by itself, through storage.Env.Dial. It listens on a loopback address, as a
// SOCKS5 proxy that wants a password, which only this process knows.
type tunnel struct {
	listener net.Listener
	clock    clock.Clock
	dial     func(ctx context.Context, network, address string) (net.Conn, error)
	password string

	mu     sync.Mutex
	conns  map[net.Conn]bool // guarded by mu: of both sides
	closed bool              // guarded by mu
	failed error             // guarded by mu: why the last connection could not be made; nil once one was
}

// newTunnel begins to listen. It ends with close.
func newTunnel(env storage.Env) (*tunnel, error) {
	var random [16]byte
	if _, err := io.ReadFull(env.Rand, random[:]); err != nil {
		return nil, fmt.Errorf("read random bytes: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &tunnel{listener: l, clock: env.Clock, dial: env.Dial, password: hex.EncodeToString(random[:]), conns: make(map[net.Conn]bool)}
	go t.serve()
	return t, nil
}

// proxy is the URL of the tunnel as a proxy.
func (t *tunnel) proxy() string {
	u := url.URL{Scheme: "socks5", User: url.UserPassword(socksUser, t.password), Host: t.listener.Addr().String()}
	return u.String()
}

// close ends the tunnel and cuts its connections.
func (t *tunnel) close() {
	_ = t.listener.Close() // it only stops listening
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for c := range t.conns {
		_ = c.Close()
	}
}

// explain adds to an error of rclone why the last connection could not be made: rclone only knows that it couldn't.
func (t *tunnel) explain(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil || !strings.Contains(err.Error(), "socks connect") {
		return err
	}
	return fmt.Errorf("%w: %w", t.failed, err)
}

func (t *tunnel) serve() {
	for {
		c, err := t.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // too many open files: it passes
			if t.clock.Sleep(context.Background(), 10*time.Millisecond) != nil {
				return
			}
			continue
		}
		go t.lead(c)
	}
}

// lead serves one connection.
func (t *tunnel) lead(near net.Conn) {
	if !t.hold(near) {
		return
	}
	defer t.drop(near)
	far, err := t.reach(near)
	if err != nil || !t.hold(far) {
		return
	}
	defer t.drop(far)
	splice(near, far)
}

// reach makes the connection that one from near asks for, and tells near.
func (t *tunnel) reach(near net.Conn) (far net.Conn, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = near.Close() })
	address, err := socksRequest(near, t.password)
	if !stop() {
		err = errors.Join(err, ctx.Err())
	}
	if err != nil {
		return nil, err // it is not rclone
	}
	far, err = t.connect(ctx, address)
	if answerErr := socksAnswer(near, err); answerErr != nil && far != nil {
		return nil, errors.Join(answerErr, far.Close())
	}
	return far, err
}

func (t *tunnel) connect(ctx context.Context, address string) (net.Conn, error) {
	c, err := t.dial(ctx, "tcp", address)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = err
	return c, err
}

// splice copies both ways until both have ended.
func splice(near, far net.Conn) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		pass(far, near)
	}()
	pass(near, far)
	<-done
}

// pass copies from one connection to the other, and then the end. After an error neither is of use.
func pass(to, from net.Conn) {
	_, err := io.Copy(to, from)
	half, ok := to.(interface{ CloseWrite() error })
	if err == nil && ok && half.CloseWrite() == nil {
		return
	}
	_ = to.Close()
	_ = from.Close()
}

// hold keeps a connection among those that close cuts.
func (t *tunnel) hold(c net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		_ = c.Close()
		return false
	}
	t.conns[c] = true
	return true
}

func (t *tunnel) drop(c net.Conn) {
	_ = c.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
}

// SOCKS version 5 (RFC 1928) with user and password (RFC 1929), as much as net/http speaks.
const (
	socksUser     = "backstay"
	socksVersion  = 5
	socksPassword = 2
	socksConnect  = 1
	socksIPv4     = 1
	socksName     = 3
	socksIPv6     = 4
)

var errSOCKS = errors.New("not a request of SOCKS 5 with our password")

// socksRequest reads a request and returns the address it asks for.
func socksRequest(c net.Conn, password string) (address string, err error) {
	if _, err := socksHead(c, socksVersion); err != nil { // the ways to log in: there is one
		return "", err
	}
	if _, err := c.Write([]byte{socksVersion, socksPassword}); err != nil {
		return "", err
	}
	user, err := socksHead(c, 1)
	if err != nil {
		return "", err
	}
	given, err := socksText(c)
	if err != nil {
		return "", err
	}
	if string(user) != socksUser || given != password {
		_, err := c.Write([]byte{1, 1})
		return "", errors.Join(errSOCKS, err)
	}
	if _, err := c.Write([]byte{1, 0}); err != nil {
		return "", err
	}
	return socksAddress(c)
}

// socksHead reads a version and a text.
func socksHead(c net.Conn, version byte) ([]byte, error) {
	var v [1]byte
	if _, err := io.ReadFull(c, v[:]); err != nil {
		return nil, err
	}
	if v[0] != version {
		return nil, errSOCKS
	}
	text, err := socksText(c)
	return []byte(text), err
}

// socksText reads a length and that many bytes.
func socksText(c net.Conn) (string, error) {
	var n [1]byte
	if _, err := io.ReadFull(c, n[:]); err != nil {
		return "", err
	}
	text := make([]byte, n[0])
	_, err := io.ReadFull(c, text)
	return string(text), err
}

func socksAddress(c net.Conn) (string, error) {
	var head [4]byte // version, command, reserved, kind of address
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return "", err
	}
	if head[0] != socksVersion || head[1] != socksConnect {
		return "", errSOCKS
	}
	var host string
	var err error
	switch head[3] {
	case socksName:
		host, err = socksText(c)
	case socksIPv4:
		host, err = socksIP(c, net.IPv4len)
	case socksIPv6:
		host, err = socksIP(c, net.IPv6len)
	default:
		err = errSOCKS
	}
	if err != nil {
		return "", err
	}
	var port [2]byte
	if _, err := io.ReadFull(c, port[:]); err != nil {
		return "", err
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port[0])<<8|int(port[1]))), nil
}

func socksIP(c net.Conn, size int) (string, error) {
	ip := make(net.IP, size)
	_, err := io.ReadFull(c, ip)
	return ip.String(), err
}

// socksAnswer tells whether the connection was made. The reason, if not, is told by failure.
func socksAnswer(c net.Conn, failed error) error {
	answer := []byte{socksVersion, 0, 0, socksIPv4, 0, 0, 0, 0, 0, 0}
	if failed != nil {
		answer[1] = 4 // host unreachable
	}
	_, err := c.Write(answer)
	return err
}
