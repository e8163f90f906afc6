package exempt

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// MarkPersonal says in a response's headers that they are for this reader alone:
// `Cache-Control: private, no-cache` and `Vary: Cookie`, with whatever stricter stood
// there. Without no-cache the reader's own browser would show a page with a wider policy after
// the exemption is gone; a 304 brings the present policy.
//
// What addresses shared caches goes: public, s-maxage and the headers that
// outweigh Cache-Control there (RFC 9213, Surrogate-Control, X-Accel-Expires).
func MarkPersonal(h http.Header) {
	setPrivate(h)
	for name := range h {
		if strings.HasSuffix(name, "Cdn-Cache-Control") || name == "Surrogate-Control" || name == "X-Accel-Expires" {
			delete(h, name)
		}
	}
	if !httpguts.HeaderValuesContainsToken(h["Vary"], "*") && !httpguts.HeaderValuesContainsToken(h["Vary"], "Cookie") {
		h.Add("Vary", "Cookie")
	}
}

func setPrivate(h http.Header) {
	var kept []string
	for _, line := range h["Cache-Control"] {
		list, ok := splitList(line)
		if !ok {
			// Nobody knows what a cache would make of it.
			list = []string{"no-store"}
		}
		for _, directive := range list {
			name, _, _ := strings.Cut(directive, "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "public", "s-maxage", "proxy-revalidate", "immutable", "stale-while-revalidate", "stale-if-error":
			case "private", "no-cache": // also with a list of fields, which is weaker
			default:
				kept = append(kept, directive)
			}
		}
	}
	h["Cache-Control"] = []string{strings.Join(append([]string{"private", "no-cache"}, kept...), ", ")}
}

// splitList divides a list at its commas that are not in a quoted string (RFC 9110,
// section 5.6.4). ok is false for a string without an end.
func splitList(line string) (items []string, ok bool) {
	start, quoted := 0, false
	add := func(end int) {
		if item := strings.TrimSpace(line[start:end]); item != "" {
			items = append(items, item)
		}
		start = end + 1
	}
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted:
			add(i)
		}
	}
	if quoted {
		return nil, false
	}
	add(len(line))
	return items, true
}
