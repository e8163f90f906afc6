package exempt

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// Attacks on the way to a grant: the reader, a victim, is on the page that asks for
// weather. Each ends in a refusal and without any grant.
func TestAttacksOnTheFlow(t *testing.T) {
	for name, tt := range map[string]struct {
		attack func(victim, attacker *browser, q question) *httptest.ResponseRecorder
		want   *refusal.Refusal
	}{
		"a wrong code": {func(v, _ *browser, q question) *httptest.ResponseRecorder {
			q.code = "x" + q.code[1:]
			return v.answer(q)
		}, confirm.ErrCode},
		"a second guess": {func(v, _ *browser, q question) *httptest.ResponseRecorder {
			v.answer(question{q.action, q.token, "guess"})
			return v.answer(q)
		}, confirm.ErrUsed},
		"a replay": {func(v, _ *browser, q question) *httptest.ResponseRecorder {
			v.get(v.target(v.answer(q), wiki+CommitPath))
			return v.answer(q)
		}, confirm.ErrUsed},
		"too fast": {func(v, _ *browser, _ question) *httptest.ResponseRecorder { return v.answer(v.ask("weather")) }, confirm.ErrTooFast},
		"too late": {func(v, _ *browser, q question) *httptest.ResponseRecorder {
			time.Sleep(confirm.TokenLife)
			return v.answer(q)
		}, confirm.ErrExpired},
		"a foreign token": {func(v, a *browser, _ question) *httptest.ResponseRecorder {
			q := a.ask("weather")
			time.Sleep(5 * time.Second)
			return v.answer(q)
		}, confirm.ErrOtherBrowser},
		"a stolen token": {func(_, a *browser, q question) *httptest.ResponseRecorder {
			a.ask("weather")
			return a.answer(q)
		}, confirm.ErrOtherBrowser},
		"a foreign hand-off": {func(v, a *browser, _ question) *httptest.ResponseRecorder {
			return v.get(a.target(a.get(wiki+GoPath+"?tool=weather"), port))
		}, confirm.ErrOtherBrowser},
		"a foreign ticket": {func(v, a *browser, _ question) *httptest.ResponseRecorder { return v.get(a.ticket("weather")) }, confirm.ErrOtherBrowser},
		"a ticket without cookies": {func(v, a *browser, _ question) *httptest.ResponseRecorder {
			clear(v.jar)
			return v.get(a.ticket("weather"))
		}, confirm.ErrNoBrowser},
		"a ticket twice": {func(v, _ *browser, _ question) *httptest.ResponseRecorder {
			ticket := v.ticket("weather")
			v.get(ticket)
			v.post(wiki+ListPath, url.Values{"tool": {"weather"}})
			v.ask("maps") // so that there is a browser cookie, though another
			return v.get(ticket)
		}, confirm.ErrOtherBrowser},
		"a ticket for another act": {func(v, _ *browser, q question) *httptest.ResponseRecorder {
			r := v.request("POST", q.action, url.Values{"token": {q.token}, "code": {q.code}}.Encode())
			form, err := v.config.Flow.ReadForm(r, true)
			if err != nil {
				v.t.Fatal(err)
			}
			confirmed, err := v.config.Flow.Redeem(r, form, confirm.Act{Subject: "weather", Action: "grant", Binding: v.site.lookup("weather").state})
			if err != nil {
				v.t.Fatal(err)
			}
			confirmed.Act.Action = "other"
			return v.get(wiki + CommitPath + "?ticket=" + v.config.Flow.Ticket(confirmed))
		}, confirm.ErrAction},
		"a replayed ticket": {func(v, _ *browser, _ question) *httptest.ResponseRecorder {
			ticket := v.ticket("weather")
			v.get(ticket)
			return v.get(ticket)
		}, confirm.ErrUsed},
		"an old ticket": {func(v, _ *browser, _ question) *httptest.ResponseRecorder {
			ticket := v.ticket("weather")
			time.Sleep(confirm.TicketLife)
			return v.get(ticket)
		}, confirm.ErrExpired},
		"a ticket by fetch": {func(v, _ *browser, _ question) *httptest.ResponseRecorder {
			r := v.request("GET", v.ticket("weather"), "")
			r.Header.Set("Sec-Fetch-Mode", "cors")
			return v.send(r)
		}, confirm.ErrNotNavigation},
		"another tool's address": {func(v, _ *browser, q question) *httptest.ResponseRecorder {
			q.action = strings.Replace(q.action, "weather", "maps", 1)
			return v.answer(q)
		}, confirm.ErrSubject},
		"two tools in the address": {func(v, _ *browser, q question) *httptest.ResponseRecorder {
			q.action += "&tool=maps"
			return v.answer(q)
		}, errToolParam},
		"the declaration changed under the page": {func(v, _ *browser, q question) *httptest.ResponseRecorder {
			v.declared[0].Revision = 8
			return v.answer(q)
		}, confirm.ErrBinding},
		"kinds were added under the page": {func(v, _ *browser, q question) *httptest.ResponseRecorder {
			v.declared[0].Kinds = []noticeboard.Kind{noticeboard.Img, noticeboard.Data, noticeboard.Style}
			return v.answer(q)
		}, confirm.ErrBinding},
		"the declaration changed under the ticket": {func(v, _ *browser, _ question) *httptest.ResponseRecorder {
			ticket := v.ticket("weather")
			v.declared[0].Revision = 8
			return v.get(ticket)
		}, confirm.ErrBinding},
		"the tool went under the page": {func(v, _ *browser, q question) *httptest.ResponseRecorder {
			v.declared = v.declared[1:]
			return v.answer(q)
		}, errNoTool},
		"the tool went under the ticket": {func(v, _ *browser, _ question) *httptest.ResponseRecorder {
			ticket := v.ticket("weather")
			v.declared = v.declared[1:]
			return v.get(ticket)
		}, errNoTool},
		"a form of the wiki's origin": {func(v, _ *browser, q question) *httptest.ResponseRecorder {
			r := v.request("POST", q.action, url.Values{"token": {q.token}, "code": {q.code}}.Encode())
			r.Header.Set("Origin", wiki)
			r.Header.Set("Sec-Fetch-Site", "same-site")
			return v.send(r)
		}, confirm.ErrOrigin},
		"the page by fetch": {func(v, _ *browser, _ question) *httptest.ResponseRecorder {
			r := v.request("GET", v.target(v.get(wiki+GoPath+"?tool=weather"), port), "")
			r.Header.Set("Sec-Fetch-Mode", "cors")
			r.Header.Set("Sec-Fetch-Dest", "empty")
			return v.send(r)
		}, confirm.ErrNotNavigation},
		"the page in a frame": {func(v, _ *browser, _ question) *httptest.ResponseRecorder {
			r := v.request("GET", v.target(v.get(wiki+GoPath+"?tool=weather"), port), "")
			r.Header.Set("Sec-Fetch-Dest", "iframe")
			return v.send(r)
		}, confirm.ErrNotNavigation},
		"the page by a service worker's preload": {func(v, _ *browser, _ question) *httptest.ResponseRecorder {
			r := v.request("GET", v.target(v.get(wiki+GoPath+"?tool=weather"), port), "")
			r.Header.Set("Service-Worker-Navigation-Preload", "")
			return v.send(r)
		}, confirm.ErrSpeculative},
		"the page over http": {func(v, _ *browser, _ question) *httptest.ResponseRecorder {
			return v.get(strings.Replace(v.target(v.get(wiki+GoPath+"?tool=weather"), port), "https", "http", 1))
		}, confirm.ErrInsecure},
		"the page without a hand-off": {func(v, _ *browser, _ question) *httptest.ResponseRecorder {
			return v.get(port + ConsentPath + "?tool=weather")
		}, confirm.ErrMalformed},
		"another page of the consent origin": {func(v, _ *browser, _ question) *httptest.ResponseRecorder { return v.get(port + "/") }, errNotFound},
		"another method there": {func(v, _ *browser, _ question) *httptest.ResponseRecorder {
			return v.send(v.request("PUT", port+ConsentPath, ""))
		}, confirm.ErrMethod},
		"a tool that is not declared": {func(v, _ *browser, _ question) *httptest.ResponseRecorder {
			return v.get(wiki + GoPath + "?tool=evil")
		}, errNoTool},
		"parameters that name others": {func(v, _ *browser, _ question) *httptest.ResponseRecorder {
			return v.get(wiki + GoPath + "?withJS=weather&withgadget=weather")
		}, errToolParam},
		"two tools at once": {func(v, _ *browser, _ question) *httptest.ResponseRecorder {
			return v.get(wiki + GoPath + "?tool=weather&tool=maps")
		}, errToolParam},
		"a jar that overflowed before the answer": {func(v, _ *browser, q question) *httptest.ResponseRecorder {
			clear(v.jar)
			return v.answer(q)
		}, confirm.ErrNoBrowser},
		"an attacker's browser cookie beside the reader's": {func(v, a *browser, q question) *httptest.ResponseRecorder {
			a.ask("weather")
			r := v.request("POST", q.action, url.Values{"token": {q.token}, "code": {q.code}}.Encode())
			r.Header.Set("Cookie", v.cookies()+"; "+a.cookies())
			return v.send(r)
		}, confirm.ErrNoBrowser},
	} {
		inTime(t, name, func(t *testing.T) {
			s := newScene(t)
			victim, attacker := s.browser(), s.browser()
			q := victim.ask("weather")
			time.Sleep(5 * time.Second)
			w := tt.attack(victim, attacker, q)
			s.wantRefusal(w, tt.want)
			if strings.HasPrefix(name, "a replay") {
				victim.wantThrough("weather") // what the victim confirmed
			} else {
				victim.wantThrough("")
			}
		})
	}
}

