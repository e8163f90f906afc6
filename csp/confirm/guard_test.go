package confirm

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

// headerChange is what an attack does to a genuine request's headers.
type headerChange func(http.Header)

func set(name, value string) headerChange { return func(h http.Header) { h.Set(name, value) } }
func add(name, value string) headerChange { return func(h http.Header) { h.Add(name, value) } }
func drop(names ...string) headerChange {
	return func(h http.Header) {
		for _, name := range names {
			h.Del(name)
		}
	}
}

func fetched(site, mode, dest string) headerChange {
	return func(h http.Header) {
		h.Set("Sec-Fetch-Site", site)
		h.Set("Sec-Fetch-Mode", mode)
		h.Set("Sec-Fetch-Dest", dest)
	}
}

// Headers that neither a page nor a form may have, and why.
var neverGenuine = []struct {
	name   string
	change headerChange
	want   *refusal.Refusal
}{
	{"speculation rules: prefetch", set("Sec-Purpose", "prefetch"), ErrSpeculative},
	{"speculation rules: prerender", set("Sec-Purpose", "prefetch;prerender"), ErrSpeculative},
	{"speculation with an empty header", set("Sec-Purpose", ""), ErrSpeculative},
	{"an older browser's prefetch", set("Purpose", "prefetch"), ErrSpeculative},
	{"an empty Purpose", set("Purpose", ""), ErrSpeculative},
	{"a service worker's navigation preload", set("Service-Worker-Navigation-Preload", "true"), ErrSpeculative},
	{"a preload with an empty value", set("Service-Worker-Navigation-Preload", ""), ErrSpeculative},
	{"a repeated Sec-Fetch-Dest", add("Sec-Fetch-Dest", "document"), errFetchRepeated},
	{"a repeated Sec-Fetch-Mode", add("Sec-Fetch-Mode", "cors"), errFetchRepeated},
	{"a repeated Sec-Fetch-Site", add("Sec-Fetch-Site", "same-origin"), errFetchRepeated},
	{"a repeated Sec-Fetch-User", add("Sec-Fetch-User", "?1"), errFetchRepeated},
	{"a frame", set("Sec-Fetch-Dest", "iframe"), ErrNotNavigation},
	{"an object", set("Sec-Fetch-Dest", "object"), ErrNotNavigation},
	{"a list as Sec-Fetch-Dest", set("Sec-Fetch-Dest", "document, document"), ErrNotNavigation},
	{"an empty Sec-Fetch-Dest", set("Sec-Fetch-Dest", ""), ErrNotNavigation},
	{"another case in Sec-Fetch-Mode", set("Sec-Fetch-Mode", "Navigate"), ErrNotNavigation},
}

