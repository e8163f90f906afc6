package tools

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/quic-go/quic-go/http3"

	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

const proxiedPolicy = headers.Policy

// toolsEdge is a whole edge before a wiki, with one tool.
func toolsEdge(t *testing.T, tool, wiki *edgetest.Backend) *edgetest.Edge {
	return edgetest.New(t, toolsConfig(tool, wiki, ""))
}

func toolsConfig(tool, wiki *edgetest.Backend, more string) string {
	return `{
		{GLOBAL}
		metrics
		wikiveil {
			tool maps ` + tool.URL + ` {
				title "Maps of places"
				allow_loopback
			}
			` + more + `
		}
	}
	http://{SITE} {
		client_mask
		csp
		anonproxy
		reverse_proxy ` + wiki.Address() + `
	}`
}

func TestAnonProxyWholeEdge(t *testing.T) {
	tool, wiki := edgetest.JSONTool(t), edgetest.NewBackend(t, nil)
	e := toolsEdge(t, tool, wiki)
	url := "http://" + e.Site + "/.tools/maps/a%20b?q=%2F"

	var got []string
	for source, who := range map[string]string{"127.0.0.2": "alice", "127.0.0.3": "bob"} {
		resp, body := edgetest.Send(t, edgetest.From(t, source), http.MethodGet, url, edgetest.Browser("empty", who))
		if resp.StatusCode != 200 || body != `{"a":1}` {
			t.Fatalf("got %d %q", resp.StatusCode, body)
		}
		if policies := resp.Header["Content-Security-Policy"]; !slices.Equal(policies, []string{edgetest.Preset(t, "mediawiki"), proxiedPolicy}) {
			t.Errorf("policies %q", policies)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Content-Type": "application/json", "Vary": "Sec-Fetch-Dest", "Cache-Control": "no-store",
			"Set-Cookie": "", "Etag": "", "Access-Control-Allow-Origin": "",
		} {
			if got := strings.Join(resp.Header[name], ", "); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		r := tool.One(t)
		got = append(got, fmt.Sprint(r.RequestURI, r.Host, r.Header))
	}
	if got[0] != got[1] {
		t.Errorf("the tool can tell two readers apart:\n%s\n%s", got[0], got[1])
	}
	for _, word := range []string{"alice", "bob", "198.51.100.7", "127.0.0.2", "127.0.0.3", "2001:2"} {
		if strings.Contains(got[0], word) {
			t.Errorf("the tool saw %q: %s", word, got[0])
		}
	}

	for name, tt := range map[string]struct {
		path, dest string
		status     int
		reason     string
	}{
		"script":  {"/.tools/maps/x", "script", 403, "serves no scripts"},
		"frame":   {"/.tools/maps/x", "iframe", 403, "serves no scripts"},
		"kind":    {"/.tools/maps/x", "style", 403, "isn't declared for this kind"},
		"unknown": {"/.tools/other/x", "empty", 404, "no tool of that name"},
		"path":    {"/.tools/maps/%2e%2e/x", "empty", 400, "dot segment"},
	} {
		t.Run(name, func(t *testing.T) {
			resp, body := edgetest.Send(t, edgetest.From(t, "127.0.0.2"), http.MethodGet, "http://"+e.Site+tt.path, edgetest.Browser(tt.dest, "alice"))
			if resp.StatusCode != tt.status || !strings.Contains(body, tt.reason) || !slices.Contains(resp.Header["Content-Security-Policy"], proxiedPolicy) {
				t.Errorf("got %d %q %v", resp.StatusCode, body, resp.Header)
			}
		})
	}
	if n := len(tool.Take()) + len(wiki.Take()); n != 0 {
		t.Errorf("%d refused requests were sent on", n)
	}

	// The rest of the site goes on to the wiki.
	if _, body := edgetest.Send(t, edgetest.From(t, "127.0.0.2"), http.MethodGet, "http://"+e.Site+"/.toolsmith/x", nil); body != "the app" || wiki.One(t).URL.Path != "/.toolsmith/x" {
		t.Errorf("the wiki's page: %q", body)
	}
	series := e.Metrics(t)
	for outcome, want := range map[string]float64{"ok": 2, "refused_request": 4} {
		if got := series[`wikiveil_tool_requests_total{outcome="`+outcome+`",tool="maps"}`]; got != want {
			t.Errorf("%s counted %v times, want %v", outcome, got, want)
		}
	}
	for name := range series {
		if strings.HasPrefix(name, "wikiveil_tool") && strings.Contains(name, "other") {
			t.Errorf("an undeclared name is counted: %s", name)
		}
	}
	if log := e.ReadLog(t); !strings.Contains(log, "INSECURE") {
		t.Error("nothing warns of the loopback tool")
	}
}

// `csp` runs outside of `anonproxy` and may drop the policies of others.
func TestAnonProxyKeepsItsPolicy(t *testing.T) {
	tool := edgetest.JSONTool(t)
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			tool maps `+tool.URL+` {
				allow_loopback
			}
		}
	}
	http://{SITE} {
		csp {
			upstream drop
		}
		encode
		anonproxy
	}`)
	for path, dest := range map[string]string{"/.tools/maps/x": "empty", "/.tools/maps/y": "script"} {
		resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.2"), http.MethodGet, "http://"+e.Site+path, edgetest.Browser(dest, "alice"))
		if policies := resp.Header["Content-Security-Policy"]; !slices.Equal(policies, []string{edgetest.Preset(t, "mediawiki"), proxiedPolicy}) {
			t.Errorf("%s: policies %q", path, policies)
		}
	}
}

func TestAnonProxyNoticeboard(t *testing.T) {
	e := toolsEdge(t, edgetest.JSONTool(t), edgetest.NewBackend(t, nil))
	resp, body := edgetest.Send(t, edgetest.From(t, "127.0.0.2"), http.MethodGet, "http://"+e.Site+"/.tools/", http.Header{"Accept": {"text/html"}})
	if resp.StatusCode != 200 || !strings.Contains(body, "Maps of places") || !strings.Contains(body, "/.tools/maps/") {
		t.Errorf("page: %d %s", resp.StatusCode, body)
	}
	if policies := resp.Header["Content-Security-Policy"]; len(policies) != 2 || !strings.Contains(policies[1], "default-src 'none'; style-src 'self'") {
		t.Errorf("policies %q", policies)
	}
	resp, body = edgetest.Send(t, edgetest.From(t, "127.0.0.2"), http.MethodGet, "http://"+e.Site+"/.tools/", http.Header{"Accept": {"application/json"}})
	if resp.Header.Get("Content-Type") != "application/json" || !strings.Contains(body, `"name": "maps"`) {
		t.Errorf("JSON: %v %s", resp.Header, body)
	}
}

// The directive alone, without tools or the app's block, is a whole config too.
func TestAnonProxyWithoutTools(t *testing.T) {
	e := edgetest.New(t, "{\n{GLOBAL}\n}\nhttp://{SITE} {\nanonproxy\nrespond page\n}\n")
	for path, want := range map[string]string{"/": "page", "/.tools/": "No tool is declared", "/.tools/maps/x": "no tool of that name"} {
		if _, body := edgetest.Send(t, edgetest.From(t, "127.0.0.2"), http.MethodGet, "http://"+e.Site+path, nil); !strings.Contains(body, want) {
			t.Errorf("%s: %q", path, body)
		}
	}
}

func TestAnonProxyKeepsConnectionsOverReloads(t *testing.T) {
	var conns atomic.Int64
	tool := &edgetest.Backend{Server: httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, "{}")
	}))}
	tool.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			conns.Add(1)
		case http.StateClosed:
			conns.Add(-1)
		}
	}
	tool.Start()
	t.Cleanup(tool.Close)
	wiki := edgetest.NewBackend(t, nil)
	e := toolsEdge(t, tool, wiki)
	client := edgetest.From(t, "127.0.0.2")
	ask := func() {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			r, err := http.NewRequest(http.MethodGet, "http://"+e.Site+"/.tools/maps/x", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = edgetest.Browser("empty", "alice")
			// A connection that the old listener has not yet taken ends with it.
			resp, err := client.Do(r)
			if err == nil && resp.Body.Close() == nil && resp.StatusCode == 200 {
				return
			}
			if err == nil || time.Now().After(deadline) {
				t.Fatalf("got %v, %v", resp, err)
			}
		}
	}
	for n := range 3 {
		ask()
		if conns.Load() != 1 {
			t.Fatalf("%d connections after %d reloads, want the first one", conns.Load(), n)
		}
		e.Load(t, toolsConfig(tool, wiki, fmt.Sprintf("tool other%d https://other.example.org", n)))
	}
	ask()
	e.Load(t, "{\n{GLOBAL}\n}\nhttp://{SITE} {\nanonproxy\nrespond page\n}\n")
	for deadline := time.Now().Add(10 * time.Second); conns.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a removed tool's connection stays open")
		}
	}
	for key := range toolTransports.All() {
		t.Errorf("a removed tool's transport stays: %s", key)
	}
}

func TestAnonProxyBreaksAnswersOff(t *testing.T) {
	tool := edgetest.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		for range 100 {
			_, _ = io.WriteString(w, strings.Repeat("x", 1000))
		}
	})
	e := edgetest.New(t, `{
		{GLOBAL}
		metrics
		wikiveil {
			tool maps `+tool.URL+` {
				max_size 10kB
				allow_loopback
			}
		}
	}
	http://{SITE} {
		client_mask
		csp
		encode
		anonproxy
	}`)
	r, err := http.NewRequest(http.MethodGet, "http://"+e.Site+"/.tools/maps/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = edgetest.Browser("empty", "alice")
	r.Header.Del("Accept-Encoding")
	resp, err := edgetest.From(t, "127.0.0.2").Transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err == nil || len(body) > 10_000 {
		t.Errorf("the reader took %d bytes for whole", len(body))
	}
	if got := e.Metrics(t)[`wikiveil_tool_requests_total{outcome="too_large",tool="maps"}`]; got != 1 {
		t.Errorf("counted %v times", got)
	}
	if resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.2"), http.MethodGet, "http://"+e.Site+"/", nil); resp.StatusCode != 200 {
		t.Errorf("the edge then answers %d", resp.StatusCode)
	}
}

// A request's protocol changes what the server knows of its body and of TLS.
func TestAnonProxyOverTLS(t *testing.T) {
	tool := edgetest.JSONTool(t)
	certificate, key, pool := edgetest.SelfSigned(t)
	e := edgetest.New(t, `{
		{GLOBAL}
		wikiveil {
			tool maps `+tool.URL+` {
				allow_loopback
			}
		}
	}
	https://{SITE} {
		tls `+certificate+" "+key+`
		anonproxy
	}`)
	trust := &tls.Config{RootCAs: pool}
	h3 := &http3.Transport{TLSClientConfig: trust}
	defer h3.Close()
	h1, h2 := &http.Transport{TLSClientConfig: trust.Clone()}, &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: true}
	defer h1.CloseIdleConnections()
	defer h2.CloseIdleConnections()
	for proto, transport := range map[string]http.RoundTripper{"HTTP/1.1": h1, "HTTP/2.0": h2, "HTTP/3.0": h3} {
		t.Run(proto, func(t *testing.T) {
			client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
			resp, body := edgetest.Send(t, client, http.MethodGet, "https://"+e.Site+"/.tools/maps/x", edgetest.Browser("empty", "alice"))
			if resp.Proto != proto || resp.StatusCode != 200 || body != `{"a":1}` || !slices.Contains(resp.Header["Content-Security-Policy"], proxiedPolicy) {
				t.Errorf("got %s %d %q", resp.Proto, resp.StatusCode, body)
			}
			tool.One(t)
			resp, body = edgetest.Send(t, client, http.MethodGet, "https://"+e.Site+"/.tools/maps/x", nil)
			if resp.StatusCode != 403 || !strings.Contains(body, "no Sec-Fetch headers") {
				t.Errorf("without metadata: got %d %q", resp.StatusCode, body)
			}
			if n := len(tool.Take()); n != 0 {
				t.Errorf("the tool got %d requests", n)
			}
		})
	}
}

// Caddy cleans up after a Provision that failed, too.
func TestAnonProxyCleanupOfHalfMade(t *testing.T) {
	h := new(AnonProxy)
	for range 2 {
		if err := h.Cleanup(); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	h = &AnonProxy{Path: "/"}
	if err := h.Provision(ctx); err == nil {
		t.Fatal("a bad path was provisioned")
	}
	if err := h.Cleanup(); err != nil {
		t.Fatal(err)
	}
}