// Attacks on the cookie of a reader who let weather through.
func TestAttacksOnTheCookie(t *testing.T) {
	for name, tt := range map[string]struct {
		cookies func(victim, attacker *browser) string
		want    error
	}{
		"none": {func(v, _ *browser) string { return v.cookies() }, nil},
		"the attacker's grants in the victim's browser": {func(v, a *browser) string {
			return confirm.BrowserCookie + "=" + v.jar[confirm.BrowserCookie] + "; " + GrantsCookie + "=" + a.jar[GrantsCookie]
		}, confirm.ErrOtherBrowser},
		"the attacker's grants beside the victim's": {func(v, a *browser) string {
			return v.cookies() + "; " + GrantsCookie + "=" + a.jar[GrantsCookie]
		}, confirm.ErrMalformed},
		"the victim's grants twice": {func(v, _ *browser) string {
			return v.cookies() + "; " + GrantsCookie + "=" + v.jar[GrantsCookie]
		}, confirm.ErrMalformed},
		"a second one without a value": {func(v, _ *browser) string { return v.cookies() + ";" + GrantsCookie }, confirm.ErrMalformed},
		"a second one with blanks":     {func(v, _ *browser) string { return v.cookies() + ";\t " + GrantsCookie + " = x" }, confirm.ErrMalformed},
		"two browser cookies":          {func(v, a *browser) string { return v.cookies() + "; " + a.cookies() }, confirm.ErrNoBrowser},
		"both browser cookies": {func(v, a *browser) string {
			return v.cookies() + "; " + confirm.BrowserCookie + "=" + a.jar[confirm.BrowserCookie]
		}, confirm.ErrNoBrowser},
		"a forged browser cookie": {func(v, _ *browser) string {
			return strings.Replace(v.cookies(), confirm.BrowserCookie+"=", confirm.BrowserCookie+"=A", 1)
		}, confirm.ErrMalformed},
		"a name in another case": {func(v, _ *browser) string {
			return strings.Replace(v.cookies(), GrantsCookie, strings.ToLower(GrantsCookie), 1)
		}, nil},
		"another version": {func(v, _ *browser) string { return swap(v, "C") }, confirm.ErrMalformed},
		"cut short": {func(v, _ *browser) string {
			return confirm.BrowserCookie + "=" + v.jar[confirm.BrowserCookie] + "; " + GrantsCookie + "=" + v.jar[GrantsCookie][:40]
		}, confirm.ErrMalformed},
		"too long": {func(v, _ *browser) string {
			return confirm.BrowserCookie + "=" + v.jar[confirm.BrowserCookie] + "; " + GrantsCookie + "=" + strings.Repeat("A", 1<<16)
		}, confirm.ErrMalformed},
		"empty": {func(v, _ *browser) string {
			return confirm.BrowserCookie + "=" + v.jar[confirm.BrowserCookie] + "; " + GrantsCookie + "="
		}, confirm.ErrMalformed},
	} {
		inTime(t, name, func(t *testing.T) {
			s := newScene(t)
			victim, attacker := s.browser(), s.browser()
			victim.grant("weather")
			attacker.grant("maps")
			r := victim.request("GET", wiki+"/wiki/Page", "")
			r.Header.Set("Cookie", tt.cookies(victim, attacker))
			got, err := victim.throughBy(r)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if want := map[bool]string{true: "weather"}[name == "none"]; got != want {
				t.Errorf("let through are %q, want %q", got, want)
			}
		})
	}
}

