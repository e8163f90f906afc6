package anonproxy

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/idna"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/anonproxy/transport"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// maxRedirects is how many redirects of a tool are followed.
const maxRedirects = 3

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// follow returns where a redirect leads, if the tool is declared to be there. The address
// is read as browsers read it: blanks, and letters beyond ASCII, are escaped.
func (up *upstream) follow(from *url.URL, location []string) (*url.URL, *refusal.Refusal) {
	if len(location) != 1 {
		return nil, outcomes.BadResponse("the tool redirects to nowhere, or to two places")
	}
	address, rest := splitAddress(from, location[0])
	to, err := url.Parse(address)
	switch {
	case err != nil || to.Opaque != "":
		return nil, outcomes.BadResponse("the tool redirects to a malformed address")
	case to.User != nil:
		return nil, outcomes.BadResponse("the tool redirects with a user name")
	case to.Scheme != up.origin.Scheme:
		return nil, outcomes.BadResponse("the tool redirects to another scheme than its own")
	}
	t, ok := rest.target(from)
	if !ok || len(t.escaped)+len(t.rawQuery) > maxURL {
		return nil, outcomes.BadResponse("the tool redirects to a malformed or overlong address")
	}
	host := strings.TrimSuffix(strings.ToLower(to.Host), ":"+transport.DefaultPort(to.Scheme))
	if name := to.Hostname(); escapeBytes(name, "") != name { // letters beyond ASCII
		ascii, err := idna.Lookup.ToASCII(name)
		if err != nil {
			return nil, outcomes.BadResponse("the tool redirects to a host that isn't declared")
		}
		host = strings.TrimSuffix(ascii+":"+to.Port(), ":")
		host = strings.TrimSuffix(host, ":"+transport.DefaultPort(to.Scheme))
	}
	if !up.origins[to.Scheme+"://"+host] {
		return nil, outcomes.BadResponse("the tool redirects to a host that isn't declared")
	}
	return spelledURL(to.Scheme, host, t), nil
}

// reference is what follows the host in an address, as it is spelled.
type reference struct {
	path, query string
	anyQuery    bool
	absolute    bool // a host is given
}

var schemeForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*:`)

// splitAddress splits an address, which may be relative, behind its host (WHATWG URL: blanks
// around it, line breaks and tabs within, and the fragment mean nothing; a backslash is a slash).
func splitAddress(from *url.URL, location string) (address string, rest reference) {
	location = strings.TrimFunc(location, func(r rune) bool { return r <= ' ' })
	location = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(location)
	location, _, _ = strings.Cut(location, "#")
	rest.path, rest.query, rest.anyQuery = strings.Cut(location, "?")
	rest.path = strings.ReplaceAll(rest.path, `\`, "/")
	address = from.Scheme + ":"
	if scheme := schemeForm.FindString(rest.path); scheme != "" {
		address, rest.path, rest.absolute = scheme, rest.path[len(scheme):], true
	}
	host, ok := strings.CutPrefix(rest.path, "//")
	switch {
	case ok:
		rest.absolute = true
		host, rest.path, _ = strings.Cut(host, "/")
		rest.path = "/" + rest.path
		return address + "//" + host, rest
	case rest.absolute:
		return address + rest.path, rest // opaque
	}
	return from.Scheme + "://" + from.Host, rest
}

// target resolves the reference against the address that led to it, without dot segments.
func (r reference) target(from *url.URL) (t target, ok bool) {
	base := reference{}
	base.path, base.query, base.anyQuery = strings.Cut(from.RequestURI(), "?")
	switch {
	case r.absolute || strings.HasPrefix(r.path, "/"):
	case r.path != "":
		r.path = base.path[:strings.LastIndexByte(base.path, '/')+1] + r.path
	case r.anyQuery:
		r.path = base.path
	default:
		r = base
	}
	t.escaped = withoutDots(escapeBytes(r.path, "\"<>^`{}"))
	t.rawQuery, t.anyQuery = escapeBytes(r.query, "\"<>'"), r.anyQuery && r.query == ""
	var err error
	t.path, err = url.PathUnescape(t.escaped)
	return t, err == nil
}

// escapeBytes escapes blanks, control bytes, those beyond ASCII, and others.
func escapeBytes(s, others string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(others, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// withoutDots resolves the segments `.` and `..` of a path (RFC 3986 section 5.2.4).
func withoutDots(path string) string {
	var out []string
	all := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, segment := range all {
		last := i == len(all)-1
		switch {
		case segment == ".." && len(out) > 0:
			out = out[:len(out)-1]
		case segment != "." && segment != "..":
			out = append(out, segment)
			continue
		}
		if last {
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/")
}
