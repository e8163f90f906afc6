package cache

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// reuse is what may be done with a response.
type reuse int

const (
	forbidden reuse = iota // for one reader alone
	shareable              // for those who asked before it came
	storable
)

// policy is what a response's header says about its reuse.
type policy struct {
	reuse      reuse
	validate   bool          // no-cache: never without asking
	neverStale bool          // must-revalidate, proxy-revalidate, s-maxage
	initialAge time.Duration // when the response came (RFC 9111 section 4.2.3)
	lifetime   time.Duration // for us
	browser    time.Duration // for browsers; 0 is for none

	staleWhileRevalidate, staleIfError time.Duration
}

// kept are the fields that decide about reuse, which are all that is stored of a
// tool's header.
var kept = []string{"Age", "Cache-Control", "Date", "Etag", "Expires", "Last-Modified", "Pragma", "Set-Cookie", "Set-Cookie2", "Vary"}

func keep(h http.Header) http.Header {
	own := make(http.Header, len(kept))
	for _, name := range kept {
		if values := h[name]; len(values) > 0 {
			own[name] = values
		}
	}
	return own
}

// exchange is one request and its response, as far as reuse goes.
type exchange struct {
	status              int
	header              http.Header
	requested, received time.Time
	heuristic           time.Duration // longest lifetime where the tool gives none; 0 for none
}

// heuristicStatus tells the statuses that may be reused without being told
// (RFC 9110 section 15.1), of those that are passed on, and permanent redirects.
func heuristicStatus(status int) bool {
	switch status {
	case 200, 203, 204, 301, 308, 404, 405, 410, 414, 501:
		return true
	}
	return false
}

// assess reads a response's header (RFC 9111 sections 3 and 4.2).
func assess(x exchange) policy {
	h := x.header
	c := parseControl(h["Cache-Control"])
	p := policy{initialAge: x.age()}
	if c.mustUnderstand && heuristicStatus(x.status) {
		c.noStore = false // section 5.2.2.3; other statuses we don't understand
	} else if c.mustUnderstand {
		c.noStore = true
	}
	switch {
	case c.noStore || c.private, len(h["Set-Cookie"]) > 0, len(h["Set-Cookie2"]) > 0, variesByAll(h["Vary"]),
		isBlank(h["Cache-Control"]) && pragmaNoCache(h["Pragma"]),
		x.status < 200, x.status == http.StatusPartialContent:
		return p
	}
	p.reuse, p.validate = shareable, c.noCache
	p.neverStale = c.mustRevalidate || c.sharedMaxAge.given || c.noCache
	explicit := x.lifetimes(c, &p)
	if !p.neverStale {
		p.staleWhileRevalidate = c.staleWhileRevalidate.duration()
		p.staleIfError = c.staleIfError.duration()
	}
	useful := hasValidator(h) || !p.validate && (p.lifetime > p.initialAge || p.staleWhileRevalidate > 0)
	if useful && (explicit || c.public || heuristicStatus(x.status)) {
		p.reuse = storable
	}
	if p.validate { // one fetch can't answer two requests, as each must be asked for
		p.lifetime, p.browser = 0, 0
		if p.reuse != storable {
			p.reuse = forbidden
		}
	}
	return p
}

// lifetimes puts how long the response is fresh, for us and for browsers, and
// reports whether the tool said so.
func (x exchange) lifetimes(c control, p *policy) (explicit bool) {
	switch {
	case c.maxAge.given:
		p.lifetime = c.maxAge.duration()
		explicit = true
	case len(x.header["Expires"]) > 0:
		explicit = true
		// Malformed dates, such as 0, are in the past (section 5.3).
		if expires, err := http.ParseTime(x.header["Expires"][0]); err == nil && len(slices.Compact(slices.Clone(x.header["Expires"]))) == 1 {
			p.lifetime = min(max(0, expires.Sub(x.date())), maxSeconds*time.Second)
		}
	case c.sharedMaxAge.given: // says nothing to browsers
	case heuristicStatus(x.status):
		p.lifetime = x.guess()
	}
	p.browser = p.lifetime
	if c.sharedMaxAge.given {
		p.lifetime = c.sharedMaxAge.duration()
		explicit = true
	}
	return explicit
}

// guess is a tenth of the time for which the thing has stayed the same (section
// 4.2.2). Permanent redirects tell no such time.
func (x exchange) guess() time.Duration {
	if x.status == http.StatusMovedPermanently || x.status == http.StatusPermanentRedirect {
		return x.heuristic
	}
	modified, err := http.ParseTime(x.header.Get("Last-Modified"))
	if err != nil {
		return 0
	}
	return min(max(0, x.date().Sub(modified)/10), x.heuristic)
}

func (x exchange) date() time.Time {
	if date, err := http.ParseTime(x.header.Get("Date")); err == nil {
		return date
	}
	return x.received
}

// age is the corrected initial age (section 4.2.3), which a Date of long ago must not make so large that sums overflow.
func (x exchange) age() time.Duration {
	apparent := max(0, x.received.Sub(x.date()))
	said, _ := parseSeconds(strings.Trim(x.header.Get("Age"), " \t"))
	return min(max(apparent, time.Duration(said)*time.Second+x.received.Sub(x.requested)), maxSeconds*time.Second)
}

// through takes a redirect on the way to the response into account: the whole is
// reusable no longer than each part.
func (p policy) through(hop policy) policy {
	p.lifetime = min(p.lifetime, p.initialAge+max(0, hop.lifetime-hop.initialAge))
	p.browser = min(p.browser, p.initialAge+max(0, hop.browser-hop.initialAge))
	p.validate = p.validate || hop.validate
	p.neverStale = p.neverStale || hop.neverStale
	p.staleWhileRevalidate = min(p.staleWhileRevalidate, hop.staleWhileRevalidate)
	p.staleIfError = min(p.staleIfError, hop.staleIfError)
	if hop.reuse == forbidden {
		p.reuse = forbidden
	}
	return p
}

// variesByAll finds `*` and what can't be read. Other fields are constants of ours.
func variesByAll(fields []string) bool {
	for _, field := range fields {
		for name := range strings.SplitSeq(field, ",") {
			if name = strings.Trim(name, " \t"); name == "*" || name != "" && !httpguts.ValidHeaderFieldName(name) {
				return true
			}
		}
	}
	return false
}

// isBlank reports whether a list has no members.
func isBlank(fields []string) bool { return strings.Trim(strings.Join(fields, ""), " \t,") == "" }

func pragmaNoCache(fields []string) bool {
	for _, field := range fields {
		if strings.Contains(strings.ToLower(field), "no-cache") {
			return true
		}
	}
	return false
}
