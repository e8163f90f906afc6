package anonproxy

import (
	"cmp"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func TestPaths(t *testing.T) {
	got := make(chan string, 1)
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.RequestURI
		tooltest.Answers("application/json", "{}")(w, r)
	})
	e := newEdge(t, Config{}, tool("maps", b.URL))
	for _, tc := range []struct {
		name, path string // after /.tools/maps
		sent       string // where it isn't the path
		status     int
		reason     string
	}{
		{name: "root", path: "/"},
		{name: "plain", path: "/a/b.json"},
		{name: "slash at the end", path: "/a/"},
		{name: "query", path: "/a?b=c&d=%2E%2E", sent: "/a?b=c&d=.."},
		{name: "slashes in the query", path: "/a?b=%2F&e=//../%00&f=a|b"},
		{name: "empty query", path: "/a?"},
		{name: "second question mark", path: "/a?b?c"},
		{name: "escapes", path: "/%C3%A9%20%2B%25%3F%23"},
		// Case 62: readers' browsers differ in these.
		{name: "small escapes", path: "/%c3%a9%3f?v=%c3%2b", sent: "/%C3%A9%3F?v=%C3%2B"},
		{name: "escapes of plain letters", path: "/%61%7e?%7E%5f%2d%30", sent: "/a~?~_-0"},
		{name: "broken escapes in the query", path: "/a?%%37e%c3%", sent: "/a?%%37e%C3%"},
		// Case 24.
		{name: "escaped slash", path: "/page/summary/AC%2FDC"},
		{name: "small escaped slash", path: "/page/summary/AC%2fDC", sent: "/page/summary/AC%2FDC"},
		{name: "ARK", path: "/iiif/2/ark:%2F12148%2Fx/full/max/0/default.jpg"},
		{name: "escaped slash after an escape", path: "/%25%2F"},
		// Case 40.
		{name: "address as a segment", path: "/citation/mediawiki/https%3A%2F%2Fexample.org%2Fa%2Eb", sent: "/citation/mediawiki/https%3A%2F%2Fexample.org%2Fa.b"},
		// Case 28.
		{name: "bytes that Go would escape", path: "/a|b(c)!'*"},
		{name: "the same with escapes", path: "/a|b(c)%2F^%20[d]?(e)|%20'", sent: "/a|b(c)%2F^%20[d]?(e)|%20'"},
		{name: "reserved", path: "/a!$&'()*+,;=:@b~c"},
		{name: "dots within", path: "/a..b/...c/.d/e."},
		{name: "twice escaped", path: "/a%252Fb%252e"},
		{name: "longest", path: "/" + strings.Repeat("a", maxURL-1)},
		{name: "raw UTF-8", path: "/é", status: 400, reason: "a byte that isn't allowed"},
		{name: "no slash", path: "", status: 404, reason: "a slash must follow"},
		{name: "no slash, query", path: "?a", status: 404, reason: "a slash must follow"},
		{name: "too long a path", path: "/" + strings.Repeat("a", maxURL), status: 414, reason: "too long"},
		{name: "too long a query", path: "/?" + strings.Repeat("a", maxURL), status: 414, reason: "too long"},
		{name: "parent", path: "/../x", status: 400, reason: "dot segment"},
		{name: "parent at the end", path: "/a/..", status: 400, reason: "dot segment"},
		{name: "self", path: "/./x", status: 400, reason: "dot segment"},
		{name: "escaped parent", path: "/%2e%2e/x", status: 400, reason: "dot segment"},
		{name: "half-escaped parent", path: "/.%2E/x", status: 400, reason: "dot segment"},
		{name: "escaped self", path: "/%2e/x", status: 400, reason: "dot segment"},
		{name: "parent, twice escaped", path: "/%252e%252e/x", status: 400, reason: "dot segment"},
		{name: "parent, thrice escaped", path: "/%25252e./x", status: 400, reason: "dot segment"},
		{name: "parent and escaped slash", path: "/a/..%2Fx", status: 400, reason: "dot segment"},
		{name: "parent between escaped slashes", path: "/a%2F%2E%2e%2fx", status: 400, reason: "dot segment"},
		{name: "parent and slash, twice escaped", path: "/a%252F..%252Fx", status: 400, reason: "dot segment"},
		{name: "parent and backslash, twice escaped", path: "/a%255C..%255Cx", status: 400, reason: "dot segment"},
		{name: "parent in an address", path: "/citation/https%3A%2F%2Fexample.org%2F..%2Fa", status: 400, reason: "dot segment"},
		{name: "three dots", path: "/.../x", status: 400, reason: "dot segment"},
		{name: "parent with a blank", path: "/..%20/x", status: 400, reason: "dot segment"},
		{name: "overlong parent", path: "/%c0%ae%c0%ae%c0%afx", status: 400, reason: "dot segment"},
		{name: "full-width parent", path: "/%EF%BC%8E%EF%BC%8E/x", status: 400, reason: "dot segment"},
		{name: "parent with parameters", path: "/..;/x", status: 400, reason: "dot segment"},
		{name: "parent with escaped parameters", path: "/..%3Ba/x", status: 400, reason: "dot segment"},
		{name: "escaped backslash", path: "/a%5cb", status: 400, reason: "control byte or a backslash"},
		{name: "backslash", path: `/a\b`, status: 400, reason: "a byte that isn't allowed"},
		{name: "network path", path: "//evil.example.org/x", status: 400, reason: "empty segment"},
		{name: "escaped network path", path: "/%2Fevil.example.org/x", status: 400, reason: "empty segment"},
		{name: "empty segment", path: "/a//b", status: 400, reason: "empty segment"},
		{name: "two slashes at the end", path: "/a//", status: 400, reason: "empty segment"},
		{name: "escaped NUL", path: "/a%00", status: 400, reason: "control byte"},
		{name: "escaped line break", path: "/a%0d%0aHost:%20x", status: 400, reason: "control byte"},
		{name: "escaped DEL", path: "/%7F", status: 400, reason: "control byte"},
		{name: "fragment", path: "/a#b", status: 400, reason: "a byte that isn't allowed"},
		{name: "fragment in the query", path: "/a?b#c", status: 400, reason: "query holds a byte"},
		{name: "raw UTF-8 in the query", path: "/a?é", status: 400, reason: "query holds a byte"},
		{name: "tab in the query", path: "/a?\t", status: 400, reason: ""},
		{name: "broken escape", path: "/a%2", status: 400, reason: ""},
		{name: "broken escape", path: "/a%zz", status: 400, reason: ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			hits := b.hits.Load()
			a := e.raw(t, "GET /.tools/maps"+tc.path+" HTTP/1.1\r\nHost: wiki\r\n"+
				"Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\n\r\n")
			if tc.status == 0 {
				if a.status != 200 {
					t.Fatalf("got %d %s", a.status, a.body)
				}
				want := cmp.Or(tc.sent, tc.path)
				if uri := <-got; uri != want {
					t.Errorf("the tool got %q, want %q", uri, want)
				}
				return
			}
			if tc.reason == "" { // refused by net/http before it reaches us
				if a.status != tc.status {
					t.Errorf("got %d %s", a.status, a.body)
				}
			} else {
				wantRefusal(t, a, tc.status, tc.reason)
			}
			if b.hits.Load() != hits {
				t.Error("the tool was asked")
			}
		})
	}
	t.Run("escaped prefix", func(t *testing.T) {
		a := e.raw(t, "GET /%2etools/maps/x HTTP/1.1\r\nHost: wiki\r\n\r\n")
		wantRefusal(t, a, 400, "own path must not be escaped")
	})
}

