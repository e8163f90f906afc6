package lookup

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/lookup/access"
	"github.com/wikiveil/wikiveil/lookup/audit"
)

// Attacks on the form, and everything that can go wrong when it is sent.
func TestRevealFormAttacks(t *testing.T) {
	s := newRevealScene(t, revealOptions{seal: "local", gate: wikiGate, there: wikiGate})
	mask, second := s.publish(s.wiki, writerAddr), s.publish(s.wiki, "127.130.7.2")
	app, err := edge.RunningApp()
	if err != nil {
		t.Fatal(err)
	}
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	reason := func(text string) func(*askPage, url.Values) {
		return func(_ *askPage, form url.Values) { form.Set("reason", text) }
	}
	attacks := []*formAttack{
		{name: "no reason", form: reason(""), status: 400, reason: "mistake", text: "A reason is needed."},
		{name: "a reason of spaces", form: reason(" \u00a0 "), status: 400, reason: "mistake", text: "A reason is needed."},
		{name: "no field for it", form: func(_ *askPage, f url.Values) { f.Del("reason") }, status: 400, reason: "mistake", text: "A reason is needed."},
		{name: "a reason that is too long", form: reason(strings.Repeat("x", audit.MaxReason+1)), status: 400, reason: "mistake", text: "The reason is not up to 1000 bytes"},
		{name: "a reason of two lines", form: reason("a\nb"), status: 400, reason: "mistake", text: "printable text"},
		{name: "a reason twice", form: func(_ *askPage, f url.Values) { f.Add("reason", "x") }, status: 400, reason: "repeated_field", text: "field twice"},
		{name: "a reason not in UTF-8", form: reason("\xff"), status: 400, reason: "form", text: "malformed"},
		{name: "another field", form: func(_ *askPage, f url.Values) { f.Set("mask", second) }, status: 400, reason: "unknown_field", text: "should not have"},
		{name: "a huge form", form: reason(strings.Repeat("x", confirm.MaxForm)), status: 413, reason: "too_large", text: "too large"},

		{name: "a click without the code", form: func(_ *askPage, f url.Values) { f.Set("code", "") }, status: 403, reason: "wrong_code", text: "code is wrong"},
		{name: "a guessed code", form: func(p *askPage, f url.Values) { f.Set("code", flipDigit(p.code)) }, status: 403, reason: "wrong_code", text: "code is wrong"},
		{name: "a second guess", first: func(p *askPage) {
			form := p.form("why")
			form.Set("code", flipDigit(p.code))
			p.send(form, nil)
		}, status: 403, reason: "used", text: "answered before"},
		{name: "no token", form: func(_ *askPage, f url.Values) { f.Del("token") }, status: 400, reason: "malformed", text: "not from this server"},
		{name: "a forged token", form: func(p *askPage, f url.Values) { f.Set("token", p.token[:60]+flip(p.token[60:61])+p.token[61:]) }, status: 403, reason: "signature", text: "signature is wrong"},
		{name: "the hand-off as token", form: func(p *askPage, f url.Values) {
			location, _ := url.Parse(p.start(mask).Header.Get("Location"))
			f.Set("token", location.Query().Get(confirm.HandOffParam))
		}, status: 400, reason: "malformed", text: "not from this server"},
		{name: "a token for another mask", form: func(p *askPage, f url.Values) {
			f.Set("subject", s.browser(checkerAddr, "checker").open(second).subject)
		},
			status: 403, reason: "other_subject", text: "something else"},
		{name: "a token for another user", form: func(p *askPage, f url.Values) { f.Set("subject", s.browser(checkerAddr, "second").open(mask).subject) },
			status: 403, reason: "other_subject", text: "something else"},
		{name: "no subject", form: func(_ *askPage, f url.Values) { f.Del("subject") }, status: 403, reason: "other_subject", text: "something else"},

		{name: "the wiki's script", request: header("Origin", s.wiki), status: 403, reason: "other_origin", text: "another site’s page"},
		{name: "a sandboxed frame", request: header("Origin", "null"), status: 403, reason: "other_origin", text: "another site’s page"},
		{name: "no origin", request: func(r *http.Request) { r.Header.Del("Origin") }, status: 403, reason: "other_origin", text: "another site’s page"},
		{name: "a form on the wiki", request: header("Sec-Fetch-Site", "same-site"), status: 403, reason: "sec_fetch_site", text: "another site’s page"},
		{name: "a fetch", request: header("Sec-Fetch-Mode", "cors"), status: 403, reason: "not_a_navigation", text: "tab of its own"},
		{name: "as JSON", request: header("Content-Type", "application/json"), status: 415, reason: "content_type", text: "not a form"},

		{name: "another user's session", before: func(p *askPage) { p.login("second") }, status: 403, reason: "other_user", text: "another user"},
		{name: "logged out", before: func(p *askPage) { p.login("") }, status: 403, reason: "anonymous", text: "not logged in"},
		{name: "the right withdrawn since", session: "withdrawn", before: func(*askPage) { s.grant("withdrawn", "block") },
			status: 403, reason: "right", text: `the right &#34;reveal&#34;`},
		{name: "another browser with the session", before: func(p *askPage) { p.surfer = s.browser(checkerAddr, "checker") },
			status: 403, reason: "no_browser_cookie", text: "allow cookies"},
		{name: "the quota used up", session: "exhausted", before: func(*askPage) {
			if _, err := lookupParts.Of(app).quotas.Take(context.Background(), "wiki:8", access.Reveal, access.DefaultReveal); err != nil {
				t.Fatal(err)
			}
		}, status: 429, reason: "quota", text: "quota of 20 a day"},
	}
	for _, a := range attacks {
		if a.session == "" {
			a.session = "checker"
		}
		a.page = s.browser(checkerAddr, a.session).open(mask)
		if a.before != nil {
			a.before(a.page)
		}
	}
	genuine, unaudited := s.browser(checkerAddr, "second").open(mask), s.browser(checkerAddr, "checker").open(second)
	waitToRead()
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) { a.run(t, s) })
	}
	if all := reveals(t); len(all) != 0 {
		t.Errorf("the audit has %+v", all)
	}
	if a := genuine.send(genuine.form("why"), nil); a.StatusCode != 200 || !strings.Contains(a.body, writerAddr) {
		t.Fatalf("the genuine form: %d %s", a.StatusCode, a.body)
	}
	t.Run("a replay", func(t *testing.T) {
		before := s.counted("used")
		s.wantRefused(t, genuine.send(genuine.form("why"), nil), before, 403, "used", "answered before")
	})
	if all := reveals(t); len(all) != 1 || all[0].Performer != "wiki:5" {
		t.Errorf("the audit has %+v", all)
	}
	t.Run("the audit can't be written", func(t *testing.T) {
		if err := lookupParts.Of(app).log.Log.Close(); err != nil {
			t.Fatal(err)
		}
		before := s.counted("failed")
		a := unaudited.send(unaudited.form("why"), nil)
		s.wantRefused(t, a, before, 503, "failed", "be done just now")
		edgetest.WantNone(t, "the answer", a.all(), netip.MustParseAddr("127.130.7.2"))
	})
	s.wantNoTrace()
}

