package anonproxy

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// post sends a body as a page's fetch does.
func (e *edge) post(t testing.TB, path, contentType, body string, change ...func(*http.Request)) answer {
	t.Helper()
	return e.do(t, "POST", path, "empty", append([]func(*http.Request){func(r *http.Request) {
		r.Header.Set("Content-Type", contentType)
		withBody(r, body)
	}}, change...)...)
}

func withBody(r *http.Request, body string) {
	with, err := http.NewRequest(r.Method, r.URL.String(), strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	r.Body, r.ContentLength, r.GetBody = with.Body, with.ContentLength, with.GetBody
}

// postTool declares a tool that takes POST.
func postTool(origin string, methods ...string) *noticeboard.Tool {
	declared := tool("maps", origin)
	declared.Methods = append([]string{"POST"}, methods...)
	return declared
}

// bodyRecorder is a tool that keeps requests as they came over the wire.
func bodyRecorder(t *testing.T) (origin string, requests <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	got := make(chan string, 10)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				var raw lockedBuffer
				for r := bufio.NewReader(io.TeeReader(conn, &raw)); ; {
					request, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, request.Body)
					got <- raw.String()
					raw.mu.Lock()
					raw.buf.Reset()
					raw.mu.Unlock()
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: max-age=600\r\nContent-Length: 2\r\n\r\n{}")
				}
			}()
		}
	}()
	return "http://" + l.Addr().String(), got
}

