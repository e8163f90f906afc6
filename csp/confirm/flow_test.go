package confirm

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wikiveil/wikiveil/internal/kv"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

func TestFlow(t *testing.T) {
	for name, origin := range map[string]string{"another port": testPort, "a subdomain": testDomain} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				f := s.newFlow("exempt", testWiki, origin)
				if f.shared != (origin == testPort) {
					t.Fatalf("shared = %v", f.shared)
				}
				ticket, cookie := s.confirm(f)
				got, err := f.Commit(commitRequest(f, ticket, cookie))
				if err != nil {
					t.Fatal(err)
				}
				r := commitRequest(f, "", cookie)
				b, err := s.flow.Browser(r)
				if err != nil || got.Act != s.act || got.Browser != b.ID() {
					t.Errorf("committed %+v for %x (%v)", got, b.ID(), err)
				}
				if !s.flow.EnforcesPrefixes(r) {
					t.Error("a browser without the probe counts as one that ignores prefixes")
				}
			})
		})
	}
}

func TestAReaderKeepsTheBrowserCookie(t *testing.T) {
	s := newScene(t)
	_, first := s.start(s.flow, "")
	if _, second := s.start(s.flow, "session=1; "+first); second != first {
		t.Errorf("a second flow replaced %q by %q", first, second)
	}
	for name, bad := range map[string]string{
		"forged": first + "A", "twice": first + "; " + first, "another's key": s.otherKeysCookie(),
	} {
		if _, after := s.start(s.flow, bad); after == first || strings.Contains(bad, after) {
			t.Errorf("%s: the cookie was kept", name)
		}
	}
}

func (s *scene) otherKeysCookie() string {
	return BrowserCookie + "=" + testKeys(s.t, 9).newBrowser().value
}

func TestAges(t *testing.T) {
	for _, tt := range []struct {
		name string
		use  use
		age  time.Duration
		want *refusal.Refusal
	}{
		{"a token of 10 minutes", useToken, TokenLife, ErrExpired},
		{"a token just below 10 minutes", useToken, TokenLife - time.Millisecond, nil},
		{"a token of 1.5 seconds", useToken, TokenMinAge, nil},
		{"a token just below 1.5 seconds", useToken, TokenMinAge - time.Millisecond, ErrTooFast},
		{"a token just made", useToken, 0, ErrTooFast},
		{"a token from the future", useToken, -time.Millisecond, errFuture},
		{"a hand-off of a minute", useHandOff, handOffLife, ErrExpired},
		{"a hand-off just below a minute", useHandOff, handOffLife - time.Millisecond, nil},
		{"a hand-off just made", useHandOff, 0, nil},
		{"a hand-off of a node 2 seconds ahead", useHandOff, -clockSkew, nil},
		{"a hand-off from the future", useHandOff, -clockSkew - time.Millisecond, errFuture},
		{"a ticket of a minute", useTicket, TicketLife, ErrExpired},
		{"a ticket just below a minute", useTicket, TicketLife - time.Millisecond, nil},
		{"a ticket from the future", useTicket, -clockSkew - time.Millisecond, errFuture},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				text := s.flow.seal(tt.use, claims{})
				if tt.age >= 0 {
					time.Sleep(tt.age)
				} else {
					text = s.flow.sign(tt.use, claims{issued: time.Now().Add(-tt.age)})
				}
				_, _, err := s.flow.open(tt.use, text)
				wantRefusal(t, err, tt.want)
			})
		})
	}
}

// Signed by us and yet of another shape: another version's, if ever.
func TestMisshapenClaims(t *testing.T) {
	s := newScene(t)
	for _, u := range []use{useHandOff, useToken, useTicket} {
		genuine, _, err := s.keys.open(u, s.flow.seal(u, claims{subject: "x", action: "y"}), shapes[u].fields)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range []int{2, 3, 5, 6, 8, 9} { // those of a fixed size
			if i >= len(genuine) {
				continue
			}
			for _, size := range []int{0, len(genuine[i]) - 1, len(genuine[i]) + 1} {
				fields := slices.Clone(genuine)
				fields[i] = make([]byte, size)
				_, _, err := s.flow.open(u, s.keys.seal(u, fields...))
				wantRefusal(t, err, ErrMalformed)
			}
		}
	}
}

func TestARotationInterruptsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		c, cookie := s.ask(s.flow)
		time.Sleep(5 * time.Second)
		s.keys = testKeys(t, 2, 1)
		rotated := s.newFlow("exempt", testWiki, testPort)
		confirmed, err := s.answer(rotated, c, cookie)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := rotated.Commit(commitRequest(rotated, rotated.Ticket(confirmed), cookie)); err != nil {
			t.Fatal(err)
		}
		// The old key is gone with its epoch.
		s.keys = testKeys(t, 2)
		gone := s.newFlow("exempt", testWiki, testPort)
		_, err = gone.Commit(commitRequest(gone, s.flow.Ticket(confirmed), cookie))
		wantRefusal(t, err, ErrSignature)
	})
}

func TestTooLongNames(t *testing.T) {
	s := newScene(t)
	h := http.Header{}
	_, err := s.flow.Start(h, httptest.NewRequest("GET", testWiki, nil), strings.Repeat("x", maxText+1))
	wantRefusal(t, err, errTooLong)
	if len(h) > 0 {
		t.Errorf("a refused start set %v", h)
	}
	_, err = s.flow.Ask(HandOff{}, strings.Repeat("x", maxText+1), Binding{})
	wantRefusal(t, err, errTooLong)

	// The longest that is taken passes every limit on the way.
	s.act.Subject = strings.Repeat("x", maxText)
	s.act.Action = strings.Repeat("y", maxText)
	s.flow.purpose = strings.Repeat("z", maxText)
	synctest.Test(t, func(t *testing.T) {
		s.nonces = kv.NewMemory(5) // three nonces, and the counts of the client and its network
		s.flow.nonces = s.nonces
		ticket, cookie := s.confirm(s.flow)
		if _, err := s.flow.Commit(commitRequest(s.flow, ticket, cookie)); err != nil {
			t.Error(err)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	good := Config{"exempt", testWiki, testPort, testKeys(t, 1), func(*http.Request) []string { return nil }, kv.NewMemory(1)}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Config){
		"no purpose":                   func(c *Config) { c.Purpose = "" },
		"no keys":                      func(c *Config) { c.Keys = nil },
		"no clients":                   func(c *Config) { c.Clients = nil },
		"no nonces":                    func(c *Config) { c.Nonces = nil },
		"the wiki's own origin":        func(c *Config) { c.Origin = c.Wiki },
		"the wiki's origin, with port": func(c *Config) { c.Origin = "https://WIKI.example:443" },
		"a wiki without https":         func(c *Config) { c.Wiki = "http://wiki.example" },
		"no origin":                    func(c *Config) { c.Origin = "" },
	} {
		c := good
		spoil(&c)
		if _, err := New(c); err == nil || !strings.HasPrefix(err.Error(), "making confirmation flow: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestParseOrigin(t *testing.T) {
	for text, want := range map[string]string{
		"https://wiki.example":        "https://wiki.example wiki.example",
		"https://Wiki.Example:443":    "https://wiki.example wiki.example",
		"HTTPS://wiki.example:9443":   "https://wiki.example:9443 wiki.example",
		"https://wiki.example:09443":  "https://wiki.example:9443 wiki.example",
		"https://127.0.0.1:8443":      "https://127.0.0.1:8443 127.0.0.1",
		"https://xn--bcher-kva.test":  "https://xn--bcher-kva.test xn--bcher-kva.test",
		"https://bücher.test":         "",
		"https://[::1]:8443":          "",
		"https://wiki.example/":       "",
		"https://wiki.example?x":      "",
		"https://wiki.example#x":      "",
		"https://me@wiki.example":     "",
		"https://wiki.example:0":      "",
		"https://wiki.example:65536":  "",
		"https://wiki.example:x":      "",
		"https://wiki.example; x":     "",
		"https://*.wiki.example":      "",
		"https://":                    "",
		"https://:443":                "",
		"//wiki.example":              "",
		"wiki.example":                "",
		"http://wiki.example":         "",
		"https://wiki.example\r\nX:y": "",
	} {
		origin, host, err := parseOrigin(text)
		if got := strings.TrimSpace(origin + " " + host); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q (%v), want %q", text, got, err, want)
		}
	}
}
