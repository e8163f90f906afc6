package tools

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/admin"
	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func TestKillSwitch(t *testing.T) {
	testutil.Slow(t)
	maps := edgetest.JSONTool(t)
	e := boardEdge(t, fileTool("maps", maps, ""))
	wantAnswer(t, e, "maps/x", maps)

	out := edgetest.Stdout(t, func() {
		if _, err := edgetest.Run(t, "", "tools", "disable", "maps", "--reason", "It <leaks>", "--address", e.Admin); err != nil {
			t.Fatal(err)
		}
	})
	if out != "disabled maps\n" {
		t.Errorf("the command says %q", out)
	}
	wantRefused(t, e, "maps/x", 403, "the tool is disabled: It <leaks>", maps)
	html, list := boardPage(t, e)
	wantWords(t, "the page", html, "Out of use: the tool is disabled: It &lt;leaks&gt;", "<strong>maps</strong> was disabled")
	wantWords(t, "the JSON", list, `"standing": "disabled"`, `"act": "disabled"`)
	if strings.Contains(html+list, "(command)") {
		t.Error("the public sees who disabled it")
	}
	if got := toolsOf(t, e); len(got.Disabled) != 1 || got.Disabled[0].By != "admin:"+admin.WhoRuns() || got.Changes[0].By != "admin:"+admin.WhoRuns() {
		t.Errorf("the admin API lists %+v", got)
	}

	// It holds after a restart, whatever the declaration says then, and on other nodes.
	e.Load(t, "{\n{GLOBAL}\n}\n")
	edgetest.WriteTools(t, e.Dir, fileTool("maps", maps, `, "purpose": "Another"`))
	e.Load(t, boardSite)
	wantRefused(t, e, "maps/x", 403, "the tool is disabled: It <leaks>", maps)
	other := startNode(t, e)
	wantRefused(t, other, "maps/x", 403, "the tool is disabled: It <leaks>", maps)

	// Either node can take it back, and disable again.
	if _, err := edgetest.Run(t, "", "tools", "enable", "maps", "--address", other.Admin); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, other, "maps/x", maps)
	testutil.Eventually(t, "the first node to follow", func() bool { return toolStatus(t, e, "maps/x") == 200 })
	if status, body := e.Post(t, adminDisableTools, switchRequest{Tool: "maps", Why: "again"}); status != 200 || strings.Contains(body, "warning") {
		t.Fatalf("disabling: %d %s", status, body)
	}
	maps.Take()
	wantRefused(t, e, "maps/x", 403, "the tool is disabled: again", maps)
	testutil.Eventually(t, "the second node to follow", func() bool { return toolStatus(t, other, "maps/x") == 403 })
	maps.Take()
	wantRefused(t, other, "maps/x", 403, "the tool is disabled: again", maps)
	if got := toolsOf(t, other); len(got.Disabled) != 1 || got.Disabled[0].By != "admin:API" {
		t.Errorf("the second node lists %+v", got.Disabled)
	}
}

// One address of a tool is killed: nothing that begins with it is asked for, neither
// straight nor by a redirect of the tool, and the rest goes on.
func TestKillSwitchOfAnAddress(t *testing.T) {
	maps := edgetest.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"a":1}`)
	})
	e := boardEdge(t, fileTool("maps", maps, ""))
	out := edgetest.Stdout(t, func() {
		_, err := edgetest.Run(t, "", "tools", "disable", "maps", "--url", maps.URL+"/private/a%20b", "--reason", "names readers", "--address", e.Admin)
		if err != nil {
			t.Fatal(err)
		}
	})
	if out != "disabled maps, what begins with /private/a b\n" {
		t.Errorf("the command says %q", out)
	}
	for _, path := range []string{"/private/a%20b", "/private/a%20b/c", "/Private/A%20B", "/private/%61%20b", "/private;x/a%20b"} {
		wantRefused(t, e, "maps"+path, 403, "this part of the tool is disabled: names readers", maps)
	}
	wantAnswer(t, e, "maps/private/a", maps)
	for to, want := range map[string]struct {
		status int
		reason string
	}{
		"/private/a%2520b":               {403, "the tool redirects to what is refused: this part of the tool is disabled: names readers"},
		maps.URL + "/private/a%2520b":    {403, "the tool redirects to what is refused: this part of the tool is disabled: names readers"},
		"/x?to=%252Fprivate%252Fa%2520b": {403, "the tool redirects to what is refused: this part of the tool is disabled: names readers"},
		"/x/%252e%252e/private/a%2520b":  {502, "can't be checked: the path holds a dot segment"},
	} {
		resp, body := askTool(t, e, "maps/x?to="+to)
		if resp.StatusCode != want.status || !strings.Contains(body, want.reason) {
			t.Errorf("redirect to %s: %d %q", to, resp.StatusCode, body)
		}
		for _, r := range maps.Take() {
			if r.URL.Path != "/x" {
				t.Errorf("redirect to %s: the tool got %s", to, r.URL.Path)
			}
		}
	}
	html, list := boardPage(t, e)
	wantWords(t, "the page", html, "addresses that begin with <code>/private/a b</code>. Reason: names readers", `<p class="label`)
	wantWords(t, "the JSON", list, `"standing": "usable"`, `"prefix": "/private/a b"`)
	out = edgetest.Stdout(t, func() {
		if _, err := edgetest.Run(t, "", "tools", "list", "--address", e.Admin); err != nil {
			t.Error(err)
		}
	})
	wantWords(t, "the command's list", out, "DISABLED", "/private/a b", admin.WhoRuns(), "names readers")
	if _, err := edgetest.Run(t, "", "tools", "enable", "maps", "--url", "/private/a%20b", "--address", e.Admin); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, e, "maps/private/a%20b", maps)
}

