package masklog

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// Servers adds the addresses of the operator's own servers to a set: those that decoded JSON of a config
// has with a port or in a URL, and by themselves where only servers can stand. Others in a config are
// clients': ranges, matchers, lists of blocks.
func Servers(config any, to map[netip.Addr]struct{}) {
	addServers("", config, to)
}

func addServers(key string, value any, to map[netip.Addr]struct{}) {
	switch v := value.(type) {
	case string:
		for part := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == ' ' }) {
			addServer(key, part, to)
		}
	case []any:
		for _, element := range v {
			addServers(key, element, to)
		}
	case map[string]any:
		for name, member := range v {
			if key == "match" && name != "host" || name == "body" {
				continue
			}
			addServers(name, member, to)
		}
	}
}

func addServer(key, text string, to map[netip.Addr]struct{}) {
	host := hostOf(text)
	if host == "" && isServer(key) {
		host = strings.Trim(text, "[]")
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		to[netip.AddrFrom4([4]byte{127, 0, 0, 1})] = struct{}{}
		to[netip.IPv6Loopback()] = struct{}{}
		return
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		to[addr.Unmap().WithZone("")] = struct{}{}
	}
}

// isServer reports whether an address that stands alone under this key is a server's.
func isServer(key string) bool {
	switch key {
	case "host", "resolvers", "addresses", "local_address":
		return true
	}
	return false
}

// hostOf returns the host of a URL, or of host:port with or without a network before it.
func hostOf(text string) string {
	if strings.Contains(text, "://") {
		u, err := url.Parse(text)
		if err != nil {
			return ""
		}
		return u.Hostname()
	}
	if network, rest, ok := strings.Cut(text, "/"); ok {
		switch network {
		case "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6":
			text = rest
		default:
			return ""
		}
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || port == "" || strings.Trim(port, "0123456789-") != "" {
		return ""
	}
	return host
}
