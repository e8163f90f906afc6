package caddymodule

import (
	"net/http"
	"net/netip"
	"slices"

	"github.com/wikiveil/wikiveil/masking/spelling"
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

// needle finds one client's address in headers and puts the mask there.
type needle struct {
	spelling.Finder
	mask string
}

// except is the needle that leaves the server's own address alone, where the request names the server so.
func (n *needle) except(own netip.Addr) *needle {
	if !own.IsValid() {
		return n
	}
	return &needle{n.Except(own), n.mask}
}

// scrub puts the mask wherever a header value holds the client's address.
func (n *needle) scrub(h http.Header) {
	for _, values := range h {
		n.scrubValues(values)
	}
}

// scrubRequest does so, and deletes the headers that carry addresses by their name,
// forged ones of ours too.
func (n *needle) scrubRequest(h http.Header) {
	for name, values := range h {
		if !isPlainName(name) && n.dropsName(name) {
			delete(h, name)
			continue
		}
		n.scrubValues(values)
	}
}

func (n *needle) dropsName(name string) bool {
	return carriesAddress(name) || isOurs(name) || n.Finds(name)
}

func (n *needle) scrubValues(values []string) {
	for i, value := range values {
		if clean, found := n.Replace(value, n.mask); found {
			values[i] = clean
		}
	}
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
