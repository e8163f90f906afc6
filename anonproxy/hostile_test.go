package anonproxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// rawGet returns all bytes of the edge's answer, whatever they are.
func (e *edge) rawGet(t testing.TB, path string) string {
	t.Helper()
	conn, err := net.Dial("tcp", e.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: wiki\r\nTE: trailers\r\nConnection: close\r\n\r\n")
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

func TestInterimResponses(t *testing.T) {
	const last = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
	for _, tc := range []struct{ name, interim string }{
		{"100", "HTTP/1.1 100 Continue\r\nX-Tool: a\r\n\r\n"},
		{"102", "HTTP/1.1 102 Processing\r\nX-Tool: a\r\n\r\n"},
		{"103 with links", "HTTP/1.1 103 Early Hints\r\nLink: </evil.js>; rel=preload; as=script\r\nLink: <https://evil.example>; rel=preconnect\r\n\r\n"},
		{"103 with a policy", "HTTP/1.1 103 Early Hints\r\nContent-Security-Policy: default-src *\r\n\r\n"},
		{"an unheard-of one", "HTTP/1.1 199 What\r\nSet-Cookie: a=b\r\n\r\n"},
		{"several", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </evil.js>; rel=preload; as=script\r\n\r\n", 5)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEdge(t, Config{}, tool("maps", says(t, tc.interim+last)))
			got := e.rawGet(t, "/.tools/maps/x")
			if !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || strings.Count(got, "HTTP/1.1") != 1 || !strings.HasSuffix(got, "{}") {
				t.Errorf("the reader got %q, want the final answer alone", got)
			}
			for _, bad := range []string{"X-Tool", "Link", "evil", "Set-Cookie", "default-src *"} {
				if strings.Contains(got, bad) {
					t.Errorf("the reader got %s in %q", bad, got)
				}
			}
		})
	}
}

// TestInterimResponsesWithoutEnd: a flood of them ends by its size, not by a clock.
func TestInterimResponsesWithoutEnd(t *testing.T) {
	flood := func(conn net.Conn, interim string) {
		for {
			if _, err := io.WriteString(conn, interim); err != nil {
				return
			}
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			flood(conn, "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n")
		}
	}()
	e := newEdge(t, Config{}, tool("maps", "http://"+l.Addr().String()))
	wantRefusal(t, e.do(t, "GET", "/.tools/maps/x", "empty"), 502, "no proper answer")
	<-ended // the connection was closed
}

func TestTrailersAndInterimResponsesOverHTTP2(t *testing.T) {
	b := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Link", "</evil.js>; rel=preload; as=script")
		w.WriteHeader(http.StatusEarlyHints)
		h.Del("Link")
		h.Set("Content-Type", "application/json")
		h.Set("Trailer", "X-Announced")
		_, _ = io.WriteString(w, "{}")
		_ = http.NewResponseController(w).Flush()
		h.Set("X-Announced", "a")
		h.Set(http.TrailerPrefix+"Set-Cookie", "a=b")
	}))
	b.EnableHTTP2 = true
	b.StartTLS()
	defer b.Close()
	e := newEdge(t, Config{}, tool("maps", b.URL))
	trust(e, "maps", b.Certificate())
	got := e.rawGet(t, "/.tools/maps/x")
	if strings.Count(got, "HTTP/1.1") != 1 || !strings.Contains(got, "{}") {
		t.Errorf("the reader got %q", got)
	}
	for _, bad := range []string{"Link", "Trailer", "X-Announced", "Set-Cookie"} {
		if strings.Contains(got, bad) {
			t.Errorf("the reader got %s in %q", bad, got)
		}
	}
}

func TestUnannouncedTrailers(t *testing.T) {
	e := newEdge(t, Config{}, tool("maps", says(t, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"+
		"2\r\n{}\r\n0\r\nSet-Cookie: a=b\r\nContent-Type: text/html\r\nX-Tool: a\r\n\r\n")))
	got := e.rawGet(t, "/.tools/maps/x")
	if !strings.Contains(got, "{}") || strings.Contains(got, "Set-Cookie") || strings.Contains(got, "text/html") || strings.Contains(got, "X-Tool") {
		t.Errorf("the reader got %q", got)
	}
}

