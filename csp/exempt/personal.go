package exempt

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// MarkPersonal says in a response's headers that they are for this reader alone:
// [MarkPrivate] without a use of what is stored, and `Vary: Cookie`. Else the reader's own browser would
// show a page with a wider policy after the exemption is gone; a 304 brings the present policy.
func MarkPersonal(h http.Header) {
	MarkPrivate(h, true)
	if !httpguts.HeaderValuesContainsToken(h["Vary"], "*") && !httpguts.HeaderValuesContainsToken(h["Vary"], "Cookie") {
		h.Add("Vary", "Cookie")
	}
}

// MarkPrivate keeps shared caches from storing a response whose headers are for one client: `Cache-Control: private`,
// with whatever stricter stood there. With ask it says no-cache too, so that a browser doesn't show it again without asking.
//
// What addresses shared caches goes: public, s-maxage and the headers that
// outweigh Cache-Control there (RFC 9213, and what came before it).
func MarkPrivate(h http.Header, ask bool) {
	for name := range h {
		switch {
		case strings.HasSuffix(name, "Cdn-Cache-Control"), name == "Surrogate-Control", name == "X-Accel-Expires", name == "Edge-Control":
			delete(h, name)
		}
	}
	kept := []string{"private"}
	if ask {
		kept = append(kept, "no-cache")
	}
	for _, line := range h["Cache-Control"] {
		list, ok := splitList(line)
		if !ok {
			// Nobody knows what a cache would make of it.
			list = []string{"no-store"}
		}
		for _, directive := range list {
			name, _, _ := strings.Cut(directive, "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "public", "s-maxage", "proxy-revalidate":
			case "private": // also with a list of fields, which is weaker
			case "no-cache", "immutable", "stale-while-revalidate", "stale-if-error":
				if !ask {
					kept = append(kept, directive)
				}
			default:
				kept = append(kept, directive)
			}
		}
	}
	h["Cache-Control"] = []string{strings.Join(kept, ", ")}
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
