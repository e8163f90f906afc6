package exempt

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// inTime runs a test with a clock of its own.
func inTime(t *testing.T, name string, test func(*testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

func TestGrant(t *testing.T) {
	for name, agent := range map[string]string{"Chrome": chrome, "Firefox": firefox} {
		inTime(t, name, func(t *testing.T) {
			s := newScene(t)
			b, other := s.browser(), s.browser()
			b.agent = agent
			b.wantThrough("")
			b.grant("weather")
			b.wantThrough("weather")
			other.grant("maps")
			b.wantThrough("weather")
			b.grant("maps")
			b.wantThrough("maps weather")
			other.wantThrough("maps")
			if want := []string{"asked", "granted"}; !slices.Equal(s.outcomes[:2], want) {
				t.Errorf("counted %q, want %q", s.outcomes, want)
			}
		})
	}
}

func TestPolicyOfAGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		b := s.browser()
		b.grant("weather")
		tools, err := s.site.Tools(b.request("GET", wiki+"/", ""))
		if err != nil {
			t.Fatal(err)
		}
		templates, err := s.policies.For(tools)
		if err != nil || len(templates) != 1 {
			t.Fatal(templates, err)
		}
		base, _ := s.policies.For(nil)
		const origins = " https://weather.example https://tiles.weather.example:8443"
		want := strings.NewReplacer("img-src 'self' data: blob:", "img-src 'self' data: blob:"+origins,
			"connect-src 'self'", "connect-src 'self'"+origins).Replace(text(base[0]))
		if got := text(templates[0]); got != want {
			t.Errorf("policy\n%s\nwant\n%s", got, want)
		}
	})
}

func TestOnlyNavigationsOverHTTPS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		b := s.browser()
		b.grant("weather")
		for name, change := range map[string]func(*http.Request){
			"fetch":              func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "cors") },
			"an image":           func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "no-cors") },
			"no Sec-Fetch-Mode":  func(r *http.Request) { r.Header.Del("Sec-Fetch-Mode") },
			"two Sec-Fetch-Mode": func(r *http.Request) { r.Header.Add("Sec-Fetch-Mode", "navigate") },
			"http":               func(r *http.Request) { r.URL.Scheme = "http" },
		} {
			r := b.request("GET", wiki+"/", "")
			change(r)
			if got, err := b.throughBy(r); got != "" || err != nil {
				t.Errorf("%s: let through are %q (%v)", name, got, err)
			}
		}
		b.wantThrough("weather")
	})
}