func TestLocationsAreFollowedOrDropped(t *testing.T) {
	const head = "Content-Type: application/json\r\nContent-Length: 2\r\nLocation: https://evil.example/\r\nContent-Location: https://evil.example/\r\nRefresh: 0; url=https://evil.example/\r\n\r\n{}"
	for _, tc := range []struct {
		status string
		code   int
	}{{"200 OK", 200}, {"201 Created", 201}, {"202 Accepted", 202}, {"404 Not Found", 404}, {"503 Later", 503}} {
		t.Run(tc.status, func(t *testing.T) {
			e := newEdge(t, Config{}, tool("maps", says(t, "HTTP/1.1 "+tc.status+"\r\n"+head)))
			a := e.do(t, "GET", "/.tools/maps/x", "empty")
			if a.status != tc.code || a.body != "{}" {
				t.Errorf("got %d %q", a.status, a.body)
			}
			for _, name := range []string{"Location", "Content-Location", "Refresh"} {
				if a.header[name] != nil {
					t.Errorf("%s came through", name)
				}
			}
			wantForced(t, a)
		})
	}
}

func TestSVGIsAnImageAlone(t *testing.T) {
	b := newBackend(t, tooltest.Answers("image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`))
	e := newEdge(t, Config{}, tool("all", b.URL, noticeboard.Kinds()...))
	a := e.do(t, "GET", "/.tools/all/x", "image")
	if a.status != 200 || a.header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("got %d %v", a.status, a.header)
	}
	wantForced(t, a)
	for _, dest := range []string{"empty", "style", "font", "video", "audio", "track"} {
		wantRefusal(t, e.do(t, "GET", "/.tools/all/x", dest), 502, "isn't allowed for this use")
	}
	hits := b.hits.Load()
	for _, dest := range []string{"document", "iframe", "frame", "embed", "object", "script", "xslt"} {
		wantRefusal(t, e.do(t, "GET", "/.tools/all/x", dest), 403, "no scripts, workers, frames or documents")
	}
	if b.hits.Load() != hits {
		t.Error("the tool was asked")
	}
}

// TestTypeTricks: what a browser could read as another type than we do.
func TestTypeTricks(t *testing.T) {
	for _, tc := range []struct{ name, contentType, want string }{
		{"two types", "image/png, text/html", ""},
		{"two types without a space", "image/png,text/html", ""},
		{"two types, a parameter first", "image/png; q=1, text/html", ""},
		{"two types by semicolon", "image/png; text/html", ""},
		{"a type in a parameter", `image/png; a="text/html"`, "image/png"},
		{"a comma in quotes", `image/png; a=", text/html"`, "image/png"},
		{"an open quote", `image/png; a="text/html`, ""},
		{"a type in a comment", "image/png (text/html)", ""},
		{"a type after NUL", "image/png\x00text/html", ""},
		{"a type after a tab", "image/png\ttext/html", ""},
		{"a vertical tab", "image/png\vtext/html", ""},
		{"spaces around the slash", "image / png", ""},
		{"capitals", "IMAGE/PNG", "image/png"},
		{"HTML in capitals", "TEXT/HTML", ""},
		{"a byte of Latin-1", "image/pn\xe7", ""},
		{"a parameter continued", "image/png; a*0=text; a*1=html", "image/png"},
		{"an encoded parameter", "image/png; a*=UTF-8''text%2Fhtml", "image/png"},
		{"a charset that hides markup", "image/svg+xml; charset=utf-7", ""},
		{"a charset in another", `image/svg+xml; charset="utf-8; charset=utf-7"`, ""},
		{"nothing", "", ""},
		{"a comma", ",image/png", ""},
		{"a comma behind", "image/png,", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			origin := says(t, "HTTP/1.1 200 OK\r\nContent-Type: "+tc.contentType+"\r\nContent-Length: 4\r\n\r\n<svg")
			e := newEdge(t, Config{}, tool("maps", origin, noticeboard.Img))
			a := e.do(t, "GET", "/.tools/maps/x", "image")
			if tc.want == "" {
				wantRefusal(t, a, 502, "")
				return
			}
			if got := a.header.Values("Content-Type"); a.status != 200 || !slices.Equal(got, []string{tc.want}) {
				t.Errorf("got %d %q", a.status, got)
			}
		})
	}
}

