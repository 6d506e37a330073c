package guard_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/backstay/backstay/internal/guard"
)

// hosts are ways to name this machine, private networks and metadata services, as they are found in reports of forged requests.
var hosts = []string{
	"127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "0", "0.0.0.0", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1",
	"localhost", "LOCALHOST", "localhost.", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:1]",
	"[::127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[::1%25lo]", "[fe80::1%25lo]",
	"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.1.1", "[fc00::1]", "[fd12:3456::1]", "[fec0::1]",
	"[::ffff:10.0.0.1]", "[::ffff:192.168.0.1]", "[::ffff:a00:1]",
	"169.254.169.254", "169.254.170.2", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "2852039166", "0xa9fea9fe", "[fe80::a9fe:a9fe]",
	"100.100.100.200", "100.64.0.1", "192.0.0.192", "198.18.0.1", "224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "[ff02::1]", "[ff05::1:3]",
	"192.0.2.1", "203.0.113.1", "[2001:db8::1]", "[100::1]",
	"127.0.0.1.", "ⓛocalhost", "１２７.0.0.1", "127。0。0。1",
}

func TestNoFormOfAnAddressReachesThisMachineOrAPrivateNetwork(t *testing.T) {
	var hits atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: guard.Guard{}.Dial}}
	defer client.CloseIdleConnections()
	forbidden := 0
	for _, host := range hosts {
		for _, user := range []string{"", "public.example@", "user:8.8.8.8@"} {
			resp, err := client.Get("http://" + user + host + ":" + port + "/latest/meta-data")
			if err == nil {
				resp.Body.Close()
				t.Errorf("a request to %s%s got %s", user, host, resp.Status)
			}
			if errors.Is(err, guard.ErrForbidden) {
				forbidden++
			}
		}
	}
	if hits.Load() != 0 || forbidden < 2*len(hosts) {
		t.Errorf("%d requests reached this machine, %d of %d were refused by the guard and not by chance", hits.Load(), forbidden, 3*len(hosts))
	}
	t.Logf("S9: %d forms of addresses that are not public, 0 reached", 3*len(hosts))
}

func TestARedirectToAPrivateAddressIsRefused(t *testing.T) {
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the inner server was reached") }))
	defer inner.Close()
	outer := httptest.NewServer(http.RedirectHandler(strings.Replace(inner.URL, "127.0.0.1", "127.0.0.2", 1), http.StatusFound))
	defer outer.Close()
	g := guard.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}} // the outer one stands for a public address
	client := &http.Client{Transport: &http.Transport{DialContext: g.Dial}}
	defer client.CloseIdleConnections()
	if resp, err := client.Get(outer.URL); !errors.Is(err, guard.ErrForbidden) {
		t.Errorf("a redirect to a private address = %v, %v, want ErrForbidden", resp, err)
	}
	if _, err := g.Dial(t.Context(), "unix", "/run/secret.sock"); !errors.Is(err, guard.ErrForbidden) {
		t.Errorf("Dial of a socket of this machine = %v, want ErrForbidden", err)
	}
}

func TestAnAdministratorMayAllowANetwork(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	g := guard.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	conn, err := g.Dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatalf("Dial of an allowed address: %v", err)
	}
	conn.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Dial(ctx, "tcp", l.Addr().String()); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial with an ended context = %v", err)
	}
}
