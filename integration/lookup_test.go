//go:build integration

package integration

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/wikiveil/wikiveil/lookup/geo/geotest"
)

// erin's address is of alice's provider, which has a /15, in another city.
const erin = "127.11.4.4"

// lookupConfig is an edge whose visitors may look masks up by the rights that they hold on the wiki. The
// wiki answers for them at an address where nobody but the edge is to come.
func lookupConfig(t *testing.T, w *wiki) edgeConfig {
	t.Helper()
	dir := t.TempDir()
	asn, city := filepath.Join(dir, "asn.mmdb"), filepath.Join(dir, "city.mmdb")
	geotest.Write(t, asn, geotest.ASN, geotest.Networks{
		"127.10.0.0/15": geotest.Organization(20115, "Charter Communications, Inc"),
		"127.20.0.0/16": geotest.Organization(64500, "Example Access"),
	})
	geotest.Write(t, city, geotest.City, geotest.Networks{
		"127.10.0.0/16": geotest.Place(6252001, 5128638, 5128581),
		"127.11.0.0/16": geotest.Place(6252001, 5128638, 5110629),
		"127.20.0.0/16": geotest.Place(2921044, 2950157, 2950159),
	})
	api := freeAddr(t, "127.0.0.3")
	return edgeConfig{
		app: fmt.Sprintf("data_dir %s\nsightings {\nseal local\ngeoip asn %s\ngeoip city %s\n}", filepath.Join(dir, "data"), asn, city),
		site: clientMask + fmt.Sprintf(`csp
			mask_info {
				wiki http://%s/api.php {
					cache 1s
					right audit block
				}
				block_link /index.php/Special:Block/{mask}?wpExpiry=infinite
			}
		`, api),
		others: fmt.Sprintf("http://%s {\nbind 127.0.0.3\n%s\n}\n", api, w.site(t, "")),
	}
}

// TestAdministratorLooksUpAndBlocks is the patroller's way, in a browser: from two edits in the history to
// the block of their common network, with nothing but the wiki's own session.
func TestAdministratorLooksUpAndBlocks(t *testing.T) {
	forEachRelease(t, func(t *testing.T, f front) {
		w := newWiki(t, f.wiki, "")
		s := &scene{edge: startEdge(t, f.config(t, w, lookupConfig(t, w))), wiki: w, seen: new(transcript)}
		a, e, d := s.visit(alice), s.visit(erin), s.visit(dave)
		wantSaved(t, "before", a, e, d)
		masks := []string{s.maskOf(t, alice).String(), s.maskOf(t, erin).String()}

		b := startBrowser(t)
		b.do(t, chromedp.Navigate(s.url+"/index.php?title=Special:UserLogin"),
			fillIn("wpName1", adminName), fillIn("wpPassword1", adminPassword), click("#wpLoginAttempt"))
		b.waitFor(t, `document.querySelector('#pt-logout')`)
		b.open(t, s.url+"/index.php?title=Sandbox&action=history")
		for _, mask := range masks {
			if f.wiki.tempAccounts { // whose history shows no masks
				mask = "~2"
			}
			b.waitFor(t, fmt.Sprintf(`document.querySelector('#pagehistory').textContent.includes('%s')`, mask))
		}
		screenshot(t, b, "masks-history.png")

		// The page needs no script, and a keyboard is enough.
		scripts := func(off bool) {
			b.do(t, command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: off}))
		}
		scripts(true)
		b.open(t, s.url+"/.privacy/masks/")
		b.do(t, chromedp.KeyEvent("\t"), chromedp.KeyEvent(strings.Join(masks, " ")),
			chromedp.KeyEvent("\t"), chromedp.KeyEvent("same vandal?"), chromedp.KeyEvent("\t"), chromedp.KeyEvent("\r"))
		network := s.maskOfRange(t, "127.10.0.0/15").String()
		want := "City: Not Same  Region: Same  Country: Same  Network: " + network + " (an IPv4 /15)"
		b.waitForSource(t, want)
		// The test itself reads pages by script, which takes a new page.
		scripts(false)
		b.open(t, s.url+"/.privacy/masks/?masks="+strings.Join(masks, "+")) // a link fills the form in
		b.do(t, click("main form button"))
		if got := text(t, b, ".summary"); got != want {
			t.Errorf("the comparison reads %q, want %q", got, want)
		}
		screenshot(t, b, "masks-compare.png")
		if location := evaluate[string](t, b, `location.href`); location != s.url+"/.privacy/masks/" {
			t.Errorf("what is looked up stands in the address: %s", location)
		}
		b.do(t, click("dd li button")) // one of the compared
		b.waitFor(t, `document.querySelector('.summary').textContent.startsWith('Organization')`)
		if got, want := text(t, b, ".summary"), "Organization: Charter Communications, Inc (AS20115)  Network: "+network+" (an IPv4 /15)"; got != want {
			t.Errorf("the look-up reads %q, want %q", got, want)
		}
		screenshot(t, b, "masks-info.png")
		wantReadable(t, b)
		location := evaluate[string](t, b, `location.href`)
		wantAuditReadable(t, b, s.url)
		b.open(t, location+"?masks="+masks[0])
		b.do(t, click("main form button"))
		b.waitFor(t, `document.querySelector('.summary')`)

		// The link leads to the wiki's own form, which blocks the network's mask.
		b.do(t, click("a[href*='"+network+"']"))
		b.waitFor(t, `mw.loader.getState('mediawiki.special.block') === 'ready' && `+modulesLoaded)
		screenshot(t, b, "masks-block.png")
		b.do(t, click(".mw-htmlform-submit-buttons button[type=submit]"))
		b.waitFor(t, `document.body.textContent.includes('Block succeeded')`)
		wantRefused(t, "their network blocked", "blocked", a, e)
		wantSaved(t, "another network blocked", d)

		wantNoRight(t, s)
		if _, found := findTrace(s.seen.all(), netip.MustParseAddr(alice)); found {
			t.Error("an answer holds an address")
		}
	})
}

