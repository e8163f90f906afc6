package anonproxy

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// recorder is a tool on a bare socket that keeps each request's bytes.
func recorder(t *testing.T) (origin string, requests <-chan string) {
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
				for r := bufio.NewReader(conn); ; {
					var request strings.Builder
					for {
						line, err := r.ReadString('\n')
						if err != nil {
							return
						}
						request.WriteString(line)
						if line == "\r\n" {
							break
						}
					}
					got <- request.String()
					head := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
					if strings.HasPrefix(request.String(), "GET ") {
						head += "{}"
					}
					_, _ = io.WriteString(conn, head)
				}
			}()
		}
	}()
	return "http://" + l.Addr().String(), got
}

// hostileHeaders are what browsers, networks and gadgets add that could tell
// one reader from another.
func hostileHeaders(who string) func(*http.Request) {
	return func(r *http.Request) {
		for _, name := range []string{
			"Cookie", "Authorization", "Proxy-Authorization", "Referer", "Origin", "User-Agent", "Accept", "Accept-Language",
			"Accept-Encoding", "Accept-Charset", "DNT", "Sec-GPC", "Save-Data", "Priority", "Pragma", "Cache-Control", "X-Requested-With",
			"If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "If-Range", "Range", "Via", "From", "Upgrade-Insecure-Requests",
			"Sec-CH-UA", "Sec-CH-UA-Platform", "Sec-CH-UA-Model", "Device-Memory", "Downlink", "RTT", "ECT", "Viewport-Width",
			"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-Ip", "True-Client-Ip", "Cf-Connecting-Ip",
			"Client-Mask", "Client-Network-Masks", "Traceparent", "Tracestate", "Baggage", "X-Request-Id", "Sec-Purpose", "Te", "X-" + who,
		} {
			r.Header.Set(name, who)
		}
		r.Header.Set("Range", "bytes=0-"+map[string]string{"first": "0", "second": "1"}[who])
		if who == "second" {
			r.Header.Add("Cookie", "another=1")
			r.Host = "another.wiki.example"
			r.Header.Set("Sec-Fetch-User", "?1")
		}
	}
}

func TestRequestsOfTwoReadersAreEqual(t *testing.T) {
	origin, requests := recorder(t)
	e := newEdge(t, Config{Contact: "admin@wiki.example.org"}, tool("maps", origin, noticeboard.Kinds()...))
	for _, tc := range []struct{ name, method, dest, accept string }{
		{"data", "GET", "empty", "application/json,text/csv;q=0.9,text/plain;q=0.8,*/*;q=0.1"},
		{"image", "HEAD", "image", "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8"},
		{"font", "GET", "font", "font/woff2,font/woff,font/*;q=0.8"},
		{"style", "GET", "style", "text/css"},
		{"media", "GET", "video", "audio/*,video/*,text/vtt"},
		{"untold", "GET", "", "*/*"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := tc.method + " /a%20b/c?q=%2F&r HTTP/1.1\r\n" +
				"Host: " + strings.TrimPrefix(origin, "http://") + "\r\n" +
				"User-Agent: Wikiveil/1 (+https://github.com/wikiveil/wikiveil; anonymizing proxy; admin@wiki.example.org)\r\n" +
				"Accept: " + tc.accept + "\r\n" +
				"Accept-Encoding: identity\r\n\r\n"
			for _, who := range []string{"first", "second"} {
				e.do(t, tc.method, "/.tools/maps/a%20b/c?q=%2F&r", tc.dest, hostileHeaders(who))
				if got := <-requests; got != want {
					t.Errorf("the tool got of the %s reader\n%s\nwant\n%s", who, got, want)
				}
			}
		})
	}
}

func TestRequestOverHTTP2(t *testing.T) {
	got := make(chan *http.Request, 1)
	b := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r
		tooltest.Answers("application/json", "{}")(w, r)
	}))
	b.EnableHTTP2 = true
	b.StartTLS()
	defer b.Close()
	e := newEdge(t, Config{}, tool("maps", b.URL))
	trust(e, "maps", b.Certificate())
	if a := e.do(t, "GET", "/.tools/maps/x?y", "empty", hostileHeaders("first")); a.status != 200 || a.body != "{}" {
		t.Fatalf("got %d %q", a.status, a.body)
	}
	r := <-got
	if r.ProtoMajor != 2 || r.TLS.Version < tls.VersionTLS12 {
		t.Errorf("spoke %s over TLS %x", r.Proto, r.TLS.Version)
	}
	var fields []string
	for name, values := range r.Header {
		fields = append(fields, fmt.Sprint(name, values))
	}
	slices.Sort(fields)
	want := []string{"Accept[" + headers.Request("")[noticeboard.Data].Get("Accept") + "]", "Accept-Encoding[identity]", "User-Agent[" + headers.Product + ")]"}
	slices.Sort(want)
	if !slices.Equal(fields, want) || r.RequestURI != "/x?y" {
		t.Errorf("the tool got %s %q, want %q", r.RequestURI, fields, want)
	}
}

