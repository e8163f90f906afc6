package reports

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wikiveil/wikiveil/internal/text"
)

// maxText is how many bytes a path or a gadget's name may have; MediaWiki's titles
// have at most 255. What is longer is cut.
const maxText = 255

// A location is what is looked at of a URL. Its query is only ever searched for
// the name of a gadget.
type location struct {
	origin string // scheme, host, and port if it is not the scheme's own
	host   string // in lower case, without port
	path   string // decoded
	query  string
}

func isFetched(scheme string) bool {
	return slices.Contains([]string{"https", "http", "wss", "ws"}, scheme)
}

// parseURL takes absolute URLs of http, https, ws and wss.
func parseURL(text string) (location, bool) {
	u, err := url.Parse(text)
	if err != nil || !isFetched(u.Scheme) {
		return location{}, false
	}
	host := strings.ToLower(u.Hostname())
	shown := host
	if strings.Contains(host, ":") {
		addr, err := netip.ParseAddr(host)
		if err != nil || addr.Zone() != "" {
			return location{}, false
		}
		shown = "[" + addr.String() + "]"
	} else if !isHostName(host) {
		return location{}, false
	}
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return location{}, false
		}
		secure := u.Scheme == "https" || u.Scheme == "wss"
		if !(secure && n == 443 || !secure && n == 80) {
			shown += ":" + strconv.FormatUint(n, 10)
		}
	}
	return location{origin: u.Scheme + "://" + shown, host: host, path: u.Path, query: u.RawQuery}, true
}

// isHostName takes what browsers serialise: labels in ASCII, IDNA in its xn-- form.
func isHostName(host string) bool {
	if host == "" || len(host) > 254 {
		return false
	}
	for i := range len(host) {
		switch c := host[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return host[0] != '.' && !strings.Contains(host, "..")
}

// cleanPath returns a path fit to keep and to show: in clear where it is printable,
// without addresses, and not longer than maxText.
func cleanPath(path string) string {
	if path == "" {
		return "/"
	}
	path = redact(path)
	if !printable(path) {
		path = (&url.URL{Path: path}).EscapedPath()
	}
	return text.Cut(path, maxText)
}

func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// redact replaces addresses, which titles such as Special:Contributions/192.0.2.1
// hold, by an asterisk.
func redact(path string) string {
	if !strings.ContainsAny(path, ".:") { // no address is without them
		return path
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if isAddress(part) {
			parts[i] = "*"
			continue
		}
		// Namespaces end with a colon, as groups of IPv6 addresses do, and so do wikis' prefixes before them.
		for at, c := range part {
			if c == ':' && isAddress(part[at+1:]) {
				parts[i] = part[:at+1] + "*"
				break
			}
		}
	}
	return strings.Join(parts, "/")
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(strings.Trim(strings.ReplaceAll(text, "_", ""), "[]"))
	return err == nil
}
