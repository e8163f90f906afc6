package lookup

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/csp/confirm"
)

// wantRefused fails unless an answer refuses for a reason, which is counted, and gives nothing away.
func (s *revealScene) wantRefused(t *testing.T, a answered, before string, status int, reason, text string) {
	t.Helper()
	if a.StatusCode != status || !strings.Contains(a.body, text) {
		t.Errorf("got %d, want %d %q: %s", a.StatusCode, status, text, a.body)
	}
	if after := s.counted(reason); after == before || after == "" {
		t.Errorf("it is not counted as %q", reason)
	}
	edgetest.WantNone(t, "the answer", a.all(), netip.MustParseAddr(writerAddr), netip.MustParseAddr(checkerAddr))
	if a.Header.Get("Location") != "" || strings.Contains(a.body, boxTextPrefix) {
		t.Error("it goes on")
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff"} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// Attacks on the button on the wiki, where its scripts and its users are.
func TestRevealStartAttacks(t *testing.T) {
	s := newRevealScene(t, revealOptions{seal: "local", gate: wikiGate, there: wikiGate})
	mask, others := s.publish(s.wiki, writerAddr), s.publish(s.other, writerAddr)
	masks := func(list ...string) url.Values { return url.Values{"mask": list} }
	header := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) {
			if r.Header[name] = values; values == nil {
				delete(r.Header, name)
			}
		}
	}
	start := s.wiki + "/.privacy/masks/reveal"
	for _, tt := range []struct {
		name, session, method, target string
		form                          url.Values
		change                        func(*http.Request)
		status                        int
		reason, text                  string
	}{
		{"logged out", "", "POST", start, masks(mask), nil, 403, "anonymous", "You are not logged in"},
		{"a session that ended", "gone", "POST", start, masks(mask), nil, 403, "anonymous", "You are not logged in"},
		{"plain user", "plain", "POST", start, masks(mask), nil, 403, "right", `does not have the right &#34;reveal&#34;`},
		{"who may look up only", "patroller", "POST", start, masks(mask), nil, 403, "right", `the right &#34;reveal&#34;`},
		{"by a link", "checker", "GET", start + "?mask=" + mask, nil, nil, 405, "method", "takes another method"},
		{"by HEAD", "checker", "HEAD", start, nil, nil, 405, "method", ""},
		{"another site's form", "checker", "POST", start, masks(mask), header("Sec-Fetch-Site", "cross-site"), 403, "cross_origin", "on the wiki&#39;s own page only"},
		{"a subdomain's form", "checker", "POST", start, masks(mask), header("Sec-Fetch-Site", "same-site"), 403, "cross_origin", "own page only"},
		{"another site's form, an old browser", "checker", "POST", start, masks(mask), func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "https://evil.example")
		}, 403, "cross_origin", "own page only"},
		{"loaded ahead", "checker", "POST", start, masks(mask), header("Sec-Purpose", "prefetch"), 403, "speculative", "loaded ahead of time"},
		{"without TLS", "checker", "POST", s.plain + "/.privacy/masks/reveal", masks(mask), header("Cookie", "wiki_session=checker"), 403, "not_https", "https only"},
		{"https, a stranger says", "checker", "POST", s.plain + "/.privacy/masks/reveal", masks(mask), func(r *http.Request) {
			r.Header.Set("Cookie", "wiki_session=checker")
			r.Header.Set("X-Forwarded-Proto", "https")
		}, 403, "not_https", "https only"},
		{"unknown mask", "checker", "POST", start, masks("2001:2f:1:2:3:4:5:6"), nil, 404, "unknown", "mask is unknown"},
		{"another wiki's mask", "checker", "POST", start, masks(others), nil, 404, "unknown", "mask is unknown"},
		{"a network's mask", "checker", "POST", start, masks("2001:2e::1"), nil, 400, "mistake", "no address is behind it"},
		{"an address", "checker", "POST", start, masks(writerAddr), nil, 400, "mistake", "is not a mask"},
		{"no mask", "checker", "POST", start, nil, nil, 400, "mistake", "must have one mask; it has 0"},
		{"two fields", "checker", "POST", start, masks(mask, mask), nil, 400, "mistake", "must have one mask; it has 2"},
		{"two masks", "checker", "POST", start, masks(mask + " 2001:2f::1"), nil, 400, "mistake", "must have one mask; it has 2"},
		{"in the query", "checker", "POST", start + "?mask=" + mask, nil, nil, 400, "mistake", "it has 0"},
		{"a huge form", "checker", "POST", start, masks(strings.Repeat("x", maxStartForm)), nil, 400, "form", "form is malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := s.browser(checkerAddr, tt.session)
			before := s.counted(tt.reason)
			a := b.navigate(s.wiki, tt.method, tt.target, tt.form, tt.change)
			s.wantRefused(t, a, before, tt.status, tt.reason, tt.text)
			for _, cookie := range a.Cookies() {
				t.Errorf("it sets the cookie %s", cookie.Name)
			}
			if tt.status == 405 && a.Header.Get("Allow") != "POST" {
				t.Errorf("allowed is %q", a.Header.Get("Allow"))
			}
		})
	}
	if all := entries(t); len(all) != 0 {
		t.Errorf("the audit has %+v", all)
	}
	s.SearchTraces(t, netip.MustParseAddr(writerAddr), netip.MustParseAddr(checkerAddr))
}