// formAttack is an attack on the form. All pages are opened before, and read long enough.
type formAttack struct {
	name    string
	session string // "checker" by default
	// before is done when the page is open, first right before the form is sent.
	before, first func(p *askPage)
	// form changes the genuine form, request the genuine request.
	form         func(p *askPage, form url.Values)
	request      func(r *http.Request)
	status       int
	reason, text string

	page *askPage
}

func (a *formAttack) run(t *testing.T, s *revealScene) {
	if a.first != nil {
		a.first(a.page)
	}
	form := a.page.form("why")
	if a.form != nil {
		a.form(a.page, form)
	}
	before := s.counted(a.reason)
	got := a.page.send(form, a.request)
	s.wantRefused(t, got, before, a.status, a.reason, a.text)
	if (got.Header.Get("Retry-After") != "") != (a.status == 429) {
		t.Errorf("Retry-After is %q", got.Header.Get("Retry-After"))
	}
	if !strings.Contains(got.body, `href="`+s.wiki+`/.privacy/masks/"`) {
		t.Error("the page does not lead back")
	}
}

// flipDigit returns another code.
func flipDigit(code string) string {
	if code[0] == '0' {
		return "1" + code[1:]
	}
	return "0" + code[1:]
}

// A form whose reason is wanting is shown again, with the same code, and then taken.
func TestRevealReasonAgain(t *testing.T) {
	s := newRevealScene(t, revealOptions{seal: "local", gate: wikiGate, there: wikiGate})
	mask := s.publish(s.wiki, writerAddr)
	p, guessed := s.browser(checkerAddr, "checker").open(mask), s.browser(checkerAddr, "checker").open(mask)
	waitToRead()
	long := `<i>"` + strings.Repeat("x", audit.MaxReason)
	a := p.send(p.form(long), nil)
	again := p.read(a.body)
	if a.StatusCode != 400 || again.token != p.token || again.code != p.code || again.subject != p.subject || field(t, a.body, "reason") != long {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	a = again.send(again.form("is it 192.0.2.7?"), nil)
	again = again.read(a.body)
	if a.StatusCode != 400 || !strings.Contains(a.body, "The reason has an IP address in it") || strings.Contains(a.body, "192.0.2.7") || again.token != p.token {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := again.send(again.form("shorter"), nil); a.StatusCode != 200 || !strings.Contains(a.body, writerAddr) {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	// Of a code that can't be one nothing is shown.
	form := guessed.form("")
	form.Set("code", `12345"><b>`)
	if a := guessed.send(form, nil); a.StatusCode != 400 || strings.Contains(a.body, "<form") || strings.Contains(a.body, "12345") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// Strangers, who have no token, can't tell by the answer which masks are known.
func TestRevealTellsStrangersNothing(t *testing.T) {
	s := newRevealScene(t, revealOptions{seal: "local", gate: wikiGate, subdomain: true})
	known := s.publish(s.wiki, writerAddr)
	p := s.browser(checkerAddr, "checker").open(known)
	stranger := &askPage{surfer: s.browser("127.9.9.8", ""), action: revealPath}
	var bodies []string
	for _, subject := range []string{p.subject, flip(p.subject[:1]) + p.subject[1:]} {
		form := url.Values{"token": {p.token[:60] + flip(p.token[60:61]) + p.token[61:]}, "code": {p.code},
			"subject": {subject}, "reason": {"why"}}
		before := s.counted("signature")
		a := stranger.send(form, nil)
		s.wantRefused(t, a, before, 403, "signature", "signature is wrong")
		bodies = append(bodies, nonceAttribute.ReplaceAllString(a.body, ""))
	}
	if bodies[0] != bodies[1] {
		t.Errorf("the answers differ:\n%s\n%s", bodies[0], bodies[1])
	}
}

var nonceAttribute = regexp.MustCompile(`nonce="[^"]*"`)
