package policy

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/csp/exempt"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/internal/testutil/redistest"
)

const (
	consentWiki  = "https://wiki.example"
	consentThere = "https://wiki.example:9443"

	chromeAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
	webkitAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15"
)

// consentSites have a wiki and its consent origin behind a proxy that ends TLS. {CSP} are more options of
// csp, {CONSENT} those of its consent, {TOOL} more of the tool's, {APPOPTIONS} of the app and {MORE} directives of the wiki.
const consentSites = `{
	{GLOBAL}
	servers {
		trusted_proxies static 127.0.0.1
	}
	wikiveil {
		data_dir {DIR}/data
		{APPOPTIONS}
		tool weather https://weather.example {
			title "The weather"
			access consent
			kinds img data
			hosts tiles.weather.example:8443
			{TOOL}
		}
		tool proxied https://proxied.example
		tool ended https://ended.example {
			access both
			expires 2020-01-01
		}
	}
}
http://wiki.example:{PORT} {
	client_mask
	csp {
		{CSP}
		consent https://wiki.example https://wiki.example:9443 {
			{CONSENT}
		}
	}
	{MORE}
	error /fail 500
	error /gone 410
	handle_errors 410 {
		respond "gone"
	}
	reverse_proxy {APP}
}
http://wiki.example:{THERE} {
	client_mask
	third_party_consent https://wiki.example https://wiki.example:9443 {
		developer_consent
	}
	respond "nobody"
	header X-Other yes
}`

type consentEdge struct {
	*edgetest.Edge
	t     *testing.T
	app   *edgetest.Backend
	there string // port
}

// newConsentEdge fills in the placeholders of consentSites by pairs.
func newConsentEdge(t *testing.T, pairs ...string) *consentEdge {
	t.Helper()
	e := &consentEdge{t: t, there: strings.TrimPrefix(edgetest.FreePort(t), "127.0.0.1:")}
	e.app = edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "public, s-maxage=600")
		h.Add("Set-Cookie", "session=1; Path=/")
		h.Add("Set-Cookie", confirm.BrowserCookie+"=forged; Secure; HttpOnly; Path=/")
		h.Add("Set-Cookie", exempt.GrantsCookie+"=forged; Secure; HttpOnly; Path=/")
		switch r.URL.Path {
		case "/unchanged":
			w.WriteHeader(http.StatusNotModified)
		case "/missing":
			http.NotFound(w, r)
		case "/redirect":
			http.Redirect(w, r, "/page", http.StatusFound)
		default:
			io.WriteString(w, "the app")
		}
	})
	e.Edge = edgetest.New(t, e.sites(pairs...))
	return e
}

func (e *consentEdge) sites(pairs ...string) string {
	filled := strings.NewReplacer(append(pairs, "{THERE}", e.there, "{APP}", e.app.Address())...).Replace(consentSites)
	return strings.NewReplacer("{CSP}", "", "{CONSENT}", "", "{TOOL}", "", "{APPOPTIONS}", "", "{MORE}", "").Replace(filled)
}

func (e *consentEdge) counted(outcome string) string {
	return e.Metric(e.t, fmt.Sprintf(`wikiveil_consents_total{outcome=%q}`, outcome))
}

// reader is a browser's tab behind the proxy.
type reader struct {
	*consentEdge
	agent, address string
	jar            map[string]string
}

func (e *consentEdge) reader() *reader {
	return &reader{e, chromeAgent, "203.0.113.7", map[string]string{"theme": "dark"}}
}

