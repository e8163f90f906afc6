package configcheck

import (
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/wikiveil/wikiveil/masking"
)

// The rules below are asked of the Caddyfile's words and of the JSON alike, so that both give the same warning.

const original = "; to match addresses, use original_client_ip"

// matcherFault says why a matcher doesn't do in a masked site what it did, or "". The arguments are the words or
// values given to it.
func matcherFault(name string, args []string) string {
	switch name {
	case "remote_ip", "client_ip":
		if len(args) > 0 && !slices.ContainsFunc(args, func(text string) bool { return !isMaskRange(text) }) {
			return "" // what it is to match are masks
		}
		return "in a site with client_mask, the matcher " + name + " sees masks, not addresses" + original
	case "expression":
		return expressionFault(strings.Join(args, " "))
	case "vars", "vars_regexp":
		for _, arg := range args {
			if arg == "client_ip" || addressPlaceholder(arg) != "" {
				return "in a site with client_mask, the matcher " + name + " sees the mask in " + arg + ", not the address" + original
			}
		}
	case "header", "header_regexp":
		for _, arg := range args {
			if isForwarding(strings.TrimPrefix(arg, "!")) {
				return "in a site with client_mask, the matcher " + name + " doesn't see the header " + arg + " as it came" + original
			}
		}
	case "dynamic_client_ip", "fail2ban", "geoip2", "ip2region", "maxmind_asn", "maxmind_geolocation":
		return "in a site with client_mask, the matcher " + name + " sees masks, not addresses" + original + ", or a `network` of the wikiveil option"
	}
	return ""
}

// expressionFault does so for an expression.
func expressionFault(text string) string {
	for _, name := range []string{"remote_ip", "client_ip"} {
		if called(text, name) {
			return matcherFault(name, nil)
		}
	}
	placeholder := addressPlaceholder(text)
	if placeholder == "" && called(text, "vars") && strings.Contains(text, "client_ip") {
		placeholder = "the variable client_ip"
	}
	if placeholder != "" {
		return "in a site with client_mask, the matcher expression sees the mask in " + placeholder + ", not the address" + original
	}
	return ""
}

// called reports whether an expression calls a function.
func called(text, name string) bool {
	for rest := text; ; {
		i := strings.Index(rest, name)
		if i < 0 {
			return false
		}
		before, after := rest[:i], strings.TrimLeft(rest[i+len(name):], " \t")
		rest = rest[i+len(name):]
		if strings.HasPrefix(after, "(") && (before == "" || !isWordByte(before[len(before)-1])) {
			return true
		}
	}
}

func isWordByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

func isMaskRange(text string) bool {
	prefix, err := masking.ParseRange(text)
	return err == nil && prefix.Bits() >= masking.Space.Bits() && masking.Space.Contains(prefix.Addr())
}

// placeholderPattern finds placeholders.
var placeholderPattern = regexp.MustCompile(`\{[A-Za-z0-9_.%/?-]+\}`)

var shorthands = httpcaddyfile.NewShorthandReplacer()

// longForm writes the shorthands of a Caddyfile's placeholders out.
func longForm(text string) string {
	segment := caddyfile.Segment{{Text: text}}
	shorthands.ApplyToSegment(&segment)
	return segment[0].Text
}

// addressPlaceholder returns the first placeholder in a text that stood for the client's address, or "".
func addressPlaceholder(text string) string {
	for _, found := range placeholderPattern.FindAllString(text, -1) {
		name := strings.Trim(longForm(found), "{}")
		switch {
		case name == "http.vars.client_ip", name == "http.request.remote", strings.HasPrefix(name, "http.request.remote."):
			return found
		case strings.HasPrefix(name, "http.request.header.") && isForwarding(strings.TrimPrefix(name, "http.request.header.")):
			return found
		}
	}
	return ""
}

// forwarding are the headers in which proxies usually tell the client's address.
var forwarding = []string{"forwarded", "x-forwarded-for", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "fastly-client-ip"}

func isForwarding(header string) bool { return slices.Contains(forwarding, fold(header)) }

// fold compares names of headers as CGI and PHP do.
func fold(name string) string {
	return strings.NewReplacer("_", "-", ".", "-").Replace(strings.ToLower(name))
}

