package access

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"
)

// Defaults and bounds of a [MediaWiki].
const (
	DefaultTimeout  = 5 * time.Second
	DefaultCacheFor = time.Minute
	// MaxCacheFor bounds how long users keep a right that the wiki took from them.
	MaxCacheFor = 10 * time.Minute
)

// DefaultCookies are MediaWiki's and CentralAuth's cookies of a login.
var DefaultCookies = []string{"*session", "*Session", "*UserID", "*UserName", "*User", "*Token"}

// The rights of MediaWiki that give ours, unless others are configured.
const (
	DefaultInfoRight   = "block"
	DefaultRevealRight = "checkuser"
)

// MediaWikiConfig says how a wiki is asked for its users' rights.
type MediaWikiConfig struct {
	// API is the URL of the wiki's api.php. The visitors' session cookies go there: use
	// https unless it is this machine.
	API string
	// Host is sent as the Host header; "" means API's.
	Host string
	// Site tells users of several wikis apart, as a prefix of their ids; "" means none.
	Site string
	// InfoRight, RevealRight and AuditRight are the wiki's rights that give ours. The
	// defaults are "block", "checkuser" and "checkuser-log".
	InfoRight, RevealRight, AuditRight string
	// Cookies are patterns, with "*", of the names of cookies that make a session; nil
	// means [DefaultCookies]. No other cookie is sent to the wiki.
	Cookies []string
	// Timeout bounds one request; 0 means [DefaultTimeout].
	Timeout time.Duration
	// CacheFor is how long a response is kept, at most [MaxCacheFor]; 0 means [DefaultCacheFor].
	CacheFor time.Duration
	// Client tells whose request it is, such as the client's mask: each has a share of the requests
	// that are sent to the wiki at once. nil goes by RemoteAddr.
	Client func(r *http.Request) string
	// Transport sends the requests to the wiki; nil means one that uses no proxy of the environment.
	Transport http.RoundTripper
}

func (c MediaWikiConfig) withDefaults() MediaWikiConfig {
	c.InfoRight, c.RevealRight, c.AuditRight = cmp.Or(c.InfoRight, DefaultInfoRight), cmp.Or(c.RevealRight, DefaultRevealRight), cmp.Or(c.AuditRight, "checkuser-log")
	c.Timeout, c.CacheFor = cmp.Or(c.Timeout, DefaultTimeout), cmp.Or(c.CacheFor, DefaultCacheFor)
	if c.Cookies == nil {
		c.Cookies = DefaultCookies
	}
	if c.Client == nil {
		c.Client = remoteHost
	}
	if c.Transport == nil {
		c.Transport = &http.Transport{MaxIdleConnsPerHost: maxKnown + maxFresh, IdleConnTimeout: time.Minute,
			MaxResponseHeaderBytes: 64 << 10, DisableCompression: true}
	}
	return c
}

// isThisMachine reports whether what is sent to a host doesn't leave the machine.
func isThisMachine(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// remoteHost is a request's peer without its port.
func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// Validate reports what is wrong with the configuration, if anything.
func (c MediaWikiConfig) Validate() error {
	u, err := url.Parse(c.API)
	switch {
	case err != nil:
		return errors.New("API is not a URL")
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("API %q is not an http or https URL", u.Redacted())
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("API %q has more than a host and a path", u.Redacted())
	case u.Scheme == "http" && !isThisMachine(u.Hostname()):
		return fmt.Errorf("API %q is on another machine and not https: administrators' session cookies would cross the network in clear; use https", u.Redacted())
	case strings.HasSuffix(u.Path, ".php") && path.Base(u.Path) != "api.php":
		return fmt.Errorf("API %q is another entry point of the wiki; its API is api.php beside it", u.Redacted())
	case c.Timeout < 0:
		return fmt.Errorf("timeout %v is negative", c.Timeout)
	case c.CacheFor < 0 || c.CacheFor > MaxCacheFor:
		return fmt.Errorf("keeping answers for %v: not from 0 to %v", c.CacheFor, MaxCacheFor)
	case c.Cookies != nil && len(c.Cookies) == 0:
		return errors.New("no cookies are named")
	}
	for _, pattern := range c.Cookies {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return fmt.Errorf("cookie pattern %q: not of its form", pattern)
		}
	}
	return nil
}
