package demo

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

const (
	mask        = "2001:2f:1234:5678:9abc:def0:1234:5678"
	network     = "2001:2e:1234:5678:9abc:def0:1234:5678"
	realAddress = "192.0.2.55"
)

func newWiki(t *testing.T) *Wiki {
	t.Helper()
	wiki, err := NewWiki(new(Notes), "http://127.0.0.1:8082", "demo")
	if err != nil {
		t.Fatal(err)
	}
	return wiki
}

// visit sends a request as the edge on this machine would, or as peer itself
// where forwarded is empty.
func visit(h http.Handler, method, target, peer, forwarded string, body io.Reader) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://localhost:8080"+target, body)
	r.RemoteAddr = peer
	if forwarded != "" {
		r.Header.Set("X-Forwarded-For", forwarded)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestNewWikiRefuses(t *testing.T) {
	for name, test := range map[string]struct{ thirdParty, tool string }{
		"no origin":        {"", "demo"},
		"a path":           {"http://127.0.0.1:8082/x", "demo"},
		"a trailing slash": {"http://127.0.0.1:8082/", "demo"},
		"a user":           {"http://me@127.0.0.1", "demo"},
		"another scheme":   {"javascript://x", "demo"},
		"no host":          {"http:", "demo"},
		"no tool":          {"http://127.0.0.1:8082", ""},
		"a tool with path": {"http://127.0.0.1:8082", "a/b"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := NewWiki(new(Notes), test.thirdParty, test.tool); err == nil {
				t.Error("taken")
			}
		})
	}
}

func TestSeenAddress(t *testing.T) {
	for name, test := range map[string]struct {
		peer, forwarded  string
		address          string
		masked, viaProxy bool
		networks         []string
	}{
		"by the edge":               {"127.0.0.1:9", mask, mask, true, true, nil},
		"with network masks":        {"127.0.0.1:9", network + ", " + mask, mask, true, true, []string{network}},
		"by a proxy without masks":  {"[::1]:9", realAddress, realAddress, false, true, nil},
		"mapped":                    {"127.0.0.1:9", "::ffff:" + realAddress, realAddress, false, true, nil},
		"around the edge":           {realAddress + ":9", "", realAddress, false, false, nil},
		"a stranger makes it up":    {realAddress + ":9", mask, realAddress, false, false, nil},
		"nonsense from the proxy":   {"127.0.0.1:9", "unknown", "127.0.0.1", false, false, nil},
		"a documentation address":   {"127.0.0.1:9", "2001:db8::1", "2001:db8::1", false, true, nil},
		"no address at all":         {"@", "", "@", false, false, nil},
		"the first after the masks": {"127.0.0.1:9", "2001:30::1", "2001:30::1", false, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := visit(newWiki(t), "GET", "/request", test.peer, test.forwarded, nil)
			var seen Seen
			if err := json.Unmarshal(w.Body.Bytes(), &seen); err != nil {
				t.Fatal(err)
			}
			if seen.Address != test.address || seen.Masked != test.masked || seen.Forwarded != test.viaProxy || !slices.Equal(seen.Networks, test.networks) {
				t.Errorf("got %+v, want %+v", seen, test)
			}
		})
	}
}

func TestPageTells(t *testing.T) {
	for name, test := range map[string]struct {
		peer, forwarded string
		has, lacks      []string
	}{
		"a mask": {"127.0.0.1:9", network + ", " + mask,
			[]string{mask, network, "Your real address never reached it", "None holds your address", "X-Forwarded-For"},
			[]string{"This is a real address"}},
		"no edge": {realAddress + ":9", "",
			[]string{realAddress, "This is a real address", "without passing the edge"},
			[]string{"never reached it", "None holds your address"}},
		"an edge that masks nothing": {"127.0.0.1:9", realAddress,
			[]string{realAddress, "This is a real address", "handed it on"},
			[]string{"never reached it", "None holds your address"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := visit(newWiki(t), "GET", "/", test.peer, test.forwarded, nil)
			body := w.Body.String()
			for _, part := range test.has {
				if !strings.Contains(body, part) {
					t.Errorf("page lacks %q", part)
				}
			}
			for _, part := range test.lacks {
				if strings.Contains(body, part) {
					t.Errorf("page has %q", part)
				}
			}
			if got := w.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("got Cache-Control %q for a page about one reader", got)
			}
		})
	}
}

