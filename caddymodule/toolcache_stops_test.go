package caddymodule

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/noticeboard"
)

// onDisk waits until the cache's directory has one answer, and returns its name.
func (e *edge) onDisk(t *testing.T) (name string) {
	t.Helper()
	eventually(t, "the answer to be on disk", func() bool {
		list, err := os.ReadDir(filepath.Join(e.dir, "cache"))
		if err != nil || len(list) != 1 || strings.HasPrefix(list[0].Name(), "new-") {
			return false
		}
		name = list[0].Name()
		return true
	})
	return name
}

// cachedSite keeps answers on disk; a reload with another memory has another cache in the same directory.
func cachedSite(t *testing.T, tool *app, memory string) string {
	return toolsConfig(tool, newApp(t, nil), "tools_cache {\n dir {DIR}/cache\n memory "+memory+"\n }")
}

func (e *edge) turn(t *testing.T, path, url string) {
	t.Helper()
	if status, body := e.post(t, path, switchRequest{Tool: "maps", URL: url, By: "test"}); status != 200 {
		t.Fatalf("%s: %d %s", path, status, body)
	}
}

// With a part of a tool stopped, neither a config that is only validated nor a reload makes the
// edge forget the rest.
func TestStoppedPathKeepsTheRest(t *testing.T) {
	tool := storedTool(t)
	config := cachedSite(t, tool, "2MiB")
	e := newEdge(t, config)
	e.turn(t, adminDisableTools, "/private")
	e.wantFetched(t, tool, "/a", "/a", 1)
	name := e.onDisk(t)
	var other caddy.Config // whose cache isn't this process's, as in `wikiveil validate`
	if err := json.Unmarshal(adapt(t, e.expand(cachedSite(t, tool, "1MiB"))), &other); err != nil {
		t.Fatal(err)
	}
	if err := validateConfig(&other); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(e.dir, "cache", name)); err != nil {
		t.Errorf("a config that is only validated has removed the answer: %v", err)
	}
	e.load(t, strings.Replace(config, "csp\n", "csp {\n upstream drop\n }\n", 1))
	e.wantFetched(t, tool, "/a", "/a", 0)
	if status, _, n := e.fetched(t, tool, "/private"); status != 403 || n != 0 {
		t.Errorf("what is stopped: %d by %d requests", status, n)
	}
}

// A file that the cache of the config before wrote after the present one had looked goes with the others.
func TestKillSwitchFindsUncountedFiles(t *testing.T) {
	tool := storedTool(t)
	e := newEdge(t, cachedSite(t, tool, "2MiB"))
	e.wantFetched(t, tool, "/a", "/a", 1)
	file, aside := filepath.Join(e.dir, "cache", e.onDisk(t)), filepath.Join(e.dir, "aside")
	if err := os.Rename(file, aside); err != nil {
		t.Fatal(err)
	}
	e.load(t, cachedSite(t, tool, "1MiB"))
	if err := os.Rename(aside, file); err != nil {
		t.Fatal(err)
	}
	e.turn(t, adminDisableTools, "")
	e.fetched(t, tool, "/a")
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the kill switch left a file of the tool: %v", err)
	}
}

// What was stopped for a time while the edge was down doesn't come back from its disk.
func TestStopWhileTheEdgeWasDown(t *testing.T) {
	tool := storedTool(t)
	config := cachedSite(t, tool, "2MiB")
	e := newEdge(t, config)
	e.wantFetched(t, tool, "/a", "/a", 1)
	e.onDisk(t)
	e.load(t, "{\n{GLOBAL}\n}\n")
	shared, err := noticeboard.OpenState(t.Context(), &certmagic.FileStorage{Path: filepath.Join(e.dir, "storage")})
	if err != nil {
		t.Fatal(err)
	}
	if err := shared.Disable(t.Context(), noticeboard.Kill{Tool: "maps", By: "another node"}); err != nil {
		t.Fatal(err)
	}
	if err := shared.Enable(t.Context(), "maps", "", "another node", ""); err != nil {
		t.Fatal(err)
	}
	e.reload(t, config)
	e.wantFetched(t, tool, "/a", "/a", 1)
}