func TestPageGuard(t *testing.T) {
	type request = struct {
		name   string
		change func(*http.Request)
		http   bool
		want   *refusal.Refusal
	}
	headers := func(name string, change headerChange, want *refusal.Refusal) request {
		return request{name: name, change: func(r *http.Request) { change(r.Header) }, want: want}
	}
	tests := []request{
		headers("none: the baseline", func(http.Header) {}, nil),
		headers("none: an address typed by hand", fetched("none", "navigate", "document"), nil),
		headers("none: without user activation", drop("Sec-Fetch-User"), nil),
		{name: "none: the host with other letters", change: func(r *http.Request) { r.Host = "Wiki.Example:9443" }},
		{name: "plain http", http: true, want: ErrInsecure},
		{name: "HEAD", change: func(r *http.Request) { r.Method = "HEAD" }, want: ErrMethod},
		{name: "POST", change: func(r *http.Request) { r.Method = "POST" }, want: ErrMethod},
		{name: "a method in other letters", change: func(r *http.Request) { r.Method = "get" }, want: ErrMethod},
		{name: "the page under the wiki's own host", change: func(r *http.Request) { r.Host = "wiki.example" }, want: errHost},
		{name: "the page under the default port", change: func(r *http.Request) { r.Host = "wiki.example:443" }, want: errHost},
		{name: "no host", change: func(r *http.Request) { r.Host = "" }, want: errHost},
		headers("a service worker's fetch", fetched("same-origin", "same-origin", "empty"), ErrNotNavigation),
		headers("a static router's race, without Sec-Fetch", drop("Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-User"), errFetchMissing),
		headers("no Sec-Fetch-Dest", drop("Sec-Fetch-Dest"), errFetchMissing),
		headers("no Sec-Fetch-Mode", drop("Sec-Fetch-Mode"), errFetchMissing),
		headers("no Sec-Fetch-Site", drop("Sec-Fetch-Site"), errFetchMissing),
		headers("registered as a service worker", fetched("same-origin", "same-origin", "serviceworker"), ErrNotNavigation),
		headers("loaded as an image", fetched("same-site", "no-cors", "image"), ErrNotNavigation),
		headers("loaded as a script", fetched("same-site", "no-cors", "script"), ErrNotNavigation),
		headers("a fetch with credentials", fetched("same-site", "cors", "empty"), ErrNotNavigation),
	}
	for _, tt := range neverGenuine {
		tests = append(tests, headers(tt.name, tt.change, tt.want))
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			handOff, cookie := s.start(s.flow, "")
			r := pageRequest(s.flow, handOff, cookie)
			if tt.change != nil {
				tt.change(r)
			}
			h, err := s.flow.OpenPage(r, !tt.http)
			wantRefusal(t, err, tt.want)
			if err != nil && h != (HandOff{}) {
				t.Errorf("a refusal came with %+v", h)
			}
			if tt.want != errHost {
				wantRefusal(t, CheckNavigation(r, !tt.http), tt.want)
			}
		})
	}
}