// wantNoRight: those who may not block may not look up either, logged in or not; nor may a blocked administrator.
func wantNoRight(t *testing.T, s *scene) {
	t.Helper()
	plain, nobody, blocked := s.visit("127.40.0.1"), s.visit(dave), s.visit("127.40.0.2")
	plain.createAccount(t, "Plain user")
	plain.loginAs(t, "Plain user")
	if err := s.wiki.php(filepath.Join(s.wiki.code, "maintenance/createAndPromote.php"), "--sysop", "Rogue", adminPassword); err != nil {
		t.Fatal(err)
	}
	blocked.loginAs(t, "Rogue")
	if status, answer := lookUp(t, blocked, s.maskOf(t, alice).String()); status != http.StatusOK {
		t.Errorf("an administrator before being blocked: %d %s", status, answer)
	}
	s.visitAdmin(t, sysop).block(t, "Rogue")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		status, _ := lookUp(t, blocked, "")
		if status == http.StatusForbidden {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a blocked administrator may go on to look masks up")
		}
	}
	for _, tt := range []struct {
		name   string
		v      *visitor
		reason string
	}{
		{"a plain user", plain, "right"},
		{"nobody", nobody, "anonymous"},
		{"a blocked administrator", blocked, "blocked"},
	} {
		for _, below := range []string{"", s.maskOf(t, alice).String()} {
			if status, body := lookUp(t, tt.v, below); status != http.StatusForbidden || !strings.Contains(body, `"reason":"`+tt.reason+`"`) {
				t.Errorf("%s asks for %q: %d %s", tt.name, below, status, body)
			}
		}
	}
}

// lookUp asks the page as a program, for the empty form where no mask is given.
func lookUp(t *testing.T, v *visitor, masks string) (status int, answer string) {
	t.Helper()
	if masks == "" {
		return send(t, v, "GET", "/.privacy/masks/?format=json", "")
	}
	return send(t, v, "POST", "/.privacy/masks/?format=json", "masks="+masks)
}

// send asks as a program of the wiki's origin, with a form.
func send(t *testing.T, v *visitor, method, path, form string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequest(method, v.url+path, strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", v.url)
	resp, err := v.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, bodyOf(t, resp)
}

// wantReadable: the page follows the reader's colours, and fits a phone.
func wantReadable(t *testing.T, b *browser) {
	t.Helper()
	background := func(scheme string) string {
		b.do(t, command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}))
		return evaluate[string](t, b, `getComputedStyle(document.body).backgroundColor`)
	}
	if light, dark := background("light"), background("dark"); light != "rgb(255, 255, 255)" || dark != "rgb(13, 17, 23)" {
		t.Errorf("the page is %s in light and %s in dark", light, dark)
	}
	b.do(t, chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile))
	if width := evaluate[int](t, b, `document.documentElement.scrollWidth`); width > 360 {
		t.Errorf("on a phone the page is %d pixels wide", width)
	}
	screenshot(t, b, "masks-phone.png")
	b.do(t, chromedp.EmulateViewport(1280, 900))
	background("light")
}

// text waits for an element and returns its text.
func text(t *testing.T, b *browser, selector string) string {
	t.Helper()
	b.waitFor(t, fmt.Sprintf("document.querySelector(%q)", selector))
	return evaluate[string](t, b, fmt.Sprintf("document.querySelector(%q).textContent", selector))
}

// waitForSource waits for a page that has a text, without a script in it.
func (b *browser) waitForSource(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(45 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var source string
		err := chromedp.Do(b.ctx, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
			document, err := cdp.Call(ctx, tab, dom.GetDocument, dom.GetDocumentParams{})
			if err != nil {
				return err
			}
			markup, err := cdp.Call(ctx, tab, dom.GetOuterHTML, dom.GetOuterHTMLParams{NodeID: document.Root.NodeID})
			source = markup.OuterHTML
			return err
		}))
		if err == nil && strings.Contains(source, text) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %q (%v): %s\n%s", text, err, source, b.report())
		}
	}
}

// waitForLocation waits for a page whose address has a text in it.
func (b *browser) waitForLocation(t *testing.T, part string) {
	t.Helper()
	for deadline := time.Now().Add(45 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		location, err := chromedp.Run(b.ctx, chromedp.Location())
		if err == nil && strings.Contains(location, part) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: waited in vain for %q (%v)\n%s", location, part, err, b.report())
		}
	}
}

// command sends a command of the DevTools protocol.
func command[P, R any](cmd cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, cmd, params)
		return err
	})
}

// screenshot writes a picture of the page, as the docs show it, where it is asked for.
func screenshot(t *testing.T, b *browser, name string) {
	t.Helper()
	picture(t, name, b, chromedp.CaptureScreenshot())
}

// picture writes what an action takes a picture of.
func picture(t *testing.T, name string, b *browser, take chromedp.Action[[]byte]) {
	t.Helper()
	dir := os.Getenv("WIKIVEIL_SCREENSHOTS")
	if dir == "" {
		return
	}
	picture, err := chromedp.Run(b.ctx, take)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), picture, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