func TestNoOtherOriginIsLetIn(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.Header().Set("Access-Control-Allow-Private-Network", "true")
		w.Header().Set("Timing-Allow-Origin", "*")
		w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/error" {
			w.WriteHeader(404)
		}
		_, _ = io.WriteString(w, "{}")
	})
	e := newEdge(t, Config{}, tool("maps", b.URL))
	from := func(site string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Sec-Fetch-Site", site)
			r.Header.Set("Access-Control-Request-Method", "GET")
			r.Header.Set("Access-Control-Request-Headers", "x")
			r.Header.Set("Access-Control-Request-Private-Network", "true")
		}
	}
	for _, tc := range []struct {
		name, method, path, site string
		status                   int
	}{
		{"pre-flight", "OPTIONS", "/x", "cross-site", 405},
		{"pre-flight that lies", "OPTIONS", "/x", "same-origin", 405},
		{"another site", "GET", "/x", "cross-site", 403},
		{"another port", "GET", "/x", "same-site", 403},
		{"the wiki", "GET", "/x", "same-origin", 200},
		{"the wiki, an error", "GET", "/error", "same-origin", 404},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := e.do(t, tc.method, "/.tools/maps"+tc.path, "empty", from(tc.site))
			if a.status != tc.status {
				t.Errorf("got %d %q", a.status, a.body)
			}
			for name, values := range a.header {
				if strings.HasPrefix(name, "Access-Control-") || strings.HasPrefix(name, "Timing-") {
					t.Errorf("%s: %q", name, values)
				}
			}
			wantForced(t, a)
		})
	}
	if b.hits.Load() != 2 {
		t.Errorf("the tool was asked %d times, want 2", b.hits.Load())
	}
}

