package tools

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

// storedTool is a tool whose answers may be kept: its path's, and another's to which /moved leads.
func storedTool(t *testing.T) *edgetest.Backend {
	return edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/target", http.StatusMovedPermanently)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, r.URL.Path)
	})
}

// fetched asks for a path of a tool, whole, and tells how many requests the tool saw.
func fetched(t *testing.T, e *edgetest.Edge, tool *edgetest.Backend, path string) (status int, body string, requests int) {
	t.Helper()
	header := edgetest.Browser("empty", "alice")
	header.Del("Range")
	header.Del("If-None-Match")
	resp, body := edgetest.Send(t, edgetest.From(t, "127.0.0.2"), http.MethodGet, "http://"+e.Site+"/.tools/maps"+path, header)
	return resp.StatusCode, body, len(tool.Take())
}

func wantFetched(t *testing.T, e *edgetest.Edge, tool *edgetest.Backend, path, body string, requests int) {
	t.Helper()
	if status, got, n := fetched(t, e, tool, path); status != 200 || got != body || n != requests {
		t.Errorf("%s: got %d %q by %d requests to the tool, want %q by %d", path, status, got, n, body, requests)
	}
}

// turn turns the kill switch.
func turn(t *testing.T, e *edgetest.Edge, path, url string) {
	t.Helper()
	if status, body := e.Post(t, path, switchRequest{Tool: "maps", URL: url, By: "test"}); status != 200 {
		t.Fatalf("%s: %d %s", path, status, body)
	}
}

// Readers of all sites share the answers, over reloads too.
func TestToolCacheIsShared(t *testing.T) {
	tool := storedTool(t)
	config := toolsConfig(tool, edgetest.NewBackend(t, nil), "")
	e := edgetest.New(t, config)
	wantFetched(t, e, tool, "/a", "/a", 1)
	wantFetched(t, e, tool, "/a", "/a", 0)
	e.Load(t, strings.Replace(config, "csp\n", "csp {\n upstream drop\n }\n", 1)) // another config, with the same cache
	wantFetched(t, e, tool, "/a", "/a", 0)
	resp, part := edgetest.Send(t, edgetest.From(t, "127.0.0.3"), http.MethodGet, "http://"+e.Site+"/.tools/maps/a", http.Header{
		"Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-origin"}, "Range": {"bytes=1-"},
	})
	if resp.StatusCode != 206 || part != "a" || len(tool.Take()) != 0 {
		t.Errorf("a range: %d %q", resp.StatusCode, part)
	}
	series := e.Metrics(t)
	for name, want := range map[string]float64{
		`wikiveil_tool_cache_requests_total{result="hit"}`: 3, `wikiveil_tool_cache_requests_total{result="miss"}`: 1,
		`wikiveil_tool_cache_entries`: 1,
	} {
		if got, ok := series[name]; !ok || got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	e.Load(t, toolsConfig(tool, edgetest.NewBackend(t, nil), "tools_cache off"))
	wantFetched(t, e, tool, "/a", "/a", 1)
	wantFetched(t, e, tool, "/a", "/a", 1)
}

// What the kill switch has stopped isn't served from the cache, and doesn't come back when the stop ends. That
// holds for what leads to it too.
func TestToolCacheAndKillSwitch(t *testing.T) {
	tool := storedTool(t)
	e := edgetest.New(t, toolsConfig(tool, edgetest.NewBackend(t, nil), ""))
	wantFetched(t, e, tool, "/a", "/a", 1)
	wantFetched(t, e, tool, "/moved", "/target", 2)
	wantFetched(t, e, tool, "/moved", "/target", 0)
	turn(t, e, adminDisableTools, "/target")
	if status, body, n := fetched(t, e, tool, "/moved"); status != 403 || !strings.Contains(body, "redirects to what is refused") || n != 1 {
		t.Errorf("what leads to the stopped path: %d %q by %d requests", status, body, n)
	}
	if status, _, n := fetched(t, e, tool, "/target"); status != 403 || n != 0 {
		t.Errorf("the stopped path: %d by %d requests", status, n)
	}
	wantFetched(t, e, tool, "/a", "/a", 1) // the whole tool was forgotten, which is simpler and safe
	turn(t, e, adminDisableTools, "")
	if status, _, n := fetched(t, e, tool, "/a"); status != 403 || n != 0 {
		t.Errorf("the stopped tool: %d by %d requests", status, n)
	}
	turn(t, e, adminEnableTools, "")
	wantFetched(t, e, tool, "/a", "/a", 1)
	turn(t, e, adminEnableTools, "/target")
	wantFetched(t, e, tool, "/moved", "/target", 2)
}

// With a part of a tool stopped, neither a config that is only validated nor a reload makes the
// edge forget the rest.
func TestStoppedPathKeepsTheRest(t *testing.T) {
	tool := storedTool(t)
	config := toolsConfig(tool, edgetest.NewBackend(t, nil), "")
	e := edgetest.New(t, config)
	turn(t, e, adminDisableTools, "/private")
	wantFetched(t, e, tool, "/a", "/a", 1)
	next := strings.Replace(config, "csp\n", "csp {\n upstream drop\n }\n", 1)
	var other caddy.Config
	if err := json.Unmarshal(edgetest.Adapt(t, e.Expand(next)), &other); err != nil {
		t.Fatal(err)
	}
	if err := edgetest.ValidateConfig(&other); err != nil {
		t.Fatal(err)
	}
	wantFetched(t, e, tool, "/a", "/a", 0)
	e.Load(t, next)
	wantFetched(t, e, tool, "/a", "/a", 0)
	if status, _, n := fetched(t, e, tool, "/private"); status != 403 || n != 0 {
		t.Errorf("what is stopped: %d by %d requests", status, n)
	}
}
