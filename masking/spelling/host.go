package spelling

import (
	"net/netip"
	"strings"
)

// Host reads a host as resolvers and C's inet_aton do, with a port or not: 127.0.0.1 is also 127.1, 0x7f.1,
// 017700000001 and 2130706433.
func Host(host string) (netip.Addr, bool) {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.IndexByte(host, ':') == i {
		host = host[:i]
	}
	host = strings.TrimSuffix(host, ".")
	if host == "" || !isDigit(host[0]) {
		return netip.Addr{}, false
	}
	var addr uint64
	for parts := 0; ; parts++ {
		part, rest, more := strings.Cut(host, ".")
		if part == "" || !isDigit(part[0]) || parts > 3 {
			return netip.Addr{}, false
		}
		n := numberAt(part, 0)
		room := uint64(1) << 8
		if !more {
			room = 1 << (32 - 8*parts) // the last fills up the rest
		}
		if n.end != len(part) || n.octal >= room {
			return netip.Addr{}, false
		}
		if !more {
			addr |= n.octal
			break
		}
		addr |= n.octal << (24 - 8*parts)
		host = rest
	}
	return netip.AddrFrom4([4]byte{byte(addr >> 24), byte(addr >> 16), byte(addr >> 8), byte(addr)}), true
}

// FindsHost is Finds for a request's host, which stands for an address in more ways than others.
func (f *Finder) FindsHost(host string) bool {
	if f.Finds(host) {
		return true
	}
	addr, ok := Host(host)
	return ok && addr != f.own && f.client.Contains(addr)
}
