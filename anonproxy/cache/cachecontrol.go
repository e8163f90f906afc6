package cache

import (
	"net/http"
	"strconv"
	"time"
)

// Control is the Cache-Control for the browser that gets a response which isn't stored: as long as the tool says, an hour at
// most, and never where it might be one reader's. Of one that came by redirects, no longer than each of them may be kept.
func Control(status int, h http.Header, hops []Hop) string {
	p := passing(http.StatusOK, h, 0) // whatever the status, it is as its sender says alone
	for _, hop := range hops {
		p = p.through(passing(hop.Status, hop.Header, maxBrowserAge))
	}
	age := min(p.browser-p.initialAge, maxBrowserAge)
	if status >= 400 || p.reuse == forbidden || p.validate || age < time.Second {
		return "no-store"
	}
	return maxAge(age)
}

// passing is the policy of a response that is passed on at once, so that it is as old as it says.
func passing(status int, h http.Header, heuristic time.Duration) policy {
	x := exchange{status: status, header: h, received: time.Now(), heuristic: heuristic}
	x.received = x.date()
	x.requested = x.received
	return assess(x)
}

// maxAge is private, as a cache between the wiki and its readers might ignore Vary.
func maxAge(age time.Duration) string {
	return "private, max-age=" + strconv.FormatInt(int64(age/time.Second), 10)
}
