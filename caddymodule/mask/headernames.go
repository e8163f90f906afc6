package mask

import "strings"

// carriesAddress reports whether a header is one by whose name proxies, CDNs and
// clients hand on a client's address, its port, its host name, where it is, or what its TLS handshake looks like. Names are
// compared without regard to case and to the separator, since CGI and PHP fold '-', '_' and '.' into one.
func carriesAddress(name string) bool {
	if isPlainName(name) || len(name) > maxNameLength {
		return len(name) > maxNameLength
	}
	var room [maxNameLength]byte
	for i := range len(name) {
		room[i] = foldName(name[i])
	}
	folded := room[:len(name)]
	about, print := false, false // so far: of the client, of a handshake
	for start, i := 0, 0; i <= len(folded); i++ {
		if i < len(folded) && folded[i] != '-' {
			continue
		}
		word := string(folded[start:i])
		if start = i + 1; isAddressWord(word) || isPlaceWord(word) || about && isAboutClient(word) || print && word == "fingerprint" {
			return true
		}
		about, print = about || isClientWord(word), print || isHandshakeWord(word)
	}
	return false
}

// maxNameLength is that of the longest name worth reading. Nobody has one so long.
const maxNameLength = 256

// addressEndings end a word of a header's name that stands for an address, as in
// X-Real-IP, True-ClientIP, Remote_Addr, CF-Connecting-IPv6, X-ProxyUser-Ip.
var addressEndings = []string{"ip", "ips", "ipv4", "ipv6", "ip4", "ip6", "addr", "addrs", "address", "addresses"}

// isAddressWord reports whether a word of a name stands for an address or a chain of them.
func isAddressWord(word string) bool {
	switch word {
	case "forwarded", "forwardedfor", "forwardfor", "forward", "xff", "via", "ptr", "rdns", "rhost":
		return true
	case "zip", "gzip", "clip", "skip", "flip", "strip", "ship", "chip", "tip", "trip", "membership", "relationship": // only look so
		return false
	}
	for _, ending := range addressEndings {
		if strings.HasSuffix(word, ending) {
			return true
		}
	}
	for _, client := range clientWords {
		if rest, ok := strings.CutPrefix(word, client); ok && isAboutClient(rest) {
			return true // X-Azure-ClientPort
		}
	}
	return false
}

// clientWords stand for the client, or for whoever is at the other end of a connection.
var clientWords = []string{"client", "remote", "viewer", "visitor", "enduser", "user", "peer", "real", "source", "src", "connecting", "originating", "caller", "appengine", "cf"}

func isClientWord(word string) bool {
	for _, client := range clientWords {
		if word == client {
			return true
		}
	}
	return word == "cloudfront" || word == "end" || word == "proxyuser"
}

// isAboutClient reports whether a word tells of where a client is, after one that stands for it.
func isAboutClient(word string) bool {
	switch word {
	case "host", "hostname", "port", "dns", "network", "subnet", "asn", "asnum", "isp", "carrier", "region", "subdivision", "location", "continent",
		"timezone", "tz", "metro", "postal", "zipcode", "lat", "lon", "lng", "tls", "rtt", "mac":
		return true
	}
	return false
}

// isPlaceWord reports whether a word tells by itself of where a client is, by what network it comes, or what
// its TLS handshake looks like.
func isPlaceWord(word string) bool {
	switch word {
	case "viewer", "edgescape", "city", "continent", "asn", "isp", "latlong", "latlng", "latitude", "longitude", "citylatlong", "postalcode", "metrocode":
		return true
	}
	if rest, ok := strings.CutPrefix(word, "ip"); ok && (isAboutClient(rest) || isPlaceWord(rest)) {
		return true // CF-IPLatitude
	}
	for _, start := range []string{"geo", "ja3", "ja4"} {
		if strings.HasPrefix(word, start) {
			return true
		}
	}
	return strings.Contains(word, "country")
}

func isHandshakeWord(word string) bool {
	switch word {
	case "tls", "h2", "http2", "quic", "hello", "akamai", "tcp":
		return true
	}
	return false
}