// send does a navigation, or something else that more headers make of it.
func (b *reader) send(method, address string, form url.Values, more ...string) (*http.Response, string) {
	b.t.Helper()
	target, found := strings.CutPrefix(address, consentThere)
	host, port := "wiki.example:9443", b.there
	if !found {
		host, port, target = "wiki.example", b.Port(), strings.TrimPrefix(address, consentWiki)
	}
	r, err := http.NewRequest(method, "http://127.0.0.1:"+port+target, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Host = host
	headers := []string{"User-Agent", b.agent, "X-Forwarded-Proto", "https", "X-Forwarded-For", b.address,
		"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	if method == http.MethodPost {
		headers = append(headers, "Content-Type", "application/x-www-form-urlencoded", "Origin", "https://"+host)
	}
	headers = append(headers, more...)
	for i := 0; i < len(headers); i += 2 {
		if r.Header.Del(headers[i]); headers[i+1] != "" {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	var pairs []string
	for name, value := range b.jar {
		pairs = append(pairs, name+"="+value)
	}
	r.Header.Set("Cookie", strings.Join(pairs, "; "))
	resp, err := edgetest.From(b.t, "127.0.0.1").Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range resp.Cookies() {
		if c.MaxAge < 0 {
			delete(b.jar, c.Name)
		} else if c.Name != confirm.ProbeCookie || b.agent == webkitAgent {
			b.jar[c.Name] = c.Value
		}
	}
	return resp, string(body)
}

func (b *reader) get(address string, more ...string) (*http.Response, string) {
	b.t.Helper()
	return b.send(http.MethodGet, address, nil, more...)
}

// follow goes where an answer leads, which begins so.
func (b *reader) follow(resp *http.Response, start string) (*http.Response, string) {
	b.t.Helper()
	location := resp.Header.Get("Location")
	if resp.StatusCode != http.StatusSeeOther || !strings.HasPrefix(location, start) {
		b.t.Fatalf("%s to %q, want a redirect to %s…", resp.Status, location, start)
	}
	return b.get(location)
}

var (
	consentToken  = regexp.MustCompile(`name="token" value="([^"]+)"`)
	consentCode   = regexp.MustCompile(`class="code" dir="ltr">(\d{5})<`)
	consentAction = regexp.MustCompile(`<form method="post" action="([^"]+)"`)
)

// grant goes the reader's whole way.
func (b *reader) grant(tool string) {
	b.t.Helper()
	start, _ := b.get(consentWiki + exempt.GoPath + "?tool=" + tool)
	page, body := b.follow(start, consentThere+exempt.ConsentPath+"?handoff=")
	token, code, action := consentToken.FindStringSubmatch(body), consentCode.FindStringSubmatch(body), consentAction.FindStringSubmatch(body)
	if page.StatusCode != http.StatusOK || token == nil || code == nil || action == nil {
		b.t.Fatalf("this page does not ask: %s\n%s", page.Status, body)
	}
	if page.Header.Get("X-Other") != "" || len(page.Header[policyHeader]) != 1 {
		b.t.Errorf("others add to the page: %v", page.Header)
	}
	time.Sleep(1600 * time.Millisecond) // a form must have been read
	answer, _ := b.send(http.MethodPost, consentThere+html.UnescapeString(action[1]), url.Values{"token": {token[1]}, "code": {code[1]}})
	done, _ := b.follow(answer, consentWiki+exempt.CommitPath+"?ticket=")
	if list, _ := b.follow(done, exempt.ListPath); list.StatusCode != http.StatusOK {
		b.t.Fatalf("the list of exemptions: %s", list.Status)
	}
}

var (
	widenedImg  = "img-src 'self' data: blob: https://weather.example https://tiles.weather.example:8443;"
	widenedData = "connect-src 'self' https://weather.example https://tiles.weather.example:8443;"
)

// consentPreset is the preset where readers can consent: with the edge's own pages that frame a tool's.
func consentPreset(t *testing.T) string {
	return strings.Replace(edgetest.Preset(t, "mediawiki"), "frame-src 'none'", "frame-src "+consentWiki+exempt.FramePath, 1)
}

// wantPolicy fails unless an answer's policy lets the weather through, or doesn't, and caches are told.
func (b *reader) wantPolicy(when string, resp *http.Response, wide bool) {
	b.t.Helper()
	policy := resp.Header.Get(policyHeader)
	if got := strings.Contains(policy, widenedImg) && strings.Contains(policy, widenedData); got != wide || wide == (policy == consentPreset(b.t)) {
		b.t.Errorf("%s: the policy is %q", when, policy)
	}
	control, vary := strings.Join(resp.Header["Cache-Control"], ", "), strings.Join(resp.Header["Vary"], ", ")
	if personal := strings.Contains(control, "private") && !strings.Contains(control, "public") && !strings.Contains(control, "s-maxage") &&
		strings.Contains(vary, "Cookie"); personal != wide {
		b.t.Errorf("%s: Cache-Control %q, Vary %q", when, control, vary)
	}
}

func TestConsentWidensOneReadersPolicy(t *testing.T) {
	e := newConsentEdge(t)
	b, other := e.reader(), e.reader()
	b.grant("weather")
	e.app.Take()
	for _, tt := range []struct {
		path   string
		status int
	}{
		{"/page", 200}, {"/page?withJS=x&withgadget=y", 200}, {"/missing", 404}, {"/unchanged", 304}, {"/redirect", 302}, {"/fail", 500}, {"/gone", 410},
	} {
		resp, _ := b.get(consentWiki + tt.path)
		if resp.StatusCode != tt.status {
			t.Errorf("%s: %s", tt.path, resp.Status)
		}
		b.wantPolicy(tt.path, resp, true)
		resp, _ = other.get(consentWiki + tt.path)
		other.wantPolicy("another's "+tt.path, resp, false)
	}
	for name, more := range map[string][]string{
		"an image":         {"Sec-Fetch-Mode", "no-cors"},
		"a fetch":          {"Sec-Fetch-Mode", "cors"},
		"no Sec-Fetch":     {"Sec-Fetch-Mode", ""},
		"plain http":       {"X-Forwarded-Proto", "http"},
		"an older browser": {"User-Agent", strings.Replace(chromeAgent, "156", "120", 1)},
	} {
		resp, _ := b.get(consentWiki+"/page", more...)
		if strings.Contains(resp.Header.Get(policyHeader), "weather") {
			t.Errorf("%s: the policy is %q", name, resp.Header.Get(policyHeader))
		}
	}
	b.wantStripped()
	if got := e.counted("granted"); got != "1" {
		t.Errorf("%s exemptions were counted", got)
	}
	if log := e.ReadLog(t); strings.Contains(log, b.jar[exempt.GrantsCookie]) || strings.Contains(log, b.jar[confirm.BrowserCookie]) {
		t.Error("a cookie is in the log")
	}

	// Another site's page may not withdraw, the reader may.
	if resp, _ := b.send("POST", consentWiki+exempt.ListPath, url.Values{"all": {"1"}}, "Sec-Fetch-Site", "cross-site"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("another site withdraws: %s", resp.Status)
	}
	b.send("POST", consentWiki+exempt.ListPath, url.Values{"all": {"1"}})
	resp, _ := b.get(consentWiki + "/page")
	b.wantPolicy("withdrawn", resp, false)
}

// wantStripped: the app saw none of the edge's cookies, and set none.
func (b *reader) wantStripped() {
	b.t.Helper()
	requests := b.app.Take()
	for _, r := range requests {
		if got := r.Header["Cookie"]; !slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, "theme=dark") }) || strings.Contains(strings.Join(got, ";"), "wikiveil") {
			b.t.Errorf("%s: the app got the cookies %q", r.URL, got)
		}
	}
	if len(requests) == 0 {
		b.t.Error("the app got nothing")
	}
	if b.jar["session"] != "1" || b.jar[exempt.GrantsCookie] == "forged" || b.jar[confirm.BrowserCookie] == "forged" {
		b.t.Errorf("the app set %v", b.jar)
	}
}