// However a body comes, the tool gets the same bytes.
func TestPostsOfTwoReadersAreEqual(t *testing.T) {
	origin, requests := bodyRecorder(t)
	e := newEdge(t, Config{}, postTool(origin))
	const body = `{"q":"Bären"}`
	want := "POST /a?b HTTP/1.1\r\nHost: " + strings.TrimPrefix(origin, "http://") + "\r\nUser-Agent: " + headers.Product + ")\r\n" +
		fmt.Sprintf("Content-Length: %d\r\n", len(body)) + "Accept: " + headers.Request("")[noticeboard.Data].Get("Accept") + "\r\n" +
		"Accept-Encoding: identity\r\nContent-Type: application/json\r\n\r\n" + body
	for name, change := range map[string]func(*http.Request){
		"plain":         func(*http.Request) {},
		"other headers": hostileHeaders("second"),
		"parameter":     func(r *http.Request) { r.Header.Set("Content-Type", `Application/JSON ;charset="UTF-8"`) },
		"chunked": func(r *http.Request) {
			r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(io.MultiReader(strings.NewReader(body[:3]), strings.NewReader(body[3:]))), -1, []string{"chunked"}
		},
		"with a trailer": func(r *http.Request) {
			r.Body, r.ContentLength, r.Trailer = io.NopCloser(strings.NewReader(body)), -1, http.Header{"X-Who": {"second"}}
		},
		"expecting 100": func(r *http.Request) { r.Header.Set("Expect", "100-continue") },
	} {
		t.Run(name, func(t *testing.T) {
			a := e.post(t, "/.tools/maps/a?b", "application/json", body, change)
			if a.status != 200 || a.body != "{}" {
				t.Fatalf("got %d %q", a.status, a.body)
			}
			wantForced(t, a)
			if a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("an answer to a POST may be kept: %q", a.header.Get("Cache-Control"))
			}
			if got := <-requests; got != want {
				t.Errorf("the tool got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestPostContentTypes(t *testing.T) {
	got := make(chan *http.Request, 1)
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r
		tooltest.Answers("application/json", "{}")(w, r)
	})
	e := newEdge(t, Config{}, postTool(b.URL))
	for given, sent := range map[string]string{
		"text/plain;charset=UTF-8": "text/plain; charset=utf-8", "TEXT/Plain": "text/plain; charset=utf-8", "text/csv": "text/csv; charset=utf-8",
		"application/x-www-form-urlencoded;charset=UTF-8": "application/x-www-form-urlencoded", "application/json; charset=us-ascii": "application/json",
		"application/sparql-query": "application/sparql-query", "application/graphql+json": "application/graphql+json",
	} {
		if a := e.post(t, "/.tools/maps/x", given, "x"); a.status != 200 {
			t.Errorf("%s: got %d %s", given, a.status, a.body)
		} else if r := <-got; len(r.Header["Content-Type"]) != 1 || r.Header["Content-Type"][0] != sent {
			t.Errorf("%s: sent as %q, want %q", given, r.Header["Content-Type"], sent)
		}
	}
	for name, change := range map[string]func(*http.Request){"no body, no type": func(r *http.Request) { r.Header.Del("Content-Type") }, "no body": func(*http.Request) {}} {
		if a := e.post(t, "/.tools/maps/x", "text/plain", "", change); a.status != 200 {
			t.Errorf("%s: got %d %s", name, a.status, a.body)
		} else if r := <-got; r.ContentLength != 0 || len(r.TransferEncoding) > 0 {
			t.Errorf("%s: sent %d bytes, %q", name, r.ContentLength, r.TransferEncoding)
		}
	}
}

func TestPostRefused(t *testing.T) {
	b := newBackend(t, tooltest.Answers("application/json", "{}"))
	small := tool("small", b.URL)
	small.Methods, small.MaxRequestSize = []string{"POST"}, 10
	reads := tool("reads", b.URL)
	e := newEdge(t, Config{MaxRequestSize: 100}, postTool(b.URL), small, reads)
	header := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = values }
	}
	chunked := func(r *http.Request) { r.ContentLength, r.TransferEncoding = -1, []string{"chunked"} }
	plain := func(origin ...string) func(*http.Request) { // as over plain HTTP
		return func(r *http.Request) {
			for _, name := range []string{"Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site"} {
				r.Header.Del(name)
			}
			r.Header["Origin"] = origin
		}
	}
	for _, tc := range []struct {
		name, tool string
		size       int
		change     func(*http.Request)
		status     int
		reason     string
	}{
		{name: "not declared", tool: "reads", status: 405, reason: "isn't declared for this method"},
		{name: "too large", size: 101, status: 413, reason: "too large for this tool"},
		{name: "too large, chunked", size: 101, change: chunked, status: 413, reason: "too large for this tool"},
		{name: "too large for this one", tool: "small", size: 11, status: 413, reason: "too large for this tool"},
		{name: "too large for this one, chunked", tool: "small", size: 11, change: chunked, status: 413, reason: "too large for this tool"},
		{name: "multipart", size: 1, change: header("Content-Type", "multipart/form-data; boundary=----WebKitFormBoundary7MA4"), status: 415, reason: "content type that isn't allowed"},
		{name: "HTML", size: 1, change: header("Content-Type", "text/html"), status: 415, reason: "content type that isn't allowed"},
		{name: "bytes", size: 1, change: header("Content-Type", "application/octet-stream"), status: 415, reason: "content type that isn't allowed"},
		{name: "parameter", size: 1, change: header("Content-Type", "text/plain; who=alice"), status: 415, reason: "charset=utf-8 and no other"},
		{name: "charset", size: 1, change: header("Content-Type", "text/plain; charset=utf-7"), status: 415, reason: "charset=utf-8 and no other"},
		{name: "two types", size: 1, change: header("Content-Type", "text/plain", "text/plain"), status: 415, reason: "must have one content type"},
		{name: "no type", size: 1, change: header("Content-Type"), status: 415, reason: "must have one content type"},
		{name: "no type, chunked", size: 1, change: func(r *http.Request) { chunked(r); r.Header.Del("Content-Type") }, status: 415, reason: "must have one content type"},
		{name: "malformed type", size: 1, change: header("Content-Type", "text/plain; charset"), status: 415, reason: "malformed content type"},
		{name: "compressed", size: 1, change: header("Content-Encoding", "gzip"), status: 415, reason: "must not be compressed"},
		{name: "identity", size: 1, change: header("Content-Encoding", "identity"), status: 415, reason: "must not be compressed"},
		{name: "another site", size: 1, change: header("Sec-Fetch-Site", "cross-site"), status: 403, reason: "only pages of this wiki"},
		{name: "a form's navigation", size: 1, change: header("Sec-Fetch-Mode", "navigate"), status: 403, reason: "can't be navigated to"},
		{name: "plain HTTP, another site", size: 1, change: plain("http://evil.example"), status: 403, reason: "the Origin header is missing or another's"},
		{name: "plain HTTP, another port", size: 1, change: plain("http://127.0.0.1:1"), status: 403, reason: "the Origin header is missing or another's"},
		{name: "plain HTTP, hidden", size: 1, change: plain("null"), status: 403, reason: "the Origin header is missing or another's"},
		{name: "plain HTTP, none", size: 1, change: plain(), status: 403, reason: "the Origin header is missing or another's"},
		{name: "plain HTTP, two", size: 1, change: plain(e.URL, e.URL), status: 403, reason: "the Origin header is missing or another's"},
		{name: "plain HTTP, empty metadata", size: 1, change: func(r *http.Request) { plain()(r); r.Header["Sec-Fetch-Site"] = []string{""} }, status: 403, reason: "the Origin header is missing or another's"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.tool == "" {
				tc.tool = "maps"
			}
			if tc.change == nil {
				tc.change = func(*http.Request) {}
			}
			wantRefusal(t, e.post(t, "/.tools/"+tc.tool+"/x", "text/plain", strings.Repeat("x", tc.size), tc.change), tc.status, tc.reason)
		})
	}
	if b.hits.Load() != 0 || b.conns.Load() != 0 {
		t.Errorf("the tool was asked %d times", b.hits.Load())
	}
	for name, a := range map[string]answer{
		"as much as may be":          e.post(t, "/.tools/maps/x", "text/plain", strings.Repeat("x", 100)),
		"as much as may be, chunked": e.post(t, "/.tools/maps/x", "text/plain", strings.Repeat("x", 100), chunked),
		"plain HTTP, own page":       e.post(t, "/.tools/maps/x", "text/plain", "x", plain(e.URL)),
	} {
		if a.status != 200 {
			t.Errorf("%s: got %d %s", name, a.status, a.body)
		}
	}
	if n := e.proxy.bodies.Load(); n != 0 {
		t.Errorf("%d bytes are held after all", n)
	}
}

