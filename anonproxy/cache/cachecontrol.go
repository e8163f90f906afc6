package cache

import (
	"net/http"
	"strconv"
	"time"
)

// Control is the Cache-Control for the browser that gets a response which isn't stored: as long as the tool says, an hour at
// most, and never where it might be one reader's. Of one that came by redirects, no longer than each of them may be kept.
func Control(status int, h http.Header, hops []Hop) string {
	if status == http.StatusPartialContent { // a part that was cut out here
		status = http.StatusOK
	}
	p := passing(status, h, 0)
	for _, hop := range hops {
		p = p.through(passing(hop.Status, hop.Header, maxBrowserAge))
	}
	age := min(p.browser-p.initialAge, maxBrowserAge)
	if status >= 400 || p.reuse == forbidden || p.validate || age < time.Second {
		return "no-store"
	}
	return maxAge(age)
}

// passing is the policy of a response that is passed on at once. A Date of less than a minute ago doesn't make it old: it is in whole
// seconds, and by another clock.
func passing(status int, h http.Header, heuristic time.Duration) policy {
	x := exchange{status: status, header: h, received: time.Now(), heuristic: heuristic}
	if date := x.date(); x.received.Sub(date) < time.Minute {
		x.received = date
	}
	x.requested = x.received
	return assess(x)
}

// maxAge is private, as a cache between the wiki and its readers might ignore Vary.
func maxAge(age time.Duration) string {
	return "private, max-age=" + strconv.FormatInt(int64(age/time.Second), 10)
}
