package anonproxy

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backend is a tool's server that counts what reaches it.
type backend struct {
	*httptest.Server
	hits  atomic.Int64
	conns atomic.Int64
}

// newBackend serves on a loopback address until the test ends.
func newBackend(t testing.TB, handler http.HandlerFunc) *backend {
	t.Helper()
	b := new(backend)
	b.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.hits.Add(1)
		handler(w, r)
	}))
	b.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			b.conns.Add(1)
		}
	}
	b.Start()
	t.Cleanup(b.Close)
	return b
}

// everyEdgeCached gives each edge a cache of its own.
var everyEdgeCached bool

// edge is a proxy behind a real server.
type edge struct {
	*httptest.Server
	proxy *Proxy
	logs  *lockedBuffer

	mu       sync.Mutex
	outcomes []string
}

func newEdge(t testing.TB, cfg Config, tools ...*noticeboard.Tool) *edge {
	t.Helper()
	e := &edge{logs: new(lockedBuffer)}
	board, err := noticeboard.New(tools)
	if err != nil {
		t.Fatal(err)
	}
	if everyEdgeCached {
		cfg.Cache = newCache(t, cache.Config{})
	}
	cfg.Logger = slog.New(slog.NewTextHandler(e.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	cfg.Observe = func(tool, outcome string) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.outcomes = append(e.outcomes, tool+" "+outcome)
	}
	if e.proxy, err = New(board, cfg); err != nil {
		t.Fatal(err)
	}
	e.Server = httptest.NewServer(e.proxy)
	t.Cleanup(func() {
		e.Server.Close()
		_ = e.proxy.Close()
	})
	return e
}

// observed waits for the n-th outcome: a client may see its answer before.
func (e *edge) observed(t testing.TB, n int) []string {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		e.mu.Lock()
		outcomes := append([]string{}, e.outcomes...)
		e.mu.Unlock()
		if len(outcomes) >= n {
			return outcomes
		}
		if time.Now().After(deadline) {
			t.Fatalf("observed %q, want %d outcomes", outcomes, n)
		}
	}
}

// trust has an edge's tool, too, trust it.
func (e *edge) trust(t testing.TB, tool string) {
	t.Helper()
	e.proxy.upstreams()[tool].transport.HTTP.TLSClientConfig.RootCAs = tooltest.Roots()
}

// tool declares a tool at a test server.
func tool(name, origin string, kinds ...noticeboard.Kind) *noticeboard.Tool {
	return &noticeboard.Tool{Name: name, Origin: origin, Kinds: kinds, AllowLoopback: true}
}

// answer is what a client got.
type answer struct {
	status int
	header http.Header
	body   string
	err    error // of reading the body
}

// do sends a request as a browser does for the destination.
func (e *edge) do(t testing.TB, method, path, dest string, change ...func(*http.Request)) answer {
	t.Helper()
	r, err := http.NewRequest(method, e.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if dest != "" {
		r.Header.Set("Sec-Fetch-Dest", dest)
		r.Header.Set("Sec-Fetch-Mode", "cors")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for _, c := range change {
		c(r)
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(body), err}
}

// raw sends bytes and returns the answer to them.
func (e *edge) raw(t testing.TB, request string) answer {
	t.Helper()
	conn, err := net.Dial("tcp", e.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(body), err}
}

// wantRefusal checks a refusal's status, its reason and the forced headers.
func wantRefusal(t testing.TB, got answer, status int, reason string) {
	t.Helper()
	if got.status != status || !strings.Contains(got.body, reason) {
		t.Errorf("got %d %q, want %d and a reason with %q", got.status, got.body, status, reason)
	}
	if got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q on a refusal", got.header.Get("Cache-Control"))
	}
	if got.header.Get("Content-Type") == "text/html; charset=utf-8" { // a page for who opened the address: see TestFriction19RefusalInATab
		if policy := got.header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'self'; form-action 'none'") || got.header.Get("Vary") != "Sec-Fetch-Dest" {
			t.Errorf("a page with the policy %q, Vary %q", policy, got.header.Get("Vary"))
		}
		return
	}
	wantForced(t, got)
}

// wantForced checks the protections that every proxied answer carries.
func wantForced(t testing.TB, got answer) {
	t.Helper()
	for name, want := range map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"Content-Security-Policy":      "sandbox; default-src 'none'; frame-ancestors 'none'",
		"Vary":                         "Sec-Fetch-Dest",
		"Content-Disposition":          "attachment",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Referrer-Policy":              "no-referrer",
	} {
		if values := got.header.Values(name); len(values) != 1 || values[0] != want {
			t.Errorf("%s is %q, want %q", name, values, want)
		}
	}
}

// lockedBuffer is a log that a test may read while a server writes.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
