package anonproxy

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// maxURL bounds path and query together, in bytes.
const maxURL = 8 << 10

// target is what a request asks of which tool.
type target struct {
	name     string // unchecked
	path     string // starts with a slash
	escaped  string // the path as it is sent
	rawQuery string // as it is sent
	anyQuery bool   // a question mark, even with nothing after it
}

// splitTarget reads `PREFIX NAME /path ?query` from a request's URL. What is sent is as the
// browser spelled it but for its escapes, of which there are several spellings: see
// [plainEscapes].
func splitTarget(prefix string, u *url.URL) (target, *refusal.Refusal) {
	rest, ok := strings.CutPrefix(spelledPath(u), prefix)
	if !ok {
		return target{}, outcomes.BadRequest(http.StatusBadRequest, "the proxy's own path must not be escaped")
	}
	name, _, ok := strings.Cut(rest, "/")
	if !ok {
		return target{name: name}, outcomes.BadRequest(http.StatusNotFound, "nothing is asked for: a slash must follow the tool's name")
	}
	t := target{name: name, escaped: plainEscapes(rest[len(name):]), rawQuery: plainEscapes(u.RawQuery), anyQuery: u.ForceQuery}
	switch {
	case len(rest)-len(name)+len(u.RawQuery) > maxURL:
		return t, outcomes.BadRequest(http.StatusRequestURITooLong, "the address is too long")
	// Go escapes what a client should have; these it must not send at all.
	case hasForbiddenByte(u.RawPath) || strings.ContainsAny(u.RawPath, `\?`) || u.Fragment != "":
		return t, outcomes.BadRequest(http.StatusBadRequest, "the path holds a byte that isn't allowed in it")
	case hasForbiddenByte(t.rawQuery):
		return t, outcomes.BadRequest(http.StatusBadRequest, "the query holds a byte that isn't allowed in it")
	}
	var err error
	if t.path, err = url.PathUnescape(t.escaped); err != nil {
		return t, outcomes.BadRequest(http.StatusBadRequest, "the path holds a broken escape")
	}
	if reason := badPath(t.path, t.escaped); reason != "" {
		return t, outcomes.BadRequest(http.StatusBadRequest, reason)
	}
	return t, nil
}

// spelledPath returns the path as it was spelled. [url.URL.EscapedPath] escapes all of a
// path anew that has one byte that it would have escaped, such as the | that browsers send.
func spelledPath(u *url.URL) string {
	if u.RawPath != "" {
		if path, err := url.PathUnescape(u.RawPath); err == nil && path == u.Path {
			return u.RawPath
		}
	}
	return u.EscapedPath()
}

// plainEscapes brings escapes into the one form that RFC 3986 section 6.2.2 calls equal:
// in capitals, and none for what needs none (%7E). Browsers differ in that, and a tool
// must not tell readers apart by it. All else stays as it is. Where an escape is broken
// none is taken off, as what is left could become another.
func plainEscapes(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	_, err := url.PathUnescape(s)
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if c, bad := strconv.ParseUint(s[i+1:i+3], 16, 8); bad == nil {
				if err == nil && isUnreserved(byte(c)) {
					out = append(out, byte(c))
				} else {
					out = append(out, strings.ToUpper(s[i:i+3])...)
				}
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

// isUnreserved reports whether a byte means the same escaped and not (RFC 3986 section 2.3).
func isUnreserved(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// spelledURL returns an address with the path as it is spelled, where [url.URL] would spell it anew.
func spelledURL(scheme, host string, t target) *url.URL {
	u := &url.URL{Scheme: scheme, Host: host, Path: t.path, RawPath: t.escaped, RawQuery: t.rawQuery, ForceQuery: t.anyQuery}
	if u.EscapedPath() != t.escaped && !strings.HasPrefix(t.escaped, "//") {
		u.Opaque = t.escaped
	}
	return u
}

// addressOf is the text of an address that [spelledURL] has made.
func addressOf(u *url.URL) string { return u.Scheme + "://" + u.Host + u.RequestURI() }

// hasForbiddenByte finds what would end or split a request line: white space,
// control bytes, a fragment, bytes that aren't ASCII.
func hasForbiddenByte(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '#' {
			return true
		}
	}
	return false
}

// badPath tells why a path is refused, or "". An escaped slash is data, and reaches the tool
// as it is. What no server may find in a path, whether it takes such a slash for one or not,
// is a dot segment; an empty one must be escaped.
func badPath(path, escaped string) string {
	for i := range len(path) {
		if path[i] < ' ' || path[i] == 0x7f || path[i] == '\\' {
			return "the path holds a control byte or a backslash"
		}
	}
	switch {
	case strings.Contains(escaped, "//"), strings.HasPrefix(path, "//"): // which could be a host's name
		return "the path holds an empty segment"
	case noticeboard.HasDotSegment(path):
		return "the path holds a dot segment"
	}
	return ""
}