func TestQueryOverHTTP2(t *testing.T) {
	// HTTP/2 can carry a space in :path, which would split an HTTP/1 request line.
	u := &url.URL{Path: "/.tools/maps/x", RawQuery: "a HTTP/1.1\r\nX: y"}
	if _, refused := splitTarget(noticeboard.DefaultPrefix, u); refused == nil || refused.Error() != "the query holds a byte that isn't allowed in it" {
		t.Errorf("got %v", refused)
	}
}

func TestPathWithoutSlash(t *testing.T) {
	e := newEdge(t, Config{}, tool("maps", "http://127.0.0.1:9"))
	if a := e.do(t, "GET", "/.tools", ""); a.status != 308 || a.header.Get("Location") != "/.tools/" {
		t.Errorf("got %d to %q", a.status, a.header.Get("Location"))
	}
}

func FuzzSplitTarget(f *testing.F) {
	for _, seed := range []string{
		"/.tools/maps/a%20b/c?q=%2F&r", "/.tools/maps/%2e%2e/x", "/.tools/maps//evil", "/.tools/maps/..%3b/", "/.tools/m%61ps/",
		"/%2etools/maps/x", "/.tools/maps", "/.tools/", `/.tools/maps/a\b`, "/.tools/maps/a#b?c", "/.tools/maps/%5C%00%7f%0a",
		"//.tools/maps/x", "/.tools/maps/é?é", "http://wiki/.tools/maps/x", "/.tools/maps/a?b c", "*",
		"/.tools/maps/AC%2fDC", "/.tools/maps/a|b(c)%7e?%%37e%c3%", "/.tools/maps/%252e%252e%255c", "/.tools/maps/%c0%ae%EF%BC%8E",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		u, err := url.ParseRequestURI(uri)
		if err != nil {
			return
		}
		got, refused := splitTarget(noticeboard.DefaultPrefix, u)
		if refused != nil {
			if refused.Status < 400 || refused.Status > 499 || refused.Error() == "" {
				t.Fatalf("refused with %d %q", refused.Status, refused.Error())
			}
			return
		}
		// What goes out must be one well-formed request line that means the same
		// path to a server that cleans it and to one that doesn't.
		sent := spelledURL("https", "tool.example.org", got).RequestURI()
		if strings.ContainsAny(sent, " \t\r\n#\\\x00") || !strings.HasPrefix(sent, "/") || strings.HasPrefix(sent, "//") {
			t.Fatalf("%q would send %q", uri, sent)
		}
		again, err := url.ParseRequestURI(sent)
		if err != nil || again.Path != got.path || again.RawQuery != got.rawQuery {
			t.Fatalf("%q would send %q, which reads as %+v, %v", uri, sent, again, err)
		}
		if clean := path.Clean(got.escaped); clean != strings.TrimSuffix(got.escaped, "/") && got.escaped != "/" {
			t.Fatalf("%q has path %q, which cleans to %q", uri, got.escaped, clean)
		}
		for _, segment := range strings.Split(got.path, "/") {
			if segment == "." || segment == ".." {
				t.Fatalf("%q has path %q", uri, got.path)
			}
		}
		if twice, refused := splitTarget("/", &url.URL{Path: "/maps" + got.path, RawPath: "/maps" + got.escaped, RawQuery: got.rawQuery}); refused != nil ||
			twice.escaped != got.escaped || twice.rawQuery != got.rawQuery {
			t.Fatalf("%q would send %+v, which would be sent on as %+v, %v", uri, got, twice, refused)
		}
		r, err := http.NewRequest("GET", "https://tool.example.org"+sent, nil)
		if err != nil || r.URL.Host != "tool.example.org" {
			t.Fatalf("%q would go to %v, %v", uri, r, err)
		}
		_ = r.Write(io.Discard)
	})
}
