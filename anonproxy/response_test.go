package anonproxy

import (
	"bufio"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// says is a tool on a bare socket that answers each request with these bytes.
func says(t testing.TB, response string) (origin string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					_, _ = io.WriteString(conn, response)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestAnswerIsBuilt(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		for _, name := range []string{
			"Set-Cookie", "Set-Cookie2", "Clear-Site-Data", "Refresh", "Link", "Content-Location", "Location", "SourceMap", "X-SourceMap",
			"Service-Worker-Allowed", "Timing-Allow-Origin", "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials",
			"Access-Control-Expose-Headers", "Alt-Svc", "NEL", "Report-To", "Reporting-Endpoints", "Strict-Transport-Security",
			"Public-Key-Pins", "Etag", "Last-Modified", "Expires", "Accept-CH", "Critical-CH", "Accept-Patch", "Server", "X-Powered-By", "Via", "Age",
			"Server-Timing", "Content-Language", "Content-MD5", "Digest", "Permissions-Policy", "Feature-Policy", "Origin-Agent-Cluster",
			"Cross-Origin-Embedder-Policy", "Cross-Origin-Opener-Policy", "Supports-Loading-Mode", "No-Vary-Search", "Speculation-Rules",
			"Document-Policy", "Use-As-Dictionary", "Attribution-Reporting-Register-Source", "Observe-Browsing-Topics", "Set-Login",
			"Sec-Session-Registration", "WWW-Authenticate", "Proxy-Authenticate", "Authentication-Info", "X-Frame-Options", "X-Made-Up",
		} {
			h.Set(name, "0")
		}
		// These the proxy sets itself; the tool's values must not win.
		h.Set("Content-Security-Policy", "default-src *")
		h.Set("Content-Security-Policy-Report-Only", "default-src *; report-uri /x")
		h.Set("X-Content-Type-Options", "sniff")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		h.Set("Referrer-Policy", "unsafe-url")
		h.Set("Content-Disposition", `inline; filename="x.html"`)
		h.Set("Vary", "User-Agent")
		h.Set("Accept-Ranges", "bytes")
		h.Set("Cache-Control", "max-age=60")
		h.Set("Content-Type", "application/json;charset=UTF-8")
		h.Set("Trailer", "Set-Cookie")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, `{"a":1}`)
		h.Set("Set-Cookie", "trailer=1")
	})
	e := newEdge(t, Config{}, tool("maps", b.URL))
	a := e.do(t, "GET", "/.tools/maps/x", "empty")
	if a.status != 200 || a.body != `{"a":1}` {
		t.Fatalf("got %d %q", a.status, a.body)
	}
	wantForced(t, a)
	if got := a.header.Get("Content-Type"); got != "application/json; charset=utf-8" {
		t.Errorf("Content-Type %q", got)
	}
	if got := a.header.Get("Cache-Control"); got != "no-store" { // for the Set-Cookie
		t.Errorf("Cache-Control %q", got)
	}
	delete(a.header, "Content-Length") // net/http adds it if the body came in one piece
	want := []string{
		"Accept-Ranges", "Cache-Control", "Content-Disposition", "Content-Security-Policy", "Content-Type",
		"Cross-Origin-Resource-Policy", "Date", "Referrer-Policy", "Vary", "X-Content-Type-Options",
	}
	if got := slices.Sorted(maps.Keys(a.header)); !slices.Equal(got, want) {
		t.Errorf("headers %q, want %q", got, want)
	}
}

func TestOneAnswerReachesTheReader(t *testing.T) {
	origin := says(t, "HTTP/1.1 103 Early Hints\r\nLink: </evil.js>; rel=preload; as=script\r\n\r\n"+
		"HTTP/1.1 102 Processing\r\nSet-Cookie: a=b\r\n\r\n"+
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTrailer: Set-Cookie\r\nTransfer-Encoding: chunked\r\n\r\n"+
		"2\r\n{}\r\n0\r\nSet-Cookie: a=b\r\n\r\n")
	e := newEdge(t, Config{}, tool("maps", origin))
	conn, err := net.Dial("tcp", e.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /.tools/maps/x HTTP/1.1\r\nHost: wiki\r\nTE: trailers\r\nConnection: close\r\n\r\n")
	all, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	got := string(all)
	if !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || strings.Count(got, "HTTP/1.1") != 1 || !strings.Contains(got, "{}") {
		t.Errorf("the reader got %q, want the final answer alone", got)
	}
	for _, bad := range []string{"Set-Cookie", "Link", "Trailer"} {
		if strings.Contains(got, bad) {
			t.Errorf("the reader got %s in %q", bad, got)
		}
	}
}

func TestSitePolicyStays(t *testing.T) {
	b := newBackend(t, tooltest.Answers("application/json", "{}"))
	e := newEdge(t, Config{}, tool("maps", b.URL))
	e.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		w.Header().Set("Vary", "Accept-Encoding")
		e.proxy.ServeHTTP(w, r)
	})
	a := e.do(t, "GET", "/.tools/maps/x", "empty")
	if got := a.header.Values("Content-Security-Policy"); !slices.Equal(got, []string{"default-src 'self'", headers.Policy}) {
		t.Errorf("policies %q", got)
	}
	if got := a.header.Values("Vary"); !slices.Equal(got, []string{"Accept-Encoding", "Sec-Fetch-Dest"}) {
		t.Errorf("Vary %q", got)
	}
}

