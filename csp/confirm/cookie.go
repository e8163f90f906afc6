package confirm

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"strings"
	"time"
)

const (
	// BrowserCookie is the browser cookie's name. Only a server of this host can
	// set a cookie of this prefix, over https, and no script can: with `__Host-`
	// alone a script could push the cookie out of a full jar and plant another.
	BrowserCookie = "__Host-Http-wikiveil-browser"
	// ProbeCookie is the probe's name; see [Flow.EnforcesPrefixes].
	ProbeCookie = "__Http-probe"
	// browserLife is how long a browser keeps its cookie after a flow's start: a
	// little longer than the 30 days of an exemption, which is worth nothing without it.
	browserLife = 31 * 24 * time.Hour
)

// probe has no Secure, so a browser that knows the prefix drops it.
const probe = ProbeCookie + "=1; HttpOnly; Path=/"

// BrowserID is B, the hash of a browser cookie: it tells browsers apart and
// can't be turned back into the cookie.
type BrowserID [sha256.Size]byte

// Browser is a browser cookie that this server signed.
type Browser struct{ value string }

// ID returns B.
func (b Browser) ID() BrowserID {
	return sha256.Sum256([]byte(BrowserCookie + "=" + b.value))
}

// newBrowser makes a cookie of 128 random bits. Give it to nobody who has not
// begun a flow, or every reader would be tracked.
func (k *Keys) newBrowser() Browser {
	var id [16]byte
	rand.Read(id[:])
	return Browser{k.seal(useBrowser, id[:])}
}

// Browser returns the browser cookie of r. Without one, and with two, it is
// [ErrNoBrowser]; one that we did not sign is [ErrMalformed] or [ErrSignature].
func (f *Flow) Browser(r *http.Request) (Browser, error) {
	value, count := Cookie(r, BrowserCookie)
	if count != 1 {
		return Browser{}, ErrNoBrowser
	}
	if _, _, err := f.keys.open(useBrowser, value, 1); err != nil {
		return Browser{}, err
	}
	return Browser{value}, nil
}

// setBrowser adds b and the probe to a response's headers.
func setBrowser(h http.Header, b Browser) {
	SetCookie(h, BrowserCookie, b.value, browserLife)
	// The probe comes last: of a jar that a script overflows the oldest goes first.
	h.Add("Set-Cookie", probe)
}

// SetCookie has the browser keep a cookie for this host alone, and from scripts; without life it forgets it.
func SetCookie(h http.Header, name, value string, life time.Duration) {
	c := http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life / time.Second),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if c.MaxAge <= 0 {
		c.MaxAge = -1 // which net/http writes as Max-Age=0
	}
	h.Add("Set-Cookie", c.String())
}

// ForgetBrowser takes the browser cookie away, and the probe, which was set without Secure and goes the way it came.
func ForgetBrowser(h http.Header) {
	SetCookie(h, BrowserCookie, "", 0)
	h.Add("Set-Cookie", ProbeCookie+"=; HttpOnly; Path=/; Max-Age=0")
}

// EnforcesPrefixes reports whether the browser that sent r drops cookies that
// break their name's prefix: it has the browser cookie and not the probe that
// came with it. Without a browser cookie nothing is known, which is a no.
//
// Where it is false, a script can plant any cookie: grant nothing that rests on
// cookies alone. It can be true for a browser that ignores prefixes, if a script has
// removed the probe or planted another browser's cookie. So call it at every step, refuse
// at the first false, and let no later use of what was granted rest on this alone
// (package exempt goes by the browser's name too).
func (f *Flow) EnforcesPrefixes(r *http.Request) bool {
	_, probes := Cookie(r, ProbeCookie)
	_, err := f.Browser(r)
	return probes == 0 && err == nil
}

// Cookie returns the last value of name and how often r has it. Unlike
// [http.Request.CookiesNamed] it counts those with a malformed value too.
func Cookie(r *http.Request, name string) (value string, count int) {
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

// Keep returns a cookie's value that nobody but this server can make. It counts in one browser, for the flow's purpose and wiki, as long
// as the keys do: an earlier end is for the value to say.
func (f *Flow) Keep(browser BrowserID, value []byte) string {
	return f.keys.seal(useKept, []byte(f.purpose), []byte(f.wiki), browser[:], value)
}

// Kept returns the value that a text of [Flow.Keep] for this browser has.
func (f *Flow) Kept(browser BrowserID, text string) ([]byte, error) {
	fields, _, err := f.keys.open(useKept, text, 4)
	if err != nil {
		return nil, err
	}
	if err := f.isFor(fields); err != nil {
		return nil, err
	}
	if !same(fields[2], browser[:]) {
		return nil, ErrOtherBrowser
	}
	return fields[3], nil
}