// trust lets a tool's transport take a test server's certificate.
func trust(e *edge, name string, certificate *x509.Certificate) {
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	e.proxy.upstreams()[name].transport.HTTP.TLSClientConfig.RootCAs = pool
}

func TestReadersShareConnections(t *testing.T) {
	b := newBackend(t, tooltest.Answers("application/json", "{}"))
	e := newEdge(t, Config{}, tool("maps", b.URL))
	for range 5 { // each on a connection of its own
		if a := e.do(t, "GET", "/.tools/maps/x", "empty"); a.status != 200 {
			t.Fatalf("got %d %s", a.status, a.body)
		}
	}
	if b.hits.Load() != 5 || b.conns.Load() != 1 {
		t.Errorf("%d requests over %d connections, want 5 over 1", b.hits.Load(), b.conns.Load())
	}
}

func TestNoCookieComesBack(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if len(r.Header["Cookie"]) > 0 {
			t.Error("the tool got a cookie")
		}
		http.SetCookie(w, &http.Cookie{Name: "id", Value: "1"})
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/next", http.StatusFound)
			return
		}
		tooltest.Answers("application/json", "{}")(w, r)
	})
	e := newEdge(t, Config{}, tool("maps", b.URL))
	for range 2 {
		if a := e.do(t, "GET", "/.tools/maps/", "empty"); a.status != 200 || len(a.header["Set-Cookie"]) > 0 {
			t.Fatalf("got %d %v", a.status, a.header)
		}
	}
	if b.hits.Load() != 4 {
		t.Errorf("%d requests, want 4", b.hits.Load())
	}
}

func TestDestinations(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
	})
	e := newEdge(t, Config{}, tool("all", b.URL, noticeboard.Kinds()...), tool("pictures", b.URL, noticeboard.Img))
	allowed := map[string]string{
		"empty": "application/json", "image": "image/png", "font": "font/woff2", "style": "text/css",
		"audio": "audio/ogg", "video": "video/webm", "track": "text/vtt",
	}
	for dest, contentType := range allowed {
		t.Run(dest, func(t *testing.T) {
			want := contentType
			if dest == "style" {
				want = sheetType // sheets are read and written anew
			}
			if a := e.do(t, "GET", "/.tools/all/x?type="+contentType, dest); a.status != 200 || a.header.Get("Content-Type") != want {
				t.Errorf("got %d %q %s", a.status, a.header.Get("Content-Type"), a.body)
			} else {
				wantForced(t, a)
			}
			hits := b.hits.Load()
			a := e.do(t, "GET", "/.tools/pictures/x?type="+contentType, dest)
			if dest == "image" {
				if a.status != 200 {
					t.Errorf("declared kind: got %d %s", a.status, a.body)
				}
				return
			}
			wantRefusal(t, a, 403, "isn't declared for this kind of use")
			if b.hits.Load() != hits {
				t.Error("the tool was asked")
			}
		})
	}
	hits := b.hits.Load()
	for _, dest := range []string{
		"script", "worker", "sharedworker", "serviceworker", "audioworklet", "paintworklet", "document", "iframe", "frame",
		"fencedframe", "object", "embed", "manifest", "report", "xslt", "json", "webidentity", "websocket", "speculationrules",
		"", "Image", "image,script", " empty\tempty", "unheard-of",
	} {
		t.Run("refused "+dest, func(t *testing.T) {
			a := e.do(t, "GET", "/.tools/all/x?type=image/png", "image", func(r *http.Request) { r.Header.Set("Sec-Fetch-Dest", dest) })
			wantRefusal(t, a, 403, "serves no scripts, workers, frames or documents")
		})
	}
	for _, tc := range []struct {
		name, field string
		values      []string
		status      int
		reason      string
	}{
		{"cross-site", "Sec-Fetch-Site", []string{"cross-site"}, 403, "only pages of this wiki"},
		{"same-site", "Sec-Fetch-Site", []string{"same-site"}, 403, "only pages of this wiki"},
		{"address bar", "Sec-Fetch-Site", []string{"none"}, 403, "only pages of this wiki"},
		{"site missing", "Sec-Fetch-Site", nil, 403, "only pages of this wiki"},
		{"navigation", "Sec-Fetch-Mode", []string{"navigate"}, 403, "can't be navigated to"},
		{"websocket", "Sec-Fetch-Mode", []string{"websocket"}, 403, "can't be navigated to"},
		{"mode missing", "Sec-Fetch-Mode", nil, 403, "can't be navigated to"},
		{"destination missing", "Sec-Fetch-Dest", nil, 403, "serves no scripts"},
		{"destination twice", "Sec-Fetch-Dest", []string{"image", "script"}, 400, "sent twice"},
		{"site twice", "Sec-Fetch-Site", []string{"same-origin", "cross-site"}, 400, "sent twice"},
		{"service worker", "Service-Worker", []string{"script"}, 403, "service workers"},
		{"service worker, empty", "Service-Worker", []string{""}, 403, "service workers"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := e.do(t, "GET", "/.tools/all/x?type=image/png", "image", func(r *http.Request) { r.Header[tc.field] = tc.values })
			wantRefusal(t, a, tc.status, tc.reason)
		})
	}
	if b.hits.Load() != hits {
		t.Errorf("the tool was asked %d times for refused uses", b.hits.Load()-hits)
	}
}