// The page must work under a policy without inline scripts and styles.
func TestPageHasNothingInline(t *testing.T) {
	body := visit(newWiki(t), "GET", "/", "127.0.0.1:9", mask, nil).Body.String()
	for _, part := range []string{"<style", " style=", " onclick=", " onload=", " onerror=", "javascript:"} {
		if strings.Contains(body, part) {
			t.Errorf("page has %q", part)
		}
	}
	if got := strings.Count(body, "<script"); got != 1 || !strings.Contains(body, `<script src="/demo.js" defer></script>`) {
		t.Errorf("page has %d scripts, want demo.js alone", got)
	}
}

func TestHeadersAreEscaped(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("User-Agent", `"><script>alert(1)</script>`)
	w := httptest.NewRecorder()
	newWiki(t).ServeHTTP(w, r)
	if strings.Contains(w.Body.String(), "<script>alert") {
		t.Error("a header's value became markup")
	}
}

func TestNoteIsAttributedToTheMask(t *testing.T) {
	wiki := newWiki(t)
	w := visit(wiki, "POST", "/note", "127.0.0.1:9", mask, strings.NewReader(url.Values{"text": {"<b>hello</b>\r\nworld"}}.Encode()))
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/#notes" {
		t.Fatalf("got %d to %q, want 303 to /#notes", w.Code, w.Header().Get("Location"))
	}
	notes := wiki.notes.List()
	if len(notes) != 1 || notes[0].Author != mask || notes[0].Text != "<b>hello</b> world" {
		t.Fatalf("got %+v", notes)
	}
	body := visit(wiki, "GET", "/", "127.0.0.1:9", "2001:2f::1", nil).Body.String()
	if !strings.Contains(body, "<code>"+mask+"</code>") || !strings.Contains(body, "&lt;b&gt;hello&lt;/b&gt; world") {
		t.Error("another reader sees no such note")
	}
}

func TestNoteRefused(t *testing.T) {
	for name, test := range map[string]struct {
		body   string
		status int
		reason string
	}{
		"empty":          {"text=", 400, ErrEmpty.Error()},
		"spaces":         {"text=+%0a%09+", 400, ErrEmpty.Error()},
		"missing":        {"", 400, ErrEmpty.Error()},
		"too long":       {"text=" + strings.Repeat("ä", maxNote+1), 400, ErrTooLong.Error()},
		"not UTF-8":      {"text=%ff%fe", 400, ErrNoText.Error()},
		"broken escapes": {"text=%zz", 400, "damaged"},
		"a huge form":    {"text=" + strings.Repeat("a", 9<<10), 400, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			wiki := newWiki(t)
			w := visit(wiki, "POST", "/note", "127.0.0.1:9", mask, strings.NewReader(test.body))
			if w.Code != test.status || !strings.Contains(w.Body.String(), test.reason) {
				t.Errorf("got %d, want %d with %q", w.Code, test.status, test.reason)
			}
			if notes := wiki.notes.List(); len(notes) > 0 {
				t.Errorf("kept %+v", notes)
			}
		})
	}
}

func TestForeignPageCannotPublish(t *testing.T) {
	wiki := newWiki(t)
	r := httptest.NewRequest("POST", "http://localhost:8080/note", strings.NewReader("text=spam"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	w := httptest.NewRecorder()
	wiki.ServeHTTP(w, r)
	if w.Code != http.StatusForbidden || len(wiki.notes.List()) > 0 {
		t.Errorf("got %d and notes %v, want 403 and none", w.Code, wiki.notes.List())
	}
}
