package exempt

import (
	"net/http"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/csp/confirm"
)

// GrantsCookie is the name of the cookie that holds a reader's grants.
const GrantsCookie = "__Host-Http-wikiveil-exemptions"

// cookie returns the last value of name and how often r has it, malformed ones too.
func cookie(r *http.Request, name string) (value string, count int) {
	for _, line := range r.Header["Cookie"] {
		// Nearly all requests have none: spare them the splitting.
		if !strings.Contains(line, name) {
			continue
		}
		for pair := range strings.SplitSeq(line, ";") {
			n, v, _ := strings.Cut(pair, "=")
			if strings.Trim(n, " \t") == name {
				value, count = strings.Trim(v, " \t"), count+1
			}
		}
	}
	return value, count
}

func setCookie(h http.Header, name, value string, life time.Duration) {
	c := http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life / time.Second),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if c.MaxAge <= 0 {
		c.MaxAge = -1 // which net/http writes as Max-Age=0
	}
	h.Add("Set-Cookie", c.String())
}

// dropCookies makes the browser forget that it ever consented to anything.
func dropCookies(h http.Header) {
	setCookie(h, GrantsCookie, "", 0)
	setCookie(h, confirm.BrowserCookie, "", 0)
	// The probe was set without Secure; it goes the way it came.
	h.Add("Set-Cookie", confirm.ProbeCookie+"=; HttpOnly; Path=/; Max-Age=0")
}
