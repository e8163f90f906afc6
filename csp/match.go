package csp

import (
	"net/url"
	"strings"
)

// target is what is known of a URL that was asked for.
type target struct{ scheme, host, port string }

// parseTarget reads an origin, or a scheme alone.
func parseTarget(text string) (target, bool) {
	switch text {
	case "data", "blob", "filesystem", "mediastream", "file":
		return target{scheme: text}, true
	}
	u, err := url.Parse(strings.ToLower(text))
	if err != nil || u.Host == "" || defaultPorts[u.Scheme] == "" {
		return target{}, false
	}
	t := target{scheme: u.Scheme, host: u.Hostname(), port: u.Port()}
	if t.port == "" {
		t.port = defaultPorts[t.scheme]
	}
	return t, true
}

var defaultPorts = map[string]string{"http": "80", "https": "443", "ws": "80", "wss": "443"}

// differs is the verdict on what browsers disagree about.
var differs = depends("browsers differ on whether http(s) covers WebSocket")

// matches follows section 6.7.2.7, for a URL of which the path is not known.
func (s Source) matches(t, page target) opinion {
	switch s.kind {
	case keywordSource:
		if s == Self {
			return matchSelf(t, page)
		}
	case schemeSource:
		return matchScheme(strings.TrimSuffix(s.text, ":"), t.scheme)
	case hostSource:
		if s.text == "*" {
			if t.host != "" || t.scheme == page.scheme {
				return opinion{verdict: Allows}
			}
			return opinion{verdict: Blocks}
		}
		return s.matchHost(t, page)
	}
	return opinion{verdict: Blocks}
}

// matchSelf lets the same host be asked in a safer way, too.
func matchSelf(t, page target) opinion {
	samePort := t.port == page.port || t.port == defaultPorts[t.scheme] && page.port == defaultPorts[page.scheme]
	switch {
	case t.host == "" || t.host != page.host || !samePort:
	case t.scheme == page.scheme, t.scheme == "https", t.scheme == "wss", page.scheme == "http" && t.scheme == "ws":
		return opinion{verdict: Allows}
	}
	return opinion{verdict: Blocks}
}

func (s Source) matchHost(t, page target) opinion {
	scheme, rest, hasScheme := strings.Cut(s.text, "://")
	if !hasScheme {
		scheme, rest = page.scheme, s.text
	}
	authority, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	host, port, _ := strings.Cut(authority, ":")
	if t.host == "" || scheme == "" || !hostCovers(host, t.host) {
		return opinion{verdict: Blocks}
	}
	verdict := matchScheme(scheme, t.scheme)
	if m := matchPort(port, scheme, t); m.verdict != Allows && verdict.verdict != Blocks {
		verdict = m
	}
	if verdict.verdict == Allows && path != "" && path != "/" {
		return depends("reports have no paths, and the source has one")
	}
	return verdict
}

// hostCovers: a wildcard covers names below and not the name itself. Browsers compare
// addresses as they do names, though the standard has them match 127.0.0.1 alone.
func hostCovers(pattern, host string) bool {
	if pattern == "*" {
		return true
	}
	if suffix, ok := strings.CutPrefix(pattern, "*"); ok {
		return strings.HasSuffix(host, suffix)
	}
	return pattern == host
}

// matchScheme follows section 6.7.2.8: a source covers the safer form of its scheme.
func matchScheme(pattern, scheme string) opinion {
	switch pattern + " " + scheme {
	case pattern + " " + pattern, "http https", "ws wss", "ws http", "ws https", "wss https":
		return opinion{verdict: Allows}
	case "http ws", "http wss", "https wss":
		return differs
	}
	return opinion{verdict: Blocks}
}

// matchPort follows section 6.7.2.11, with the step from 80 to 443 that browsers take
// together with the one from http to https.
func matchPort(pattern, scheme string, t target) opinion {
	switch {
	case pattern == "*", pattern == "" && t.port == defaultPorts[t.scheme]:
	case pattern == "80" && t.port == "443" && (scheme == "http" || scheme == "ws"):
	case pattern != t.port:
		return opinion{verdict: Blocks}
	case scheme == "http" && t.scheme == "https":
		return depends("browsers differ on whether a port that is named covers https too")
	}
	return opinion{verdict: Allows}
}
