package exempt

import (
	"bytes"
	"context"
	"errors"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/internal/kv"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

const (
	wiki    = "https://wiki.example"
	port    = "https://wiki.example:9443"
	chrome  = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"
	webkit  = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15"

	sri = "sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC"
)

// scene is a wiki, its consent origin and its declared tools.
type scene struct {
	t        testing.TB
	keys     *confirm.Keys
	nonces   kv.Store
	declared []noticeboard.Tool // in normal form
	policies *Policies
	config   Config
	site     *Site
	outcomes []string
}

func newScene(t testing.TB, changes ...func(*Config)) *scene {
	t.Helper()
	s := &scene{t: t, nonces: kv.NewMemory(1000), policies: mustPolicies(t, "mediawiki")}
	s.declared = []noticeboard.Tool{weather(), images("maps")}
	s.keys = mustKeys(t, 1)
	s.config = Config{
		Flow: s.flow(port), Localhost: true,
		Declared: s.entry,
		Fits:     func(tools []*Tool) error { return s.policies.Fits(tools) },
		HTTPS:    func(r *http.Request) bool { return r.URL.Scheme == "https" },
		Count:    func(outcome string) { s.outcomes = append(s.outcomes, outcome) },
	}
	for _, change := range changes {
		change(&s.config)
	}
	s.renew()
	return s
}

// renew makes the site anew, as a reload does.
func (s *scene) renew() {
	s.t.Helper()
	var err error
	if s.site, err = New(s.config); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) flow(origin string) *confirm.Flow {
	s.t.Helper()
	f, err := confirm.New(confirm.Config{Purpose: "exempt", Wiki: wiki, Origin: origin, Keys: s.keys, Clients: clientOf, Nonces: s.nonces})
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

// entry is what a live board answers.
func (s *scene) entry(name string) (noticeboard.Entry, error) {
	for _, tool := range s.declared {
		if tool.Name == name {
			return entryOf(tool), tool.Usable(time.Now())
		}
	}
	return noticeboard.Entry{}, errors.New("no tool of that name is declared")
}

func entryOf(tool noticeboard.Tool) noticeboard.Entry {
	return noticeboard.Entry{Tool: &tool, Hash: tool.Hash(), Consent: tool.ConsentHash(tool.Revision)}
}

// images is a tool that has images at https://NAME.example.
func images(name string) noticeboard.Tool {
	return noticeboard.Tool{Name: name, Title: name, Origin: "https://" + name + ".example", Kinds: []noticeboard.Kind{noticeboard.Img}, Access: noticeboard.ByConsent}
}

// lib is a tool that is one script.
func lib() noticeboard.Tool {
	tool := images("lib")
	tool.Kinds, tool.Executable, tool.Integrity = []noticeboard.Kind{noticeboard.Script}, true, []string{sri}
	return tool
}

func weather() noticeboard.Tool {
	return noticeboard.Tool{
		Name: "weather", Title: "The weather", Origin: "https://weather.example", Hosts: []string{"tiles.weather.example:8443"}, Access: noticeboard.ByConsent,
		Kinds: []noticeboard.Kind{noticeboard.Img, noticeboard.Data}, Purpose: "Shows rain", Sends: "The place", Names: noticeboard.NamesReader, Retention: "A day",
		Privacy: "https://weather.example/privacy", Source: "https://git.example/weather", Contact: "rain@weather.example",
	}
}

func mustKeys(t testing.TB, current byte, older ...byte) *confirm.Keys {
	t.Helper()
	material := func(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }
	var old [][]byte
	for _, b := range older {
		old = append(old, material(b))
	}
	k, err := confirm.NewKeys(material(current), old...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// seal returns the cookie's value that holds g.
func (s *scene) seal(browser confirm.BrowserID, g grants) string {
	s.t.Helper()
	value, err := g.encode()
	if err != nil {
		s.t.Fatal(err)
	}
	return s.config.Flow.Keep(browser, value)
}

func mustPolicies(t testing.TB, preset string) *Policies {
	t.Helper()
	policy, err := csp.Preset(preset)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPolicies(0, policy)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// browser is one reader's. It keeps cookies as browsers do, where a port is no border.
type browser struct {
	*scene
	jar   map[string]string
	order []string
	agent string
	// lax browsers mind no prefix.
	lax    bool
	client string
}

func (s *scene) browser() *browser {
	return &browser{scene: s, jar: map[string]string{}, agent: chrome, client: "2001:2f::1"}
}

// laxBrowser is WebKitGTK.
func (s *scene) laxBrowser() *browser {
	b := s.browser()
	b.agent, b.lax = webkit, true
	return b
}

func (b *browser) cookies() string {
	var pairs []string
	for _, name := range b.order {
		if value, ok := b.jar[name]; ok {
			pairs = append(pairs, name+"="+value)
		}
	}
	return strings.Join(pairs, "; ")
}

func (b *browser) plant(name, value string) {
	if !slices.Contains(b.order, name) {
		b.order = append(b.order, name)
	}
	b.jar[name] = value
}

func (b *browser) keep(c *http.Cookie) {
	if !b.lax {
		prefixed := strings.HasPrefix(c.Name, "__Http-") || strings.HasPrefix(c.Name, "__Host-Http-")
		host := strings.HasPrefix(c.Name, "__Host-")
		if prefixed && (!c.Secure || !c.HttpOnly) || host && (!c.Secure || c.Path != "/" || c.Domain != "") {
			return
		}
	}
	if c.MaxAge < 0 {
		delete(b.jar, c.Name)
		return
	}
	b.plant(c.Name, c.Value)
}

type clientKey struct{}

// request is a navigation, as a browser makes it.
func (b *browser) request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r = r.WithContext(context.WithValue(r.Context(), clientKey{}, b.client))
	for name, value := range map[string]string{
		"User-Agent": b.agent, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document",
	} {
		r.Header.Set(name, value)
	}
	if cookies := b.cookies(); cookies != "" {
		r.Header.Set("Cookie", cookies)
	}
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		origin, _ := url.Parse(target)
		r.Header.Set("Origin", origin.Scheme+"://"+origin.Host)
	}
	return r
}

func clientOf(r *http.Request) []string {
	client, _ := r.Context().Value(clientKey{}).(string)
	return []string{client}
}

func (b *browser) send(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	if r.Host == "wiki.example" {
		b.site.Wiki().ServeHTTP(w, r)
	} else {
		b.site.Consent().ServeHTTP(w, r)
	}
	for _, c := range w.Result().Cookies() {
		b.keep(c)
	}
	return w
}

func (b *browser) get(target string) *httptest.ResponseRecorder {
	return b.send(b.request("GET", target, ""))
}

func (b *browser) post(target string, form url.Values) *httptest.ResponseRecorder {
	return b.send(b.request("POST", target, form.Encode()))
}

// follow takes the redirect of w, which must be one to the address that begins so.
func (b *browser) follow(w *httptest.ResponseRecorder, to string) *httptest.ResponseRecorder {
	b.t.Helper()
	return b.get(b.target(w, to))
}

func (b *browser) target(w *httptest.ResponseRecorder, to string) string {
	b.t.Helper()
	target, _, _ := strings.Cut(w.Header().Get("Location"), "#") // which browsers don't send
	if strings.HasPrefix(target, "/") {
		target = wiki + target
	}
	if w.Code != http.StatusSeeOther || !strings.HasPrefix(target, to) {
		b.t.Fatalf("got %d to %q, want a redirect to %s…\n%s", w.Code, target, to, w.Body)
	}
	return target
}

var (
	tokenField = regexp.MustCompile(`name="token" value="([^"]+)"`)
	codeShown  = regexp.MustCompile(`class="code" dir="ltr">(\d{5})<`)
	formAction = regexp.MustCompile(`<form method="post" action="([^"]+)"`)
)

// question is the page that asks.
type question struct{ action, token, code string }

func (b *browser) read(w *httptest.ResponseRecorder) question {
	b.t.Helper()
	page := w.Body.String()
	token, code, action := tokenField.FindStringSubmatch(page), codeShown.FindStringSubmatch(page), formAction.FindStringSubmatch(page)
	if w.Code != http.StatusOK || token == nil || code == nil || action == nil {
		b.t.Fatalf("this page does not ask: %d\n%s", w.Code, page)
	}
	return question{port + html.UnescapeString(action[1]), token[1], code[1]}
}

// ask goes as far as the page that asks.
func (b *browser) ask(tool string) question {
	b.t.Helper()
	return b.read(b.follow(b.get(wiki+GoPath+"?tool="+tool), port+ConsentPath+"?handoff="))
}

func (b *browser) answer(q question) *httptest.ResponseRecorder {
	return b.post(q.action, url.Values{"token": {q.token}, "code": {q.code}})
}

// ticket goes as far as the address with the ticket.
func (b *browser) ticket(tool string) string {
	b.t.Helper()
	q := b.ask(tool)
	time.Sleep(5 * time.Second)
	return b.target(b.answer(q), wiki+CommitPath+"?ticket=")
}

// grant goes all the way.
func (b *browser) grant(tool string) {
	b.t.Helper()
	if w := b.follow(b.get(b.ticket(tool)), wiki+ListPath); w.Code != http.StatusOK {
		b.t.Fatalf("got %d\n%s", w.Code, w.Body)
	}
}

// through returns the tools that a page of the wiki lets through, and why not more.
func (b *browser) through() (string, error) {
	b.t.Helper()
	return b.throughBy(b.request("GET", wiki+"/wiki/Page?withJS=evil&withgadget=evil", ""))
}

func (b *browser) throughBy(r *http.Request) (string, error) {
	tools, err := b.site.Tools(r)
	var names []string
	for _, t := range tools {
		names = append(names, t.Name)
	}
	return strings.Join(names, " "), err
}

func (b *browser) wantThrough(want string) {
	b.t.Helper()
	if got, err := b.through(); got != want || err != nil {
		b.t.Errorf("let through are %q (%v), want %q", got, err, want)
	}
}

// wantRefusal fails unless w is the refusal, says so, and grants nothing.
func (s *scene) wantRefusal(w *httptest.ResponseRecorder, want *refusal.Refusal) {
	s.t.Helper()
	if w.Code != want.Status || !strings.Contains(html.UnescapeString(w.Body.String()), want.Error()) {
		s.t.Errorf("got %d, want %d with %q\n%s", w.Code, want.Status, want.Error(), w.Body)
	}
	if last := s.outcomes[len(s.outcomes)-1]; last != want.Reason {
		s.t.Errorf("counted %q, want %q", last, want.Reason)
	}
	for _, c := range w.Result().Cookies() {
		if c.Name == GrantsCookie && c.MaxAge > 0 {
			s.t.Errorf("the refusal sets %s", c)
		}
	}
	if strings.Contains(w.Body.String(), "name=\"token\"") || w.Header().Get("Location") != "" {
		s.t.Errorf("the refusal has a form or leads to %q", w.Header().Get("Location"))
	}
}
