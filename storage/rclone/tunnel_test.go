package rclone

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/storage"
)

func startTunnel(t *testing.T, dial func(ctx context.Context, network, address string) (net.Conn, error)) *tunnel {
	t.Helper()
	tun, err := newTunnel(storage.Env{Clock: clock.System, Rand: rand.Reader, Dial: dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tun.close)
	return tun
}

func TestATunnelIsAProxyForWhoKnowsItsPassword(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer server.Close()
	var asked string
	tun := startTunnel(t, func(ctx context.Context, network, address string) (net.Conn, error) {
		asked = address
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	})
	through := func(proxy string) ([]byte, error) {
		u, err := url.Parse(proxy)
		if err != nil {
			t.Fatal(err)
		}
		transport := &http.Transport{Proxy: http.ProxyURL(u)}
		defer transport.CloseIdleConnections()
		r, err := (&http.Client{Transport: transport}).Post("http://somewhere.example:81/", "", bytes.NewReader(make([]byte, 3<<20)))
		if err != nil {
			return nil, err
		}
		defer r.Body.Close()
		return io.ReadAll(r.Body)
	}
	if got, err := through(tun.proxy()); err != nil || len(got) != 3<<20 || asked != "somewhere.example:81" {
		t.Errorf("through the tunnel come %d bytes, %v, after %q was dialed", len(got), err, asked)
	}
	for _, wrong := range []string{strings.Replace(tun.proxy(), tun.password, "guessed", 1), "socks5://" + tun.listener.Addr().String()} {
		asked = ""
		if _, err := through(wrong); err == nil || asked != "" {
			t.Errorf("without its password the tunnel dials %q, %v", asked, err)
		}
	}
}

// through makes a connection by way of a tunnel.
func through(t *testing.T, tun *tunnel, host string, port uint16) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", tun.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	text := func(s string) string { return string(rune(len(s))) + s }
	for _, exchange := range []struct {
		send   string
		answer int
	}{
		{"\x05\x01\x02", 2},
		{"\x01" + text(socksUser) + text(tun.password), 2},
		{"\x05\x01\x00\x03" + text(host) + string([]byte{byte(port >> 8), byte(port)}), 10},
	} {
		if _, err := io.WriteString(c, exchange.send); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, exchange.answer)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestATunnelThatIsClosedCutsItsConnections(t *testing.T) {
	far, end := net.Pipe()
	defer end.Close()
	tun := startTunnel(t, func(_ context.Context, _, address string) (net.Conn, error) {
		if address != "server:445" {
			return nil, errors.New("another address is dialed")
		}
		return far, nil
	})
	c := through(t, tun, "server", 445)
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(end, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	tun.close()
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a connection through a closed tunnel goes on")
	}
	if _, err := end.Read(make([]byte, 1)); err == nil {
		t.Error("a connection made by a closed tunnel goes on")
	}
	if c, err := net.Dial("tcp", tun.listener.Addr().String()); err == nil {
		c.Close()
		t.Error("a closed tunnel still listens")
	}
}

func TestATunnelTellsWhyItCouldNotConnect(t *testing.T) {
	reason := errors.New("not allowed")
	tun := startTunnel(t, func(context.Context, string, string) (net.Conn, error) { return nil, reason })
	u, err := url.Parse(tun.proxy())
	if err != nil {
		t.Fatal(err)
	}
	_, err = (&http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(u)}}).Get("http://somewhere.example/")
	if err = tun.explain(err); !errors.Is(err, reason) || strings.Contains(err.Error(), tun.password) {
		t.Errorf("the error is %v, want one with the reason and without the tunnel's password", err)
	}
}