// The kill switch acts though the storage fails, says so, survives a reload, and is stored
// when the storage is back.
func TestKillSwitchWithoutStorage(t *testing.T) {
	testutil.Slow(t)
	maps := edgetest.JSONTool(t)
	e := boardEdge(t, fileTool("maps", maps, ""))
	stored := filepath.Join(e.Dir, "storage", noticeboard.StateKey)
	kept, err := os.ReadFile(stored)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(stored); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(stored, 0o700); err != nil {
		t.Fatal(err)
	}
	status, body := e.Post(t, adminDisableTools, switchRequest{Tool: "maps", Why: "now"})
	if status != 200 || !strings.Contains(body, "disabled on this node only") {
		t.Fatalf("disabling: %d %s", status, body)
	}
	wantRefused(t, e, "maps/x", 403, "the tool is disabled: now", maps)
	testutil.Eventually(t, "the metric", func() bool { return e.Metrics(t)["wikiveil_tools_state_broken"] == 1 })
	wantWords(t, "the log", e.ReadLog(t), "the noticeboard's shared state can't be read or stored")
	for range 2 {
		e.Load(t, strings.Replace(boardSite, "respond page", "respond other", 1))
		wantRefused(t, e, "maps/x", 403, "the tool is disabled: now", maps)
		e.Load(t, boardSite)
	}
	if err := os.Remove(stored); err != nil {
		t.Fatal(err)
	}
	edgetest.ReplaceFile(t, stored, string(kept))
	testutil.Eventually(t, "the kill to be stored", func() bool {
		data, err := os.ReadFile(stored)
		return err == nil && strings.Contains(string(data), `"why":"now"`)
	})
	wantRefused(t, e, "maps/x", 403, "the tool is disabled: now", maps)
}

func TestKillSwitchRefusals(t *testing.T) {
	maps := edgetest.JSONTool(t)
	e := boardEdge(t, fileTool("maps", maps, ""))
	for _, c := range []struct {
		name, path string
		body       any
		status     int
		want       string
	}{
		{"unknown tool", adminDisableTools, switchRequest{Tool: "other"}, 404, "no tool of that name is declared"},
		{"not disabled", adminEnableTools, switchRequest{Tool: "maps"}, 404, "not disabled by command"},
		{"an unknown one not disabled", adminEnableTools, switchRequest{Tool: "other"}, 404, "not disabled by command"},
		{"no name", adminEnableTools, switchRequest{}, 400, "not a tool's name"},
		{"another's address", adminDisableTools, switchRequest{Tool: "maps", URL: "https://example.org/x"}, 400, "not one at the tool's origin"},
		{"dot segments", adminDisableTools, switchRequest{Tool: "maps", URL: "/a/../b"}, 400, "not a path that starts with a slash"},
		{"query", adminDisableTools, switchRequest{Tool: "maps", URL: "/a?b"}, 400, "not a path that starts with a slash"},
		{"control bytes in the reason", adminDisableTools, switchRequest{Tool: "maps", Why: "a\x1b[31m"}, 400, "reason is not up to 500 bytes"},
		{"long reason", adminDisableTools, switchRequest{Tool: "maps", Why: strings.Repeat("x", 501)}, 400, "reason is not up to 500 bytes"},
		{"long name of who acts", adminDisableTools, switchRequest{Tool: "maps", By: strings.Repeat("x", 256)}, 400, "who acts is not"},
		{"unknown field", adminDisableTools, map[string]string{"tool": "maps", "until": "x"}, 400, "not one JSON object with the fields tool, url, by and why"},
		{"not an object", adminDisableTools, "maps", 400, "not one JSON object"},
		{"huge", adminDisableTools, switchRequest{Tool: "maps", Why: strings.Repeat("x", 1<<20)}, 400, "not one JSON object"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, body := e.Post(t, c.path, c.body); status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("got %d %s", status, body)
			}
		})
	}
	for path, method := range map[string]string{adminTools: "POST", adminDisableTools: "GET", adminEnableTools: "GET"} {
		if resp, _ := edgetest.Send(t, http.DefaultClient, method, "http://"+e.Admin+path, nil); resp.StatusCode != 405 {
			t.Errorf("%s %s: %d", method, path, resp.StatusCode)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"disable", "other"}, "no tool of that name"},
		{[]string{"disable"}, "accepts 1 arg"},
		{[]string{"enable", "maps"}, "not disabled by command"},
		{[]string{"list", "maps"}, "accepts 0 arg"},
	} {
		_, err := edgetest.Run(t, "", append(append([]string{"tools"}, c.args...), "--address", e.Admin)...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
	wantAnswer(t, e, "maps/x", maps)
	if got := toolsOf(t, e); len(got.Disabled) != 0 {
		t.Errorf("disabled are %+v", got.Disabled)
	}
}
