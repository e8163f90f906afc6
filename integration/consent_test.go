//go:build integration

package integration

import (
	"context"
	"encoding/binary"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/csp/exempt"
	"github.com/wikiveil/wikiveil/internal/kv"
	"github.com/wikiveil/wikiveil/internal/trustedclock"
	"github.com/wikiveil/wikiveil/masking"
)

// granted is what a gadget gets of a tool with images and data; a beacon is data too. A
// WebSocket is of another scheme.
var granted = map[string]int{"image": 1, "fetch": 1, "beacon": 1}

// TestConsent is about exemptions with a real wiki in real Chromium: the reader's way, and then
// what a hostile gadget can do about it.
func TestConsent(t *testing.T) {
	s := newConsentScene(t)
	reader := s.startBrowser(t)
	t.Run("reader", func(t *testing.T) { s.testReader(t, reader) })
	for _, attack := range consentAttacks {
		t.Run(attack.name, func(t *testing.T) {
			s.startOver(t, reader)
			attack.run(t, s, reader)
		})
	}
}

// testReader is the way of a reader who lets a tool through, until they withdraw it.
func (s *consentScene) testReader(t *testing.T, b *browser) {
	second := s.startBrowser(t)
	s.wantBlocked(t, "before", b)
	s.wantBlocked(t, "before, another browser", second)

	s.openForm(t, b)
	s.wantForm(t, b)
	s.answer(t, b)
	b.waitForLocation(t, s.url+exempt.ListPath)
	if got := text(t, b, "article"); !contains(got, "Weather of the world", s.tool.url, "Let through until") {
		t.Errorf("the list of exemptions reads %q", got)
	}
	s.wantGranted(t, "after consent", b)
	s.wantBlocked(t, "another browser", second)
	if loaded, _ := s.gadgetLoads(t, second, "/index.php/Main_Page?withJS=MediaWiki:Gadget-weather.js&withgadget=weather&tool=weather"); len(loaded) > 0 {
		t.Errorf("parameters of the address let through %v", loaded)
	}

	b.open(t, s.url+exempt.ListPath)
	b.do(t, click("article button"))
	b.waitFor(t, `location.pathname === '/.privacy/exemptions' && document.body.textContent.includes('None.')`)
	s.wantNoExemption(t, b)
	s.wantBlocked(t, "withdrawn", b)

	s.grant(t, b)
	s.wantGranted(t, "consented again", b)
	t.Run("expiry", func(t *testing.T) {
		s.age(t, b, exempt.Life-time.Hour)
		s.wantGranted(t, "on the last day", b)
		s.age(t, b, exempt.Life+time.Hour)
		s.wantBlocked(t, "expired", b)
		b.open(t, s.url+exempt.ListPath)
		if got := text(t, b, "article"); !contains(got, "the time is over") {
			t.Errorf("the list of exemptions reads %q", got)
		}
	})
	t.Run("changed declaration", func(t *testing.T) {
		s.grant(t, b)
		s.wantGranted(t, "consented once more", b)
		defer s.load(t, weatherPurpose, s.policy())
		s.load(t, weatherPurpose+", and what was searched for", s.policy())
		s.wantBlocked(t, "changed", b)
		b.open(t, s.url+exempt.ListPath)
		if got := text(t, b, "article"); !contains(got, "its declaration has changed") {
			t.Errorf("the list of exemptions reads %q", got)
		}
		s.load(t, weatherPurpose, s.policy())
		s.wantBlocked(t, "changed back", b)
	})
}

func (s *consentScene) wantBlocked(t *testing.T, when string, b *browser) {
	t.Helper()
	loaded, stopped := s.gadgetLoads(t, b, "/index.php/Main_Page")
	want := map[string]int{"img-src": 1} // of the other third party
	for _, l := range loads {
		want[l.directive]++
	}
	if len(loaded) > 0 || !maps.Equal(stopped, want) {
		t.Errorf("%s: the gadget loaded %v; stopped by %v, want %v", when, loaded, stopped, want)
	}
}

func (s *consentScene) wantGranted(t *testing.T, when string, b *browser) {
	t.Helper()
	loaded, stopped := s.gadgetLoads(t, b, "/index.php/Main_Page")
	want := map[string]int{"img-src": 1}
	for kind, l := range loads {
		if granted[kind] == 0 {
			want[l.directive]++
		}
	}
	if !maps.Equal(loaded, granted) || !maps.Equal(stopped, want) {
		t.Errorf("%s: the gadget loaded %v, want %v; stopped by %v, want %v", when, loaded, granted, stopped, want)
	}
}

// wantForm checks what the page says that asks.
func (s *consentScene) wantForm(t *testing.T, b *browser) {
	t.Helper()
	if got := text(t, b, "main"); !contains(got, "Weather of the world", s.tool.url, weatherPurpose, "The place that the article is about",
		"Seven days", "https://weather.example/privacy", "https://git.example/weather", "Ada Admin, 2026-07-01", "rain@weather.example", "images", "data") {
		t.Errorf("the page reads %q", got)
	}
	if evaluate[bool](t, b, `document.activeElement !== document.body || document.scripts.length > 0`) {
		t.Error("the page has focused something, or has a script")
	}
	s.photograph(t, b, "consent")
	s.wantFormInSight(t, b)
}

