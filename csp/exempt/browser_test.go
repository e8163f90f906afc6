package exempt

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

// Without a store, who can't keep scripts from writing cookies gets nothing, and
// is told so before he types a code.
func TestLaxBrowserIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		b := s.laxBrowser()
		s.wantRefusal(b.get(wiki+GoPath+"?tool=weather"), ErrPrefixes)
		if len(b.jar) != 0 {
			t.Errorf("it has %v", b.jar)
		}
		// One that calls itself Chrome is found out by the probe, at the next step that is ours.
		b.agent = chrome
		ticket := b.ticket("weather")
		s.wantRefusal(b.get(ticket), ErrPrefixes)
		s.wantRefusal(b.get(wiki+GoPath+"?tool=weather"), ErrPrefixes)
		b.wantThrough("")
		if page := b.get(wiki + ListPath).Body.String(); !strings.Contains(page, "This browser can let no tool through") {
			t.Errorf("the list does not say why:\n%s", page)
		}
	})
}

// A gadget plants in a reader's browser what its author got in his own.
func TestTransplant(t *testing.T) {
	transplant := func(from, to *browser) {
		clear(to.jar) // by an overflow
		for _, name := range []string{confirm.BrowserCookie, GrantsCookie} {
			if from.jar[name] != "" {
				to.plant(name, from.jar[name]) // and no probe
			}
		}
	}
	for name, tt := range map[string]struct {
		store bool
		lax   bool // the attacker's browser
		want  error
	}{
		"a cookie, without a store": {false, false, ErrPrefixes},
		"a cookie, with a store":    {true, false, nil},
		"a stored grant":            {true, true, nil},
	} {
		inTime(t, name, func(t *testing.T) {
			s := newScene(t)
			if tt.store {
				withStore(newMemoryStore())(&s.config)
				s.renew()
			}
			attacker, victim := s.browser(), s.laxBrowser()
			if tt.lax {
				attacker = s.laxBrowser()
			}
			victim.client = "2001:2f::2"
			attacker.grant("weather")
			attacker.wantThrough("weather")
			transplant(attacker, victim)
			got, err := victim.through()
			if got != "" || !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("let through are %q (%v), want none (%v)", got, err, tt.want)
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

func TestStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemoryStore()
		s := newScene(t, withStore(store))
		b := s.laxBrowser()
		b.grant("weather")
		b.grant("maps")
		b.wantThrough("maps weather")
		if b.jar[GrantsCookie] != "" || len(store.grants) != 1 {
			t.Errorf("the cookie is %q, the store has %d owners", b.jar[GrantsCookie], len(store.grants))
		}
		// At another address, and in another browser there, it is nobody's.
		b.client = "2001:2f::2"
		b.wantThrough("")
		b.client = "2001:2f::1"
		other := s.laxBrowser()
		other.get(wiki + GoPath + "?tool=maps")
		other.wantThrough("")
		// Nor does the store help a browser's cookies.
		strict := s.browser()
		strict.get(wiki + GoPath + "?tool=maps")
		strict.wantThrough("")

		s.config.Keys = mustKeys(t, 5, 1)
		s.renew()
		b.wantThrough("maps weather")
		b.post(wiki+ListPath, url.Values{"tool": {"maps"}})
		b.wantThrough("weather")
		if len(store.grants) != 1 {
			t.Errorf("the store has %d owners after the keys were rotated", len(store.grants))
		}
		time.Sleep(Life)
		b.wantThrough("")
		b.grant("weather")
		b.post(wiki+ListPath, url.Values{"all": {"1"}})
		b.wantThrough("")
		if len(store.grants) != 0 || len(b.jar) != 0 {
			t.Errorf("the store has %d owners, the jar %v", len(store.grants), b.jar)
		}
	})
}

func TestBrokenStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemoryStore()
		s := newScene(t, withStore(store))
		b := s.laxBrowser()
		b.grant("weather")
		ticket := b.ticket("maps")
		gone := errors.New("disk on fire")
		store.err = gone
		if got, err := b.through(); got != "" || !errors.Is(err, ErrStore) || !errors.Is(err, gone) {
			t.Errorf("let through are %q (%v)", got, err)
		}
		s.wantRefusal(b.get(ticket), ErrStore)
		s.wantRefusal(b.get(wiki+ListPath), ErrStore)
		s.wantRefusal(b.get(wiki+GoPath+"?tool=maps"), ErrStore)
		s.wantRefusal(b.post(wiki+ListPath, url.Values{"all": {"1"}}), ErrStore)
		if page := b.get(ticket).Body.String(); strings.Contains(page, "fire") {
			t.Errorf("the page tells too much:\n%s", page)
		}
		store.err = ErrFull
		s.wantRefusal(b.post(wiki+ListPath, url.Values{"all": {"1"}}), ErrFull)
		store.err = nil
		b.wantThrough("weather")
		b.client = ""
		if got, err := b.through(); got != "" || !errors.Is(err, ErrStore) {
			t.Errorf("an unknown client: let through are %q (%v)", got, err)
		}
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
