package edge_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

func TestToolsCacheCaddyfile(t *testing.T) {
	for text, want := range map[string]edge.ToolsCacheConfig{
		"tools_cache off":                   {Off: true},
		"tools_cache {\n heuristic off\n }": {Heuristic: -1},
		"tools_cache {\n memory 128MiB\n entries 9\n object 1MiB\n heuristic 1m\n }": {
			Memory: 128 << 20, Entries: 9, Object: 1 << 20, Heuristic: caddy.Duration(time.Minute),
		},
	} {
		app := new(edge.App)
		if err := app.UnmarshalCaddyfile(caddyfile.NewTestDispenser("wikiveil {\n" + text + "\n}")); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		form, err := json.Marshal(app)
		if err != nil {
			t.Fatal(err)
		}
		var back edge.App
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
		err := new(edge.App).UnmarshalCaddyfile(caddyfile.NewTestDispenser("wikiveil {\n" + text + "\n}"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	// JSON goes the same way.
	for form, want := range map[string]string{
		`{"off": true, "memory": 1}`: "tools_cache is off", `{"memory": -1}`: "must not be negative",
	} {
		err := edgetest.ValidateConfig(config(t, fmt.Sprintf(`{"apps": {"wikiveil": {"tools_cache": %s}}}`, form)))
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
