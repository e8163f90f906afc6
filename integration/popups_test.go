//go:build integration

package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// popupScene is an edge whose visitors may look masks up, before a wiki with settings.
func popupScene(t *testing.T, f front, settings string) *scene {
	t.Helper()
	w := newWiki(t, f.wiki, settings)
	return &scene{edge: startEdge(t, f.config(t, w, lookupConfig(t, w))), wiki: w, seen: new(transcript)}
}

// browseAsAdmin starts a browser whose user is the administrator.
func (s *scene) browseAsAdmin(t *testing.T) *browser {
	t.Helper()
	b := startBrowser(t)
	b.do(t, chromedp.Navigate(s.url+"/index.php?title=Special:UserLogin"),
		fillIn("wpName1", adminName), fillIn("wpPassword1", adminPassword), click("#wpLoginAttempt"))
	b.waitFor(t, `document.querySelector('#pt-logout')`)
	return b
}

// marked is the JavaScript for the element that shows a mask or an account, once it has its button.
func marked(name string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('.wikiveil-marked')].find(e => e.textContent.toLowerCase() === %q)`, strings.ToLower(name))
}

// hover rests the pointer on an element that shows a mask or an account, and waits for its popup.
func (b *browser) hover(t *testing.T, name string) {
	t.Helper()
	b.waitFor(t, marked(name))
	at := evaluate[[]float64](t, b, fmt.Sprintf(`(e => { e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();
		return [r.left + r.width / 2, r.top + r.height / 2]; })(%s)`, marked(name)))
	b.do(t, chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0], at[1]))
	b.waitFor(t, fmt.Sprintf(`document.querySelector('.wikiveil-heading code')?.textContent === %q`, name))
}

// press clicks on a button or link in the popup, by its text and what stands before it, as a person does: with the pointer.
func (b *browser) press(t *testing.T, text, within string) {
	t.Helper()
	find := fmt.Sprintf(`[...document.querySelectorAll('.wikiveil-popup button, .wikiveil-popup a')]
		.find(e => e.textContent === %q && e.parentElement.textContent.includes(%q))`, text, within)
	b.waitFor(t, find)
	evaluate[chromedp.Void](t, b, `document.querySelectorAll('[data-pressed]').forEach(e => delete e.dataset.pressed); `+find+`.dataset.pressed = ''`)
	b.do(t, click("[data-pressed]"))
}

// result waits until the popup shows a text.
func (b *browser) result(t *testing.T, text string) {
	t.Helper()
	b.waitFor(t, fmt.Sprintf(`document.querySelector('.wikiveil-popup [role=status]')?.textContent.includes(%q)`, text))
}

// setOption sets one of the visitor's preferences.
func (v *visitor) setOption(t *testing.T, name, value string) {
	t.Helper()
	var answer struct {
		Options string
		Error   apiError
	}
	v.api(t, &answer, "action", "options", "optionname", name, "optionvalue", value, "token", v.csrf(t))
	if answer.Options != "success" {
		t.Fatalf("setting %s: %+v", name, answer.Error)
	}
}

// TestPopups is a patroller's way: on a history page they compare two masks and block their network, without leaving it before the form.
func TestPopups(t *testing.T) {
	for _, r := range releases {
		if r.tempAccounts {
			continue // see TestPopupOfTemporaryAccount
		}
		t.Run(r.name, func(t *testing.T) {
			f := fronts[0]
			f.wiki = r
			s := popupScene(t, f, companion(t))
			a, e, d := s.visit(alice), s.visit(erin), s.visit(dave)
			wantSaved(t, "before", a, e, d)
			s.visitAdmin(t, sysop).save(t, "MediaWiki:Ipb-default-expiry-ip", "1 week")
			first, second := s.maskOf(t, alice).String(), s.maskOf(t, erin).String()
			network := s.maskOfRange(t, "127.10.0.0/15").String()

			b := s.browseAsAdmin(t)
			b.take()
			b.open(t, s.url+"/index.php?title=Sandbox&action=history")
			b.hover(t, first)
			b.press(t, "Select to compare", "")
			b.hover(t, second)
			b.press(t, "Compare with 1 selected", "")
			b.result(t, "CityNot SameRegionSameCountrySameOrganizationSameNarrowest network of all"+network+" (an IPv4 /15)")
			screenshot(t, b, "masks-popup.png")
			evaluate[chromedp.Void](t, b, violate)
			if violations, failures := b.take(); len(violations) != 1 || len(failures) != 1 { // the sentinel
				t.Errorf("in the popup: %+v\n%s", violations, failures)
			}
			b.press(t, "Members", network)
			b.result(t, "A block of this network hits fewer than 10 clients of the last 7 days")
			b.result(t, "too small for its members to be named")
			b.press(t, "Block", "A block of this network")
			b.waitFor(t, `mw.config.get('wgCanonicalSpecialPageName') === 'Block' && `+modulesLoaded)
			b.do(t, click(".mw-htmlform-submit-buttons button[type=submit]"))
			b.waitFor(t, `document.body.textContent.includes('Block succeeded')`)
			wantRefused(t, "their network blocked", "blocked", a, e)
			wantSaved(t, "another network blocked", d)
		})
	}
}

// TestPopupByKeyboard: a popup is worked without a pointer, and says what to do where the edge refuses.
func TestPopupByKeyboard(t *testing.T) {
	f := fronts[0]
	f.wiki = releases[len(releases)-1]
	f.wiki.settings = "" // masks in the history
	s := popupScene(t, f, companion(t))
	a := s.visit(alice)
	wantSaved(t, "before", a)
	mask := s.maskOf(t, alice).String()
	focused := func(text string) string {
		return fmt.Sprintf(`document.activeElement.textContent === %q && document.activeElement.checkVisibility()`, text)
	}
	b := s.browseAsAdmin(t)
	b.open(t, s.url+"/index.php?title=Sandbox&action=history")
	b.waitFor(t, marked(mask))
	evaluate[chromedp.Void](t, b, marked(mask)+`.nextElementSibling.focus()`)
	b.do(t, chromedp.KeyEvent("\r"))
	b.waitFor(t, `document.activeElement.getAttribute('role') === 'dialog'`)
	b.do(t, chromedp.KeyEvent("\t"), chromedp.KeyEvent("\t")) // past the button that closes
	b.waitFor(t, focused("Look up"))
	b.do(t, chromedp.KeyEvent("\r"))
	b.result(t, "OrganizationCharter Communications, Inc (AS20115)")
	b.do(t, chromedp.KeyEvent("\x1b"))
	b.waitFor(t, `!document.querySelector('.wikiveil-popup') && document.activeElement.getAttribute('aria-label') === 'About `+mask+`'
		&& document.activeElement.getAttribute('aria-expanded') === 'false'`)

	// What the edge refuses is said, with what to do.
	b.do(t, chromedp.KeyEvent("\r"))
	b.waitFor(t, `document.activeElement.getAttribute('role') === 'dialog'`)
	evaluate[chromedp.Void](t, b, `(new mw.Api()).postWithToken('csrf', {action: 'logout'})`)
	b.press(t, "Look up", "")
	b.result(t, "You are not logged in. Log in")
	if to := evaluate[string](t, b, `new URL(document.querySelector('.wikiveil-refused a').href).search`); to != "?title=Special:UserLogin&returnto=Sandbox" {
		t.Errorf("the link to log in leads to %s", to)
	}
}

// TestPopupOfTemporaryAccount: from a temporary account in the history, by whatever pattern the wiki names them, to its mask, and on to
// what is known of that, with a reason for the audit.
func TestPopupOfTemporaryAccount(t *testing.T) {
	f := fronts[0]
	f.wiki = releases[len(releases)-1]
	if !f.wiki.tempAccounts {
		t.Skip("needs MediaWiki 1.43")
	}
	const pattern = "$wgAutoCreateTempUser['genPattern'] = $wgAutoCreateTempUser['matchPattern'] = 'Gast $1';\n"
	s := popupScene(t, f, companion(t)+readsAccounts+pattern)
	a := s.visit(alice)
	wantSaved(t, "before", a)
	account := a.recentEditors(t, "Sandbox", 1)[0]
	b := s.browseAsAdmin(t)
	b.open(t, s.url+"/index.php?title=Sandbox&action=history")
	b.hover(t, account)
	if evaluate[bool](t, b, `document.querySelector('.wikiveil-popup input').checkVisibility()`) {
		t.Error("a popup asks for a reason that it has no use for")
	}
	b.press(t, "Show its masks", "")
	mask := s.maskOf(t, alice).String()
	b.press(t, mask, "")
	b.do(t, chromedp.SendKeys(chromedp.CSS(".wikiveil-popup input"), "advertises everywhere"))
	b.press(t, "Look up", "")
	b.result(t, "OrganizationCharter Communications, Inc (AS20115)")
	audit := evaluate[string](t, b, `fetch('/.privacy/masks/audit', {method: 'POST', headers: {Accept: 'application/json'}}).then(r => r.text())`)
	if !strings.Contains(audit, "advertises everywhere") {
		t.Errorf("the reason isn't in the audit: %s", audit)
	}
}

// TestPopupGadget: without the companion the popups are a gadget, which a wiki of either version takes as it is.
func TestPopupGadget(t *testing.T) {
	script, err := os.ReadFile("../contrib/mediawiki/gadget-masks.js")
	if err != nil {
		t.Fatal(err)
	}
	definition := ""
	for line := range strings.Lines(string(script)) {
		if _, after, ok := strings.Cut(line, "*     * masks"); ok {
			definition = "* masks" + strings.TrimSpace(after)
		}
	}
	if definition == "" {
		t.Fatal("gadget-masks.js says not how it is defined")
	}
	for _, r := range releases {
		if r.tempAccounts {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			f := fronts[0]
			f.wiki = r
			s := popupScene(t, f, "")
			a, admin := s.visit(alice), s.visitAdmin(t, sysop)
			wantSaved(t, "before", a)
			admin.save(t, "MediaWiki:Gadget-masks.js", string(script))
			admin.save(t, "MediaWiki:Gadgets-definition", definition)
			admin.setOption(t, "gadget-masks", "1")
			b := s.browseAsAdmin(t)
			b.open(t, s.url+"/index.php?title=Special:RecentChanges")
			b.hover(t, s.maskOf(t, alice).String())
			b.press(t, "Look up", "")
			b.result(t, "OrganizationCharter Communications, Inc (AS20115)")
		})
	}
}