// TestBadRequests sends bytes as no browser does. Nothing reaches a tool.
func TestBadRequests(t *testing.T) {
	b := newBackend(t, tooltest.Answers("application/json", "{}"))
	e := newEdge(t, Config{}, tool("maps", b.URL))
	const host = " HTTP/1.1\r\nHost: wiki\r\nConnection: close\r\n"
	for _, tc := range []struct {
		name, request string
		status        int
		reason        string
	}{
		{"dot segments", "GET /.tools/maps/a/../b" + host, 400, "a dot segment"},
		{"dot segments out", "GET /.tools/maps/../../etc/passwd" + host, 400, "a dot segment"},
		{"a dot segment at the end", "GET /.tools/maps/.." + host, 400, "a dot segment"},
		{"a dot segment with a parameter", "GET /.tools/maps/..;a/b" + host, 400, "a dot segment"},
		{"escaped dots", "GET /.tools/maps/%2e%2e/b" + host, 400, "a dot segment"},
		{"dots and an escaped slash", "GET /.tools/maps/a%2f..%2fb" + host, 400, "a dot segment"},
		{"dots and a zero byte, twice escaped", "GET /.tools/maps/a/..%2500/b" + host, 400, "a dot segment"},
		{"dots and a control byte, twice escaped", "GET /.tools/maps/a/..%251F;x/b" + host, 400, "a dot segment"},
		{"dots, twice escaped", "GET /.tools/maps/%252E%252e/b" + host, 400, "a dot segment"},
		{"a backslash", `GET /.tools/maps/a\b` + host, 400, "a byte that isn't allowed"},
		{"an escaped backslash", "GET /.tools/maps/a%5cb" + host, 400, "a control byte or a backslash"},
		{"an escaped NUL", "GET /.tools/maps/a%00b" + host, 400, "a control byte or a backslash"},
		{"a NUL", "GET /.tools/maps/a\x00b" + host, 400, ""},
		{"an escaped line end", "GET /.tools/maps/a%0d%0ab" + host, 400, "a control byte or a backslash"},
		{"an empty segment", "GET /.tools/maps//evil.example/x" + host, 400, "an empty segment"},
		{"another host", "GET /.tools/maps/https://evil.example/x" + host, 400, "an empty segment"},
		{"a broken escape", "GET /.tools/maps/%zz" + host, 400, ""},
		{"half an escape", "GET /.tools/maps/%2" + host, 400, ""},
		{"a byte that isn't ASCII", "GET /.tools/maps/\xff" + host, 400, "a byte that isn't allowed"},
		{"a byte that isn't ASCII, in the query", "GET /.tools/maps/?\xff" + host, 400, "the query holds a byte"},
		{"a fragment", "GET /.tools/maps/a#b" + host, 400, ""},
		{"no slash", "GET /.tools/maps" + host, 404, "a slash must follow"},
		{"an unknown tool", "GET /.tools/unknown/x" + host, 404, "no tool of that name"},
		{"a tool's name with a dot", "GET /.tools/maps./x" + host, 404, "no tool of that name"},
		{"dots for a name", "GET /.tools/../maps/x" + host, 404, ""},
		{"an escaped prefix", "GET /%2etools/maps/x" + host, 400, "must not be escaped"},
		{"an absolute address", "GET http://evil.example/.tools/maps/../x" + host, 400, "a dot segment"},
		{"an address without a path", "GET *" + host, 400, ""},
		{"overlong", "GET /.tools/maps/" + strings.Repeat("a", maxURL) + host, 414, "too long"},
		{"overlong query", "GET /.tools/maps/?" + strings.Repeat("a", maxURL) + host, 414, "too long"},
		{"large headers", "GET /.tools/maps/x" + host + "X-Large: " + strings.Repeat("a", 1<<20+16<<10) + "\r\n", 431, ""},
		{"many headers", "GET /.tools/maps/x" + host + strings.Repeat("X-Many: a\r\n", 97_000), 431, ""},
		{"a bad range", "GET /.tools/maps/x" + host + "Range: bytes=b-a\r\n", 416, "malformed"},
		{"a range backwards", "GET /.tools/maps/x" + host + "Range: bytes=9-1\r\n", 416, "malformed"},
		{"a range without a unit", "GET /.tools/maps/x" + host + "Range: 0-1\r\n", 416, "malformed"},
		{"many ranges", "GET /.tools/maps/x" + host + "Range: bytes=" + strings.Repeat("0-1,", 100) + "b-a\r\n", 416, "malformed"},
		{"an unheard-of transfer coding", "GET /.tools/maps/x" + host + "Transfer-Encoding: gzip\r\n", 501, ""},
		{"chunks and a length", "GET /.tools/maps/x" + host + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n", 400, "must not have a body"},
		{"two lengths", "GET /.tools/maps/x" + host + "Content-Length: 5\r\nContent-Length: 6\r\n", 400, ""},
		{"a negative length", "GET /.tools/maps/x" + host + "Content-Length: -1\r\n", 400, ""},
		{"a body", "GET /.tools/maps/x" + host + "Content-Length: 2\r\n\r\n{}", 400, "must not have a body"},
		{"two hosts", "GET /.tools/maps/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400, ""},
		{"no host", "GET /.tools/maps/x HTTP/1.1\r\n", 400, ""},
		{"a header without a name", "GET /.tools/maps/x" + host + ": a\r\n", 400, ""},
		{"a space in a header's name", "GET /.tools/maps/x" + host + "X : a\r\n", 400, ""},
		{"a NUL in a header", "GET /.tools/maps/x" + host + "X: \x00\r\n", 400, ""},
		{"a worker", "GET /.tools/maps/x" + host + "Service-Worker: script\r\n", 403, "service workers"},
		{"metadata twice", "GET /.tools/maps/x" + host + "Sec-Fetch-Dest: image\r\nSec-Fetch-Dest: script\r\n", 400, "sent twice"},
		{"another method", "TRACE /.tools/maps/x" + host, 405, "isn't declared for this method"},
		{"a tunnel", "CONNECT /.tools/maps/x" + host, 405, "isn't declared for this method"},
		{"an upgrade to HTTP/2", "GET /.tools/unknown/x" + host + "Upgrade: h2c\r\nHTTP2-Settings: AAAA\r\n", 404, "no tool of that name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := e.raw(t, tc.request+"\r\n")
			if a.status != tc.status || !strings.Contains(a.body, tc.reason) || strings.TrimSpace(a.body) == "" {
				t.Errorf("got %d %q, want %d and a reason with %q", a.status, a.body, tc.status, tc.reason)
			}
		})
	}
	if b.conns.Load() != 0 {
		t.Errorf("the tool was reached by %d connections, of %d requests", b.conns.Load(), b.hits.Load())
	}
	if logs := e.logs.String(); strings.Contains(logs, "evil") {
		t.Errorf("what readers asked stands in the log: %s", logs)
	}
	if got := fmt.Sprint(e.do(t, "GET", "/.tools/maps/x", "empty").status); got != "200" {
		t.Errorf("then got %s", got)
	}
}
