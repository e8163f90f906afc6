//go:build integration

package integration

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	edgeapp "github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/lookup/sightings"
	"github.com/wikiveil/wikiveil/masking"
)

// sawYesterday has clients publish yesterday, without any contribution in the wiki: as those do who are logged in.
func sawYesterday(t *testing.T, secret []byte, masker *masking.Masker, addrs ...string) {
	t.Helper()
	app, err := edgeapp.RunningApp()
	if err != nil {
		t.Fatal(err)
	}
	ring, err := masking.ConfiguredRing(secret)
	if err != nil {
		t.Fatal(err)
	}
	config := masking.SiteConfig{V4Ranges: masking.DefaultV4Ranges, V6Ranges: masking.DefaultV6Ranges}
	site, err := sightings.NewSite(ring.Epochs()[0], config)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		addr := netip.MustParseAddr(a)
		s := sightings.Sighting{Mask: maskBy(t, masker, addr.String()), Addr: addr, Time: time.Now().AddDate(0, 0, -1), Site: site}
		if err := app.Recorder().RecordDurably(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
}

// maskBy is a client's mask by secrets that stand in the config.
func maskBy(t *testing.T, masker *masking.Masker, addr string) netip.Addr {
	t.Helper()
	mask, err := masker.Client(netip.MustParseAddr(addr))
	if err != nil {
		t.Fatal(err)
	}
	return mask
}

// TestPatrollerSeesMembers is the way back from a network to those in it, in a browser: of a small network nobody is named; of a
// larger one those are whose masks the wiki shows, and none of those who were logged in. It ends in the wiki's own pages.
func TestPatrollerSeesMembers(t *testing.T) {
	secret := []byte(strings.Repeat("members ", 4)) // earlier days are made up under it
	masker, err := masking.NewMasker(secret, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	allocation, err := masker.Range(netip.MustParsePrefix("127.10.0.0/15"))
	if err != nil {
		t.Fatal(err)
	}
	network := allocation.String()
	masks := []string{maskBy(t, masker, alice).String(), maskBy(t, masker, erin).String()}
	forEachRelease(t, func(t *testing.T, f front) {
		w := newWiki(t, f.wiki, "")
		config := lookupConfig(t, w)
		config.app = "secret " + hex.EncodeToString(secret) + "\n" + config.app
		s := &scene{edge: startEdge(t, f.config(t, w, config)), wiki: w, seen: new(transcript)}
		a, e, d := s.visit(alice), s.visit(erin), s.visit(dave)
		wantSaved(t, "before", a, e, d)

		b := startBrowser(t)
		b.do(t, chromedp.Navigate(s.url+"/index.php?title=Special:UserLogin"),
			fillIn("wpName1", adminName), fillIn("wpPassword1", adminPassword), click("#wpLoginAttempt"))
		b.waitFor(t, `document.querySelector('#pt-logout')`)
		members := func() string {
			t.Helper()
			b.open(t, s.url+"/.privacy/masks/?masks="+masks[0])
			b.do(t, click("main form button"))
			b.waitFor(t, `document.querySelector('.summary')`)
			b.do(t, click("button[name=network][value='"+network+"']"))
			b.waitFor(t, `document.querySelector('#members')`)
			return text(t, b, "main")
		}
		if page := members(); !strings.Contains(page, "fewer than 10 clients of the last 7 days") || !strings.Contains(page, "too small for its members to be named") {
			t.Errorf("of a small network the page says %q", page)
		}

		for i := range 60 {
			sawYesterday(t, secret, masker, fmt.Sprintf("127.10.9.%d", i+1))
		}
		if page := members(); !strings.Contains(page, "shows no contributions under the masks") || strings.Contains(page, masks[1]) {
			t.Errorf("of clients of today the page says %q", page)
		}
		sawYesterday(t, secret, masker, alice, erin)
		page := members()
		if f.wiki.tempAccounts { // the wiki shows accounts in place of masks
			if !strings.Contains(page, "shows no contributions under the masks") || strings.Contains(page, masks[1]) {
				t.Errorf("with temporary accounts the page says %q", page)
			}
			return
		}
		named := evaluate[[]string](t, b, `[...document.querySelectorAll('td[data-column=Mask]')].map(e => e.textContent.trim())`)
		if len(named) != 2 || !strings.Contains(page, masks[0]) || !strings.Contains(page, masks[1]) || !strings.Contains(page, "2 edited under their masks") {
			t.Errorf("members are %q, want %q", named, masks)
		}
		screenshot(t, b, "masks-members.png")
		wantReadable(t, b)
		b.onPhone(t)
		if width := evaluate[int](t, b, `document.documentElement.scrollWidth`); width > 360 {
			t.Errorf("on a phone the page is %d pixels wide", width)
		}
		wantScrollersFocusable(t, b)
		screenshot(t, b, "masks-members-phone.png")
		b.do(t, chromedp.EmulateViewport(1280, 900))

		// The links lead to what the wiki shows of them, and to its form.
		links := evaluate[[]string](t, b, `[...document.querySelectorAll('td a')].map(e => e.href)`)
		if len(links) != 4 {
			t.Fatalf("links %q", links)
		}
		b.open(t, links[0])
		if shown := text(t, b, "#mw-content-text"); !strings.Contains(shown, "Sandbox") {
			t.Errorf("the contributions of a member are %q", shown)
		}
		b.open(t, links[1])
		b.waitFor(t, `document.querySelector('[name=wpTarget]')`)

		for _, tt := range []struct {
			name   string
			v      *visitor
			reason string
		}{{"nobody", d, "anonymous"}, {"a plain user", plainUser(t, s), "right"}} {
			if status, body := send(t, tt.v, "POST", "/.privacy/masks/members?format=json", "network="+network); status != http.StatusForbidden ||
				!strings.Contains(body, `"reason":"`+tt.reason+`"`) {
				t.Errorf("%s: %d %s", tt.name, status, body)
			}
		}
		if _, found := findTrace(s.seen.all(), netip.MustParseAddr(alice)); found {
			t.Error("an answer holds an address")
		}
	})
}

func plainUser(t *testing.T, s *scene) *visitor {
	t.Helper()
	v := s.visit("127.40.0.7")
	v.createAccount(t, "Plain patroller")
	v.loginAs(t, "Plain patroller")
	return v
}
