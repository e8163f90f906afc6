package cache

import (
	"net/http"
	"strconv"
	"time"
)

// Control is the Cache-Control for the browser that gets a response which isn't stored: as long as the tool says, an hour at
// most, and never where it might be one reader's. Of one that came by redirects, no longer than each of them may be kept.
func Control(status int, h http.Header, hops []Hop) string {
	now := time.Now()
	p := assess(exchange{http.StatusOK, h, now, now, 0}) // whatever the status, it is as its sender says alone
	for _, hop := range hops {
		p = p.through(assess(exchange{hop.Status, hop.Header, now, now, maxBrowserAge}))
	}
	age := min(p.browser-p.initialAge, maxBrowserAge)
	if status >= 400 || p.reuse == forbidden || p.validate || age < time.Second {
		return "no-store"
	}
	return maxAge(age)
}

// maxAge is private, as a cache between the wiki and its readers might ignore Vary.
func maxAge(age time.Duration) string {
	return "private, max-age=" + strconv.FormatInt(int64(age/time.Second), 10)
}
