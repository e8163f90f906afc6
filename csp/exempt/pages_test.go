package exempt

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/noticeboard"
)

var active = regexp.MustCompile(`(?i)<script|javascript:|autofocus|\son\w+=|\sstyle=|<img|<iframe|<base`)

func TestPageThatAsks(t *testing.T) {
	s := newScene(t)
	s.declared[0].Title = `Weather </title><script>alert(1)</script>`
	s.declared[0].Reviewer, s.declared[0].Reviewed = "Ada", date(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	s.declared[0].Author, s.declared[0].Personal, s.declared[0].Pseudonym = "R. & Co.", noticeboard.SomethingPersonal, true
	s.declared[0].Privacy = `javascript:alert(1)//`
	b := s.browser()
	w := b.follow(b.get(wiki+GoPath+"?tool=weather"), port)
	page := w.Body.String()
	for _, want := range []string{
		"Let “Weather &lt;/title&gt;", "https://weather.example</code>", "https://tiles.weather.example:8443</code>", "images", "data, in both directions",
		"Shows rain", "The place", "user name", "A day", "https://git.example/weather", "rain@weather.example", "Ada, 2026-11-01", "<bdi>R. &amp; Co.</bdi>",
		"Is any of that about you?</dt><dd>Yes.", "a made-up name for you", "For 30 days", "network address",
		`action="/consent?tool=weather"`, "pages of https://wiki.example may load", "@media (prefers-color-scheme: dark)", `name="viewport"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	own, _, _ := strings.Cut(page, "<footer>") // what follows links to the page in other languages
	if bad := active.FindString(strings.Replace(page, "<dd><bdi>javascript:", "", 1)); bad != "" || strings.Contains(own, "href=") {
		t.Errorf("the page has %q or a link:\n%s", bad, page)
	}
	if strings.Contains(page, "Scripts</dt>") {
		t.Error("the page speaks of scripts")
	}
	checkHeaders(t, w.Header(), "default-src 'none'; style-src 'nonce-")
}

// Case 53: the form itself and its button say what is asked, the form comes first, a window too low for it shows none,
// and the redirect there has a fragment, so that none of the opener's scrolls to the code.
func TestCase53TheFormSaysWhatIsAsked(t *testing.T) {
	s := newScene(t)
	s.declared[0].Hosts = append(s.declared[0].Hosts, "third.example", "fourth.example", "fifth.example")
	b := s.browser()
	start := b.get(wiki + GoPath + "?tool=weather")
	if location := start.Header().Get("Location"); !strings.HasPrefix(location, port+ConsentPath+"?") || !strings.HasSuffix(location, "#question") {
		t.Errorf("the redirect leads to %q", location)
	}
	page := b.follow(start, port).Body.String()
	before, rest, _ := strings.Cut(page, "<form")
	form, after, found := strings.Cut(rest, "</form>")
	if !found || strings.Contains(before, "<dl>") || !strings.Contains(after, "https://fifth.example") || !strings.Contains(before, `<body id="question">`) {
		t.Errorf("the form isn't first:\n%s", page)
	}
	for _, want := range []string{
		"The weather", "https://weather.example", "https://tiles.weather.example:8443", "https://third.example", "and 2 more, below",
		"images, data, in both directions", "30 days", "network address", "https://wiki.example",
		"<button>Let “The weather” (https://weather.example) through</button>",
	} {
		if !strings.Contains(form, want) {
			t.Errorf("the form lacks %q:\n%s", want, form)
		}
	}
	if !strings.Contains(before, "(max-height: 399px)") || !strings.Contains(page, "make this window larger") {
		t.Error("a low window shows the form")
	}
}

func TestPageThatAsksForAScript(t *testing.T) {
	s := newScene(t)
	s.policies = mustPolicies(t, "strict")
	s.declared = []noticeboard.Tool{lib()}
	b := s.browser()
	page := b.follow(b.get(wiki+GoPath+"?tool=lib"), port).Body.String()
	if !strings.Contains(page, "scripts") || !strings.Contains(page, "sha384-oqVuAfXRKap7fdgcCY5uykM6&#43;R9GqQ8K") || strings.Count(page, "Not stated.") != 3 || strings.Contains(page, "made-up name") || strings.Contains(page, "Made by") {
		t.Errorf("the page does not say what runs:\n%s", page)
	}
	s.policies = mustPolicies(t, "mediawiki")
	s.wantRefusal(b.get(wiki+GoPath+"?tool=lib"), errScriptPolicy)
}

func checkHeaders(t *testing.T, h http.Header, policy string) {
	t.Helper()
	if got := h.Get("Content-Security-Policy"); !strings.HasPrefix(got, policy) || !strings.Contains(got, "frame-ancestors 'none'") {
		t.Errorf("policy %q", got)
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Referrer-Policy": "same-origin",
	} {
		if got := h[name]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		b := s.browser()
		w := b.get(wiki + ListPath)
		if !strings.Contains(w.Body.String(), "<p>None.</p>") || strings.Contains(w.Body.String(), "<form") {
			t.Errorf("an empty list is\n%s", w.Body)
		}
		if !strings.Contains(w.Body.String(), "/.privacy/go?tool=localhost:8080") {
			t.Error("the list does not tell developers what to do")
		}
		s.declared = append(s.declared, images("gone"))
		b.grant("localhost:3000")
		b.grant("gone")
		b.grant("maps")
		time.Sleep(26 * time.Hour)
		b.grant("weather") // and forget what has expired
		b.grant("localhost:4000")
		s.declared = s.declared[:2]
		s.declared[1].Origin = "https://new.example"
		w = b.get(wiki + ListPath)
		page := w.Body.String()
		for _, want := range []string{
			"<bdi>The weather</bdi>", "https://tiles.weather.example:8443", "Let through until <time", "its declaration has changed",
			`href="/.privacy/go?tool=maps"`, "<bdi>gone</bdi>", "switched off", `name="tool" value="weather"`, `name="all"`, "<bdi>localhost:4000</bdi>",
		} {
			if !strings.Contains(page, want) {
				t.Errorf("the list lacks %q", want)
			}
		}
		if strings.Contains(page, "localhost:3000") || strings.Contains(page, "new.example") || active.MatchString(page) {
			t.Errorf("the list shows what it should not:\n%s", page)
		}
		checkHeaders(t, w.Header(), "default-src 'none'; style-src 'self'; form-action 'self'")

		time.Sleep(25 * time.Hour)
		if page := b.get(wiki + ListPath).Body.String(); !strings.Contains(page, "the time is over") {
			t.Errorf("the list hides what has expired:\n%s", page)
		}
		// Head tells the same, and names of the list's cookie are never cached.
		if w := b.send(b.request("HEAD", wiki+ListPath, "")); w.Code != http.StatusOK {
			t.Errorf("HEAD: %d", w.Code)
		}
	})
}

func TestStyle(t *testing.T) {
	b := newScene(t).browser()
	page := b.get(wiki + ListPath).Body.String()
	link := regexp.MustCompile(`<link rel="stylesheet" href="([^"]+)">`).FindStringSubmatch(page)
	w := b.get(wiki + link[1])
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(w.Body.String(), "prefers-color-scheme: dark") {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	b.wantRefusal(b.send(b.request("POST", wiki+stylePath, "")), errMethod)
	b.wantRefusal(b.get(wiki+"/.privacy/other"), errNotFound)
	for path, want := range map[string]bool{GoPath: true, CommitPath: true, ListPath: true, stylePath: true, "/.privacy/": false, "/.privacy/go/": false, "/consent": false} {
		if Handles(path) != want {
			t.Errorf("Handles(%q) = %v", path, !want)
		}
	}
}

// The pages add to the wiki's own policy.
func TestPagesKeepThePolicy(t *testing.T) {
	s := newScene(t)
	b := s.browser()
	r := b.request("GET", wiki+ListPath, "")
	w := &headed{header: http.Header{"Content-Security-Policy": {"default-src 'self'"}}}
	s.site.Wiki().ServeHTTP(w, r)
	if got := w.header["Content-Security-Policy"]; len(got) != 2 || got[0] != "default-src 'self'" {
		t.Errorf("policies %q", got)
	}
}

type headed struct{ header http.Header }

func (h *headed) Header() http.Header         { return h.header }
func (h *headed) Write(b []byte) (int, error) { return len(b), nil }
func (h *headed) WriteHeader(int)             {}

// Redirects show neither hand-off nor ticket to anybody but the browser.
func TestRedirects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		b := s.browser()
		start := b.get(wiki + GoPath + "?tool=weather")
		q := b.read(b.follow(start, port))
		time.Sleep(5 * time.Second)
		answer := b.answer(q)
		commit := b.follow(answer, wiki+CommitPath)
		for name, h := range map[string]http.Header{"start": start.Header(), "answer": answer.Header(), "commit": commit.Header()} {
			if h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Content-Security-Policy") == "" {
				t.Errorf("%s: %v", name, h)
			}
		}
		if start.Body.Len()+answer.Body.Len()+commit.Body.Len() != 0 {
			t.Error("a redirect has a body")
		}
		if got := commit.Header().Get("Location"); got != ListPath {
			t.Errorf("the commit ends at %q", got)
		}
		cookie := commit.Header()["Set-Cookie"]
		want := regexp.MustCompile(`^__Host-Http-wikiveil-exemptions=[\w-]+; Path=/; Max-Age=(\d+); HttpOnly; Secure; SameSite=Lax$`)
		if len(cookie) != 1 || !want.MatchString(cookie[0]) {
			t.Errorf("it sets %q", cookie)
		}
	})
}

// A refusal offers to start again where the tool is known.
func TestRefusalLeadsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newScene(t).browser()
		q := b.ask("weather")
		time.Sleep(5 * time.Second)
		w := b.post(q.action, url.Values{"token": {q.token}, "code": {"nope"}})
		b.wantRefusal(w, confirm.ErrCode)
		if !strings.Contains(w.Body.String(), `href="https://wiki.example/.privacy/go?tool=weather"`) {
			t.Errorf("no way on:\n%s", w.Body)
		}
		checkHeaders(t, w.Header(), "default-src 'none'; style-src 'nonce-")
	})
}