func TestMissingFetchMetadata(t *testing.T) {
	b := newBackend(t, tooltest.Answers("image/png", "png"))
	for _, tc := range []struct {
		name        string
		tls, always bool
		kind        noticeboard.Kind
		status      int
		reason      string
	}{
		{name: "plain HTTP", kind: noticeboard.Img, status: 200},
		{name: "plain HTTP, type of another kind", kind: noticeboard.Data, status: 502, reason: "isn't allowed for this use"},
		{name: "plain HTTP behind a terminator", always: true, kind: noticeboard.Img, status: 403, reason: "no Sec-Fetch headers"},
		{name: "TLS", tls: true, kind: noticeboard.Img, status: 403, reason: "no Sec-Fetch headers"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := newEdge(t, Config{RequireFetchMetadata: tc.always}, tool("maps", b.URL, tc.kind))
			hits := b.hits.Load()
			r := httptest.NewRequest("GET", "/.tools/maps/x", nil)
			if tc.tls {
				r.TLS = new(tls.ConnectionState)
			}
			w := httptest.NewRecorder()
			e.proxy.ServeHTTP(w, r)
			got := answer{w.Code, w.Header(), w.Body.String(), nil}
			if tc.status == 200 {
				if got.status != 200 || got.body != "png" {
					t.Errorf("got %d %q", got.status, got.body)
				}
				wantForced(t, got)
				return
			}
			wantRefusal(t, got, tc.status, tc.reason)
			if tc.status == 403 && b.hits.Load() != hits {
				t.Error("the tool was asked")
			}
		})
	}
}

func TestMethodsAndBodies(t *testing.T) {
	b := newBackend(t, tooltest.Answers("application/json", "{}"))
	reads := tool("reads", b.URL)
	reads.Methods = []string{"GET"}
	e := newEdge(t, Config{}, tool("maps", b.URL), reads)
	const fetch = "Host: wiki\r\nSec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\n"
	for _, tc := range []struct {
		name, request string
		status        int
		reason, allow string
	}{
		{"POST", "POST /.tools/maps/x HTTP/1.1\r\n" + fetch + "Content-Length: 1\r\n\r\na", 405, "isn't declared for this method", "GET, HEAD"},
		{"OPTIONS", "OPTIONS /.tools/maps/x HTTP/1.1\r\n" + fetch + "\r\n", 405, "isn't declared for this method", "GET, HEAD"},
		{"made up", "BREW /.tools/maps/x HTTP/1.1\r\n" + fetch + "\r\n", 405, "isn't declared for this method", "GET, HEAD"},
		{"lower case", "get /.tools/maps/x HTTP/1.1\r\n" + fetch + "\r\n", 405, "isn't declared for this method", "GET, HEAD"},
		{"GET only", "DELETE /.tools/reads/x HTTP/1.1\r\n" + fetch + "\r\n", 405, "isn't declared for this method", "GET"},
		{"body", "GET /.tools/maps/x HTTP/1.1\r\n" + fetch + "Content-Length: 1\r\n\r\na", 400, "must not have a body", ""},
		{"chunked body", "GET /.tools/maps/x HTTP/1.1\r\n" + fetch + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "must not have a body", ""},
		{"unknown tool", "GET /.tools/nothing/x HTTP/1.1\r\n" + fetch + "\r\n", 404, "no tool of that name", ""},
		{"tool's name in capitals", "GET /.tools/MAPS/x HTTP/1.1\r\n" + fetch + "\r\n", 404, "no tool of that name", ""},
		{"escaped name", "GET /.tools/m%61ps/x HTTP/1.1\r\n" + fetch + "\r\n", 404, "no tool of that name", ""},
		{"empty name", "GET /.tools//x HTTP/1.1\r\n" + fetch + "\r\n", 404, "no tool of that name", ""},
		{"outside", "GET /wiki/ HTTP/1.1\r\n" + fetch + "\r\n", 400, "own path must not be escaped", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := e.raw(t, tc.request)
			wantRefusal(t, a, tc.status, tc.reason)
			if a.header.Get("Allow") != tc.allow {
				t.Errorf("Allow %q, want %q", a.header.Get("Allow"), tc.allow)
			}
		})
	}
	if b.hits.Load() != 0 {
		t.Errorf("the tool was asked %d times", b.hits.Load())
	}
}
