package csp

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Source is one source expression of CSP Level 3, section 2.3.1, in its
// canonical form: scheme, host and keywords in lower case, paths, nonces and
// hashes untouched. The zero Source is none and is refused everywhere.
type Source struct {
	text string
	kind sourceKind
}

type sourceKind uint8

const (
	noSource sourceKind = iota
	noneSource
	keywordSource
	schemeSource
	hostSource
	nonceSource
	hashSource
)

var (
	// None matches nothing. It stands alone in its directive.
	None = Source{"'none'", noneSource}
	// Self matches the page's own origin.
	Self = Source{"'self'", keywordSource}
	// NonceSlot stands for a nonce that [Template.Header] fills in.
	NonceSlot = Source{"'nonce-{nonce}'", nonceSource}
)

var keywords = []string{
	"'self'", "'unsafe-inline'", "'unsafe-eval'", "'strict-dynamic'", "'unsafe-hashes'",
	"'report-sample'", "'unsafe-allow-redirects'", "'wasm-unsafe-eval'", "'trusted-types-eval'",
	"'report-sha256'", "'report-sha384'", "'report-sha512'", "'unsafe-webtransport-hashes'",
}

// hashSizes are the digests' lengths in bytes.
var hashSizes = map[string]int{"sha256": 32, "sha384": 48, "sha512": 64}

// ParseSource returns the source that text is. The error says which part of the
// grammar text breaks.
func ParseSource(text string) (Source, error) {
	src, problem := parseSource(text)
	if problem != "" {
		return Source{}, fmt.Errorf("parsing source %q: %s", text, problem)
	}
	return src, nil
}

// String returns the source as it stands in a policy.
func (s Source) String() string { return s.text }

// IsOrigin reports whether s names hosts, with or without scheme and port: no
// path, no keyword, no bare `*` or scheme that would match everybody.
func (s Source) IsOrigin() bool {
	if s.kind != hostSource {
		return false
	}
	_, authority, found := strings.Cut(s.text, "://")
	if !found {
		authority = s.text
	}
	return !strings.Contains(authority, "/") && authority != "*" && !strings.HasPrefix(authority, "*:")
}

func parseSource(text string) (Source, string) {
	if problem := foreignByte(text); problem != "" {
		return Source{}, problem
	}
	switch {
	case text == "":
		return Source{}, "it is empty"
	case text[0] == '\'':
		return parseQuoted(text)
	case text[len(text)-1] == ':':
		if !isScheme(text[:len(text)-1]) {
			return Source{}, "not a scheme"
		}
		return Source{strings.ToLower(text), schemeSource}, ""
	default:
		return parseHost(text)
	}
}

// foreignByte names the first byte of text that no value of any directive may
// hold: it would end the value, the directive, the policy or the header line.
func foreignByte(text string) string {
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f || c == ';' || c == ',' {
			return fmt.Sprintf("it holds %q", text[i:i+1])
		}
	}
	return ""
}

func parseQuoted(text string) (Source, string) {
	lower := strings.ToLower(text)
	if lower == None.text {
		return None, ""
	}
	if slices.Contains(keywords, lower) {
		return Source{lower, keywordSource}, ""
	}
	if len(text) < 2 || text[len(text)-1] != '\'' {
		return Source{}, "its closing quote is missing"
	}
	// Prefixes are case-insensitive, as all ABNF strings are; values are not.
	prefix, value, found := strings.Cut(text[1:len(text)-1], "-")
	prefix = strings.ToLower(prefix)
	size, isHash := hashSizes[prefix]
	switch {
	case !found || prefix != "nonce" && !isHash:
		return Source{}, "not a keyword"
	case !isBase64Value(value):
		return Source{}, "its value is not base64"
	case isHash && !isDigest(value, size):
		return Source{}, fmt.Sprintf("a %s digest has %d bytes", prefix, size)
	case isHash:
		return Source{"'" + prefix + "-" + value + "'", hashSource}, ""
	}
	return Source{"'nonce-" + value + "'", nonceSource}, ""
}

func parseHost(text string) (Source, string) {
	scheme, rest, hasScheme := strings.Cut(text, "://")
	if !hasScheme {
		scheme, rest = "", text
	} else if !isScheme(scheme) {
		return Source{}, "not a scheme before ://"
	}
	authority, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if strings.HasPrefix(authority, "[") {
		return Source{}, "browsers match no IPv6 address"
	}
	host, port, hasPort := strings.Cut(strings.ToLower(authority), ":")
	if hasPort && port != "*" {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil || number == 0 {
			return Source{}, "not a port"
		}
		port = strconv.FormatUint(number, 10)
	}
	switch {
	case !isHost(host):
		return Source{}, "not a host"
	case !isPath(path):
		return Source{}, "not a path"
	case len(host) == len(text) && lacksQuotes(host):
		return Source{}, "it needs single quotes: '" + host + "'"
	}
	var b strings.Builder
	if hasScheme {
		b.WriteString(strings.ToLower(scheme) + "://")
	}
	b.WriteString(host)
	if hasPort {
		b.WriteString(":" + port)
	}
	b.WriteString(path)
	return Source{b.String(), hostSource}, ""
}

// lacksQuotes spots a keyword, nonce or hash written without its quotes: the
// grammar takes it for a host of that name, which nobody means.
func lacksQuotes(host string) bool {
	quoted := "'" + host + "'"
	prefix, _, _ := strings.Cut(host, "-")
	return quoted == None.text || slices.Contains(keywords, quoted) || prefix == "nonce" || hashSizes[prefix] > 0
}

// isScheme follows RFC 3986, section 3.1.
func isScheme(s string) bool {
	return s != "" && isAlpha(s[0]) && all(s, func(c byte) bool {
		return isAlphanumeric(c) || c == '+' || c == '-' || c == '.'
	})
}

func isHost(host string) bool {
	if host == "*" {
		return true
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "*."), ".")
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || !all(label, func(c byte) bool { return isAlphanumeric(c) || c == '-' }) {
			return false
		}
	}
	return true
}

// isPath takes "" and RFC 3986's path-absolute without ";" and ",".
func isPath(path string) bool {
	if strings.HasPrefix(path, "//") {
		return false
	}
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '%':
			if i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2]) {
				return false
			}
			i += 2
		case isAlphanumeric(c) || strings.IndexByte("-._~!$&'()*+=:@/", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// isBase64Value takes both alphabets and at most two "=" at the end.
func isBase64Value(s string) bool {
	digits := strings.TrimSuffix(strings.TrimSuffix(s, "="), "=")
	return digits != "" && all(digits, func(c byte) bool {
		return isAlphanumeric(c) || strings.IndexByte("+/-_", c) >= 0
	})
}

func isDigest(value string, size int) bool {
	std := strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(value)
	digest, err := base64.RawStdEncoding.DecodeString(std)
	return err == nil && len(digest) == size
}

func all(s string, is func(byte) bool) bool {
	for i := range len(s) {
		if !is(s[i]) {
			return false
		}
	}
	return true
}

func isAlpha(c byte) bool        { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool        { return '0' <= c && c <= '9' }
func isAlphanumeric(c byte) bool { return isAlpha(c) || isDigit(c) }
func isHex(c byte) bool          { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }
