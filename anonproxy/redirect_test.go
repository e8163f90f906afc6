package anonproxy

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
)

func TestRedirects(t *testing.T) {
	victim := newBackend(t, tooltest.Answers("application/json", `"victim"`))
	friend := newBackend(t, tooltest.Answers("application/json", `"friend"`))
	var location []string
	status := http.StatusFound
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		var n int
		switch _, err := fmt.Sscanf(r.URL.Path, "/again/%d", &n); {
		case r.URL.Path == "/end":
			tooltest.Answers("application/json", `"end `+r.URL.RawQuery+`"`)(w, r)
		case strings.HasPrefix(r.URL.Path, "/at/"):
			tooltest.Answers("application/json", `"at `+r.RequestURI+`"`)(w, r)
		case err == nil && n > 0:
			http.Redirect(w, r, fmt.Sprintf("/again/%d", n-1), status)
		case err == nil:
			http.Redirect(w, r, "/end", status)
		default:
			w.Header()["Location"] = location
			w.WriteHeader(status)
		}
	})
	port := strings.TrimPrefix(b.URL, "http://127.0.0.1")
	declared := tool("maps", b.URL)
	declared.Hosts = []string{strings.TrimPrefix(friend.URL, "http://")}
	e := newEdge(t, Config{}, declared)
	for _, tc := range []struct {
		name, path string
		location   []string
		status     int
		body       string
		reason     string
	}{
		{name: "relative", location: []string{"end?a%20b"}, body: `"end a%20b"`},
		{name: "absolute", location: []string{b.URL + "/end"}, body: `"end "`},
		{name: "network path", location: []string{"//127.0.0.1" + port + "/end"}, body: `"end "`},
		{name: "capitals", location: []string{"HTTP://127.0.0.1" + port + "/end#x"}, body: `"end "`},
		{name: "declared host", location: []string{friend.URL + "/x"}, body: `"friend"`},
		{name: "moved for good", location: []string{"/end"}, status: 301, body: `"end "`},
		{name: "see other", location: []string{"/end"}, status: 303, body: `"end "`},
		{name: "temporary", location: []string{"/end"}, status: 307, body: `"end "`},
		{name: "permanent", location: []string{"/end"}, status: 308, body: `"end "`},
		{name: "three", path: "/again/2", body: `"end "`},
		{name: "four", path: "/again/3", reason: "redirects too often"},
		{name: "loop", location: []string{"/x"}, reason: "redirects too often"},
		{name: "another host", location: []string{victim.URL + "/x"}, reason: "a host that isn't declared"},
		{name: "another port", location: []string{"http://127.0.0.1:1/x"}, reason: "a host that isn't declared"},
		{name: "another loopback address", location: []string{"http://127.0.0.2" + port + "/end"}, reason: "a host that isn't declared"},
		{name: "another name for it", location: []string{"http://localhost" + port + "/end"}, reason: "a host that isn't declared"},
		{name: "another spelling", location: []string{"http://127.1" + port + "/end"}, reason: "a host that isn't declared"},
		{name: "decimal", location: []string{"http://2130706433" + port + "/end"}, reason: "a host that isn't declared"},
		{name: "trailing dot", location: []string{"http://127.0.0.1." + port + "/end"}, reason: "a host that isn't declared"},
		{name: "mapped", location: []string{"http://[::ffff:127.0.0.1]" + port + "/end"}, reason: "a host that isn't declared"},
		{name: "metadata", location: []string{"http://169.254.169.254/latest/"}, reason: "a host that isn't declared"},
		{name: "user name", location: []string{"http://127.0.0.1" + port + "@" + strings.TrimPrefix(victim.URL, "http://") + "/"}, reason: "with a user name"},
		{name: "user name of its own", location: []string{"http://a@127.0.0.1" + port + "/end"}, reason: "with a user name"},
		{name: "https", location: []string{strings.Replace(victim.URL, "http", "https", 1)}, reason: "another scheme"},
		{name: "file", location: []string{"file:///etc/passwd"}, reason: "another scheme"},
		{name: "data", location: []string{"data:text/html,x"}, reason: "malformed address"},
		{name: "script", location: []string{"javascript:alert(1)"}, reason: "malformed address"},
		{name: "broken", location: []string{"http://[::1"}, reason: "malformed address"},
		// Case 25.
		{name: "space in the query", location: []string{"/end?a HTTP/1.1"}, body: `"end a%20HTTP/1.1"`},
		{name: "raw UTF-8 in the query", location: []string{"end?q=Zürich \"a\" <b>'{|}^~%c3"}, body: `"end q=Z%C3%BCrich%20%22a%22%20%3Cb%3E%27{|}^~%c3"`},
		{name: "raw Latin-1 in the query", location: []string{"/end?q=Z\xfcrich"}, body: `"end q=Z%FCrich"`},
		{name: "raw UTF-8 and blanks in the path", location: []string{b.URL + "/at/é ü/{a|b(c)}%c3^"}, body: `"at /at/%C3%A9%20%C3%BC/%7Ba|b(c)%7D%c3%5E"`},
		{name: "blanks around", location: []string{" \t" + b.URL + "/end#é "}, body: `"end "`},
		{name: "backslashes", location: []string{`\end`}, body: `"end "`},
		{name: "dots", location: []string{"./a/../end?"}, body: `"end "`},
		{name: "dots at the end", location: []string{"/at/a/b/.."}, body: `"at /at/a/"`},
		{name: "backslashes to elsewhere", location: []string{`\\evil.example/end`}, reason: "a host that isn't declared"},
		{name: "escaped dots", location: []string{"/a/%2e%2e/end"}, reason: "dot segment"},
		{name: "dots and an escaped slash", location: []string{"/a/..%2Fend"}, reason: "dot segment"},
		{name: "broken escape", location: []string{"/end%"}, reason: "malformed or overlong"},
		{name: "long", location: []string{"/end?" + strings.Repeat("a", maxURL)}, reason: "malformed or overlong"},
		{name: "none", reason: "to nowhere"},
		{name: "two", location: []string{"/end", victim.URL}, reason: "two places"},
		{name: "not one that is followed", location: []string{"/end"}, status: 305, reason: "a status that isn't passed on"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			location, status = tc.location, max(tc.status, http.StatusFound)
			if tc.status == 301 {
				status = tc.status
			}
			path := tc.path
			if path == "" {
				path = "/x"
			}
			for _, method := range []string{"GET", "HEAD"} {
				a := e.do(t, method, "/.tools/maps"+path, "empty")
				switch {
				case tc.body != "" && (a.status != 200 || method == "GET" && a.body != tc.body):
					t.Errorf("%s got %d %q, want %q", method, a.status, a.body, tc.body)
				case tc.body == "" && method == "GET":
					wantRefusal(t, a, 502, tc.reason)
				case tc.body == "" && a.status != 502:
					t.Errorf("%s got %d", method, a.status)
				}
				if len(a.header["Location"]) > 0 {
					t.Errorf("the reader got Location %q", a.header["Location"])
				}
			}
		})
	}
	if victim.hits.Load() != 0 || victim.conns.Load() != 0 {
		t.Errorf("the undeclared host got %d requests over %d connections", victim.hits.Load(), victim.conns.Load())
	}
	if friend.hits.Load() != 2 {
		t.Errorf("the declared host got %d requests, want 2", friend.hits.Load())
	}
	if got := e.observed(t, 1); !slices.Contains(got, "maps "+outcomes.RefusedResponse) {
		t.Errorf("observed %q", got)
	}
}

