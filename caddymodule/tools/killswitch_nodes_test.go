package tools

import (
	"io"
	"net/http"
	"testing"

	"github.com/coder/websocket"

	"github.com/wikiveil/wikiveil/internal/testutil"
)

// What one node stops, another forgets, even where the stop ends before it looks.
func TestKillSwitchReachesNodes(t *testing.T) {
	testutil.Slow(t)
	maps, fresh, live, cdn := storedTool(t), storedTool(t), streamingTool(t), newCDN(t)
	e := boardEdge(t, fileTool("maps", maps, ""), fileTool("fresh", fresh, `, "refresh": ["/r"]`), fileTool("live", live, `, "streams": ["events", "websocket"]`),
		fileTool("lib", cdn, `, "kinds": ["script"], "executable": true, "mirror": [{"path": "/lib.js", "integrity": "`+pin(libScript)+`"}]`))
	node := startNode(t, e)
	post := func(path, tool string) {
		t.Helper()
		if status, body := e.Post(t, path, switchRequest{Tool: tool, By: "test"}); status != 200 {
			t.Fatalf("%s: %d %s", path, status, body)
		}
	}
	testutil.Eventually(t, "refreshes", func() bool {
		return node.Metrics(t)[`wikiveil_tool_refreshes_total{outcome="ok",tool="fresh"}`] > 0
	})
	testutil.Eventually(t, "the answer to be kept", func() bool { _, _, n := fetched(t, node, maps, "/a"); return n == 0 })
	// Stopped and let go again, before the other node looks.
	post(adminDisableTools, "maps")
	post(adminEnableTools, "maps")
	testutil.Eventually(t, "the other node to forget", func() bool {
		status, _, n := fetched(t, node, maps, "/a")
		return status == 200 && n > 0
	})

	waitForFile(t, node, "/.tools/lib/lib.js", "script", libScript)
	events, chat := openLive(t, node)
	post(adminDisableTools, "maps")
	post(adminDisableTools, "live")
	post(adminDisableTools, "lib")
	_, _ = io.ReadAll(events)
	for {
		if _, _, err := chat.Read(t.Context()); err != nil {
			if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
				t.Error(err)
			}
			break
		}
	}
	testutil.Eventually(t, "maps", func() bool { s, _, n := fetched(t, node, maps, "/a"); return s == 403 && n == 0 })
	testutil.Eventually(t, "lib", func() bool {
		resp, _ := loadFile(t, node, "/.tools/lib/lib.js", "script")
		return resp.StatusCode == http.StatusForbidden
	})
}