func TestConsentRefusals(t *testing.T) {
	e := newConsentEdge(t)
	b := e.reader()
	for _, tt := range []struct {
		name, address, reason string
		status                int
		more                  []string
	}{
		{"no tool", consentWiki + exempt.GoPath, "tool_parameter", 400, nil},
		{"unknown tool", consentWiki + exempt.GoPath + "?tool=missing", "no_such_tool", 404, nil},
		{"a tool by proxy alone", consentWiki + exempt.GoPath + "?tool=proxied", "no_such_tool", 404, nil},
		{"an expired tool", consentWiki + exempt.GoPath + "?tool=ended", "no_such_tool", 404, nil},
		{"a developer's port, not allowed", consentWiki + exempt.GoPath + "?tool=localhost:8080", "no_such_tool", 404, nil},
		{"by fetch", consentWiki + exempt.GoPath + "?tool=weather", "not_a_navigation", 403, []string{"Sec-Fetch-Mode", "cors"}},
		{"plain http", consentWiki + exempt.GoPath + "?tool=weather", "not_https", 403, []string{"X-Forwarded-Proto", "http"}},
		{"Safari", consentWiki + exempt.GoPath + "?tool=weather", "cookie_prefixes", 403, []string{"User-Agent", webkitAgent}},
		{"ahead", consentWiki + exempt.GoPath + "?tool=weather", "speculative", 403, []string{"Sec-Purpose", "prefetch"}},
		{"no hand-off", consentThere + exempt.ConsentPath + "?tool=weather", "malformed", 400, nil},
		{"elsewhere there", consentThere + "/", "not_found", 404, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := e.counted(tt.reason)
			resp, body := b.get(tt.address, tt.more...)
			if resp.StatusCode != tt.status || strings.Contains(body, "name=\"token\"") || len(resp.Cookies()) > 0 || resp.Header.Get("Location") != "" {
				t.Errorf("%s %v\n%s", resp.Status, resp.Header, body)
			}
			if after := e.counted(tt.reason); after == before {
				t.Errorf("%s is counted %s times, before and after", tt.reason, after)
			}
			if resp.Header.Get("X-Other") != "" || !strings.Contains(body, "</html>") {
				t.Error("another handler answers on the consent origin")
			}
		})
	}
	if requests := e.app.Take(); len(requests) > 0 {
		t.Errorf("the app got %d requests", len(requests))
	}
}

