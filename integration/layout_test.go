//go:build integration

package integration

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// onPhone shows the page as a phone does, until the test ends.
func (b *browser) onPhone(t *testing.T) {
	t.Helper()
	b.do(t, chromedp.EmulateViewport(360, 740, chromedp.EmulateMobile))
}

// wantScrollersFocusable: what scrolls on a page can be scrolled by keyboard, and says what it is (axe's rule
// scrollable-region-focusable). It returns how many there are.
func wantScrollersFocusable(t *testing.T, b *browser) int {
	t.Helper()
	const scrollers = `[...document.querySelectorAll('body *')].filter(e => !e.matches('textarea, input, select') &&
		['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth)`
	for _, bad := range evaluate[[]string](t, b, scrollers+`.filter(e => e.tabIndex < 0 || e.getAttribute('role') !== 'region' ||
		!(e.getAttribute('aria-label') || document.getElementById(e.getAttribute('aria-labelledby'))?.textContent)).map(e => e.outerHTML.slice(0, 200))`) {
		t.Errorf("this scrolls and can't be reached by keyboard, or has no name: %s", bad)
	}
	return evaluate[int](t, b, scrollers+`.length`)
}

// Case 66: the audit's table keeps times whole at 1200 pixels, and the names of its columns on a phone.
func wantAuditReadable(t *testing.T, b *browser, wiki string) {
	t.Helper()
	b.do(t, chromedp.EmulateViewport(1200, 900))
	b.open(t, wiki+"/.privacy/masks/audit")
	b.do(t, click("main form button"))
	b.waitFor(t, `document.querySelector('td time')`)
	if lines := evaluate[float64](t, b, `Math.max(...[...document.querySelectorAll('td time')].map(e => e.getClientRects().length && e.getBoundingClientRect().height / parseFloat(getComputedStyle(e).lineHeight)))`); lines > 2.1 {
		t.Errorf("a time takes %.1f lines", lines)
	}
	if performer := text(t, b, `td[data-column="Performer"]`); performer != adminName+" wiki:1" {
		t.Errorf("the performer reads %q", performer)
	}
	wantScrollersFocusable(t, b)
	screenshot(t, b, "masks-audit.png")
	b.onPhone(t)
	if width := evaluate[int](t, b, `document.documentElement.scrollWidth`); width > 360 {
		t.Errorf("on a phone the page is %d pixels wide", width)
	}
	if column := evaluate[string](t, b, `getComputedStyle(document.querySelector('td'), '::before').content`); column != `"Entry: "` {
		t.Errorf("on a phone a cell begins with %s", column)
	}
	wantScrollersFocusable(t, b)
	screenshot(t, b, "masks-audit-phone.png")
	b.do(t, chromedp.EmulateViewport(1280, 900))
}
