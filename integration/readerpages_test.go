//go:build integration

package integration

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"golang.org/x/crypto/bcrypt"

	"github.com/wikiveil/wikiveil/csp/exempt"
	"github.com/wikiveil/wikiveil/lookup/geo/geotest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

const pagesCaddyfile = `
{
	admin %[1]s
	auto_https off
	persist_config off
	grace_period 1s
	storage file_system %[2]s/storage
	log {
		output file %[2]s/caddy.log
		format masked json
	}
	wikiveil {
		data_dir %[2]s/data
		rotate 90d
		sightings {
			seal local
			geoip asn %[2]s/asn.mmdb
		}
		tool weather %[3]s {
			title "Weather of the world"
			access consent
			kinds img data
			purpose "Shows the weather in articles about places"
			allow_loopback
		}
		tool maps https://127.0.0.4:1 {
			title "Maps"
			kinds data
			purpose "Draws maps"
			allow_loopback
		}
		tool charts https://127.0.0.5:1 {
			title "Charts"
			access consent
			kinds frame
			purpose "Draws charts"
			allow_loopback
		}
	}
}

%[4]s {
	bind 127.0.0.1
	tls %[6]s %[7]s
	client_mask {
		reject_ip_input
	}
	csp {
		site wiki.example
		consent %[4]s %[5]s
		reports
		rollout enforce
	}
	anonproxy
	@masks path /.privacy/masks/*
	basic_auth @masks {
		admin %[8]s
	}
	mask_info {
		user admin info audit reveal
		reveal %[4]s %[10]s
	}
	respond %[9]q
	header Content-Type text/html
}

%[5]s {
	bind 127.0.0.1
	tls %[6]s %[7]s
	client_mask
	third_party_consent %[4]s %[5]s
}

%[10]s {
	bind 127.0.0.1
	tls %[6]s %[7]s
	client_mask
	basic_auth {
		admin %[8]s
	}
	mask_reveal {
		user admin info audit reveal
		reveal %[4]s %[10]s
	}
}
`