// postHead is what comes before a body on the wire.
func postHead(more string) string {
	return "POST /.tools/maps/x HTTP/1.1\r\nHost: wiki\r\nSec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\nContent-Type: text/plain\r\n" + more + "\r\n"
}

func TestPostBrokenBodies(t *testing.T) {
	b := newBackend(t, tooltest.Answers("application/json", "{}"))
	declared := postTool(b.URL)
	declared.Timeout = noticeboard.Duration(200 * time.Millisecond)
	e := newEdge(t, Config{}, declared)
	for name, tc := range map[string]struct {
		request string
		end     bool // of the client's half
		status  int
		reason  string
	}{
		"breaks off":          {postHead("Content-Length: 10\r\n") + "short", true, 400, "broke off"},
		"breaks off, chunked": {postHead("Transfer-Encoding: chunked\r\n") + "5\r\nshort\r\n", true, 400, "broke off"},
		"bad chunk":           {postHead("Transfer-Encoding: chunked\r\n") + "zz\r\nshort\r\n", false, 400, "broke off"},
		"stalls":              {postHead("Content-Length: 10\r\n") + "short", false, 408, "comes too slowly"},
		"stalls, chunked":     {postHead("Transfer-Encoding: chunked\r\n") + "5\r\nshort\r\n", false, 408, "comes too slowly"},
		"sends nothing":       {postHead("Content-Length: 10\r\n"), false, 408, "comes too slowly"},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", e.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, tc.request); err != nil {
				t.Fatal(err)
			}
			if tc.end {
				_ = conn.(*net.TCPConn).CloseWrite()
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				if tc.end {
					return // Go's server tells nothing to one who has left
				}
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			wantRefusal(t, answer{res.StatusCode, res.Header, string(body), nil}, tc.status, tc.reason)
		})
	}
	e.observed(t, 6)
	if b.hits.Load() != 0 || e.proxy.bodies.Load() != 0 {
		t.Errorf("the tool got %d requests, %d bytes are held", b.hits.Load(), e.proxy.bodies.Load())
	}
	// A refusal by the head doesn't wait for the body, nor ask for it.
	a := e.raw(t, strings.Replace(postHead("Content-Length: 10\r\nExpect: 100-continue\r\n"), "text/plain", "text/html", 1))
	wantRefusal(t, a, 415, "isn't allowed")
	wantRefusal(t, e.raw(t, postHead("Content-Length: 70000\r\nExpect: 100-continue\r\n")), 413, "too large")
	// And a whole one gets an answer on a connection that stays in use.
	conn, err := net.Dial("tcp", e.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for r := bufio.NewReader(conn); b.hits.Load() < 3; {
		hits := b.hits.Load()
		if _, err := io.WriteString(conn, postHead("Content-Length: 2\r\n")+"ok"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(res.Body); err != nil || string(body) != "{}" || b.hits.Load() != hits+1 {
			t.Fatalf("got %q, %v", body, err)
		}
	}
}

// The deadline for a body must not end the request when the tool is slow to answer.
func TestPostDeadlineEndsWithTheBody(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(300 * time.Millisecond)
		tooltest.Answers("application/json", "{}")(w, r)
	})
	board, err := noticeboard.New([]*noticeboard.Tool{postTool(b.URL)})
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(board, Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	up, _ := p.upstreams()["maps"]
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := &requestBody{memory: &p.bodies, limit: 100}
		defer body.done()
		if refused := body.readFrom(w, r, 100*time.Millisecond); refused != nil {
			t.Errorf("refused: %v", refused)
		}
		req := request{target: target{path: "/x", escaped: "/x"}, method: "POST", kind: noticeboard.Data, contentType: "text/plain", body: body}
		if outcome, refused := p.serveUncached(w, r, new(Reader), up, req); refused != nil || outcome != outcomes.OK {
			t.Errorf("got %s %v", outcome, refused)
		}
	}))
	defer s.Close()
	res, err := http.Post(s.URL, "text/plain", strings.NewReader("ok"))
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "{}" {
		t.Errorf("got %d %q %v", res.StatusCode, body, err)
	}
}

