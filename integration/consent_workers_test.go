//go:build integration

package integration

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/chromedp"

	"github.com/wikiveil/wikiveil/csp/confirm"
	"github.com/wikiveil/wikiveil/csp/exempt"
)

//go:embed testdata/worker.js
var hostileWorker string

// workerURL is the worker as a page of the wiki.
const workerURL = "/index.php?title=MediaWiki:Worker.js&action=raw&ctype=text/javascript&mode="

func quote(s string) string { return strconv.Quote(s) }

// attackByRegistering: with the policy on, a page of the wiki registers no worker.
func attackByRegistering(t *testing.T, s *consentScene, b *browser) {
	s.openWiki(t, b)
	refused := evaluate[string](t, b, `new Promise(done => {
		addEventListener('securitypolicyviolation', e => e.effectiveDirective === 'worker-src' && done(e.effectiveDirective));
		navigator.serviceWorker.register(`+quote(workerURL+"plain")+`).then(() => done('registered'), () => {});
	})`)
	if refused != "worker-src" {
		t.Errorf("the worker is %s, want it refused by worker-src", refused)
	}
	if n := evaluate[int](t, b, `navigator.serviceWorker.getRegistrations().then(all => all.length)`); n != 0 {
		t.Errorf("there are %d workers", n)
	}
	// Past the browser's own refusal there is the edge's.
	s.wantRefusal(t, "service_worker", func() {
		evaluate[chromedp.Void](t, b, `fetch(`+quote(workerURL+"plain")+`, {headers: {'Service-Worker': 'script'}}).then(() => {})`)
	})
}

// loot is what the worker has of one answer.
type loot struct {
	Type, URL, Text, Error string
	Status                 int
	Headers                [][2]string
}

// attackByWorker: a worker from before there was a policy stands between the reader and the wiki. It reads
// nothing of the consent, by none of its ways, and the edge then ends it.
func attackByWorker(t *testing.T, s *consentScene, mode string) {
	s.load(t, weatherPurpose, "")
	restored := false
	restore := func() {
		if !restored {
			restored = true
			s.load(t, weatherPurpose, s.policy())
		}
	}
	defer restore()
	// A browser that was there before may keep a connection to the config of then: one whose handshake fell into that
	// config's end is never told to go away.
	b := s.startBrowser(t)
	s.openWiki(t, b)
	evaluate[chromedp.Void](t, b, `navigator.serviceWorker.register(`+quote(workerURL+mode)+`).then(() => navigator.serviceWorker.ready).then(() => {})`)
	b.waitFor(t, `navigator.serviceWorker.controller`)
	// The baseline: it stands between, and reads the wiki's own answer.
	b.open(t, s.url+exempt.GoPath+"?tool=weather")
	before := s.readLoot(t, b)
	if got := before["fetched"]; got.Text == "" {
		t.Fatalf("without a policy the worker reads nothing: %+v", before)
	}
	restore()

	const refusal = "This page opens in a tab of its own only"
	s.wantRefusal(t, "not_a_navigation", func() { b.open(t, s.url+exempt.GoPath+"?tool=weather") })
	if mode == "router" {
		// The reader's own request wins the race, and leads to where the worker is not.
		b.waitFor(t, `document.querySelector('.code') && location.origin === `+quote(s.consent))
	} else {
		b.waitFor(t, `document.body.textContent.includes(`+quote(refusal)+`) && document.forms.length === 0`)
	}
	if _, reached := b.cookies(t, s.url)[confirm.BrowserCookie]; reached != (mode == "router") {
		t.Errorf("the browser has its cookie: %v", reached)
	}
	after := s.readLoot(t, b)
	for name, got := range after {
		all := fmt.Sprintf("%+v", got)
		switch {
		case slices.ContainsFunc([]string{"handoff=", "ticket=", `name="token`, `class="code`}, func(part string) bool { return strings.Contains(all, part) }):
			t.Errorf("%s: the worker has %s", name, all)
		case name == "preloaded" && mode == "preload":
			if !strings.Contains(got.Text, "This page can’t be loaded ahead of time or through a service worker") {
				t.Errorf("%s: the worker has %s", name, all)
			}
		case name == "preloaded", name == "cached":
			if got.Error == "" {
				t.Errorf("%s: the worker has %s", name, all)
			}
		case name == "passed" && mode == "router":
			if got.Type != "opaqueredirect" || got.Text != "" || len(got.Headers) > 0 {
				t.Errorf("%s: the worker has %s", name, all)
			}
		default:
			if !strings.Contains(got.Text, refusal) {
				t.Errorf("%s: the worker has %s", name, all)
			}
		}
	}
	s.wantNoExemption(t, b)

	// The edge ends it when the browser next asks for it, which it does some time after a visit. Then the
	// reader can consent.
	b.open(t, "about:blank")
	s.wantRefusal(t, "service_worker", func() {
		b.do(t, command(serviceworker.Enable, cdp.Empty{}),
			command(serviceworker.UpdateRegistration, serviceworker.UpdateRegistrationParams{ScopeURL: s.url + "/"}),
			command(serviceworker.Disable, cdp.Empty{}))
	})
	wait(t, "the end of the worker", func() bool {
		s.openWiki(t, b)
		return evaluate[bool](t, b, `navigator.serviceWorker.getRegistrations().then(all => all.length === 0 && navigator.serviceWorker.controller === null)`)
	})
	s.openForm(t, b)
}

// readLoot takes what the worker has put down.
func (s *consentScene) readLoot(t *testing.T, b *browser) map[string]loot {
	t.Helper()
	s.openWiki(t, b)
	text := evaluate[string](t, b, `(async () => {
		const cache = await caches.open('loot');
		for (;;) {
			const found = await cache.match('/loot');
			if (found) {
				await cache.delete('/loot');
				return found.text();
			}
			await new Promise(done => setTimeout(done, 20));
		}
	})()`)
	var all map[string]loot
	if err := json.Unmarshal([]byte(text), &all); err != nil || all == nil {
		t.Fatalf("the worker left %q (%v)", text, err)
	}
	return all
}