// swap returns the victim's cookies with another first letter of the grants.
func swap(v *browser, letter string) string {
	return confirm.BrowserCookie + "=" + v.jar[confirm.BrowserCookie] + "; " + GrantsCookie + "=" + letter + v.jar[GrantsCookie][1:]
}

// No byte of the value, in either alphabet, can be changed.
func TestTamperingWithEachByte(t *testing.T) {
	s, browser := newScene(t), confirm.BrowserID{1}
	value := s.seal(browser, someGrants(2))
	open := func(value string) (grants, error) { return openGrants(s.config.Flow, browser, value) }
	for i := range value {
		for _, c := range []byte("AB_-=+/ \n\x00") {
			changed := []byte(value)
			if changed[i] == c {
				continue
			}
			changed[i] = c
			if _, err := open(string(changed)); err == nil {
				t.Errorf("byte %d as %q is accepted", i, c)
			}
		}
		if _, err := open(value[:i]); err == nil {
			t.Errorf("the first %d bytes are accepted", i)
		}
	}
	raw, _ := base64.RawURLEncoding.DecodeString(value)
	for i := range raw {
		for bit := range 8 {
			changed := bytes.Clone(raw)
			changed[i] ^= 1 << bit
			_, err := open(base64.RawURLEncoding.EncodeToString(changed))
			if !errors.Is(err, confirm.ErrMalformed) && !errors.Is(err, confirm.ErrSignature) { // a length or the version, or what they hold
				t.Fatalf("bit %d of byte %d: %v", bit, i, err)
			}
		}
	}
	if _, err := openGrants(s.config.Flow, confirm.BrowserID{2}, value); !errors.Is(err, confirm.ErrOtherBrowser) {
		t.Errorf("another browser: %v", err)
	}
	s.keys = mustKeys(t, 2)
	if _, err := openGrants(s.flow(port), browser, value); !errors.Is(err, confirm.ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	s.keys = mustKeys(t, 2, 3, 1)
	if _, err := openGrants(s.flow(port), browser, value); err != nil {
		t.Errorf("an older key: %v", err)
	}
}

// A gadget may withdraw, since that only takes away; another site may not even that.
func TestWithdrawalAttacks(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*http.Request)
		body   string
		want   *refusal.Refusal
	}{
		"another site":                 {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, "tool=weather", errCrossOrigin},
		"another port":                 {func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, "tool=weather", errCrossOrigin},
		"another site, an old browser": {func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") }, "all=1", errCrossOrigin},
		"nothing":                      {nil, "", errForm},
		"two tools":                    {nil, "tool=weather&tool=maps", errForm},
		"both":                         {nil, "tool=weather&all=1", errForm},
		"another field":                {nil, "tool=weather&x=1", errForm},
		"broken escapes":               {nil, "tool=%zz", errForm},
		"a semicolon":                  {nil, "tool=weather;all=1", errForm},
		"too long":                     {nil, "tool=" + strings.Repeat("x", 1<<20), errForm},
		"JSON":                         {func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }, `{"all":1}`, errForm},
		"another method":               {func(r *http.Request) { r.Method = "DELETE" }, "", errMethod},
	} {
		inTime(t, name, func(t *testing.T) {
			s := newScene(t)
			b := s.browser()
			b.grant("weather")
			r := b.request("POST", wiki+ListPath, tt.body)
			if tt.change != nil {
				tt.change(r)
			}
			s.wantRefusal(b.send(r), tt.want)
			b.wantThrough("weather")
		})
	}
}
