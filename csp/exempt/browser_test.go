package exempt

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/wikiveil/wikiveil/csp/confirm"
)

func TestEnforcesByName(t *testing.T) {
	for name, tt := range map[string]struct {
		agent string
		want  bool
	}{
		"Chrome":                {chrome, true},
		"the first Chrome":      {strings.Replace(chrome, "156", "140", 1), true},
		"an older Chrome":       {strings.Replace(chrome, "156", "139", 1), false},
		"Edge":                  {chrome + " Edg/156.0.0.0", true},
		"Firefox":               {firefox, true},
		"the first Firefox":     {strings.ReplaceAll(firefox, "153", "143"), true},
		"an older Firefox":      {strings.ReplaceAll(firefox, "153", "142"), false},
		"WebKitGTK":             {webkit, false},
		"Chrome on iOS":         {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/156.0.0.0 Mobile/15E148 Safari/604.1", false},
		"Firefox on iOS":        {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/153.0 Mobile/15E148 Safari/605.1.15", false},
		"headless Chrome":       {strings.Replace(chrome, "Chrome", "HeadlessChrome", 1), true},
		"another word's end":    {strings.Replace(chrome, "Chrome", "NotChrome", 1), false},
		"nothing":               {"", false},
		"a name alone":          {"Mozilla/5.0 Chrome/", false},
		"a number out of range": {"Mozilla/5.0 Chrome/99999999999999999999", false},
		"curl":                  {"curl/8.0", false},
	} {
		if got := enforcesByName(http.Header{"User-Agent": {tt.agent}}); got != tt.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if enforcesByName(http.Header{}) || enforcesByName(http.Header{"User-Agent": {chrome, chrome}}) {
		t.Error("no User-Agent and two of them pass")
	}
}

// Case 38: a browser that can't keep scripts from writing cookies gets nothing, and its reader
// is told so before any question.
func TestLaxBrowserIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		b := s.laxBrowser()
		s.wantRefusal(b.get(wiki+GoPath+"?tool=weather"), errPrefixes)
		if len(b.jar) != 0 {
			t.Errorf("it has %v", b.jar)
		}
		// One that calls itself Chrome is found out by the probe, at the next step that is ours.
		b.agent = chrome
		ticket := b.ticket("weather")
		s.wantRefusal(b.get(ticket), errPrefixes)
		s.wantRefusal(b.get(wiki+GoPath+"?tool=weather"), errPrefixes)
		b.wantThrough("")
		if page := b.get(wiki + ListPath).Body.String(); !strings.Contains(page, "This browser can let no tool through") {
			t.Errorf("the list does not say why:\n%s", page)
		}
	})
}

// A gadget plants in a reader's browser what the gadget's author got in another.
func TestTransplant(t *testing.T) {
	transplant := func(from, to *browser) {
		clear(to.jar) // by an overflow
		for _, name := range []string{confirm.BrowserCookie, GrantsCookie} {
			if from.jar[name] != "" {
				to.plant(name, from.jar[name]) // and no probe
			}
		}
	}
	for name, lax := range map[string]bool{"from a browser that guards its cookies": false, "from another": true} {
		inTime(t, name, func(t *testing.T) {
			s := newScene(t)
			attacker, victim := s.browser(), s.laxBrowser()
			attacker.grant("weather")
			attacker.wantThrough("weather")
			if lax { // which has a browser cookie, whatever it calls itself
				attacker.plant(GrantsCookie, attacker.jar[GrantsCookie])
			}
			transplant(attacker, victim)
			if got, err := victim.through(); got != "" || !errors.Is(err, errPrefixes) {
				t.Errorf("let through are %q (%v), want none", got, err)
			}
			// Nor does a forged User-Agent help, which only fetch can have.
			r := victim.request("GET", wiki+"/", "")
			r.Header.Set("User-Agent", chrome)
			r.Header.Set("Sec-Fetch-Mode", "cors")
			if got, _ := victim.throughBy(r); got != "" {
				t.Errorf("by fetch %q is let through", got)
			}
		})
	}
}

// Case 38: nor does it help to have answered the question in one's own browser, and to send the reader's to commit
// the ticket, from the reader's own address.
func TestCase38AnothersTicketCommitsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		attacker, victim := s.browser(), s.laxBrowser()
		ticket := attacker.ticket("weather")
		victim.plant(confirm.BrowserCookie, attacker.jar[confirm.BrowserCookie]) // and no probe
		s.wantRefusal(victim.get(ticket), errPrefixes)
		victim.wantThrough("")
		if victim.jar[GrantsCookie] != "" {
			t.Error("it has a cookie with grants")
		}
		// The ticket is still its owner's.
		attacker.get(ticket)
		attacker.wantThrough("weather")
	})
}

func FuzzEnforcesByName(f *testing.F) {
	f.Add(chrome)
	f.Add(firefox)
	f.Add(webkit)
	f.Fuzz(func(t *testing.T, agent string) {
		known := strings.Contains(agent, "Chrome/") || strings.Contains(agent, "Firefox/")
		if enforcesByName(http.Header{"User-Agent": {agent}}) && !known {
			t.Errorf("%q passes", agent)
		}
	})
}
