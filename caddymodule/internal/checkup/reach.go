package checkup

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

const dialTimeout = time.Second

// Around tells whether the wiki answers at an address past the edge: a host and port at which somebody fears that it does.
func (w *Wiki) Around(ctx context.Context, address string, edge Edge) (Finding, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return Finding{}, fmt.Errorf("--around %q is no host:port", address)
	}
	if !answers(ctx, address) {
		return Finding{Check: checkAround, Level: OK, What: "nobody answers at " + address}, nil
	}
	past := *w
	api := *w.api
	past.host, api.Scheme, api.Host = cmp.Or(w.host, w.api.Host), "http", address
	past.api = &api
	v, err := past.visit(ctx, edge, nil)
	switch {
	case v != nil && v.seen.Arrived:
		return Finding{checkAround, Untold, address + " is the edge itself", "", "give the address that the wiki listens at"}, nil
	case err != nil:
		return Finding{checkAround, Warning, "something listens at " + address + " that isn't the edge; it isn't the wiki's API by plain http", "", "a firewall before it, or another address for it"}, nil
	}
	return Finding{checkAround, Error, "the wiki answers at " + address + ", around the edge: who asks there isn't masked, and can claim any mask", "", behindTheEdge}, nil
}

// behindTheEdge is how to have a server reached by the edge alone.
const behindTheEdge = "let it listen on 127.0.0.1 or a Unix socket (Apache: Listen 127.0.0.1:8080; nginx: listen 127.0.0.1:8080; php-fpm: listen = /run/php/php-fpm.sock), or let a firewall accept the edge alone"

// carriers is the range of networks behind a carrier's, and of some private ones (RFC 6598).
var carriers = netip.MustParsePrefix("100.64.0.0/10")

// Upstream tells whether strangers may reach an upstream of the edge, from the edge's machine.
func Upstream(ctx context.Context, host, port string) Finding {
	name := net.JoinHostPort(host, port)
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(addrs) == 0 {
		return Finding{checkAround, Untold, "the upstream " + name + " has no address", "", "see whether the edge reaches it"}
	}
	addr := addrs[0].Unmap()
	own := ownAddrs()
	switch {
	case addr.IsLoopback() || addr.IsUnspecified():
		for _, other := range append(otherLoopback(addr), own...) {
			if answers(ctx, net.JoinHostPort(other.String(), port)) {
				return Finding{checkAround, Warning, "the upstream " + name + " listens on all of this machine's addresses: unless a firewall stops them, strangers reach it around the edge, aren't masked, and can claim any mask",
					"", behindTheEdge}
			}
		}
		return Finding{Check: checkAround, Level: OK, What: "the upstream " + name + " listens on this machine alone"}
	case slices.Contains(own, addr):
		return Finding{checkAround, Warning, "the upstream " + name + " listens on an address of this machine that others may reach: unless a firewall stops them, they aren't masked, and can claim any mask", "", behindTheEdge}
	case addr.IsPrivate() || addr.IsLinkLocalUnicast() || carriers.Contains(addr):
		return Finding{checkAround, Untold, "whether others than the edge reach the upstream " + name + " is to be seen from where they are", "", "there: wikiveil doctor --wiki … --around " + name + " --address ADMIN_API"}
	}
	return Finding{checkAround, Warning, "the upstream " + name + " has a public address: unless a firewall stops them, strangers reach it around the edge, aren't masked, and can claim any mask", "", behindTheEdge}
}

// otherLoopback is an address at which, on Linux, only a program listens that listens on all addresses.
func otherLoopback(addr netip.Addr) []netip.Addr {
	other := netip.MustParseAddr("127.77.77.77")
	if addr == other {
		return nil
	}
	return []netip.Addr{other}
}

// ownAddrs are this machine's addresses that aren't loopback ones.
func ownAddrs() (own []netip.Addr) {
	all, _ := net.InterfaceAddrs()
	for _, one := range all {
		prefix, err := netip.ParsePrefix(one.String())
		if addr := prefix.Addr().Unmap(); err == nil && addr.IsGlobalUnicast() && !addr.IsLoopback() {
			own = append(own, addr)
		}
	}
	return own
}

// answers reports whether something accepts a connection.
func answers(ctx context.Context, address string) bool {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
