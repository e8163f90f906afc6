package anonproxy

import (
	"net/http"
	"net/url"
	"strings"
)

// maxURL bounds path and query together, in bytes.
const maxURL = 8 << 10

// target is what a request asks of which tool.
type target struct {
	name     string // unchecked
	path     string // starts with a slash
	escaped  string // the path as it was spelled
	rawQuery string
	anyQuery bool // a question mark, even with nothing after it
}

// splitTarget reads `PREFIX NAME /path ?query` from a request's URL. It works on
// the escaped path, so that no two programs read it differently.
func splitTarget(prefix string, u *url.URL) (target, *refusal) {
	escaped := u.EscapedPath()
	rest, ok := strings.CutPrefix(escaped, prefix)
	if !ok {
		return target{}, badRequest(http.StatusBadRequest, "the proxy's own path must not be escaped")
	}
	name, _, ok := strings.Cut(rest, "/")
	if !ok {
		return target{name: name}, badRequest(http.StatusNotFound, "nothing is asked for: a slash must follow the tool's name")
	}
	escaped = rest[len(name):]
	t := target{name: name, escaped: escaped, rawQuery: u.RawQuery, anyQuery: u.ForceQuery}
	switch {
	case len(escaped)+len(t.rawQuery) > maxURL:
		return t, badRequest(http.StatusRequestURITooLong, "the address is too long")
	// Go escapes what a client should have; these it must not send at all.
	case hasForbiddenByte(u.RawPath) || strings.ContainsAny(u.RawPath, `\?`) || u.Fragment != "":
		return t, badRequest(http.StatusBadRequest, "the path holds a byte that isn't allowed in it")
	case hasForbiddenByte(t.rawQuery):
		return t, badRequest(http.StatusBadRequest, "the query holds a byte that isn't allowed in it")
	}
	var err error
	if t.path, err = url.PathUnescape(escaped); err != nil {
		return t, badRequest(http.StatusBadRequest, "the path holds a broken escape")
	}
	if reason := badPath(t.path, escaped); reason != "" {
		return t, badRequest(http.StatusBadRequest, reason)
	}
	return t, nil
}

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

// badPath tells why a path is refused, or "". It takes nothing that a server
// could read as another path: no escaped separators, dot segments or empty ones.
func badPath(path, escaped string) string {
	for i := range len(path) {
		if path[i] < ' ' || path[i] == 0x7f || path[i] == '\\' {
			return "the path holds a control byte or a backslash"
		}
	}
	for rest, more := escaped, true; more; {
		_, rest, more = strings.Cut(rest, "%2")
		if more && rest != "" && (rest[0]|0x20 == 'e' || rest[0]|0x20 == 'f') {
			return "the path holds an escaped dot or slash"
		}
	}
	if path == "/" {
		return ""
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(path[1:], "/"), "/") {
		// Some servers cut parameters off a segment: "..;a" is ".." to them.
		bare, _, _ := strings.Cut(segment, ";")
		switch {
		case segment == "":
			return "the path holds an empty segment"
		case bare == "." || bare == "..":
			return "the path holds a dot segment"
		}
	}
	return ""
}