// newPagesScene is a page of a wiki whose gadget loads from a tool that readers must agree to.
func newPagesScene(t *testing.T) *consentScene {
	t.Helper()
	s := &consentScene{edge: &edge{addr: freeAddr(t, "127.0.0.1"), dir: t.TempDir()}, authority: newAuthority(t), tool: &thirdParty{requests: make(map[string]int)}}
	for _, sub := range []string{"storage", "data"} {
		if err := os.Mkdir(filepath.Join(s.dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	geotest.Write(t, filepath.Join(s.dir, "asn.mmdb"), geotest.ASN, geotest.Networks{"127.0.0.0/8": geotest.Organization(64500, "Example Access")})
	origin := func(addr string) string {
		_, port, _ := net.SplitHostPort(addr)
		return "https://" + wikiHost + ":" + port
	}
	s.url, s.consent, s.admin = origin(s.addr), origin(freeAddr(t, "127.0.0.1")), "http://"+freeAddr(t, "127.0.0.1")
	s.tool.url = "https://127.0.0.2:" + s.serve(t, "127.0.0.2", s.tool)
	password, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	page := `<!doctype html><html lang="en"><title>A page</title><body><h1 id="wikiveilNotices">A page</h1><script src="/.tools/notice.js"></script>` + // the id would be a variable of the script's
		`<script>for (var i = 0; i < 3; i++) { new Image().src = '` + s.tool.url + `/image?' + i; }</script>`
	t.Cleanup(func() { stopEdge(t) })
	loadCaddyfile(t, fmt.Sprintf(pagesCaddyfile, strings.TrimPrefix(s.admin, "http://"), s.dir, s.tool.url, s.url, s.consent, s.cert, s.key, password, page, origin(freeAddr(t, "127.0.0.1"))))
	return s
}

// TestStoppedToolNotice is a reader's way from a page where a tool was stopped, by one click to the question, and back to that page, where it loads now.
func TestStoppedToolNotice(t *testing.T) {
	s := newPagesScene(t)
	b := s.startBrowser(t)
	address := s.url + "/wiki/A_page?action=view"
	b.open(t, address)
	const line = `document.querySelectorAll('#wikiveil-notice')`
	b.waitFor(t, line+`.length === 1 && document.querySelector('#wikiveil-notice a')`)
	if got := text(t, b, "#wikiveil-notice"); !contains(got, "This page asked for “\u2068Weather of the world\u2069”", "What is it") {
		t.Errorf("the notice reads %q", got)
	}
	screenshot(t, b, "notice.png")
	evaluate[chromedp.Void](t, b, `void (new Image().src = '`+s.tool.url+`/another')`)
	b.waitForViolations(t, 4)
	if n := evaluate[int](t, b, line+`.length`); n != 1 {
		t.Errorf("%d notices", n)
	}
	if style := evaluate[string](t, b, `getComputedStyle(document.querySelector('#wikiveil-notice')).position`); style != "fixed" {
		t.Errorf("its style is %q", style)
	}

	// Closed, it stays away for the session.
	b.do(t, click("#wikiveil-notice button"))
	b.waitFor(t, line+`.length === 0`)
	b.open(t, address)
	b.waitForViolations(t, 3)
	if n := evaluate[int](t, b, line+`.length`); n != 0 {
		t.Error("a closed notice comes again")
	}
	evaluate[chromedp.Void](t, b, `sessionStorage.clear()`)
	b.open(t, address)
	b.waitFor(t, `document.querySelector('#wikiveil-notice a')`)

	b.do(t, click("#wikiveil-notice a"))
	b.waitFor(t, `document.querySelector('.code')`)
	if origin := evaluate[string](t, b, `location.origin`); origin != s.consent {
		t.Fatalf("the question is on %s", origin)
	}
	leads := func(to string) {
		t.Helper()
		if n := evaluate[int](t, b, fmt.Sprintf(`[...document.querySelectorAll('main a')].filter(a => a.href === %q).length`, to)); n != 1 {
			t.Errorf("%s leads to %s %d times", evaluate[string](t, b, `location.pathname`), to, n)
		}
	}
	leads(s.url + "/.tools/#tool-weather")
	s.answer(t, b)
	b.waitForLocation(t, address)
	wait(t, "the tool's requests", func() bool {
		s.tool.mu.Lock()
		defer s.tool.mu.Unlock()
		return len(s.tool.requests) > 0
	})
	if n := evaluate[int](t, b, line+`.length`); n != 0 {
		t.Error("a notice, where the tool is let through")
	}
	b.open(t, s.url+"/.tools/")
	leads(s.url + exempt.GoPath + "?tool=weather")
	leads(s.url + exempt.ListPath)
	b.open(t, s.url+exempt.ListPath)
	leads(s.url + "/.tools/")
	b.open(t, s.url+"/.privacy/")
	for _, want := range []string{"sees your mask: 2001:2f:", "Weather of the world: your browser reaches it directly", "Maps: reached through this wiki's server", "You let one other site through",
		"anew every 90 days", "One person", "Addresses revealed so far: 0", "this server can open it", "which company or institution"} {
		if got := text(t, b, "main"); !strings.Contains(got, want) {
			t.Errorf("the reader's page lacks %q: %s", want, got)
		}
	}
	screenshot(t, b, "privacy.png")
}

// block blocks a reader at the edge, and shows them so.
func (s *consentScene) block(t *testing.T, b *browser, mask string) {
	t.Helper()
	resp, err := http.Post(s.admin+"/wikiveil/blocks", "application/json", strings.NewReader(`{"mask": "`+mask+`", "reason": "Spam"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("blocking: %s", resp.Status)
	}
	b.open(t, s.url+"/")
	if said := text(t, b, "main"); !strings.Contains(said, "Spam") {
		t.Errorf("the block page says %q", said)
	}
}

// withoutAxe is set by scripts/test where axe-core can't be installed.
const withoutAxe = "WIKIVEIL_TEST_WITHOUT_AXE"

// TestPagesAreAccessible has axe-core judge each page, in light and dark, on a desktop and a phone.
func TestPagesAreAccessible(t *testing.T) {
	if os.Getenv(withoutAxe) != "" {
		t.Skip("scripts/test says that there is no axe-core")
	}
	axe, err := os.ReadFile("../.cache/axe-core/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("there is no axe-core: run scripts/install-test-programs, or set %s: %v", withoutAxe, err)
	}
	s := newPagesScene(t)
	b := s.startBrowser(t)
	b.do(t, command(network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{
		"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:secret"))}}))
	// A record to look up, and what is shown of it.
	b.open(t, s.url+"/")
	if status := evaluate[int](t, b, `fetch('/', {method: 'POST', body: 'x'}).then(r => r.status)`); status != 200 {
		t.Fatalf("publishing: %d", status)
	}
	const transcript = "/.tools/maps/transcript"
	wait(t, "the transcript", func() bool { return evaluate[int](t, b, `fetch('`+transcript+`').then(r => r.status)`) == 200 })
	b.open(t, s.url+"/.privacy/")
	mask := text(t, b, "main code")
	submit := func(path, button string) func() {
		return func() {
			b.open(t, s.url+path)
			evaluate[chromedp.Void](t, b, `void (window.before = true)`)
			b.do(t, click(button))
			b.waitFor(t, `!window.before && document.readyState === 'complete' && document.querySelector('main')`)
		}
	}
	open := func(path string) func() { return func() { b.open(t, s.url+path) } }
	ofAdmin := func(path string) func() { // which no browser may ask
		return func() {
			r, err := http.NewRequest("GET", s.admin+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Accept", "text/html")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			b.open(t, "data:text/html;base64,"+base64.StdEncoding.EncodeToString(body))
			if n := evaluate[int](t, b, `document.querySelectorAll('main h1').length`); n != 1 {
				t.Fatalf("%s isn't the page", path)
			}
		}
	}
	for _, page := range []struct {
		name string
		open func()
	}{
		{"notice", func() { b.open(t, s.url+"/"); b.waitFor(t, `document.querySelector('#wikiveil-notice a')`) }},
		{"privacy", open("/.privacy/")},
		{"noticeboard", open("/.tools/")},
		{"list", open(exempt.ListPath)},
		{"refusal", open("/.tools/maps/tile")},
		{"consent refusal", open(exempt.GoPath + "?tool=none")},
		{"question", func() { s.openForm(t, b) }},
		{"masks", open("/.privacy/masks/")},
		{"look-up", submit("/.privacy/masks/?masks="+mask, "main form button")},
		{"members", open("/.privacy/masks/members")},
		{"audit", submit("/.privacy/masks/audit", "main form button")},
		{"checkpoints", open("/.well-known/wikiveil-audit")},
		{"transcript", open(transcript)},
		{"frame", open(noticeboard.FramePath + "charts/")},
		{"reveal", func() {
			submit("/.privacy/masks/?masks="+mask, "main form button")()
			b.do(t, click("form[action$=reveal] button"))
			b.waitFor(t, `document.querySelector('.code')`)
		}},
		{"address given", func() {
			open("/wiki/User:203.0.113.9")()
			b.waitFor(t, `document.querySelector('main a[href^="/.privacy/"]')`)
		}},
		{"rollout", ofAdmin("/wikiveil/csp/rollout")},
		{"forecast", ofAdmin("/wikiveil/csp/forecast")},
		{"block", func() { s.block(t, b, mask) }}, // the last
	} {
		t.Run(page.name, func(t *testing.T) {
			page.open()
			evaluate[chromedp.Void](t, b, string(axe)+";void 0")
			if !evaluate[bool](t, b, `axe.run(Object.assign(document.body.appendChild(document.createElement('img')), {id: 'bad'})).then(r => {
				document.getElementById('bad').remove(); return r.violations.some(v => v.id === 'image-alt'); })`) {
				t.Fatal("axe-core doesn't find what is wrong")
			}
			for _, width := range []int64{1280, 360} {
				for _, scheme := range []string{"light", "dark"} {
					b.do(t, command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 800, DeviceScaleFactor: 1}),
						command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}))
					for _, found := range evaluate[[]string](t, b, `axe.run(document, {resultTypes: ['violations']}).then(r => r.violations
						.filter(v => v.impact === 'serious' || v.impact === 'critical').map(v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120)).join(' ')))`) {
						t.Errorf("%d pixels, %s: %s", width, scheme, found)
					}
				}
				if wide := evaluate[bool](t, b, `document.documentElement.scrollWidth > innerWidth`); wide {
					t.Errorf("%d pixels: the page scrolls sideways", width)
				}
				screenshot(t, b, fmt.Sprintf("page-%s-%d.png", page.name, width))
			}
		})
	}
}

// TestPagesInLanguages has a browser that prefers another language show the main pages: none is wider than a phone, and each is written in its direction.
func TestPagesInLanguages(t *testing.T) {
	s := newPagesScene(t)
	b := s.startBrowser(t)
	speak := func(code string) {
		b.do(t, command(network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{
			"Accept-Language": code, "Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:secret"))}}))
	}
	speak("en")
	b.open(t, s.url+"/")
	evaluate[int](t, b, `fetch('/', {method: 'POST', body: 'x'}).then(r => r.status)`)
	b.open(t, s.url+"/.privacy/")
	mask := text(t, b, "main code")
	for _, page := range []struct {
		name string
		open func()
	}{
		{"privacy", func() { b.open(t, s.url+"/.privacy/") }},
		{"ask", func() { s.openForm(t, b) }},
		{"noticeboard", func() { b.open(t, s.url+"/.tools/") }},
		{"masks", func() {
			b.open(t, s.url+"/.privacy/masks/?masks="+mask)
			evaluate[chromedp.Void](t, b, `void (window.before = true)`)
			b.do(t, click("main form button"))
			b.waitFor(t, `!window.before && document.readyState === 'complete' && document.querySelector('main')`)
		}},
		{"block", func() { s.block(t, b, mask) }},
	} {
		for code, dir := range map[string]string{"ar": "rtl", "de": "ltr", "ja": "ltr"} {
			speak(code)
			b.do(t, command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 800, Height: 800, DeviceScaleFactor: 1}))
			page.open()
			if got := evaluate[string](t, b, `document.documentElement.lang + ' ' + getComputedStyle(document.querySelector('main')).direction`); got != code+" "+dir {
				t.Errorf("%s: the page is in %s, want %s", page.name, got, code)
			}
			screenshot(t, b, page.name+"-"+code+".png")
			b.do(t, command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 360, Height: 800, DeviceScaleFactor: 1}))
			if evaluate[bool](t, b, `document.documentElement.scrollWidth > innerWidth`) {
				t.Errorf("%s in %s: the page is wider than a phone", page.name, code)
			}
			screenshot(t, b, page.name+"-"+code+"-phone.png")
		}
	}
}
