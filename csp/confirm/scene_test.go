package confirm

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/internal/kv"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

const (
	testWiki   = "https://wiki.example"
	testPort   = "https://wiki.example:9443"
	testDomain = "https://consent.wiki.example"
)

// scene is a wiki with a reader who has a browser.
type scene struct {
	t      *testing.T
	keys   *Keys
	nonces kv.Store
	flow   *Flow
	act    Act
	client string // whom all requests come from
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, keys: testKeys(t, 1), nonces: kv.NewMemory(100), client: "203.0.113.9"}
	s.flow = s.newFlow("exempt", testWiki, testPort)
	s.act = Act{"weather", "grant", Bind(`{"name":"weather"}`, "7")}
	return s
}

func testKeys(t testing.TB, first byte, older ...byte) *Keys {
	t.Helper()
	var old [][]byte
	for _, b := range older {
		old = append(old, bytes.Repeat([]byte{b}, keySize))
	}
	keys, err := NewKeys(bytes.Repeat([]byte{first}, keySize), old...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func (s *scene) newFlow(purpose, wiki, origin string) *Flow {
	s.t.Helper()
	f, err := New(Config{purpose, wiki, origin, s.keys, func(*http.Request) []string {
		if s.client == "" {
			return nil
		}
		return []string{s.client, "its network"}
	}, s.nonces})
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

// start goes through the wiki's first address and returns the hand-off and the
// browser's cookie.
func (s *scene) start(f *Flow, cookie string) (handOff, cookieAfter string) {
	s.t.Helper()
	r := httptest.NewRequest("GET", f.Wiki()+"/.privacy/go?tool="+s.act.Subject, nil)
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	h := http.Header{}
	handOff, err := f.Start(h, r, s.act.Subject)
	if err != nil {
		s.t.Fatal(err)
	}
	// A browser that enforces prefixes keeps the first and drops the probe.
	cookieAfter, _, _ = strings.Cut(h["Set-Cookie"][0], ";")
	return handOff, cookieAfter
}

// pageRequest is what a browser sends when it follows the redirect.
func pageRequest(f *Flow, handOff, cookie string) *http.Request {
	r := httptest.NewRequest("GET", f.origin+"/tool?"+HandOffParam+"="+handOff, nil)
	r.Header.Set("Sec-Fetch-Site", "same-site")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Header.Set("Sec-Fetch-User", "?1")
	setCookie(f, r, cookie)
	return r
}

// formRequest is what a browser sends when the page's form is sent.
func formRequest(f *Flow, body, cookie string) *http.Request {
	r := httptest.NewRequest("POST", f.origin+"/tool", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", f.origin)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Header.Set("Sec-Fetch-User", "?1")
	setCookie(f, r, cookie)
	return r
}

// setCookie sends the wiki host's cookie where a browser would.
func setCookie(f *Flow, r *http.Request, cookie string) {
	if f.shared && cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
}

func commitRequest(f *Flow, ticket, cookie string) *http.Request {
	r := httptest.NewRequest("GET", f.Wiki()+"/.privacy/commit?"+TicketParam+"="+ticket, nil)
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	return r
}

// ask goes as far as the page that asks.
func (s *scene) ask(f *Flow) (c Challenge, cookie string) {
	s.t.Helper()
	handOff, cookie := s.start(f, "")
	return s.askAgain(f, handOff, cookie), cookie
}

func (s *scene) askAgain(f *Flow, handOff, cookie string) Challenge {
	s.t.Helper()
	h, err := f.OpenPage(pageRequest(f, handOff, cookie), true)
	if err != nil {
		s.t.Fatalf("opening the page: %v", err)
	}
	if h.Subject() != s.act.Subject {
		s.t.Fatalf("the page is about %q, want %q", h.Subject(), s.act.Subject)
	}
	c, err := f.Ask(h, s.act.Action, s.act.Binding)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// answer sends the form.
func (s *scene) answer(f *Flow, c Challenge, cookie string) (Confirmation, error) {
	r := formRequest(f, url.Values{TokenField: {c.Token}, CodeField: {c.Code}}.Encode(), cookie)
	form, err := f.ReadForm(r, true)
	if err != nil {
		return Confirmation{}, err
	}
	return f.Redeem(r, form, s.act)
}

// confirm goes as far as the ticket.
func (s *scene) confirm(f *Flow) (ticket, cookie string) {
	s.t.Helper()
	c, cookie := s.ask(f)
	time.Sleep(5 * time.Second)
	confirmed, err := s.answer(f, c, cookie)
	if err != nil {
		s.t.Fatalf("answering: %v", err)
	}
	return f.Ticket(confirmed), cookie
}

// wantRefusal fails unless err is the refusal wanted; nil wants none.
func wantRefusal(t *testing.T, err error, want *refusal.Refusal) {
	t.Helper()
	switch {
	case want == nil && err != nil:
		t.Errorf("refused: %v, want no refusal", err)
	case want != nil && !errors.Is(err, want):
		t.Errorf("got %v, want the refusal %q", err, want.Reason)
	}
}

func otherCode(code string) string {
	if code == "00000" {
		return "00001"
	}
	return "00000"
}