// The address of the page that asks stands in the log of requests, and must not tell who reveals whom.
func TestRevealAddressTellsNothing(t *testing.T) {
	s := newRevealScene(t, revealOptions{seal: "local", gate: wikiGate, there: wikiGate})
	mask := s.publish(s.wiki, writerAddr)
	location, err := url.Parse(s.browser(checkerAddr, "checker").start(mask).Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	handOff, err := base64.RawURLEncoding.DecodeString(location.Query().Get(confirm.HandOffParam))
	if err != nil || len(handOff) == 0 {
		t.Fatal(location, err)
	}
	packed := netip.MustParseAddr(mask).As16()
	for _, trace := range []string{mask, string(packed[:]), "checker", `"4"`} {
		if strings.Contains(string(handOff), trace) {
			t.Errorf("the hand-off has %q: %q", trace, handOff)
		}
	}
}

// Attacks on the page that asks.
func TestRevealPageAttacks(t *testing.T) {
	s := newRevealScene(t, revealOptions{seal: "local", gate: wikiGate, there: wikiGate})
	mask := s.publish(s.wiki, writerAddr)
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, tt := range []struct {
		name         string
		method       string
		query        func(handOff string) string
		change       func(*http.Request)
		before       func(b *surfer) *surfer
		status       int
		reason, text string
	}{
		{name: "a script's fetch", change: set("Sec-Fetch-Mode", "cors"), status: 403, reason: "not_a_navigation", text: "in a tab of its own"},
		{name: "a frame", change: set("Sec-Fetch-Dest", "iframe"), status: 403, reason: "not_a_navigation", text: "in a tab of its own"},
		{name: "loaded ahead", change: set("Sec-Purpose", "prefetch;prerender"), status: 403, reason: "speculative", text: "loaded ahead"},
		{name: "through a service worker", change: set("Service-Worker-Navigation-Preload", "true"), status: 403, reason: "speculative", text: "service worker"},
		{name: "no browser", change: func(r *http.Request) {
			for name := range r.Header {
				if strings.HasPrefix(name, "Sec-Fetch-") {
					delete(r.Header, name)
				}
			}
		}, status: 403, reason: "sec_fetch_missing", text: "Sec-Fetch headers"},
		{name: "by HEAD", method: "HEAD", status: 405, reason: "method"},
		{name: "by PUT", method: "PUT", status: 405, reason: "method", text: "another method"},
		{name: "no hand-off", query: func(string) string { return "" }, status: 400, reason: "malformed", text: "not from this server"},
		{name: "two hand-offs", query: func(h string) string { return "handoff=" + h + "&handoff=" + h }, status: 400, reason: "malformed", text: "not from this server"},
		{name: "a forged hand-off", query: func(h string) string { return "handoff=" + h[:40] + flip(h[40:41]) + h[41:] }, status: 403, reason: "signature", text: "signature is wrong"},
		{name: "in another browser", before: func(*surfer) *surfer { return s.browser(checkerAddr, "checker") },
			status: 403, reason: "no_browser_cookie", text: "allow cookies"},
		{name: "in a browser with a start of its own", before: func(*surfer) *surfer {
			b := s.browser(checkerAddr, "checker")
			b.open(mask)
			return b
		}, status: 403, reason: "other_browser", text: "another browser"},
		{name: "another user since", before: func(b *surfer) *surfer { b.login("second"); return b }, status: 403, reason: "other_user", text: "another user"},
		{name: "logged out since", before: func(b *surfer) *surfer { b.login(""); return b }, status: 403, reason: "anonymous", text: "not logged in"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := s.browser(checkerAddr, "checker")
			location, err := url.Parse(b.start(mask).Header.Get("Location"))
			if err != nil || location.RawQuery == "" {
				t.Fatal(location, err)
			}
			if tt.query != nil {
				location.RawQuery = tt.query(location.Query().Get(confirm.HandOffParam))
			}
			if tt.before != nil {
				b = tt.before(b)
			}
			if tt.method == "" {
				tt.method = "GET"
			}
			counted := s.counted(tt.reason)
			a := b.navigate(s.wiki, tt.method, location.String(), nil, tt.change)
			s.wantRefused(t, a, counted, tt.status, tt.reason, tt.text)
			if strings.Contains(a.body, "<form") || strings.Contains(a.body, mask) {
				t.Errorf("the page asks: %s", a.body)
			}
			if tt.method != "HEAD" && !strings.Contains(a.body, `href="`+s.wiki+`/.privacy/masks/"`) {
				t.Error("the page does not lead back")
			}
		})
	}
	t.Run("another path", func(t *testing.T) {
		a := s.browser(checkerAddr, "checker").navigate(s.wiki, "GET", s.origin+"/wiki/Main_Page", nil, nil)
		if a.StatusCode != 404 || !strings.HasPrefix(a.Header.Get("Content-Security-Policy"), "default-src 'none'; ") || !strings.Contains(a.body, "nothing here") {
			t.Errorf("%d %v %s", a.StatusCode, a.Header, a.body)
		}
	})
	s.wantNoTrace()
}

// flip returns another character of base64url.
func flip(c string) string {
	if c == "A" {
		return "B"
	}
	return "A"
}
