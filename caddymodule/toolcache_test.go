package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// storedTool is a tool whose answers may be kept: its path's, and another's to which /moved leads.
func storedTool(t *testing.T) *app {
	return newApp(t, func(w http.ResponseWriter, r *http.Request) {
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
func (e *edge) fetched(t *testing.T, tool *app, path string) (status int, body string, requests int) {
	t.Helper()
	header := browser("empty", "alice")
	header.Del("Range")
	header.Del("If-None-Match")
	resp, body := send(t, from(t, "127.0.0.2"), http.MethodGet, "http://"+e.site+"/.tools/maps"+path, header)
	return resp.StatusCode, body, len(tool.take())
}

func (e *edge) wantFetched(t *testing.T, tool *app, path, body string, requests int) {
	t.Helper()
	if status, got, n := e.fetched(t, tool, path); status != 200 || got != body || n != requests {
		t.Errorf("%s: got %d %q by %d requests to the tool, want %q by %d", path, status, got, n, body, requests)
	}
}

// turn turns the kill switch.
func (e *edge) turn(t *testing.T, path, url string) {
	t.Helper()
	if status, body := e.post(t, path, switchRequest{Tool: "maps", URL: url, By: "test"}); status != 200 {
		t.Fatalf("%s: %d %s", path, status, body)
	}
}

// Readers of all sites share the answers, over reloads too.
func TestToolCacheIsShared(t *testing.T) {
	tool := storedTool(t)
	config := toolsConfig(tool, newApp(t, nil), "")
	e := newEdge(t, config)
	e.wantFetched(t, tool, "/a", "/a", 1)
	e.wantFetched(t, tool, "/a", "/a", 0)
	e.load(t, strings.Replace(config, "csp\n", "csp {\n upstream drop\n }\n", 1)) // another config, with the same cache
	e.wantFetched(t, tool, "/a", "/a", 0)
	resp, part := send(t, from(t, "127.0.0.3"), http.MethodGet, "http://"+e.site+"/.tools/maps/a", http.Header{
		"Sec-Fetch-Dest": {"empty"}, "Sec-Fetch-Mode": {"cors"}, "Sec-Fetch-Site": {"same-origin"}, "Range": {"bytes=1-"},
	})
	if resp.StatusCode != 206 || part != "a" || len(tool.take()) != 0 {
		t.Errorf("a range: %d %q", resp.StatusCode, part)
	}
	series := metricsOf(t, e)
	for name, want := range map[string]float64{
		`wikiveil_tool_cache_requests_total{result="hit"}`: 3, `wikiveil_tool_cache_requests_total{result="miss"}`: 1,
		`wikiveil_tool_cache_entries`: 1,
	} {
		if got, ok := series[name]; !ok || got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	e.load(t, toolsConfig(tool, newApp(t, nil), "tools_cache off"))
	e.wantFetched(t, tool, "/a", "/a", 1)
	e.wantFetched(t, tool, "/a", "/a", 1)
}

// What the kill switch has stopped isn't served from the cache, and doesn't come back when the stop ends. That
// holds for what leads to it too.
func TestToolCacheAndKillSwitch(t *testing.T) {
	tool := storedTool(t)
	e := newEdge(t, toolsConfig(tool, newApp(t, nil), ""))
	e.wantFetched(t, tool, "/a", "/a", 1)
	e.wantFetched(t, tool, "/moved", "/target", 2)
	e.wantFetched(t, tool, "/moved", "/target", 0)
	e.turn(t, adminDisableTools, "/target")
	if status, body, n := e.fetched(t, tool, "/moved"); status != 403 || !strings.Contains(body, "redirects to what is refused") || n != 1 {
		t.Errorf("what leads to the stopped path: %d %q by %d requests", status, body, n)
	}
	if status, _, n := e.fetched(t, tool, "/target"); status != 403 || n != 0 {
		t.Errorf("the stopped path: %d by %d requests", status, n)
	}
	e.wantFetched(t, tool, "/a", "/a", 1) // the whole tool was forgotten, which is simpler and safe
	e.turn(t, adminDisableTools, "")
	if status, _, n := e.fetched(t, tool, "/a"); status != 403 || n != 0 {
		t.Errorf("the stopped tool: %d by %d requests", status, n)
	}
	e.turn(t, adminEnableTools, "")
	e.wantFetched(t, tool, "/a", "/a", 1)
	e.turn(t, adminEnableTools, "/target")
	e.wantFetched(t, tool, "/moved", "/target", 2)
}

// With a part of a tool stopped, neither a config that is only validated nor a reload makes the
// edge forget the rest.
func TestStoppedPathKeepsTheRest(t *testing.T) {
	tool := storedTool(t)
	config := toolsConfig(tool, newApp(t, nil), "")
	e := newEdge(t, config)
	e.turn(t, adminDisableTools, "/private")
	e.wantFetched(t, tool, "/a", "/a", 1)
	next := strings.Replace(config, "csp\n", "csp {\n upstream drop\n }\n", 1)
	var other caddy.Config
	if err := json.Unmarshal(adapt(t, e.expand(next)), &other); err != nil {
		t.Fatal(err)
	}
	if err := validateConfig(&other); err != nil {
		t.Fatal(err)
	}
	e.wantFetched(t, tool, "/a", "/a", 0)
	e.load(t, next)
	e.wantFetched(t, tool, "/a", "/a", 0)
	if status, _, n := e.fetched(t, tool, "/private"); status != 403 || n != 0 {
		t.Errorf("what is stopped: %d by %d requests", status, n)
	}
}

func TestToolsCacheCaddyfile(t *testing.T) {
	for text, want := range map[string]ToolsCacheConfig{
		"tools_cache off":                   {Off: true},
		"tools_cache {\n heuristic off\n }": {Heuristic: -1},
		"tools_cache {\n memory 128MiB\n entries 9\n object 1MiB\n heuristic 1m\n }": {
			Memory: 128 << 20, Entries: 9, Object: 1 << 20, Heuristic: caddy.Duration(time.Minute),
		},
	} {
		app := new(App)
		if err := app.UnmarshalCaddyfile(caddyfile.NewTestDispenser("wikiveil {\n" + text + "\n}")); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		form, err := json.Marshal(app)
		if err != nil {
			t.Fatal(err)
		}
		var back App
		if err := json.Unmarshal(form, &back); err != nil || !reflect.DeepEqual(back.ToolsCache, &want) {
			t.Errorf("%s: by JSON %+v, want %+v, %v", text, back.ToolsCache, want, err)
		}
	}
	for text, want := range map[string]string{
		"tools_cache on":                                "wrong argument count",
		"tools_cache off {\n memory 1MiB\n }":           "tools_cache is off, and has further options: leave one of them out, at Testfile:",
		"tools_cache {\n memory 1MiB\n object 2MiB\n }": "tools_cache: the cache's largest object of 2097152 bytes doesn't fit into its 1048576 bytes",
		"tools_cache {\n dir /tmp/x\n }":                `unknown tools_cache option "dir" (known: memory`,
		"tools_cache {\n entries 0\n }":                 "entries must be at least 1; to keep nothing, use tools_cache off, at Testfile:3",
		"tools_cache {\n memory 1MiB\n memory 1MiB\n }": "memory is given twice, at Testfile:4",
		"tools_cache {\n heuristic soon\n }":            `parsing heuristic: "soon" is not a duration`,
		"tools_cache {\n size 1MiB\n }":                 `unknown tools_cache option "size" (known: memory`,
		"tools_cache {\n}\ntools_cache {\n}":            "tools_cache is given twice",
		"tools_cache {\n memory 1MiB 2MiB\n }":          "wrong argument count",
	} {
		err := new(App).UnmarshalCaddyfile(caddyfile.NewTestDispenser("wikiveil {\n" + text + "\n}"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	// JSON goes the same way.
	for form, want := range map[string]string{
		`{"off": true, "memory": 1}`: "tools_cache is off", `{"memory": -1}`: "must not be negative",
	} {
		err := validateConfig(config(t, fmt.Sprintf(`{"apps": {"wikiveil": {"tools_cache": %s}}}`, form)))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", form, err, want)
		}
	}
}

func config(t *testing.T, text string) *caddy.Config {
	t.Helper()
	c := new(caddy.Config)
	if err := json.Unmarshal([]byte(text), c); err != nil {
		t.Fatal(err)
	}
	return c
}
