package exempt

import (
	"net/http"
	"slices"
	"strings"

	"github.com/wikiveil/wikiveil/csp/confirm"
)

// reservedPrefix begins the names of all edge cookies but the probe's.
const reservedPrefix = "__host-http-wikiveil-"

// isReserved reports whether the cookie of that name, in any case, is the edge's.
func isReserved(name string) bool {
	return len(name) >= len(reservedPrefix) && strings.EqualFold(name[:len(reservedPrefix)], reservedPrefix) ||
		strings.EqualFold(name, confirm.ProbeCookie)
}

// StripCookies removes the edge's cookies from a request's headers before it goes
// to the app, each of several too, and leaves the others as they came. It reports whether there were any.
//
// Pairs end at each semicolon, as they did for the browser that wrote them: a pair
// within what an app takes for a quoted string is one too.
func StripCookies(h http.Header) bool {
	lines := h["Cookie"]
	if !slices.ContainsFunc(lines, hasReserved) {
		return false
	}
	var kept []string
	for _, line := range lines {
		if line = stripLine(line); line != "" {
			kept = append(kept, line)
		}
	}
	if kept == nil {
		h.Del("Cookie")
		return true
	}
	h["Cookie"] = kept
	return true
}

func hasReserved(line string) bool {
	if !strings.Contains(line, "__") { // nearly all
		return false
	}
	for pair := range strings.SplitSeq(line, ";") {
		if isReserved(cookieName(pair)) {
			return true
		}
	}
	return false
}

func stripLine(line string) string {
	if !hasReserved(line) {
		return line
	}
	var b strings.Builder
	for pair := range strings.SplitSeq(line, ";") {
		if pair = strings.Trim(pair, " \t"); pair == "" || isReserved(cookieName(pair)) {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(pair)
	}
	return b.String()
}

// StripSetCookies removes the cookies from a response's headers that only the edge
// may set: those with such a name, and those of which a browser may make one. Such are names
// in another case or after blanks or control characters, and a cookie without a name whose
// value is `name=value`, which the browser sends back like that (RFC 6265bis, section 5.7).
func StripSetCookies(h http.Header) {
	lines := h["Set-Cookie"]
	forged := func(line string) bool {
		pair, _, _ := strings.Cut(line, ";")
		return isReserved(cookieName(pair))
	}
	if !slices.ContainsFunc(lines, forged) {
		return
	}
	// Not in place: the header's values may be shared.
	kept := slices.DeleteFunc(slices.Clone(lines), forged)
	if len(kept) == 0 {
		h.Del("Set-Cookie")
		return
	}
	h["Set-Cookie"] = kept
}

// cookieName returns what stands before the equals sign, or, without a name,
// what would be taken for one when it is sent back.
func cookieName(pair string) string {
	blank := func(c rune) bool { return c <= ' ' || c == 0x7f }
	name, _, _ := strings.Cut(strings.TrimLeftFunc(pair, func(c rune) bool { return c == '=' || blank(c) }), "=")
	return strings.TrimRightFunc(name, blank)
}
