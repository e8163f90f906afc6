package exempt

import (
	"net/http"
	"time"

	"github.com/wikiveil/wikiveil/csp/confirm"
)

// GrantsCookie is the name of the cookie that holds a reader's grants.
const GrantsCookie = "__Host-Http-wikiveil-exemptions"

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