// Bodies that are on their way hold what has come of them, within a bound for all.
func TestPostMemory(t *testing.T) {
	b := newBackend(t, tooltest.Answers("application/json", "{}"))
	e := newEdge(t, Config{}, postTool(b.URL))
	conn, err := net.Dial("tcp", e.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	held := func(want func(int64) bool) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); !want(e.proxy.bodies.Load()); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d bytes are held", e.proxy.bodies.Load())
			}
		}
	}
	if _, err := io.WriteString(conn, postHead("Content-Length: 60000\r\n")+"some"); err != nil {
		t.Fatal(err)
	}
	held(func(n int64) bool { return n == firstBodyBuf })
	e.proxy.bodies.Add(bodyMemory - firstBodyBuf)
	a := e.post(t, "/.tools/maps/x", "text/plain", "more")
	wantRefusal(t, a, 503, "too many requests with a body")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	e.proxy.bodies.Add(firstBodyBuf - bodyMemory)
	if a := e.post(t, "/.tools/maps/x", "text/plain", "more"); a.status != 200 {
		t.Errorf("got %d %s", a.status, a.body)
	}
	conn.Close()
	held(func(n int64) bool { return n == 0 })
	if b.hits.Load() != 1 {
		t.Errorf("the tool got %d requests", b.hits.Load())
	}
}

// A body isn't held while a reader is slow to take the answer.
func TestPostBodyIsGivenBack(t *testing.T) {
	more := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		tooltest.Answers("application/json", "{")(w, r)
		_ = http.NewResponseController(w).Flush()
		<-more
		_, _ = io.WriteString(w, "}")
	})
	e := newEdge(t, Config{}, postTool(b.URL))
	r, err := http.NewRequestWithContext(context.Background(), "POST", e.URL+"/.tools/maps/x", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-origin"}, "Content-Type": {"text/plain"}}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if n := e.proxy.bodies.Load(); n != 0 {
		t.Errorf("%d bytes are held while the answer comes", n)
	}
	close(more)
	if body, err := io.ReadAll(res.Body); err != nil || string(body) != "{}" {
		t.Errorf("got %q %v", body, err)
	}
}

