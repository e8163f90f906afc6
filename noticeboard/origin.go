package noticeboard

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// localNames are suffixes of names that live in one network only, or nowhere, although
// the list of public suffixes has some of them (RFC 6761, RFC 6762, RFC 8375, RFC 7686).
var localNames = []string{"localhost", "local", "internal", "home.arpa", "onion", "invalid", "arpa"}

// lookupForm is idna.Lookup that refuses empty and overlong labels too.
var lookupForm = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true))

// normalOrigin checks a declared origin and returns its normal form: scheme
// and host in lower case and ASCII, the default port left out.
func normalOrigin(s string, loopback bool) (string, error) {
	u, err := url.Parse(s)
	switch {
	case s == "":
		return "", errors.New("is missing: give one such as https://tool.example.org")
	case !utf8.ValidString(s):
		return "", errors.New("isn't UTF-8: save the config as UTF-8")
	case err != nil || u.Opaque != "" || u.Host == "":
		return "", errors.New("isn't an origin: write it as https://tool.example.org")
	case u.User != nil:
		return "", errors.New("holds a user name: remove everything before and with the @")
	case u.Scheme != "https" && !(loopback && u.Scheme == "http"):
		return "", errors.New("isn't https: tools are reached by https only")
	case strings.Contains(s, "%"):
		return "", errors.New("holds a percent sign: write the host plainly, without escapes or zone")
	case strings.TrimSuffix(s[len(u.Scheme):], "/") != "://"+u.Host:
		return "", errors.New("holds more than scheme, host and port: remove path, query and fragment")
	}
	host, err := normalHost(u.Host, u.Scheme, loopback)
	if err != nil {
		return "", err
	}
	return u.Scheme + "://" + host, nil
}

// normalHost checks `host` or `host:port` and returns its normal form.
func normalHost(s, scheme string, loopback bool) (string, error) {
	u, err := url.Parse("//" + s)
	if err != nil || u.Host != s || u.Hostname() == "" || !utf8.ValidString(s) {
		return "", errors.New("isn't a host: write it as name or name:port")
	}
	host, port := u.Hostname(), u.Port()
	if strings.HasSuffix(s, ":") {
		return "", errors.New("has an empty port: remove the colon")
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return "", errors.New("has a port that isn't from 1 to 65535")
		}
		port = strconv.FormatUint(n, 10)
		if port == defaultPort(scheme) {
			port = ""
		}
	}
	if loopback {
		host, err = loopbackHost(host)
	} else {
		host, err = publicName(host)
	}
	if err != nil || port == "" {
		return host, err
	}
	return host + ":" + port, nil
}

// defaultPort is the port that an origin of the scheme leaves out.
func defaultPort(scheme string) string {
	if scheme == "http" {
		return "80"
	}
	return "443"
}

// loopbackHost takes nothing but loopback, so that the option for tests opens
// no way to anything else.
func loopbackHost(host string) (string, error) {
	if strings.EqualFold(host, "localhost") {
		return "localhost", nil
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil || !addr.IsLoopback() || addr.Zone() != "" || addr.Is4In6():
		return "", errors.New("isn't loopback: allow_loopback permits 127.0.0.0/8, [::1] and localhost only")
	case addr.Is6():
		return "[" + addr.String() + "]", nil
	}
	return addr.String(), nil
}

// publicName takes a DNS name below a public suffix and returns it in lower
// case and ASCII (RFC 5891).
func publicName(host string) (string, error) {
	switch {
	case strings.Contains(host, "*"):
		return "", errors.New("is a wildcard: declare each host by its full name")
	case strings.HasSuffix(host, "."):
		return "", errors.New("ends in a dot: remove it")
	case endsInNumber(host):
		return "", errors.New("is an address: tools are reached by name, so that the name can be read and checked")
	}
	name, err := lookupForm.ToASCII(host)
	if err != nil || name == "" {
		return "", errors.New("isn't a valid DNS name")
	}
	// Mapping may bring forth what the spelling hid, such as full-width digits.
	if endsInNumber(name) || strings.HasSuffix(name, ".") {
		return "", errors.New("is an address or ends in a dot once mapped to ASCII")
	}
	for _, local := range localNames {
		if name == local || strings.HasSuffix(name, "."+local) {
			return "", fmt.Errorf("is a local name (.%s): tools live on the public internet", local)
		}
	}
	if !strings.Contains(name, ".") {
		return "", errors.New("is a single label: give the full name")
	}
	suffix, icann := publicsuffix.PublicSuffix(name)
	switch {
	case suffix == name:
		return "", errors.New("is a public suffix that many parties share: declare the tool's own host")
	case !icann && !strings.Contains(suffix, ".") && suffix != "example": // which is for documentation, and resolves nowhere
		return "", fmt.Errorf("is a private name: .%s is no top-level domain of the public internet, where tools live", suffix)
	}
	return name, nil
}

// endsInNumber reports whether a host is an address in any spelling that a
// resolver may read as one (WHATWG URL, "ends in a number checker"): 127.1,
// 0x7f.1, 017700000001, [::1].
func endsInNumber(host string) bool {
	if strings.ContainsAny(host, ":%") {
		return true
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" {
		return false
	}
	if hex, ok := strings.CutPrefix(strings.ToLower(last), "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}
