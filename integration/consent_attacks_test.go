//go:build integration

package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// consentAttack is something that a hostile gadget does to a reader. It gets neither a form nor a token nor
// an exemption by it, and the test knows why.
type consentAttack struct {
	name string
	run  func(t *testing.T, s *consentScene, b *browser)
}

var consentAttacks = []consentAttack{
	{"service worker, registered", attackByRegistering},
	{"service worker, from before", func(t *testing.T, s *consentScene, _ *browser) { attackByWorker(t, s, "plain") }},
	{"service worker, preload", func(t *testing.T, s *consentScene, _ *browser) { attackByWorker(t, s, "preload") }},
	{"service worker, static router", func(t *testing.T, s *consentScene, _ *browser) { attackByWorker(t, s, "router") }},
	{"popup", attackByPopup},
	{"frames", attackByFrames},
	{"lookalike forms", attackByLookalikes},
	{"foreign hand-off", attackByHandOff},
	{"foreign ticket", attackByTicket},
	{"foreign token", attackByForeignToken},
	{"replayed token", attackByReplay},
	{"wrong code", attackByGuessing},
	{"too fast", attackBySpeed},
	{"form sent by a script", attackByPosting},
	{"jar overflow and transplant", attackByOverflow},
	{"double-click swap", attackByDoubleClick},
	{"policy escape", attackByEscape},
	{"speculation", attackBySpeculation},
}

// startOver gives the reader a browser without cookies, workers and caches.
func (s *consentScene) startOver(t *testing.T, b *browser) {
	t.Helper()
	b.do(t, command(page.BringToFront, cdp.Empty{}), chromedp.Navigate("about:blank"),
		command(network.ClearBrowserCookies, cdp.Empty{}), command(network.ClearBrowserCache, cdp.Empty{}),
		command(storage.ClearDataForOrigin, storage.ClearDataForOriginParams{Origin: s.url, StorageTypes: "all"}))
	b.take()
}

// openWiki opens a page of the wiki, where the test then is a hostile script.
func (s *consentScene) openWiki(t *testing.T, b *browser) {
	t.Helper()
	b.open(t, s.url+"/index.php/Main_Page")
	b.waitFor(t, fmt.Sprintf("window.settled && settled.length === %d", len(loads)+1))
}

// wantViolations waits for violations about addresses of the wiki and the consent origin.
func (s *consentScene) wantViolations(t *testing.T, b *browser, want ...string) {
	t.Helper()
	var got []string
	wait(t, fmt.Sprintf("violations %q", want), func() bool {
		violations, _ := b.take()
		for _, v := range violations {
			if strings.HasPrefix(v.Blocked, "https://"+wikiHost) {
				got = append(got, v.Directive)
			}
		}
		return len(got) >= len(want)
	})
	if !slices.Equal(got, want) {
		t.Errorf("the policy refused %q, want %q", got, want)
	}
}

// leave is what a script does that sends the reader elsewhere.
func (b *browser) leave(t *testing.T, address string) {
	t.Helper()
	evaluate[chromedp.Void](t, b, "void setTimeout(() => location.assign("+quote(address)+"))")
}