// A browser keeps what came by redirects no longer than each of them, with a cache or without.
func TestLifetimeOverRedirects(t *testing.T) {
	withAndWithoutCache(t, func(t *testing.T, cfg Config) {
		b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/page" {
				w.Header().Set("Cache-Control", "max-age=600")
				tooltest.Answers("text/plain", "x")(w, r)
				return
			}
			if control := r.URL.Query().Get("control"); control != "" {
				w.Header().Set("Cache-Control", control)
			}
			w.Header().Set("Location", "/page")
			w.WriteHeader(map[string]int{"/302": 302, "/301": 301}[r.URL.Path])
		})
		e := newEdge(t, cfg, tool("maps", b.URL))
		for path, kept := range map[string]bool{
			"302": false, "302?control=no-store": false, "302?control=private": false, "302?control=max-age=60": true, "301?control=no-store": false, "301": true,
		} {
			a := e.do(t, "GET", "/.tools/maps/"+path, "empty")
			if got := a.header.Get("Cache-Control"); a.body != "x" || strings.Contains(got, "max-age") != kept {
				t.Errorf("%s: %q for %q", path, got, a.body)
			}
			if strings.Contains(path, "=60") && !strings.Contains(a.header.Get("Cache-Control"), "max-age=60") {
				t.Errorf("%s: %q", path, a.header.Get("Cache-Control"))
			}
		}
	})
}

// Case 25: the letters of a host name are written as they are declared.
func TestCase25RedirectToForeignLetters(t *testing.T) {
	up := &upstream{origin: &url.URL{Scheme: "https", Host: "tool.example"}, origins: map[string]bool{"https://xn--bcher-kva.example": true, "https://xn--bcher-kva.example:8443": true}}
	from := &url.URL{Scheme: "https", Host: "tool.example", Path: "/x"}
	for location, want := range map[string]string{
		"https://b\u00fccher.example/\u00fc": "https://xn--bcher-kva.example/%C3%BC",
		"//B\u00dcCHER.example:443/a":        "https://xn--bcher-kva.example/a",
		"https://b\u00fccher.example:8443":   "https://xn--bcher-kva.example:8443/",
		"https://b\u00fccher.example:444/a":  "",
		"https://b\u00fcche.example/a":       "",
		"https://\uff11\uff12\uff17.1/a":     "",
		"https://b\xfccher.example/a":        "",
	} {
		to, refused := up.follow(from, []string{location})
		switch {
		case want == "" && refused == nil:
			t.Errorf("%q leads to %s", location, to)
		case want != "" && (refused != nil || to.String() != want):
			t.Errorf("%q leads to %v, %v", location, to, refused)
		}
	}
}
