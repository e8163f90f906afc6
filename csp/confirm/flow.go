package confirm

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/wikiveil/wikiveil/internal/kv"
)

// Config says what a flow is for. All of it is needed.
type Config struct {
	// Purpose keeps flows apart that share keys, such as "exempt" and "reveal".
	Purpose string
	// Wiki is the wiki's origin and Origin the one of the pages that confirm: another
	// port of the same host, or a subdomain. Both are https, without a path.
	Wiki, Origin string
	Keys         *Keys
	// Clients returns what no script can choose of where a request comes from: the client's address, then
	// the networks around it, from narrow to wide. They are only kept as keyed hashes. None is refused.
	Clients func(*http.Request) []string
	// Nonces remember what was used. All flows share them, on all nodes, and they outlive a reload of the configuration.
	// See [Begin].
	Nonces kv.Store
}

// Flow takes a person from a wiki to a page that the wiki's scripts can't reach,
// and the person's decision back. It is safe for concurrent use.
type Flow struct {
	purpose, wiki, origin string
	// shared: the other origin is a port of the wiki's host, which cookies ignore.
	shared  bool
	keys    *Keys
	clients func(*http.Request) []string
	nonces  kv.Store
}

// New returns a flow, or what is wrong with c.
func New(c Config) (*Flow, error) {
	if c.Purpose == "" || len(c.Purpose) > maxText || c.Keys == nil || c.Clients == nil || c.Nonces == nil {
		return nil, errors.New("making confirmation flow: it needs a purpose, keys, clients and nonces")
	}
	wiki, wikiHost, err := parseOrigin(c.Wiki)
	if err != nil {
		return nil, fmt.Errorf("making confirmation flow: %w", err)
	}
	origin, host, err := parseOrigin(c.Origin)
	if err != nil {
		return nil, fmt.Errorf("making confirmation flow: %w", err)
	}
	if wiki == origin {
		return nil, fmt.Errorf("making confirmation flow: %s is the wiki's own origin, where its scripts can confirm anything", origin)
	}
	return &Flow{c.Purpose, wiki, origin, wikiHost == host, c.Keys, c.Clients, c.Nonces}, nil
}

// Wiki returns the wiki's origin as browsers write it.
func (f *Flow) Wiki() string { return f.wiki }

// Owns reports whether an origin, as browsers serialise it, is the wiki's or the flow's own.
func (f *Flow) Owns(origin string) bool { return origin == f.wiki || origin == f.origin }

// parseOrigin returns an https origin as browsers serialise it, and its host
// name without the port.
func parseOrigin(text string) (origin, host string, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || !strings.EqualFold(text, u.Scheme+"://"+u.Host) {
		return "", "", fmt.Errorf("%q is not an https origin, such as https://wiki.example:9443", text)
	}
	host = strings.ToLower(u.Hostname())
	// Colons too: CSP, which must name this origin, has no form for an IPv6 address.
	if strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-._") != "" || host == "" {
		return "", "", fmt.Errorf("%q: the host must be a name in ASCII (punycode) or an IPv4 address", text)
	}
	origin = "https://" + host
	if port := u.Port(); port != "" && port != "443" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return "", "", fmt.Errorf("%q has no valid port", text)
		}
		origin += ":" + strconv.FormatUint(n, 10)
	}
	return origin, host, nil
}

// sameSender compares who sends a request with whom claims were made for, and returns their groups. A subdomain gets no cookie
// of the wiki's host: there only the commit, which is on the wiki, tells browsers apart.
func (f *Flow) sameSender(r *http.Request, set *keySet, c claims, onWiki bool) ([]Group, error) {
	if f.shared || onWiki {
		b, err := f.Browser(r)
		if err != nil {
			return nil, err
		}
		if own := b.ID(); !same(own[:], c.browser[:]) {
			return nil, ErrOtherBrowser
		}
	}
	return f.sameClient(r, set, c.client)
}

// same compares in a time that depends on the lengths only.
func same(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
