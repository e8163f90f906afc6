package exempt

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/wikiveil/wikiveil/csp/confirm"
)

// The first versions in which nobody but the server can set a `__Host-Http-`
// cookie (MDN, "Set-Cookie", browser compatibility). Safari has no such version yet.
const (
	firstChromium = 140
	firstFirefox  = 143
)

// guardsCookies reports whether the browser that sent r keeps scripts from planting
// our cookies. The probe alone can't tell: where prefixes mean nothing, a script plants
// a browser cookie, and grants with it, and there never was a probe.
func guardsCookies(r *http.Request) bool {
	_, probes := confirm.Cookie(r, confirm.ProbeCookie)
	return probes == 0 && enforcesByName(r.Header)
}

// enforcesByName goes by what the browser calls itself. Scripts can't change a
// navigation's User-Agent; readers who change their own deceive nobody else.
func enforcesByName(h http.Header) bool {
	agents := h["User-Agent"]
	if len(agents) != 1 {
		return false
	}
	// On iOS both are WebKit and call themselves CriOS and FxiOS.
	return version(agents[0], "Chrome/") >= firstChromium || version(agents[0], "HeadlessChrome/") >= firstChromium ||
		version(agents[0], "Firefox/") >= firstFirefox
}

// version returns the major version after a product's name, 0 if it is not there.
func version(agent, product string) int {
	at := strings.Index(agent, " "+product)
	if at < 0 {
		return 0
	}
	digits := agent[at+1+len(product):]
	if end := strings.IndexFunc(digits, func(c rune) bool { return c < '0' || c > '9' }); end >= 0 {
		digits = digits[:end]
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// isNavigation reports whether the answer becomes a document, whose policy is what
// decides. Scripts can't forge Sec-Fetch headers.
func isNavigation(h http.Header) bool {
	mode := h["Sec-Fetch-Mode"]
	return len(mode) == 1 && mode[0] == "navigate"
}
