package mask

import (
	"net/http"
	"net/netip"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
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

// needle finds one client's address in headers and puts the mask there.
type needle struct {
	*spelling.Finder
	mask string
}

// newNeedle is a client's needle. It leaves the server's own address alone, where the request names the server by that.
func newNeedle(c *reqstate.Client, own *netip.Addr) needle {
	finder := &c.Finder
	if own != nil {
		others := finder.Except(*own)
		finder = &others
	}
	return needle{finder, c.Mask}
}

// scrub puts the mask wherever a header value holds the client's address, save where it is the edge's own.
func (n needle) scrub(h http.Header, edges reqstate.Headers) {
	for name, values := range h {
		if edges == nil || !edges.Wrote(name, values) {
			n.scrubValues(values)
		}
	}
}

// scrubRequest does so, and deletes the headers that carry addresses by their name,
// forged ones of ours too.
func (n needle) scrubRequest(h http.Header) {
	for name, values := range h {
		if !isPlainName(name) && n.dropsName(name) {
			delete(h, name)
			continue
		}
		n.scrubValues(values)
	}
}

func (n needle) dropsName(name string) bool {
	return carriesAddress(name) || isOurs(name) || n.Finds(name)
}

func (n needle) scrubValues(values []string) {
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