func TestPostIsNeverKept(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=600")
		body, _ := io.ReadAll(r.Body)
		tooltest.Answers("text/plain", r.Method+string(body))(w, r)
	})
	e := newEdge(t, Config{Cache: newCache(t, cache.Config{})}, postTool(b.URL, "GET"))
	for i, want := range []string{"POSTa", "POSTb", "GET", "GET", "POSTb", "GET"} {
		var a answer
		if want == "GET" {
			a = e.do(t, "GET", "/.tools/maps/x", "empty")
		} else {
			a = e.post(t, "/.tools/maps/x", "text/plain", want[4:])
		}
		if a.status != 200 || a.body != want {
			t.Errorf("%d: got %d %q, want %q", i, a.status, a.body, want)
		}
	}
	if b.hits.Load() != 5 { // the second GET alone is from the cache: the third comes after a POST
		t.Errorf("the tool got %d requests, want 5", b.hits.Load())
	}
}

func TestPostRedirects(t *testing.T) {
	var status int
	var location string
	seen := make(chan string, 10)
	record := func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen <- strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.Method, r.URL.Path, body, strings.Join(r.Header["Content-Type"], ",")))
	}
	victim := newBackend(t, record)
	friend := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		record(w, r)
		tooltest.Answers("application/json", "{}")(w, r)
	})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		record(w, r)
		if r.URL.Path == "/end" {
			tooltest.Answers("application/json", "{}")(w, r)
			return
		}
		w.Header().Set("Location", location)
		w.WriteHeader(status)
	})
	both, only := postTool(b.URL, "GET"), postTool(b.URL)
	only.Name = "only"
	for _, declared := range []*noticeboard.Tool{both, only} {
		declared.Hosts = []string{strings.TrimPrefix(friend.URL, "http://")}
	}
	e := newEdge(t, Config{}, both, only)
	for _, tc := range []struct {
		name, tool, location string
		status               int
		then, reason         string
	}{
		{name: "moved", tool: "maps", location: "/end", status: 301, then: "GET /end"},
		{name: "found", tool: "maps", location: "/end", status: 302, then: "GET /end"},
		{name: "see other", tool: "maps", location: "/end", status: 303, then: "GET /end"},
		{name: "temporary", tool: "maps", location: "/end", status: 307, then: "POST /end hello text/plain; charset=utf-8"},
		{name: "permanent", tool: "maps", location: "/end", status: 308, then: "POST /end hello text/plain; charset=utf-8"},
		{name: "declared host", tool: "maps", location: friend.URL + "/f", status: 307, then: "POST /f hello text/plain; charset=utf-8"},
		{name: "see other, GET not declared", tool: "only", location: "/end", status: 303, reason: "redirects a POST to a GET"},
		{name: "found, GET not declared", tool: "only", location: "/end", status: 302, reason: "redirects a POST to a GET"},
		{name: "temporary, GET not declared", tool: "only", location: "/end", status: 307, then: "POST /end hello text/plain; charset=utf-8"},
		{name: "another host", tool: "maps", location: victim.URL, status: 307, reason: "a host that isn't declared"},
		{name: "another host, see other", tool: "maps", location: victim.URL, status: 303, reason: "a host that isn't declared"},
		{name: "loop", tool: "maps", location: "/x", status: 307, reason: "redirects too often"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, location = tc.status, tc.location
			a := e.post(t, "/.tools/"+tc.tool+"/x", "text/plain", "hello")
			if first := <-seen; first != "POST /x hello text/plain; charset=utf-8" {
				t.Errorf("first sent %q", first)
			}
			if tc.reason != "" {
				wantRefusal(t, a, 502, tc.reason)
				for len(seen) > 0 {
					if got := <-seen; tc.name != "loop" {
						t.Errorf("then sent %q", got)
					}
				}
				return
			}
			if got := <-seen; a.status != 200 || got != tc.then {
				t.Errorf("got %d %s, then sent %q, want %q", a.status, a.body, got, tc.then)
			}
		})
	}
	if victim.conns.Load() != 0 {
		t.Error("an undeclared host was connected to")
	}
}