// Rotating keys, reloading and a declaration's change.
func TestConsentLastsAndLapses(t *testing.T) {
	testutil.Slow(t)
	e := newConsentEdge(t, "{TOOL}", "revision 1")
	b := e.reader()
	b.grant("weather")
	check := func(when string, wide bool) {
		t.Helper()
		resp, _ := b.get(consentWiki + "/page")
		b.wantPolicy(when, resp, wide)
	}
	check("granted", true)
	e.Rotate(t)
	check("after a rotation", true)
	reload := func(pairs ...string) {
		t.Helper()
		e.Load(t, e.sites(pairs...))
		http.DefaultClient.CloseIdleConnections()
	}
	reload("{TOOL}", "revision 1")
	check("after a reload", true)
	reload("{TOOL}", "revision 1\ncontact rain@weather.example\nreviewed 2026-07-01\ntimeout 5s")
	check("after changes of what nobody agreed to", true)
	reload("{TOOL}", "revision 2")
	check("after a new revision", false)
	if _, list := b.get(consentWiki + exempt.ListPath); !strings.Contains(list, "its declaration has changed") {
		t.Errorf("the list does not say so:\n%s", list)
	}
	reload("{TOOL}", "revision 1")
	check("back", false) // the noticeboard counts on: what was declared before comes back as another revision
	b.grant("weather")
	check("granted anew", true)
	reload("{TOOL}", "revision 1\ndisabled")
	check("disabled", false)
	reload("{TOOL}", "revision 1")
	check("enabled again", false) // who it was disabled for may have had the site meanwhile
	b.grant("weather")
	check("granted once more", true)
	reload("{TOOL}", "revision 1\nretention \"A year\"")
	check("kept for longer", false)
}

// A cache between reader and edge asks in the reader's name whether a page has changed. With a 304 it would keep
// that reader's headers, the policy among them (RFC 9111, section 4.3.4), with the page that it has for everybody.
func TestConsentAnswersPagesInFull(t *testing.T) {
	e := newConsentEdge(t)
	b, other := e.reader(), e.reader()
	b.grant("weather")
	for name, c := range map[string]struct {
		reader *reader
		full   bool
	}{"the reader's": {b, true}, "another's": {other, false}} {
		e.app.Take()
		resp, _ := c.reader.get(consentWiki+"/page", "If-None-Match", `"1"`, "If-Modified-Since", "Sun, 22 Nov 2026 00:00:00 GMT")
		c.reader.wantPolicy(name, resp, c.full)
		h := e.app.One(t).Header
		if full := h["If-None-Match"] == nil && h["If-Modified-Since"] == nil; full != c.full {
			t.Errorf("%s page is asked for in full: %v, want %v", name, full, c.full)
		}
	}
}

