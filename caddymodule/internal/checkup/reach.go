package checkup

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// How long a server may take to accept a connection: on this machine, and elsewhere.
const (
	nearTimeout = time.Second
	farTimeout  = 5 * time.Second
)

// Around tells whether the wiki answers at an address past the edge: a host and port at which somebody fears that it does. An error
// is why that couldn't be tried.
func (w *Wiki) Around(ctx context.Context, address string, edge Edge) (Finding, error) {
	host, port, err := net.SplitHostPort(address)
	if number, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || host == "" || number == 0 {
		return Finding{}, fmt.Errorf("--around %q is no host:port", address)
	}
	if listens, err := accepts(ctx, address, farTimeout); err != nil {
		return Finding{}, fmt.Errorf("--around %s can't be tried from here: %w", address, err)
	} else if !listens {
		return Finding{Check: checkAround, Level: OK, What: "nobody answers at " + address}, nil
	}
	past, api := *w, *w.api
	past.host, past.api, api.Host = cmp.Or(w.host, w.api.Host), &api, address
	// Whoever answers for the wiki counts, whatever certificate it has: it is told nothing.
	past.client.Transport = transport(&tls.Config{ServerName: (&url.URL{Host: past.host}).Hostname(), InsecureSkipVerify: true})
	defer past.Close()
	for _, api.Scheme = range []string{"http", "https"} {
		v, err := past.visit(ctx, edge, nil)
		_, refused := errors.AsType[*apiError](err)
		switch {
		case v == nil:
			return Finding{}, err
		case v.seen.Arrived:
			return Finding{checkAround, Untold, address + " is the edge itself", "", "give the address that the wiki listens at"}, nil
		case err == nil || refused:
			return Finding{checkAround, Error, "the wiki answers at " + address + ", around the edge: who asks there isn't masked, and can claim any mask", "", behindTheEdge}, nil
		}
	}
	return Finding{checkAround, Warning, "something listens at " + address + " that isn't the edge, nor the wiki's API under its name", "", "a firewall before it, or another address for it"}, nil
}

// behindTheEdge is how to have a server reached by the edge alone.
const behindTheEdge = "let it listen on 127.0.0.1 or a Unix socket (Apache: Listen 127.0.0.1:8080; nginx: listen 127.0.0.1:8080; php-fpm: listen = /run/php/php-fpm.sock), or let a firewall accept the edge alone"

// carriers is the range of networks behind a carrier's, and of some private ones (RFC 6598).
var carriers = netip.MustParsePrefix("100.64.0.0/10")

// Private reports whether an address is of this machine or a private network.
func Private(addr netip.Addr) bool {
	return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || carriers.Contains(addr)
}

// Upstream tells whether strangers may reach an upstream of the edge, from the edge's machine. Listeners are the edge's own addresses,
// with ports: who answers there is the edge.
func Upstream(ctx context.Context, host, port string, listeners []string) Finding {
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
			at := net.JoinHostPort(other.String(), port)
			if slices.Contains(listeners, at) {
				continue
			}
			listens, err := accepts(ctx, at, nearTimeout)
			if err != nil && !other.IsLoopback() { // not all systems have other loopback addresses
				return Finding{checkAround, Untold, fmt.Sprintf("whether the upstream %s listens on this machine's other addresses: %v", name, err), "", "from another machine: wikiveil doctor --wiki … --around ADDRESS:" + port + " --address ADMIN_API"}
			}
			if listens {
				return Finding{checkAround, Warning, "the upstream " + name + " listens on all of this machine's addresses: unless a firewall stops them, strangers reach it around the edge, aren't masked, and can claim any mask",
					"", behindTheEdge}
			}
		}
		return Finding{Check: checkAround, Level: OK, What: "the upstream " + name + " listens on this machine alone"}
	case slices.Contains(own, addr):
		return Finding{checkAround, Warning, "the upstream " + name + " listens on an address of this machine that others may reach: unless a firewall stops them, they aren't masked, and can claim any mask", "", behindTheEdge}
	case Private(addr):
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

// accepts reports whether something accepts a connection. Refusals and silence say that nothing does; another error, as of a name
// without an address or a network that isn't reached, is why it can't be told.
func accepts(ctx context.Context, address string, timeout time.Duration) (bool, error) {
	dialer := net.Dialer{Timeout: timeout}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err == nil {
		conn.Close()
		return true, nil
	}
	_, unnamed := errors.AsType[*net.DNSError](err)
	late, ok := errors.AsType[net.Error](err)
	if !unnamed && (errors.Is(err, syscall.ECONNREFUSED) || ok && late.Timeout()) {
		return false, nil
	}
	return false, err
}