func TestOuterHandlersMayChangeHeaders(t *testing.T) {
	b := newBackend(t, tooltest.Answers("application/json", "{}"))
	e := newEdge(t, Config{}, tool("maps", b.URL))
	var first http.Header
	e.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &changer{ResponseWriter: w}
		e.proxy.ServeHTTP(rec, r)
		first = w.Header()
	})
	e.do(t, "GET", "/.tools/maps/x", "empty")
	if first.Get("X-Content-Type-Options") != "changed" || first.Get("Content-Disposition") != "attachment" || len(first["Referrer-Policy"]) != 2 {
		t.Fatalf("headers %v", first)
	}
	e.Config.Handler = e.proxy
	wantForced(t, e.do(t, "GET", "/.tools/maps/x", "empty"))
}

// changer alters values in place, as Caddy's header directive does.
type changer struct{ http.ResponseWriter }

func (c *changer) WriteHeader(status int) {
	h := c.Header()
	h["X-Content-Type-Options"][0] = "changed"
	h["X-Content-Type-Options"] = append(h["X-Content-Type-Options"], "more")
	h.Add("Referrer-Policy", "more")
	c.ResponseWriter.WriteHeader(status)
}

func TestStatuses(t *testing.T) {
	const head = "Content-Type: application/json\r\nCache-Control: max-age=60\r\n"
	for _, tc := range []struct {
		name, response string
		status         int
		body, reason   string
		outcome        string
	}{
		{"ok", "200 OK\r\n" + head + "Content-Length: 2\r\n\r\n{}", 200, "{}", "", outcomes.OK},
		{"until the end", "200 OK\r\n" + head + "\r\n{}", 200, "{}", "", outcomes.OK},
		{"no content", "204 No Content\r\nSet-Cookie: a=b\r\n\r\n", 204, "", "", outcomes.OK},
		{"error with a body", "404 Not Found\r\n" + head + "Content-Length: 2\r\n\r\n{}", 404, "{}", "", outcomes.ToolError},
		{"limit", "429 Too Many Requests\r\nRetry-After: 9\r\n" + head + "Content-Length: 0\r\n\r\n", 429, "", "", outcomes.ToolError},
		{"error page", "404 Not Found\r\nContent-Type: text/html\r\n\r\n<script>", 404, "", "the tool answers with status 404", outcomes.ToolError},
		{"crash page", "500 Oh\r\nContent-Type: text/html\r\n\r\n<script>", 500, "", "the tool answers with status 500", outcomes.ToolError},
		{"log in", "401 No\r\nWWW-Authenticate: Basic\r\n\r\n", 401, "", "the tool answers with status 401", outcomes.ToolError},
		{"partial", "206 Partial\r\nContent-Range: bytes 0-1/2\r\n" + head + "Content-Length: 2\r\n\r\n{}", 502, "", "a status that isn't passed on", outcomes.RefusedResponse},
		{"reset content", "205 Reset\r\n" + head + "Content-Length: 0\r\n\r\n", 502, "", "a status that isn't passed on", outcomes.RefusedResponse},
		{"not modified", "304 Not Modified\r\nEtag: x\r\n\r\n", 502, "", "a status that isn't passed on", outcomes.RefusedResponse},
		{"choices", "300 Choices\r\n" + head + "Content-Length: 0\r\n\r\n", 502, "", "a status that isn't passed on", outcomes.RefusedResponse},
		{"switch", "101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 502, "", "a status that isn't passed on", outcomes.RefusedResponse},
		{"proxy log in", "407 No\r\n" + head + "Content-Length: 0\r\n\r\n", 502, "", "a status that isn't passed on", outcomes.RefusedResponse},
		{"unheard-of", "999 Denied\r\n" + head + "Content-Length: 0\r\n\r\n", 502, "", "a status that isn't passed on", outcomes.RefusedResponse},
		{"compressed", "200 OK\r\n" + head + "Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}", 502, "", "compresses what was asked for plain", outcomes.RefusedResponse},
		{"compressed twice", "200 OK\r\n" + head + "Content-Encoding: identity\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\n{}", 502, "", "compresses", outcomes.RefusedResponse},
		{"said to be plain", "200 OK\r\n" + head + "Content-Encoding: Identity\r\nContent-Length: 2\r\n\r\n{}", 200, "{}", "", outcomes.OK},
		{"no type", "200 OK\r\nContent-Length: 2\r\n\r\n{}", 502, "", "has no content type", outcomes.RefusedResponse},
		{"a page", "200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}", 502, "", "a content type that isn't allowed", outcomes.RefusedResponse},
		{"a script", "200 OK\r\nContent-Type: text/javascript\r\nContent-Length: 2\r\n\r\n{}", 502, "", "a content type that isn't allowed", outcomes.RefusedResponse},
		{"two types", "200 OK\r\nContent-Type: application/json\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}", 502, "", "more than one content type", outcomes.RefusedResponse},
		{"two types in one", "200 OK\r\nContent-Type: image/png, text/html\r\nContent-Length: 2\r\n\r\n{}", 502, "", "malformed content type", outcomes.RefusedResponse},
		{"another kind's type", "200 OK\r\nContent-Type: image/svg+xml\r\nContent-Length: 2\r\n\r\n{}", 502, "", "isn't allowed for this use", outcomes.RefusedResponse},
		{"too large, said", "200 OK\r\n" + head + "Content-Length: 1001\r\n\r\n", 502, "", "too large", outcomes.TooLarge},
		{"two lengths", "200 OK\r\n" + head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 502, "", "no proper answer", outcomes.Unreachable},
		{"negative length", "200 OK\r\n" + head + "Content-Length: -2\r\n\r\n{}", 502, "", "no proper answer", outcomes.Unreachable},
		{"large header", "200 OK\r\n" + head + "X: " + strings.Repeat("x", 64<<10) + "\r\n\r\n{}", 502, "", "no proper answer", outcomes.Unreachable},
		{"not HTTP", "?\r\n\r\n", 502, "", "no proper answer", outcomes.Unreachable},
		{"folded header", "200 OK\r\nContent-Type: text/html;\r\n image/png\r\n\r\n", 502, "", "", outcomes.RefusedResponse},
	} {
		t.Run(tc.name, func(t *testing.T) {
			declared := tool("maps", says(t, "HTTP/1.1 "+tc.response), noticeboard.Data, noticeboard.Img)
			declared.MaxSize = 1000
			e := newEdge(t, Config{}, declared)
			a := e.do(t, "GET", "/.tools/maps/x", "empty")
			if tc.body != "" || tc.reason == "" && tc.status < 500 {
				if a.status != tc.status || a.body != tc.body || a.err != nil {
					t.Errorf("got %d %q, %v", a.status, a.body, a.err)
				}
				wantForced(t, a)
				if want := map[bool]string{true: "private, max-age=60", false: "no-store"}[tc.status == 200]; a.header.Get("Cache-Control") != want {
					t.Errorf("Cache-Control %q, want %q", a.header.Get("Cache-Control"), want)
				}
			} else {
				wantRefusal(t, a, tc.status, tc.reason)
			}
			if got := e.observed(t, 1); !slices.Equal(got, []string{"maps " + tc.outcome}) {
				t.Errorf("observed %q, want %q", got, tc.outcome)
			}
		})
	}
}

func TestHead(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "HEAD" {
			t.Errorf("the tool got %s", r.Method)
		}
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
		w.Header().Set("Content-Length", "12345")
	})
	e := newEdge(t, Config{}, tool("maps", b.URL))
	a := e.do(t, "HEAD", "/.tools/maps/x?type=application/json", "empty")
	if a.status != 200 || a.body != "" || a.header.Get("Content-Length") != "12345" {
		t.Errorf("got %d %q %v", a.status, a.body, a.header)
	}
	wantForced(t, a)
	a = e.do(t, "HEAD", "/.tools/maps/x?type=text/html", "empty")
	if a.status != 502 || a.body != "" {
		t.Errorf("refusal of HEAD: %d %q", a.status, a.body)
	}
}