// A policy over the budget is refused before the reader is asked; one that grows later has no exemptions,
// and the reader's list says why.
func TestConsentHeaderBudget(t *testing.T) {
	full := "allow img-src https://x.example/" + strings.Repeat("a", 3620)
	e := newConsentEdge(t, "{CSP}", full)
	b := e.reader()
	resp, body := b.get(consentWiki + exempt.GoPath + "?tool=weather")
	if resp.StatusCode != http.StatusConflict || !strings.Contains(body, "longer than the 4,096 bytes") || !strings.Contains(body, "weather") || len(resp.Cookies()) > 0 {
		t.Errorf("%s %v\n%s", resp.Status, resp.Cookies(), body)
	}
	e.Load(t, e.sites())
	b.grant("weather")
	e.Load(t, e.sites("{CSP}", full))
	before := e.counted("too_large_policy")
	resp, _ = b.get(consentWiki + "/page")
	if policy := resp.Header.Get(policyHeader); !strings.Contains(policy, "aaaa") || strings.Contains(policy, "weather") {
		t.Errorf("the policy is %q", policy)
	}
	if after := e.counted("too_large_policy"); after == before {
		t.Errorf("it is counted %s times, before and after", after)
	}
	if _, list := b.get(consentWiki + exempt.ListPath); !strings.Contains(list, "None of them is let through now") {
		t.Errorf("the list does not say so:\n%s", list)
	}
}

// Case 57: one client that sends wrong codes stops neither another nor itself for long, whatever it sends.
func TestCase57WrongCodes(t *testing.T) {
	e := newConsentEdge(t)
	b := e.reader()
	start, _ := b.get(consentWiki + exempt.GoPath + "?tool=weather")
	question := start.Header.Get("Location")
	opened := 0
	for range 2 * confirm.MaxPages {
		resp, body := b.get(question)
		if resp.StatusCode == http.StatusOK {
			opened++
		} else if resp.StatusCode != http.StatusForbidden || !strings.Contains(body, "opened too often") {
			t.Errorf("%s\n%s", resp.Status, body)
		}
	}
	if opened != confirm.MaxPages {
		t.Errorf("one hand-off opened %d pages, want %d", opened, confirm.MaxPages)
	}
	stopped := 0
	for range confirm.Share(0) {
		start, _ := b.get(consentWiki + exempt.GoPath + "?tool=weather")
		if resp, body := b.follow(start, consentThere); resp.StatusCode == http.StatusTooManyRequests {
			stopped++
			if !strings.Contains(body, "Too many confirmations come from this network address") {
				t.Errorf("it isn't said:\n%s", body)
			}
		}
	}
	if stopped == 0 || e.counted("too_many") == "0" {
		t.Errorf("stopped %d times, counted %s", stopped, e.counted("too_many"))
	}
	neighbour := e.reader()
	neighbour.address = "203.0.113.8"
	neighbour.grant("weather")
}

// Case 57: hand-off and ticket are for one client.
func TestCase57AnotherClient(t *testing.T) {
	e := newConsentEdge(t)
	b := e.reader()
	start, _ := b.get(consentWiki + exempt.GoPath + "?tool=weather")
	thief := e.reader()
	thief.address, thief.jar = "203.0.113.99", b.jar
	if resp, _ := thief.follow(start, consentThere); resp.StatusCode != http.StatusForbidden || e.counted("other_client") != "1" {
		t.Errorf("at another address: %s, counted %s", resp.Status, e.counted("other_client"))
	}
}

func TestDeveloperConsent(t *testing.T) {
	e := newConsentEdge(t, "{CONSENT}", "developer_consent")
	b := e.reader()
	b.grant("localhost:8080")
	resp, _ := b.get(consentWiki + "/page")
	if policy := resp.Header.Get(policyHeader); !strings.Contains(policy, "http://localhost:8080") || strings.Contains(policy, "8081") {
		t.Errorf("the policy is %q", policy)
	}
}