// set are the headers that client_mask sets.
var set = []string{"client-mask", "client-network-masks", "client-network", "x-forwarded-for"}

// headerFault says what an operation on a request's header undoes, or "". How is one of set, add, delete and replace.
func headerFault(directive, how, field string, values []string, xff bool) string {
	name := fold(field)
	broken := ""
	for _, ours := range set {
		if name == ours || how == "delete" && matchesWildcard(name, ours) || how == "replace" && name == "*" {
			broken = ours
			break
		}
	}
	if broken == "" {
		return ""
	}
	if broken == "x-forwarded-for" && !xff && how == "set" && len(values) > 0 && isAddressAlone(values[0]) {
		return "" // the mask, which stands there anyway
	}
	does := map[string]string{"set": "overwrites", "add": "adds to", "delete": "removes", "replace": "changes"}[how]
	fault := directive + " " + field + " " + does + " a header that client_mask sets"
	if broken == "x-forwarded-for" && xff {
		return fault + ": with `networks xff` it holds the masks of the client's networks, and blocks of them would no longer hold; leave it out"
	}
	return fault + ", which the app then doesn't get as it should; leave it out"
}

func isAddressAlone(value string) bool {
	switch strings.Trim(longForm(strings.TrimSpace(value)), "{}") {
	case "http.vars.client_ip", "http.vars.client_mask", "http.request.remote.host":
		return true
	}
	return false
}

// matchesWildcard reports whether a name with * at one or both ends covers another, as in Caddy.
func matchesWildcard(pattern, name string) bool {
	start, end := strings.HasPrefix(pattern, "*"), strings.HasSuffix(pattern, "*")
	switch core := strings.Trim(pattern, "*"); {
	case start && end:
		return strings.Contains(name, core)
	case start:
		return strings.HasSuffix(name, core)
	case end:
		return strings.HasPrefix(name, core)
	}
	return false
}

// envFault does so for a variable of a FastCGI request.
func envFault(name, value string, xff bool) string {
	switch upper := strings.ToUpper(name); {
	case upper == "REMOTE_ADDR" || upper == "REMOTE_HOST":
		if addr, err := netip.ParseAddr(value); err == nil && !masking.Is(addr) || err != nil && !isAddressAlone(value) {
			return "env " + name + " takes the mask's place, and the app doesn't get it; leave it out"
		}
	case strings.HasPrefix(upper, "HTTP_"):
		return headerFault("env", "set", strings.TrimPrefix(upper, "HTTP_"), []string{value}, xff)
	}
	return ""
}

// varFault says so of a variable that is set.
func varFault(name string) string {
	if name == "client_ip" || name == "client_mask" || name == "trusted_proxy" {
		return "vars " + name + " overwrites what client_mask has set; use a name of your own"
	}
	return ""
}

// handlerFault says why a handler after client_mask doesn't do what it did.
func handlerFault(name string) string {
	if slices.Contains(addressReaders, name) {
		return "after client_mask, " + name + " sees masks, not addresses; put it before: `order " + name + " before client_mask`"
	}
	return ""
}

// mapFault says so of a map by the address.
func mapFault(source string) string {
	if placeholder := addressPlaceholder(source); placeholder != "" {
		return "in a site with client_mask, map sees the mask in " + placeholder + ", not the address" + original
	}
	return ""
}

// UpstreamFault says why an upstream, by its address in the config, can perhaps be reached around the edge, or "". Of names and private
// addresses nothing is known.
func UpstreamFault(address string) string {
	host := address
	if _, rest, found := strings.Cut(host, "://"); found {
		host = rest
	}
	if bare, _, err := net.SplitHostPort(host); err == nil {
		host = bare
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if addr = addr.Unmap(); err != nil || !addr.IsGlobalUnicast() || addr.IsPrivate() || carriers.Contains(addr) {
		return ""
	}
	return "the upstream " + addr.String() + " has a public address: unless a firewall lets the edge alone to it, strangers reach the app around the edge, unmasked, and can claim any mask"
}

// carriers is what some private networks use (RFC 6598).
var carriers = netip.MustParsePrefix("100.64.0.0/10")
