package cache

import (
	"net/http"
	"strconv"
	"strings"
)

// Lifetime is for how many seconds a browser may keep a response, 0 or less for none, and
// whether its sender says so. It reads fields as the cache does for itself.
func Lifetime(h http.Header) (seconds int64, told bool) {
	if len(h["Set-Cookie"]) > 0 || len(h["Pragma"]) > 0 {
		return 0, true
	}
	for _, vary := range h["Vary"] {
		// What we send never varies but by kind, so other fields change nothing.
		if strings.Contains(vary, "*") {
			return 0, true
		}
	}
	c := parseControl(h["Cache-Control"])
	if c.noStore || c.noCache || c.private || c.maxAge.bad {
		return 0, true
	}
	seconds = -1
	if c.maxAge.given {
		seconds = c.maxAge.n
	}
	if text := h.Get("Age"); text != "" { // an error would be made for nothing
		if spent, err := strconv.ParseUint(text, 10, 31); err == nil {
			seconds -= int64(spent)
		}
	}
	return seconds, c.maxAge.given
}
