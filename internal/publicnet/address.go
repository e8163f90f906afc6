// Package publicnet keeps the edge's own requests from its own network, wherever a name or a redirect leads (SSRF): they go to
// public addresses, or to loopback alone where the operator says so.
package publicnet

import (
	"net/netip"

	"code.dny.dev/ssrf"
)

// BlockedError tells why a connection was not made.
type BlockedError struct {
	// Reason is a plain phrase without any address.
	Reason string
}

func (e *BlockedError) Error() string { return "blocked: " + e.Reason }

// Check reports, as a [BlockedError], why no connection may be made to an address, host:port. It belongs into a net.Dialer's
// Control, which is after the name look-up and before the connection: so a name that changes between check
// and use (DNS rebinding) gains nothing. Where loopback is set, nothing but loopback may be dialled.
func Check(address string, loopback bool) error {
	endpoint, err := netip.ParseAddrPort(address)
	if err != nil {
		return &BlockedError{"not an address"}
	}
	if loopback {
		if !endpoint.Addr().IsLoopback() {
			return &BlockedError{"it may only be on loopback"}
		}
		return nil
	}
	if reason := special(endpoint.Addr()); reason != "" {
		return &BlockedError{reason}
	}
	return nil
}

// specialRanges names what no server that we ask lives in: IANA's special-purpose registries
// for IPv4 and IPv6 (RFC 6890), ranges that carry another address inside, and
// addresses by which clouds serve their machines. The narrower stands first.
var specialRanges = []struct {
	prefix netip.Prefix
	reason string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network (RFC 791)"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private use (RFC 1918)"},
	{netip.MustParsePrefix("100.64.0.0/10"), "shared address space (RFC 6598)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback (RFC 1122)"},
	{netip.MustParsePrefix("168.63.129.16/32"), "Azure's service address"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link local (RFC 3927)"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private use (RFC 1918)"},
	{netip.MustParsePrefix("192.0.0.0/24"), "IETF protocol assignments (RFC 6890)"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("192.31.196.0/24"), "AS112 (RFC 7535)"},
	{netip.MustParsePrefix("192.52.193.0/24"), "AMT (RFC 7450)"},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay (RFC 7526)"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private use (RFC 1918)"},
	{netip.MustParsePrefix("192.175.48.0/24"), "AS112 (RFC 7534)"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking (RFC 2544)"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation (RFC 5737)"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast (RFC 1112)"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved (RFC 1112)"},

	{netip.MustParsePrefix("::/128"), "unspecified (RFC 4291)"},
	{netip.MustParsePrefix("::1/128"), "loopback (RFC 4291)"},
	{netip.MustParsePrefix("::ffff:0:0/96"), "mapped IPv4 (RFC 4291)"},
	{netip.MustParsePrefix("::/96"), "IPv4-compatible (RFC 4291)"},
	{netip.MustParsePrefix("64:ff9b::/96"), "NAT64 (RFC 6052)"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "local NAT64 (RFC 8215)"},
	{netip.MustParsePrefix("100::/64"), "discard only (RFC 6666)"},
	{netip.MustParsePrefix("100:0:0:1::/64"), "dummy prefix (RFC 9780)"},
	{netip.MustParsePrefix("2001::/32"), "Teredo (RFC 4380)"},
	{netip.MustParsePrefix("2001:2::/48"), "benchmarking (RFC 5180)"},
	{netip.MustParsePrefix("2001:3::/32"), "AMT (RFC 7450)"},
	{netip.MustParsePrefix("2001:4:112::/48"), "AS112 (RFC 7535)"},
	{netip.MustParsePrefix("2001:10::/28"), "ORCHID (RFC 4843)"},
	{netip.MustParsePrefix("2001:20::/28"), "ORCHIDv2 (RFC 7343)"},
	{netip.MustParsePrefix("2001:30::/28"), "drone identifiers (RFC 9374)"},
	{netip.MustParsePrefix("2001::/23"), "IETF protocol assignments (RFC 2928)"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation (RFC 3849)"},
	{netip.MustParsePrefix("2002::/16"), "6to4 (RFC 3056)"},
	{netip.MustParsePrefix("2620:4f:8000::/48"), "AS112 (RFC 7534)"},
	{netip.MustParsePrefix("3fff::/20"), "documentation (RFC 9637)"},
	{netip.MustParsePrefix("5f00::/16"), "segment routing (RFC 9602)"},
	{netip.MustParsePrefix("fc00::/7"), "unique local (RFC 4193)"},
	{netip.MustParsePrefix("fe80::/10"), "link local (RFC 4291)"},
	{netip.MustParsePrefix("fec0::/10"), "site local (RFC 3879)"},
	{netip.MustParsePrefix("ff00::/8"), "multicast (RFC 4291)"},
}

// registry also refuses what IANA adds after our table was written, as soon as
// the dependency is updated, and all IPv6 outside of 2000::/3.
var registry = ssrf.New()

// special returns why nothing may be reached at the address, or "" where it may.
//
// An operator's own NAT64 prefix (RFC 6052) can't be known here: a network that
// uses one must keep its translator from private addresses.
func special(addr netip.Addr) string {
	switch {
	case !addr.IsValid():
		return "not an address"
	case addr.Zone() != "":
		return "bound to a network interface"
	}
	for _, r := range specialRanges {
		if r.prefix.Contains(addr) {
			return r.reason
		}
	}
	if registry.SafeAddr(addr) != nil {
		return "not global unicast"
	}
	return ""
}
