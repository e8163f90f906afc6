package configcheck

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/netip"
	"slices"

	"go4.org/netipx"
)

// TrustedByAll is the warning of proxies that are everybody.
const TrustedByAll = "trusted_proxies holds all addresses: every reader can write who they are, and choose their own mask; name the proxies' addresses alone"

// trustedLoosely and namedByNobody are those of proxies that are trusted without being strict, and of a header that is never read.
const (
	trustedLoosely = "trusted_proxies without trusted_proxies_strict: the first address of X-Forwarded-For counts, which whoever sends the request may have written, " +
		"so that who can see their own mask can test whether a public mask is an address they suspect; add trusted_proxies_strict"
	namedByNobody = "client_ip_headers without trusted_proxies does nothing: behind a proxy all readers would have the proxy's mask; " +
		"name the proxies in trusted_proxies, and add trusted_proxies_strict"
)

// unicast are all addresses that clients on the internet have, by family.
var unicast = []netipx.IPRange{
	netipx.IPRangeFrom(netip.MustParseAddr("1.0.0.0"), netip.MustParseAddr("223.255.255.255")),
	netipx.RangeOfPrefix(netip.MustParsePrefix("2000::/3")),
}

// everybody returns the place of the range that completes all addresses of a family with those before it, which can be said in parts, or -1.
func everybody(ranges []string) int {
	var set netipx.IPSetBuilder
	for i, text := range ranges {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			continue
		}
		set.AddPrefix(prefix)
		if all, err := set.IPSet(); err == nil && slices.ContainsFunc(unicast, all.ContainsRange) {
			return i
		}
	}
	return -1
}

// trustFault says what is wrong with how a server finds its clients: whether it trusts proxies, does so strictly, and is told
// the headers in which they name clients; or "".
func trustFault(trusts, strict, named bool) string {
	switch {
	case trusts && !strict:
		return trustedLoosely
	case named && !trusts:
		return namedByNobody
	}
	return ""
}

// trustIn warns of servers, in the JSON of the app http, that believe what clients write of themselves.
func trustIn(raw json.RawMessage) (warnings []Warning) {
	var app struct {
		Servers map[string]struct {
			Trusted *struct{ Ranges []string } `json:"trusted_proxies"`
			Unix    bool                       `json:"trusted_proxies_unix"`
			Strict  int                        `json:"trusted_proxies_strict"`
			Headers []string                   `json:"client_ip_headers"`
		} `json:"servers"`
	}
	_ = json.Unmarshal(raw, &app) // Caddy itself says what is wrong
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		s, place := app.Servers[name], "apps/http/servers/"+name
		if s.Trusted != nil && everybody(s.Trusted.Ranges) >= 0 {
			warnings = append(warnings, Warning{File: place, Message: TrustedByAll})
		}
		if fault := trustFault(s.Trusted != nil || s.Unix, s.Strict > 0, len(s.Headers) > 0); fault != "" {
			warnings = append(warnings, Warning{File: place, Message: fault})
		}
	}
	return warnings
}

// global looks at the global options.
func (l looker) global(options []Statement) {
	for _, option := range options {
		if option.Name() != "servers" {
			continue
		}
		var trusted, named *Statement
		strict := false
		for _, inner := range option.Inner {
			switch inner.Name() {
			case "trusted_proxies", "trusted_proxies_unix":
				trusted = &inner
				if i := everybody(inner.Args()); i >= 0 {
					l.at(inner.Words[i+1], TrustedByAll)
				}
			case "trusted_proxies_strict":
				strict = true
			case "client_ip_headers":
				named = &inner
			}
		}
		if at := cmp.Or(trusted, named); at != nil {
			l.at(at.Words[0], trustFault(trusted != nil, strict, named != nil))
		}
	}
}
