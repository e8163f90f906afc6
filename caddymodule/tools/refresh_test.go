package tools

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/goleak"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
)

// refreshedConfig has a tool of which the given paths are refreshed.
func refreshedConfig(tool, wiki *edgetest.Backend, paths, more string) string {
	return `{
		{GLOBAL}
		metrics
		wikiveil {
			tool maps ` + tool.URL + ` {
				allow_loopback
				refresh ` + paths + `
				refresh_file {DIR}/paths
			}
			` + more + `
		}
	}
	http://{SITE} {
		client_mask
		anonproxy
		reverse_proxy ` + wiki.Address() + ` {
			transport http {
				keepalive off
			}
		}
	}`
}

// got waits until a tool has been asked n times more, and returns for what.
func got(t *testing.T, a *edgetest.Backend, n int) map[string]int {
	t.Helper()
	paths, sum := make(map[string]int), 0
	testutil.Eventually(t, fmt.Sprint(n, " requests to the tool"), func() bool {
		for _, r := range a.Take() {
			paths[r.URL.Path]++
			sum++
		}
		return sum >= n
	})
	return paths
}

// What is declared is asked for without any reader, goes on over reloads without being asked
// for anew, and after a stop of the kill switch, which forgets it, again.
func TestToolRefresh(t *testing.T) {
	testutil.Slow(t)
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		goleak.VerifyNone(t, ignore,
			goleak.IgnoreTopFunction("github.com/DeRuina/timberjack.(*Logger).millRun"),
			goleak.IgnoreTopFunction("github.com/caddyserver/certmagic.(*Cache).maintainAssets"),
			goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
		)
	})
	tool, wiki := storedTool(t), edgetest.NewBackend(t, nil)
	e := edgetest.Place(t)
	if err := os.WriteFile(filepath.Join(e.Dir, "paths"), []byte("/c\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config := refreshedConfig(tool, wiki, "/a /b", "")
	var parsed caddy.Config
	if err := json.Unmarshal(edgetest.Adapt(t, e.Expand(config)), &parsed); err != nil {
		t.Fatal(err)
	}
	if err := edgetest.ValidateConfig(&parsed); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	if n := len(tool.Take()); n != 0 {
		t.Errorf("to validate a config asks a tool %d times", n)
	}

	e.Load(t, config)
	t.Cleanup(func() {
		e.Load(t, "{\nadmin off\n}")
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	if got := got(t, tool, 3); got["/a"] != 1 || got["/b"] != 1 || got["/c"] != 1 {
		t.Fatalf("the tool was asked for %v", got)
	}
	testutil.Eventually(t, "the answers", func() bool {
		return e.Metrics(t)[`wikiveil_tool_refreshes_total{outcome="ok",tool="maps"}`] == 3
	})
	for _, path := range []string{"/a", "/b", "/c"} {
		wantFetched(t, e, tool, path, path, 0)
	}
	for range 3 {
		e.Load(t, strings.Replace(config, "client_mask", "client_mask {\n mode observe\n }", 1))
		e.Load(t, config)
	}
	wantFetched(t, e, tool, "/a", "/a", 0)

	act := func(action string) {
		t.Helper()
		if status, body := e.Post(t, "/wikiveil/tools/"+action, map[string]string{"tool": "maps", "by": "test"}); status != 200 {
			t.Fatalf("%s: %d %s", action, status, body)
		}
	}
	act("disable")
	time.Sleep(100 * time.Millisecond)
	if n := len(tool.Take()); n != 0 {
		t.Errorf("a stopped tool was asked %d times", n)
	}
	act("enable")
	got(t, tool, 3)
	testutil.Eventually(t, "the answers", func() bool {
		return e.Metrics(t)[`wikiveil_tool_refreshes_total{outcome="ok",tool="maps"}`] >= 6
	})
	wantFetched(t, e, tool, "/c", "/c", 0)
}

// A tool that the followed file brings is refreshed though no reader asks for anything.
func TestToolRefreshFollowsTheNoticeboard(t *testing.T) {
	testutil.Slow(t)
	tool := storedTool(t)
	e := boardEdge(t)
	if n := len(tool.Take()); n != 0 {
		t.Fatal("the tool is asked already")
	}
	edgetest.WriteTools(t, e.Dir, fileTool("maps", tool, `, "refresh": ["/a"]`))
	if got := got(t, tool, 1); got["/a"] != 1 {
		t.Errorf("the tool was asked for %v", got)
	}
}

func TestToolRefreshNeedsTheCache(t *testing.T) {
	tool := storedTool(t)
	e := edgetest.New(t, refreshedConfig(tool, edgetest.NewBackend(t, nil), "/a", "tools_cache off"))
	wantFetched(t, e, tool, "/b", "/b", 1)
	log, err := os.ReadFile(e.Log)
	if err != nil || strings.Count(string(log), "tools_cache is off, so no path of a tool is refreshed") != 1 {
		t.Errorf("%v; the log says %s", err, log)
	}
}
