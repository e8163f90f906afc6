//go:build integration

package integration

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// tool is a server of data for the wiki's gadgets, that keeps the requests it saw.
type tool struct {
	url string

	mu       sync.Mutex
	requests []*http.Request
}

// declaration is the tool's entry on the noticeboard.
func (s *tool) declaration(name string) string {
	return "tool " + name + " " + s.url + " {\nkinds data img style\nallow_loopback\n}\n"
}

// startTool serves a tool until the test ends.
func startTool(t *testing.T, handler http.HandlerFunc) *tool {
	t.Helper()
	s := new(tool)
	s.url = serveOn(t, "127.0.0.2", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r.Clone(t.Context()))
		s.mu.Unlock()
		handler(w, r)
	})).URL
	return s
}

func (s *tool) seen() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.requests...)
}

// TestGadgetFetchesFromTool has a gadget of the real wiki fetch from a declared tool, in
// the browser of a reader who is logged in.
func TestGadgetFetchesFromTool(t *testing.T) {
	weather := startTool(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"sky": "clear"}`))
	})
	s := setScene(t, fronts[0], edgeConfig{app: weather.declaration("weather"), site: clientMask + "csp\nanonproxy\n"}, "")
	s.visitAdmin(t, sysop).save(t, "MediaWiki:Common.js",
		`fetch('/.tools/weather/now.json?place=Oslo')
		.then(function (r) { return r.json(); }).then(function (w) { window.weather = w.sky; });`)

	b := startBrowser(t)
	b.open(t, s.url+"/index.php?title=Special:UserLogin")
	b.do(t, fillIn("wpName1", adminName), fillIn("wpPassword1", adminPassword), click("#wpLoginAttempt"))
	b.waitFor(t, `window.weather === 'clear' && document.querySelector('#pt-logout')`)

	seen := weather.seen()
	if len(seen) == 0 || seen[0].URL.RequestURI() != "/now.json?place=Oslo" {
		t.Fatalf("the tool saw %v", seen)
	}
	for _, r := range seen {
		head, _ := json.Marshal(r.Header)
		for _, word := range []string{"cookie", "referer", "origin", "authorization", "accept-language", "sec-", "forwarded", "mozilla", "chrome",
			"client-mask", "2001:2", wikiHost} {
			if strings.Contains(strings.ToLower(string(head)), word) {
				t.Errorf("the tool saw %q: %s", word, head)
			}
		}
	}
	if violations, failures := b.take(); len(violations)+len(failures) > 0 {
		t.Errorf("violations %+v, failures %q", violations, failures)
	}
}
