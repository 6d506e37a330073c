// Package guard says which addresses the server may connect to on somebody's behalf.
//
// A location of a repository, a webhook or the address of an identity provider is given by a person who may have no other way into the
// network where the server stands. So a connection to this machine, to a private network or to the metadata service of a cloud is
// refused, unless the administrator allows it. What counts is the address that is connected to, after names were resolved: a name
// that means something else a moment later, a redirect, or a number written in a strange way gain nothing.
package guard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// ErrForbidden means that an address is not one to connect to.
var ErrForbidden = errors.New("address is not allowed")

// Guard makes connections to public addresses, and to those that are allowed beside. The zero value allows none.
type Guard struct {
	Allow []netip.Prefix // networks that are allowed though they aren't public
}

// Dial connects as net.Dialer.DialContext does, if it may. Else the error wraps ErrForbidden and names what was resolved.
func (g Guard) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	switch network {
	case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6":
	default:
		return nil, fmt.Errorf("connect by %s: %w", network, ErrForbidden)
	}
	d := net.Dialer{Control: g.control}
	return d.DialContext(ctx, network, address)
}

// control is called with each address before it is connected to.
func (g Guard) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("connect to %q: %w", address, ErrForbidden)
	}
	if addr := ap.Addr().Unmap().WithZone(""); !g.allows(addr) {
		return fmt.Errorf("%w: %s is in a private or reserved network", ErrForbidden, addr)
	}
	return nil
}

func (g Guard) allows(addr netip.Addr) bool {
	for _, p := range g.Allow {
		if p.Contains(addr) {
			return true
		}
	}
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false
	}
	for _, p := range reserved {
		if p.Contains(addr) {
			return false
		}
	}
	return true
}

// reserved are networks beside those that netip tells of, from the registries of special-purpose addresses (RFC 6890 and its updates).
// Of IPv6 also those that carry an IPv4 address, behind which a gateway may reach any.
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // shared by carriers; metadata of some clouds
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // kept for later; broadcast
	netip.MustParsePrefix("::/96"),           // IPv4-compatible
	netip.MustParsePrefix("64:ff9b::/96"),    // NAT64
	netip.MustParsePrefix("64:ff9b:1::/48"),  // NAT64 of a network's own
	netip.MustParsePrefix("100::/64"),        // discard
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, Teredo among them
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4
	netip.MustParsePrefix("3fff::/20"),       // documentation
	netip.MustParsePrefix("fec0::/10"),       // site-local, as it was
}
