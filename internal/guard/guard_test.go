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
	"github.com/backstay/backstay/internal/guard/guardtest"
)

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
	for _, host := range guardtest.Hosts {
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
	if hits.Load() != 0 || forbidden < 2*len(guardtest.Hosts) {
		t.Errorf("%d requests reached this machine, %d of %d were refused by the guard and not by chance", hits.Load(), forbidden, 3*len(guardtest.Hosts))
	}
	t.Logf("S9: %d forms of addresses that are not public, 0 reached", 3*len(guardtest.Hosts))
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