// Each way in which a grant ends.
func TestEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(*browser)
		want string
	}{
		"none":                      {func(*browser) {}, "lib maps weather"},
		"withdrawn":                 {func(b *browser) { b.post(wiki+ListPath, url.Values{"tool": {"weather"}}) }, "lib maps"},
		"all withdrawn":             {func(b *browser) { b.post(wiki+ListPath, url.Values{"all": {"1"}}) }, ""},
		"another withdrawn":         {func(b *browser) { b.post(wiki+ListPath, url.Values{"tool": {"x"}}) }, "lib maps weather"},
		"a moment before 30 days":   {func(*browser) { time.Sleep(Life - 11*time.Second) }, "lib maps weather"},
		"30 days":                   {func(*browser) { time.Sleep(Life) }, ""},
		"the declaration changed":   {func(b *browser) { b.declared[0].Revision = 9 }, "lib maps"},
		"an origin was added":       {func(b *browser) { b.declared[0].Hosts = append(b.declared[0].Hosts, "x.example") }, "lib maps"},
		"an origin became a kind":   {func(b *browser) { b.declared[0].Kinds = []noticeboard.Kind{noticeboard.Img} }, "lib maps"},
		"a script's hash changed":   {func(b *browser) { b.declared[2].Integrity = []string{strings.Replace(sri, "oq", "aa", 1)} }, "maps weather"},
		"an expiry was declared":    {func(b *browser) { b.declared[0].Expires = date(time.Now().Add(time.Hour)) }, "lib maps weather"},
		"another contact":           {func(b *browser) { b.declared[0].Contact = "sun@weather.example" }, "lib maps weather"},
		"it is kept for longer":     {func(b *browser) { b.declared[0].Retention = "A year" }, "lib maps"},
		"the kill switch":           {func(b *browser) { b.declared = b.declared[1:] }, "lib maps"},
		"off and on again":          {func(b *browser) { d := b.declared; b.declared = nil; b.wantThrough(""); b.declared = d }, "lib maps weather"},
		"changed, and back":         {changeAndBack, "lib maps"},
		"nothing is declared":       {func(b *browser) { b.declared = nil }, ""},
		"the keys were rotated":     {func(b *browser) { b.keys = mustKeys(b.t, 7, 1); b.config.Flow = b.flow(port); b.renew() }, "lib maps weather"},
		"cookies were cleared":      {func(b *browser) { clear(b.jar) }, ""},
		"the grants were evicted":   {func(b *browser) { delete(b.jar, GrantsCookie) }, ""},
		"the browser cookie only":   {func(b *browser) { delete(b.jar, confirm.BrowserCookie) }, ""},
		"the browser was disguised": {func(b *browser) { b.agent = firefox }, "lib maps weather"},
	} {
		inTime(t, name, func(t *testing.T) {
			s := newScene(t)
			s.policies = mustPolicies(t, "strict") // which can admit a script
			s.declared = append(s.declared, lib())
			b := s.browser()
			b.grant("maps")
			b.grant("lib")
			b.grant("weather")
			b.wantThrough("lib maps weather")
			tt.end(b)
			b.wantThrough(tt.want)
		})
	}
}

func TestDeclarationExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.declared[0].Expires = date(time.Now().Add(time.Hour))
		b := s.browser()
		b.grant("weather")
		time.Sleep(time.Hour - 6*time.Second)
		b.wantThrough("weather")
		time.Sleep(time.Second)
		b.wantThrough("")
	})
}

// A grant from the future is none, but for what clocks may differ.
func TestGrantFromTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		b := s.browser()
		b.get(wiki + GoPath + "?tool=weather")
		own, err := s.config.Flow.Browser(b.request("GET", wiki+"/", ""))
		if err != nil {
			t.Fatal(err)
		}
		for ahead, want := range map[time.Duration]string{clockSkew: "weather", clockSkew + time.Second: ""} {
			b.plant(GrantsCookie, s.seal(own.ID(), grants{{"weather", time.Now().Add(ahead), s.site.lookup("weather").state}}))
			b.wantThrough(want)
		}
	})
}

func date(t time.Time) noticeboard.Date {
	date, err := noticeboard.ParseDate(t.Format(time.RFC3339))
	if err != nil {
		panic(err)
	}
	return date
}

// changeAndBack leaves the same text with a higher revision, as the noticeboard hashes it.
func changeAndBack(b *browser) {
	b.declared[0].Retention, b.declared[0].Revision = "text", 1
	b.grant("weather")
	b.declared[0].Retention, b.declared[0].Revision = "other", 2
	b.wantThrough("lib maps")
	b.declared[0].Retention, b.declared[0].Revision = "text", 3
}

func TestWithdrawingTheLastForgetsTheBrowser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		b := s.browser()
		b.grant("weather")
		b.grant("maps")
		b.follow(b.post(wiki+ListPath, url.Values{"tool": {"maps"}}), wiki+ListPath)
		if len(b.jar) != 2 {
			t.Errorf("the jar has %v, want the browser and its grants", b.jar)
		}
		b.follow(b.post(wiki+ListPath, url.Values{"tool": {"weather"}}), wiki+ListPath)
		if len(b.jar) != 0 {
			t.Errorf("the jar has %v still", b.jar)
		}
	})
}