// A POST that a tool may have handled is not sent again, over a connection that was in use before too.
func TestPostIsNotRepeated(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan string, 10)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for r := bufio.NewReader(conn); ; {
					request, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, request.Body)
					got <- request.Method
					if request.Method == "POST" {
						return // handled, and then the connection breaks
					}
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
				}
			}()
		}
	}()
	e := newEdge(t, Config{}, postTool("http://"+l.Addr().String(), "GET"))
	if a := e.do(t, "GET", "/.tools/maps/x", "empty"); a.status != 200 {
		t.Fatalf("got %d", a.status)
	}
	wantRefusal(t, e.post(t, "/.tools/maps/x", "text/plain", "once"), 502, "gave no proper answer")
	var methods []string
	for len(got) > 0 {
		methods = append(methods, <-got)
	}
	if !slices.Equal(methods, []string{"GET", "POST"}) {
		t.Errorf("the tool got %q", methods)
	}
}

// Bodies by HTTP/2 need no length, and those over it are refused there too.
func TestPostOverHTTP2(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		tooltest.Answers("text/plain", fmt.Sprint(r.ContentLength, " ", string(body)))(w, r)
	})
	board, err := noticeboard.New([]*noticeboard.Tool{postTool(b.URL)})
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(board, Config{MaxRequestSize: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s := httptest.NewUnstartedServer(p)
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	send := func(body io.Reader, length int64, header http.Header) (int, string) {
		t.Helper()
		r, err := http.NewRequest("POST", s.URL+"/.tools/maps/x", body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength, r.Header = length, header
		r.Header.Set("Content-Type", "text/plain")
		res, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.ProtoMajor != 2 {
			t.Fatal(res.Proto, err)
		}
		return res.StatusCode, string(text)
	}
	own := func() http.Header {
		return http.Header{"Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-origin"}}
	}
	if status, text := send(io.MultiReader(strings.NewReader("hel"), strings.NewReader("lo")), -1, own()); status != 200 || text != "5 hello" {
		t.Errorf("no length: got %d %q", status, text)
	}
	if status, text := send(strings.NewReader("hello, world"), -1, own()); status != 413 || !strings.Contains(text, "too large") {
		t.Errorf("no length, too large: got %d %q", status, text)
	}
	if status, text := send(strings.NewReader("hello"), 5, http.Header{"Origin": {s.URL}}); status != 403 || !strings.Contains(text, "no Sec-Fetch headers") {
		t.Errorf("TLS without metadata: got %d %q", status, text)
	}
	if b.hits.Load() != 1 {
		t.Errorf("the tool got %d requests", b.hits.Load())
	}
}

// One client who sends slowly, however often, leaves the others room for theirs.
func TestPostMemoryOfOneClient(t *testing.T) {
	b := newBackend(t, tooltest.Answers("application/json", "{}"))
	large := postTool(b.URL)
	large.MaxRequestSize = 8 << 20
	e := newEdge(t, Config{Reader: masksOf}, large)
	status := make(chan string, 100)
	conns := make([]net.Conn, 9)
	for i := range conns {
		conn, err := net.Dial("tcp", e.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns[i] = conn
		go func() { // more than half of it, and then nothing
			_, _ = io.WriteString(conn, postHead(readerHeader+": alice\r\nContent-Length: 8388608\r\n"))
			_, _ = conn.Write(make([]byte, 5<<20))
			line, _ := bufio.NewReader(conn).ReadString('\n')
			status <- line
		}()
	}
	for range conns[2:] { // two of them have a quarter of the memory
		if line := <-status; !strings.Contains(line, "429") {
			t.Errorf("one client too many got %q", line)
		}
	}
	if a := e.post(t, "/.tools/maps/x", "text/plain", strings.Repeat("x", 4<<20), asking("bob")); a.status != 200 {
		t.Errorf("another client got %d %s", a.status, a.body)
	}
	for _, conn := range conns {
		conn.Close()
	}
	e.observed(t, len(conns)+1)
	if n := e.proxy.bodies.Load(); n != 0 || len(e.proxy.shares.clients) != 0 {
		t.Errorf("%d bytes are held after all, and %v", n, e.proxy.shares.clients)
	}
}
