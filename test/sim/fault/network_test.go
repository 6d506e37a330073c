package fault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/backstay/backstay/clock"
	"github.com/backstay/backstay/engine/repo"
	"github.com/backstay/backstay/internal/kinds"
	"github.com/backstay/backstay/settings"
	"github.com/backstay/backstay/storage"
	"github.com/backstay/backstay/storage/storagetest"
	"github.com/backstay/backstay/test/servers"
	"github.com/backstay/backstay/test/sim"
)

// hasty is a clock by which waiting takes a part of the time.
type hasty struct {
	clock.Clock
	part time.Duration
}

func (h hasty) Sleep(ctx context.Context, d time.Duration) error { return h.Clock.Sleep(ctx, d/h.part) }

// server is one whose storages are used through a proxy that fails.
type server struct {
	address string
	// at returns the location of the n-th storage at an address, and what it is opened with.
	at func(n int, address string) (location string, v settings.Values)
	// before puts a proxy before the server, and returns its address and how many faults there were.
	before func(t *testing.T, address string, seed uint64) (proxy string, faults func() int)
	enough int // faults, for the gate
}

// weather is a proxy of HTTP.
func weather(t *testing.T, address string, seed uint64) (string, func() int) {
	p := servers.StartFaultProxy(t, address, servers.Weather(seed, 8))
	return p.Address, func() (n int) {
		for kind, count := range p.Counts() {
			if kind != servers.NoFault {
				n += count
			}
		}
		return n
	}
}

// cuts is a proxy of anything.
func cuts(t *testing.T, address string, seed uint64) (string, func() int) {
	p := servers.StartCutProxy(t, address, seed, 16<<20)
	return p.Address, func() int { return int(p.Cuts()) }
}

// networks starts a server of each kind.
var networks = map[string]func(t *testing.T) server{
	"s3": func(t *testing.T) server {
		s := servers.StartS3(t)
		v := settings.Values{"access-key-id": s.AccessKey, "secret-access-key": s.SecretKey}
		return server{s.Address, func(n int, address string) (string, settings.Values) {
			return fmt.Sprintf("s3:http://%s/bucket/%d", address, n), v
		}, weather, 200}
	},
	"rest": func(t *testing.T) server {
		s := servers.StartREST(t, servers.RESTOptions{})
		return server{s.Address, func(n int, address string) (string, settings.Values) {
			return fmt.Sprintf("rest:http://%s/%d/", address, n), nil
		}, weather, 200}
	},
	"sftp": func(t *testing.T) server {
		s := servers.StartSFTP(t)
		return server{net.JoinHostPort(s.Host, s.Port), func(n int, address string) (string, settings.Values) {
			known := strings.ReplaceAll(s.KnownHosts, net.JoinHostPort(s.Host, s.Port), address)
			_, key, _ := strings.Cut(known, " ")
			host, port, _ := net.SplitHostPort(address)
			return fmt.Sprintf("sftp://%s@%s//%s/%d", s.User, address, s.Dir, n),
				settings.Values{"private-key": s.Key, "known-hosts": fmt.Sprintf("[%s]:%s %s\n", host, port, key)}
		}, cuts, 40} // after each a handshake
	},
}

// place opens the n-th storage of a server at an address.
func (s server) place(t *testing.T, n int, address string) storage.Backend {
	t.Helper()
	location, v := s.at(n, address)
	b, err := kinds.OpenBare(location, kinds.Options{Settings: v})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNoFaultOfANetworkCostsASnapshot(t *testing.T) {
	for kind, start := range networks {
		t.Run(kind, func(t *testing.T) {
			s := start(t)
			base, err := newPlay(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var seen count
			for seed := 1; seen.faults < sim.Scale(s.enough); seed++ {
				seen.add(playThrough(t, s, base, seed))
			}
			t.Logf("R6 over %s: %v", kind, seen)
		})
	}
}

// playThrough plays once through a proxy. Its faults must not be felt.
func playThrough(t *testing.T, s server, base *play, seed int) (seen count) {
	t.Helper()
	p, err := base.moved(t.Context(), s.place(t, seed, s.address))
	if err != nil {
		t.Fatalf("before any fault: %v", err)
	}
	proxy, faults := s.before(t, s.address, uint64(seed))
	// The waits between tries are cut most. What is given up after a time would be so too early, since requests take theirs.
	p.via, p.clock, p.waits, p.stall = s.place(t, seed, proxy), hasty{clock.System, 10}, hasty{clock.System, 100}, 3*time.Hour
	p.perform(t.Context(), storagetest.Faults{Seed: uint64(seed)})
	seen = count{plays: 1, faults: faults()}
	if err := errors.Join(p.errs...); err != nil {
		seen.felt++
		if errors.Is(err, sim.ErrSilent) {
			seen.silent++
		}
		if errors.Is(err, repo.ErrDamaged) {
			seen.alarms++
		}
		t.Errorf("seed %d: a passing fault is felt: %v", seed, err)
	}
	if err := p.lost(t.Context()); err != nil {
		seen.lost++
		t.Errorf("seed %d: %v, after %v", seed, err, p.errs)
	}
	return seen
}