// Nobody is tracked who has not begun to consent.
func TestNoCookieByDefault(t *testing.T) {
	s := newScene(t)
	for _, target := range []string{wiki + ListPath, wiki + CommitPath, wiki + CommitPath + "?ticket=x", wiki + GoPath, wiki + GoPath + "?tool=nosuch", wiki + stylePath} {
		if w := s.browser().get(target); len(w.Result().Cookies()) != 0 {
			t.Errorf("%s sets %v", target, w.Header()["Set-Cookie"])
		}
	}
	for name, change := range map[string]func(http.Header){
		"a prefetch": func(h http.Header) { h.Set("Sec-Purpose", "prefetch") },
		"a frame":    func(h http.Header) { h.Set("Sec-Fetch-Dest", "iframe") },
		"fetch":      func(h http.Header) { h.Set("Sec-Fetch-Mode", "cors") },
	} {
		b := s.browser()
		r := b.request("GET", wiki+GoPath+"?tool=weather", "")
		change(r.Header)
		if w := b.send(r); w.Code != http.StatusForbidden || len(b.jar) != 0 {
			t.Errorf("%s: got %d and %v", name, w.Code, b.jar)
		}
	}
}

func TestTooManyAndTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		b := s.browser()
		s.declared = nil
		for i := range maxGrants + 1 {
			s.declared = append(s.declared, images("tool"+string(rune('a'+i))))
		}
		for _, tool := range s.declared[:maxGrants] {
			b.grant(tool.Name)
		}
		last := s.declared[maxGrants].Name
		s.wantRefusal(b.get(wiki+GoPath+"?tool="+last), errTooMany)
		// One that was let through before takes no new place, nor one that has lapsed.
		b.grant("toola")
		s.declared[1].Revision = 7
		b.grant(last)
		if got, _ := b.through(); len(strings.Fields(got)) != maxGrants || strings.Contains(got, "toolb") {
			t.Errorf("let through are %q", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		b := s.browser()
		b.grant("maps")
		ticket := b.ticket("weather")
		big := images("big")
		big.Kinds = []noticeboard.Kind{noticeboard.Img, noticeboard.Data, noticeboard.Font, noticeboard.Style}
		for i := range 25 {
			big.Hosts = append(big.Hosts, "a-rather-long-name-of-a-host-"+string(rune('a'+i))+".example.org")
		}
		s.declared = append(s.declared, big)
		w := b.get(wiki + GoPath + "?tool=big")
		s.wantRefusal(w, errTooLarge)
		if !strings.Contains(w.Body.String(), ": big, maps.") {
			t.Errorf("the refusal does not name the tools:\n%s", w.Body)
		}
		// The policy may have become too large since the start, too.
		s.config.Fits = func(tools []*Tool) error { return tooLarge(tools) }
		s.renew()
		s.wantRefusal(b.get(ticket), errTooLarge)
		w = b.get(wiki + ListPath)
		if !strings.Contains(w.Body.String(), "None of them is let through now. With these tools together") {
			t.Errorf("the list hides that the policy is too large:\n%s", w.Body)
		}
	})
}

func TestSubdomain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		const domain = "https://consent.wiki.example"
		s.config.Flow = s.flow(domain)
		s.renew()
		b := s.browser()
		without := func(method, target, body string) *http.Request {
			r := b.request(method, target, body)
			r.Header.Del("Cookie") // a subdomain gets none
			return r
		}
		q := b.read(b.send(without("GET", b.target(b.get(wiki+GoPath+"?tool=weather"), domain), "")))
		time.Sleep(5 * time.Second)
		action := domain + strings.TrimPrefix(q.action, port)
		w := b.send(without("POST", action, url.Values{"token": {q.token}, "code": {q.code}}.Encode()))
		b.follow(b.follow(w, wiki+CommitPath), wiki+ListPath)
		b.wantThrough("weather")
	})
}

func TestNewRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no flow":               {func(c *Config) { c.Flow = nil }, "they need a flow"},
		"nothing declared ever": {func(c *Config) { c.Declared = nil }, "they need a flow"},
	} {
		t.Run(name, func(t *testing.T) {
			config := newScene(t).config
			tt.change(&config)
			if _, err := New(config); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