func TestFormGuard(t *testing.T) {
	const good = "token=T&code=12345&reason=a+b%0D%0Ac"
	type request = struct {
		name   string
		body   string // good if empty
		change func(*http.Request)
		http   bool
		want   *refusal.Refusal
	}
	headers := func(name string, change headerChange, want *refusal.Refusal) request {
		return request{name: name, change: func(r *http.Request) { change(r.Header) }, want: want}
	}
	body := func(name, body string, want *refusal.Refusal) request {
		return request{name: name, body: body, want: want}
	}
	tests := []request{
		headers("none: the baseline", func(http.Header) {}, nil),
		headers("none: a browser without Sec-Fetch", drop("Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-User"), nil),
		{name: "plain http", http: true, want: ErrInsecure},
		{name: "GET", change: func(r *http.Request) { r.Method = "GET" }, want: ErrMethod},
		{name: "PUT", change: func(r *http.Request) { r.Method = "PUT" }, want: ErrMethod},
		{name: "another host", change: func(r *http.Request) { r.Host = "wiki.example" }, want: errHost},

		headers("a form on the wiki", set("Origin", testWiki), ErrOrigin),
		headers("a form in a sandboxed frame", set("Origin", "null"), ErrOrigin),
		headers("a form on a subdomain", set("Origin", "https://evil.wiki.example:9443"), ErrOrigin),
		headers("an origin with a slash", set("Origin", testPort+"/"), ErrOrigin),
		headers("an origin with another scheme", set("Origin", "http://wiki.example:9443"), ErrOrigin),
		headers("no origin", drop("Origin"), ErrOrigin),
		headers("two origins", add("Origin", testPort), ErrOrigin),
		headers("a list of origins", set("Origin", testPort+" "+testWiki), ErrOrigin),
		headers("a same-site form with a forged origin", set("Sec-Fetch-Site", "same-site"), errFetchSite),
		headers("a form from nowhere", set("Sec-Fetch-Site", "none"), errFetchSite),
		headers("a script's POST", fetched("same-origin", "cors", "empty"), ErrNotNavigation),
		headers("a form into a frame", set("Sec-Fetch-Dest", "iframe"), ErrNotNavigation),

		headers("no content type", drop("Content-Type"), errContentType),
		headers("two content types", add("Content-Type", "application/x-www-form-urlencoded"), errContentType),
		headers("a content type with a parameter", set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"), errContentType),
		headers("text/plain", set("Content-Type", "text/plain"), errContentType),
		headers("JSON", set("Content-Type", "application/json"), errContentType),
		headers("multipart", set("Content-Type", "multipart/form-data; boundary=x"), errContentType),

		body("none: a form of 8 KB", "token=T&code=12345&reason="+strings.Repeat("x", MaxForm-26), nil),
		body("a form over 8 KB", "token=T&code=12345&reason="+strings.Repeat("x", MaxForm-25), errTooLarge),
		{name: "a form over 8 KB of unknown length", body: strings.Repeat("x", MaxForm+1),
			change: func(r *http.Request) { r.ContentLength = -1 }, want: errTooLarge},
		{name: "a form that breaks off", change: func(r *http.Request) {
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("token="), iotest.ErrReader(errors.New("reset"))))
		}, want: ErrForm},
		body("the token twice", "token=T&token=U&code=12345", errRepeatedField),
		body("the code twice", "token=T&code=12345&code=12345", errRepeatedField),
		body("the code twice, spelled differently", "token=T&code=12345&c%6Fde=12345", errRepeatedField),
		body("an unknown field", "token=T&code=12345&withJS=x", errUnknownField),
		body("a field without a name", "token=T&code=12345&=x", errUnknownField),
		body("a field in other letters", "Token=T&code=12345", errUnknownField),
		body("a bad escape", "token=%zz", ErrForm),
		body("a semicolon", "token=T;code=12345", ErrForm),
		body("bytes that are no text", "token=T&code=12345&reason=%ff", ErrForm),
	}
	for _, tt := range neverGenuine {
		tests = append(tests, headers(tt.name, tt.change, tt.want))
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			text := tt.body
			if text == "" {
				text = good
			}
			r := formRequest(s.flow, text, "")
			if tt.change != nil {
				tt.change(r)
			}
			form, err := s.flow.ReadForm(r, !tt.http, "reason")
			wantRefusal(t, err, tt.want)
			if err != nil {
				if form.values != nil {
					t.Errorf("a refusal came with %v", form.values)
				}
				return
			}
			if form.Get(TokenField) != "T" || form.Get(CodeField) != "12345" || form.Get("other") != "" {
				t.Errorf("read %v", form.values)
			}
			if tt.body == "" && form.Get("reason") != "a b\r\nc" {
				t.Errorf("read the reason as %q", form.Get("reason"))
			}
		})
	}
}

func TestTheAddressFillsNoField(t *testing.T) {
	s := newScene(t)
	r := formRequest(s.flow, "code=12345", "")
	r.URL.RawQuery = "token=T"
	form, err := s.flow.ReadForm(r, true)
	if err != nil || form.Get(TokenField) != "" {
		t.Errorf("read %v (%v)", form.values, err)
	}
}

func TestRefusalsAreTold(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range []*refusal.Refusal{
		ErrMalformed, ErrSignature, ErrExpired, errFuture, ErrTooFast, ErrUsed, ErrCode, errTooLong, ErrNoBrowser, ErrOtherBrowser,
		errPurpose, errWiki, ErrSubject, ErrAction, ErrBinding, errOtherClient, errPages, errBusy, errNoClient, errFull, errStore, ErrMethod, ErrInsecure, errHost, errFetchMissing,
		errFetchRepeated, ErrNotNavigation, ErrSpeculative, ErrOrigin, errFetchSite, errContentType, errTooLarge, ErrForm,
		errRepeatedField, errUnknownField,
	} {
		outage := e == errFull || e == errStore || e == errNoClient
		if e.Error() == "" || seen[e.Reason] || (e.Status >= 500) != outage || e.Status < 400 {
			t.Errorf("%q: status %d, text %q", e.Reason, e.Status, e)
		}
		seen[e.Reason] = true
	}
}