// With a policy that is only on trial, the trial's is the one to widen.
func TestConsentInTrial(t *testing.T) {
	e := newConsentEdge(t, "{CSP}", "mode report")
	b := e.reader()
	b.grant("weather")
	resp, _ := b.get(consentWiki + "/page")
	if policy := resp.Header.Get(reportOnlyHeader); !strings.Contains(policy, widenedImg) || resp.Header.Get(policyHeader) != "" {
		t.Errorf("the policies are %v", resp.Header)
	}
}

// The strictest preset must not stop the form that withdraws.
func TestConsentPagesHaveTheirOwnPolicy(t *testing.T) {
	e := newConsentEdge(t, "{CSP}", "preset static")
	resp, body := e.reader().get(consentWiki + exempt.ListPath)
	policies := resp.Header[policyHeader]
	if resp.StatusCode != http.StatusOK || len(policies) != 1 || !strings.Contains(policies[0], "form-action 'self'") || !strings.Contains(body, "None.") {
		t.Errorf("%s %q\n%s", resp.Status, policies, body)
	}
}

// Where several nodes share Redis, a confirmation counts once on all of them.
func TestConsentNoncesInRedis(t *testing.T) {
	redis := redistest.Start(t, redistest.Durable...)
	e := newConsentEdge(t, "{APPOPTIONS}", "sightings {\nredis "+redis.URL+"\n}")
	time.Sleep(6 * time.Second) // Redis remembers from its first question on, by a clock that may be ahead
	e.reader().grant("weather")
	if got := redis.Command("EXISTS", "{wikiveil:nonces:}since"); got != "1" {
		t.Errorf("Redis has no nonces: %s", got)
	}
	b := e.reader()
	start, _ := b.get(consentWiki + exempt.GoPath + "?tool=weather")
	_, body := b.follow(start, consentThere)
	redis.Kill()
	token, code, action := consentToken.FindStringSubmatch(body), consentCode.FindStringSubmatch(body), consentAction.FindStringSubmatch(body)
	time.Sleep(1600 * time.Millisecond)
	resp, _ := b.send(http.MethodPost, consentThere+html.UnescapeString(action[1]), url.Values{"token": {token[1]}, "code": {code[1]}})
	if resp.StatusCode != http.StatusServiceUnavailable || e.counted("nonces_failed") != "1" {
		t.Errorf("without Redis: %s, counted %s", resp.Status, e.counted("nonces_failed"))
	}
}

// Everything shared is given back with the last config.
func TestConsentGivesBack(t *testing.T) {
	e := newConsentEdge(t)
	e.Load(t, e.sites())
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, left := range pool.Left() {
		t.Errorf("%s is still in use", left)
	}
}

// The kill switch ends exemptions within seconds and without a reload.
func TestConsentKillSwitch(t *testing.T) {
	testutil.Slow(t)
	e := newConsentEdge(t)
	b := e.reader()
	b.grant("weather")
	resp, _ := b.get(consentWiki + "/page")
	b.wantPolicy("granted", resp, true)
	answer, err := http.Post("http://"+e.Admin+"/wikiveil/tools/disable", "application/json", strings.NewReader(`{"tool":"weather","by":"test"}`))
	if err != nil || answer.StatusCode >= 300 {
		t.Fatal(answer, err)
	}
	answer.Body.Close()
	testutil.Eventually(t, "the end of the exemption", func() bool {
		resp, _ = b.get(consentWiki + "/page")
		return !strings.Contains(resp.Header.Get(policyHeader), "weather")
	})
	b.wantPolicy("disabled", resp, false)
	if resp, _ := b.get(consentWiki + exempt.GoPath + "?tool=weather"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("asking for it again: %s", resp.Status)
	}
	if status, body := e.Post(t, "/wikiveil/tools/enable", map[string]string{"tool": "weather"}); status != http.StatusOK {
		t.Fatalf("enabling: %d %s", status, body)
	}
	resp, _ = b.get(consentWiki + "/page")
	b.wantPolicy("enabled again", resp, false)
	if _, list := b.get(consentWiki + exempt.ListPath); !strings.Contains(list, "See and decide again") {
		t.Errorf("the list does not lead on:\n%s", list)
	}
	b.grant("weather")
	resp, _ = b.get(consentWiki + "/page")
	b.wantPolicy("granted anew", resp, true)
}
