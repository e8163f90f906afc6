package caddymodule

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// isPlainName tells at a glance the headers that say nothing of the client's address by their name:
// what nearly every request has, and the forwarding headers that are of the server's side.
func isPlainName(name string) bool {
	switch name {
	case "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Connection",
		"Content-Length", "Content-Type", "Cookie", "Dnt", "Host", "If-Modified-Since", "If-None-Match", "Origin",
		"Pragma", "Priority", "Range", "Referer", "Sec-Ch-Ua", "Sec-Ch-Ua-Mobile", "Sec-Ch-Ua-Platform",
		"Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Sec-Fetch-User", "Sec-Websocket-Key",
		"Sec-Websocket-Version", "Te", "Upgrade", "Upgrade-Insecure-Requests", "User-Agent", "X-Requested-With",
		"X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Scheme",
		"X-Forwarded-Ssl", "X-Forwarded-Uri", "X-Forwarded-Method":
		return true
	}
	return false
}

// carriesAddress reports whether a header is one by whose name proxies,
// CDNs and clients hand on addresses. Names are compared without regard to case and
// to the separator, since CGI and PHP fold '-', '_' and '.' into one.
func carriesAddress(name string) bool {
	if isPlainName(name) {
		return false
	}
	start := 0
	for i := 0; i <= len(name); i++ {
		if i == len(name) || name[i] == '-' || name[i] == '_' || name[i] == '.' {
			if isAddressWord(name[start:i]) {
				return true
			}
			start = i + 1
		}
	}
	return false
}

// addressEndings end a word of a header's name that stands for an address, as in
// X-Real-IP, True-ClientIP, Remote_Addr, CF-Connecting-IPv6, X-ProxyUser-Ip.
var addressEndings = []string{"ip", "ips", "ipv4", "ipv6", "ip4", "ip6", "addr", "addrs", "address", "addresses"}

// otherWords only look so.
var otherWords = []string{"zip", "gzip", "clip", "skip", "flip", "strip", "ship", "chip", "tip", "trip", "membership", "relationship"}

func isAddressWord(word string) bool {
	if len(word) < 2 || len(word) > 64 {
		return false
	}
	switch foldName(word[len(word)-1]) {
	case 'p', 's', '4', '6', 'r', 'd', 'f', 'a': // how all the words below end
	default:
		return false
	}
	var buf [64]byte
	for i := range len(word) {
		buf[i] = foldName(word[i])
	}
	lower := buf[:len(word)]
	switch string(lower) {
	case "forwarded", "forwardedfor", "xff", "via":
		return true
	}
	ends := func(ending string) bool {
		return len(lower) >= len(ending) && string(lower[len(lower)-len(ending):]) == ending
	}
	return slices.ContainsFunc(addressEndings, ends) && !slices.Contains(otherWords, string(lower))
}

// needle finds one client's address in header values and puts the mask there.
type needle struct {
	client netip.Prefix // the address, or the IPv6 prefix the mask stands for
	dotted string       // the address, if it's IPv4
	mask   string
}

// mayHold is a quick look that rules out nearly every value: an IPv6 address, or an IPv4
// one mapped into it, has "::" or six colons.
func (n *needle) mayHold(value string) bool {
	if n.dotted != "" && strings.IndexByte(value, '.') >= 0 && strings.Contains(value, n.dotted) {
		return true
	}
	if first := strings.IndexByte(value, ':'); first >= 0 {
		if rest := value[first:]; strings.Contains(rest, "::") || strings.Count(rest, ":") >= 6 {
			return true
		}
	}
	return strings.IndexByte(value, '%') >= 0 && (strings.Contains(value, "%3A") || strings.Contains(value, "%3a"))
}

// scrub puts the mask wherever a header value holds the client's address, save
// where it is the server's own address, as on one machine.
func (n *needle) scrub(h http.Header, own netip.Addr) {
	for _, values := range h {
		n.scrubValues(values, own)
	}
}

// scrubRequest does so, and deletes the headers that carry addresses by their name,
// forged ones of ours too.
func (n *needle) scrubRequest(h http.Header, own netip.Addr) {
	for name, values := range h {
		if !isPlainName(name) && n.dropsName(name) {
			delete(h, name)
			continue
		}
		n.scrubValues(values, own)
	}
}

func (n *needle) dropsName(name string) bool {
	return carriesAddress(name) || isOurs(name) || n.dotted != "" && strings.Contains(name, n.dotted)
}

func (n *needle) scrubValues(values []string, own netip.Addr) {
	for i, value := range values {
		if !n.mayHold(value) {
			continue
		}
		if clean, found := n.clean(value, own); found {
			values[i] = clean
		}
	}
}

func (n *needle) clean(value string, own netip.Addr) (string, bool) {
	return replaceAddrsIn(value, func(addr netip.Addr) (string, bool) {
		addr = addr.Unmap()
		return n.mask, addr != own && (n.client.Contains(addr) || n.embedded(addr))
	})
}

// embedded reports whether an IPv6 address tells an IPv4 client's: by NAT64 and its like at
// the end, by 6to4 after the prefix.
func (n *needle) embedded(addr netip.Addr) bool {
	if n.dotted == "" || addr.Is4() {
		return false
	}
	b, client := addr.As16(), n.client.Addr().As4()
	return [4]byte(b[12:]) == client || [4]byte(b[2:6]) == client
}

// isOurs reports whether an app could take the header for one of ours.
func isOurs(name string) bool {
	if name == "" || name[0]|0x20 != 'c' {
		return false
	}
	return sameName(name, headerMask) || sameName(name, headerNetworkMasks) || sameName(name, headerNetworkNames)
}

// sameName compares names as CGI and PHP would see them.
func sameName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if foldName(a[i]) != foldName(b[i]) {
			return false
		}
	}
	return true
}

func foldName(c byte) byte {
	switch {
	case c == '_' || c == '.':
		return '-'
	case 'A' <= c && c <= 'Z':
		return c | 0x20
	}
	return c
}