// wantFormInSight: all of the form is to be seen at once, on a phone too, and nothing of it in a low window. Case 53.
func (s *consentScene) wantFormInSight(t *testing.T, b *browser) {
	t.Helper()
	defer b.do(t, chromedp.EmulateViewport(1280, 900))
	for _, size := range []struct {
		width, height int64
		want          string
	}{
		{1000, 700, "shown in sight"}, {1280, 900, "shown in sight"}, {360, 740, "shown in sight"},
		{380, 330, "hidden"}, {1000, 330, "hidden"}, {200, 700, "hidden"},
	} {
		b.do(t, chromedp.EmulateViewport(size.width, size.height))
		got := evaluate[string](t, b, `(() => {
			const box = document.forms[0].getBoundingClientRect();
			if (getComputedStyle(document.forms[0]).display === 'none') {
				return document.body.innerText.includes('make this window larger') ? 'hidden' : 'hidden without a word';
			}
			return 'shown ' + (box.top >= 0 && box.bottom <= innerHeight ? 'in sight' : 'to ' + box.bottom);
		})()`)
		if got != size.want {
			t.Errorf("at %dx%d the form is %s, want %s", size.width, size.height, got, size.want)
		}
	}
	for _, part := range []string{"form", "form button"} {
		if got := text(t, b, part); !contains(got, "Weather of the world", s.tool.url) {
			t.Errorf("the %s reads %q", part, got)
		}
	}
}

// photograph makes the pictures of the docs: dark and light, wide and narrow.
func (s *consentScene) photograph(t *testing.T, b *browser, name string) {
	t.Helper()
	for _, scheme := range []string{"dark", "light"} {
		b.do(t, colours(scheme))
		screenshot(t, b, name+"-"+scheme+".png")
		b.do(t, chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile))
		if width := evaluate[int](t, b, `document.documentElement.scrollWidth`); width > 360 {
			t.Errorf("on a phone the page is %d pixels wide", width)
		}
		screenshot(t, b, name+"-phone-"+scheme+".png")
		b.do(t, chromedp.EmulateViewport(1280, 900))
	}
}

// age makes the exemption in the browser older, with the edge's own key out of its storage.
func (s *consentScene) age(t *testing.T, b *browser, age time.Duration) {
	t.Helper()
	flow, jar := s.flow(t), b.cookies(t, s.url)
	r := httptest.NewRequest("GET", s.url, nil)
	r.AddCookie(&http.Cookie{Name: confirm.BrowserCookie, Value: jar[confirm.BrowserCookie]})
	browser, err := flow.Browser(r)
	if err != nil {
		t.Fatal(err)
	}
	grants, err := flow.Kept(browser.ID(), jar[exempt.GrantsCookie])
	if err != nil || len(grants) == 0 {
		t.Fatalf("the browser's exemptions are %x (%v)", grants, err)
	}
	issued := 1 + int(grants[0]) // after the name
	binary.BigEndian.PutUint32(grants[issued:], uint32(time.Now().Add(-age).Unix()))
	value := flow.Keep(browser.ID(), grants)
	secure := true
	b.do(t, command(network.SetCookie, network.SetCookieParams{
		Name: exempt.GrantsCookie, Value: value, URL: s.url + "/", Path: "/", Secure: &secure, HTTPOnly: &secure,
		Expires: cdp.TimeSinceEpoch(time.Now().Add(time.Hour).Unix()),
	}))
	if got := b.cookies(t, s.url)[exempt.GrantsCookie]; got != value {
		t.Fatalf("the browser did not take the cookie: it has %q", got)
	}
}

// flow signs as the edge does.
func (s *consentScene) flow(t *testing.T) *confirm.Flow {
	t.Helper()
	keeper := masking.NewKeeper(masking.KeeperConfig{Storage: &certmagic.FileStorage{Path: s.dir + "/storage"}, Clock: trustedclock.New()})
	ring, err := keeper.Load(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	material, err := ring.Active(time.Now(), 0)[0].Key("confirm")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := confirm.NewKeys(material)
	if err != nil {
		t.Fatal(err)
	}
	flow, err := confirm.New(confirm.Config{Purpose: "exempt", Wiki: s.url, Origin: s.consent, Keys: keys,
		Clients: func(*http.Request) []string { return nil }, Nonces: kv.NewMemory(1)})
	if err != nil {
		t.Fatal(err)
	}
	return flow
}

// contains reports whether a text has all the others in it.
func contains(text string, parts ...string) bool {
	return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) })
}

// colours has pages in dark or light colours.
func colours(scheme string) chromedp.Action[chromedp.Void] {
	return command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
}
