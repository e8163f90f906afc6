package caddymodule

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/wikiveil/wikiveil/anonproxy"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// boardSite is a site with the tools of a file.
const boardSite = `{
	{GLOBAL}
	metrics
	wikiveil {
		tools_file {DIR}/tools.json
	}
}
http://{SITE} {
	client_mask
	csp
	anonproxy
	respond page
}`

// fileTool is an entry of a file of tools; more are further members of "wikiveil".
func fileTool(name string, tool *app, more string) string {
	return fmt.Sprintf(`{"name": %q, "title": "The %s", "url": "https://%s.example.org", "wikiveil": {"origin": %q, "allow_loopback": true%s}}`,
		name, name, name, tool.URL, more)
}

// writeTools puts a file of tools in place as careful editors do.
func writeTools(t *testing.T, dir string, entries ...string) {
	t.Helper()
	replaceFile(t, filepath.Join(dir, "tools.json"), "["+strings.Join(entries, ",\n")+"]\n")
}

func replaceFile(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// boardEdge is an edge whose tools are in its file.
func boardEdge(t *testing.T, entries ...string) *edge {
	t.Helper()
	e := &edge{dir: t.TempDir(), admin: freePort(t), site: freePort(t)}
	e.log = filepath.Join(e.dir, "edge.log")
	writeTools(t, e.dir, entries...)
	e.load(t, boardSite)
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return e
}

// reload loads a config after the old one's listener, which a connection could still come to and
// end with, has gone.
func (e *edge) reload(t *testing.T, caddyfile string) {
	t.Helper()
	e.load(t, "{\n{GLOBAL}\n}\n")
	eventually(t, "the old listener to go", func() bool {
		conn, err := net.Dial("tcp", e.site)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	e.load(t, caddyfile)
}

// ask fetches from a tool as a page of the wiki does.
func (e *edge) ask(t *testing.T, path string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://"+e.site+"/.tools/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = browser("empty", "alice")
	client := from(t, "127.0.0.2")
	resp, err := client.Do(r)
	for tries := 1; err != nil && tries < 5; tries++ { // after a reload, see TestReloadsUnderLoad
		resp, err = client.Do(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// wantAnswer asks a tool that must answer.
func (e *edge) wantAnswer(t *testing.T, path string, tool *app) {
	t.Helper()
	if resp, body := e.ask(t, path); resp.StatusCode != 200 || body != `{"a":1}` {
		t.Errorf("%s: got %d %q", path, resp.StatusCode, body)
	}
	tool.one(t)
}

// wantRefused asks a tool that must see nothing of it.
func (e *edge) wantRefused(t *testing.T, path string, status int, reason string, tool *app) {
	t.Helper()
	resp, body := e.ask(t, path)
	if resp.StatusCode != status || !strings.Contains(body, reason) {
		t.Errorf("%s: got %d %q, want %d %q", path, resp.StatusCode, body, status, reason)
	}
	if !slices.Contains(resp.Header["Content-Security-Policy"], proxiedPolicy) || resp.Header.Get("Cache-Control") != "no-store" ||
		resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s: a refusal without the forced headers: %v", path, resp.Header)
	}
	if later := resp.Header.Get("Retry-After"); (later != "") != (status == 503) {
		t.Errorf("%s: Retry-After %q", path, later)
	}
	if n := len(tool.take()); n != 0 {
		t.Errorf("%s: the tool got %d requests", path, n)
	}
}

func (e *edge) status(t *testing.T, path string) int {
	t.Helper()
	resp, _ := e.ask(t, path)
	return resp.StatusCode
}

// tools asks the admin API how the tools stand.
func (e *edge) tools(t *testing.T) (list toolList) {
	t.Helper()
	_, body := send(t, http.DefaultClient, http.MethodGet, "http://"+e.admin+adminTools, nil)
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return list
}

// page returns the noticeboard as readers and as programs get it.
func (e *edge) page(t *testing.T) (html, list string) {
	t.Helper()
	_, html = send(t, from(t, "127.0.0.2"), http.MethodGet, "http://"+e.site+"/.tools/", http.Header{"Accept": {"text/html"}})
	_, list = send(t, from(t, "127.0.0.2"), http.MethodGet, "http://"+e.site+"/.tools/?format=json", nil)
	return html, list
}

func wantWords(t *testing.T, what, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%s lacks %q: %s", what, word, text)
		}
	}
}

func TestToolsFileIsFollowed(t *testing.T) {
	maps, stats := jsonTool(t), jsonTool(t)
	e := boardEdge(t, fileTool("maps", maps, ""))
	e.wantAnswer(t, "maps/x", maps)
	e.wantRefused(t, "stats/x", 404, "no tool of that name is declared", stats)

	// A new tool is there without a reload, and those that stay keep their connections.
	writeTools(t, e.dir, fileTool("maps", maps, ""), fileTool("stats", stats, ""))
	eventually(t, "the new tool", func() bool { return e.status(t, "stats/x") == 200 })
	stats.take()
	e.wantAnswer(t, "maps/x", maps)
	transports := func() (names []string) {
		toolTransports.Range(func(key, _ any) bool {
			name, _, _ := strings.Cut(key.(string), " ")
			names = append(names, name)
			return true
		})
		slices.Sort(names)
		return names
	}
	if got := transports(); !slices.Equal(got, []string{"maps", "stats"}) {
		t.Errorf("transports are held for %q", got)
	}
	html, list := e.page(t)
	wantWords(t, "the page", html, "The stats", "<strong>stats</strong> was added", "/.tools/stats/")
	wantWords(t, "the JSON", list, `"name": "stats"`, `"standing": "usable"`, `"act": "added"`)

	// What is broken changes nothing, and is told.
	for name, tt := range map[string]struct{ text, reason string }{
		"JSON":      {"[\n{\n]", "tools.json: line 3: it isn't JSON"},
		"wildcard":  {"[" + strings.Replace(fileTool("maps", maps, ""), "http://127", "http://*.127", 1) + "]", "tools.json:1"},
		"duplicate": {"[" + fileTool("maps", maps, "") + ",\n" + fileTool("maps", maps, "") + "]", `tools.json:1 and in`},
		"unknown":   {"[" + fileTool("maps", maps, `, "colour": "red"`) + "]", `unknown field \"colour\"`},
	} {
		replaceFile(t, filepath.Join(e.dir, "tools.json"), tt.text)
		eventually(t, "the log to tell of "+name, func() bool { return strings.Contains(e.readLog(t), tt.reason) })
		e.wantAnswer(t, "maps/x", maps)
		e.wantAnswer(t, "stats/x", stats)
	}
	wantWords(t, "the log", e.readLog(t), "the file of tools can't be used; what it said last goes on to hold")
	if got := metricsOf(t, e)["wikiveil_tools_file_broken"]; got != 1 {
		t.Errorf("the metric is %v", got)
	}
	if got := e.tools(t); got.FileError == "" || got.StateError != "" {
		t.Errorf("the admin API tells %q, %q", got.FileError, got.StateError)
	}

	// Once repaired, what it no longer names is gone.
	writeTools(t, e.dir, fileTool("maps", maps, ""))
	eventually(t, "the tool to go", func() bool { return e.status(t, "stats/x") == 404 })
	stats.take()
	e.wantRefused(t, "stats/x", 404, "no tool of that name is declared", stats)
	e.wantAnswer(t, "maps/x", maps)
	if got := transports(); !slices.Equal(got, []string{"maps"}) {
		t.Errorf("transports are held for %q", got)
	}
	series := metricsOf(t, e)
	if broken, ok := series["wikiveil_tools_file_broken"]; !ok || broken != 0 || series["wikiveil_tools_state_broken"] != 0 {
		t.Errorf("the metrics are %v", series)
	}
	html, _ = e.page(t)
	wantWords(t, "the page", html, "<strong>stats</strong> was removed")
}

// What is declared, but not for this way or not for now, says so and reaches nobody.
func TestToolsOutOfUse(t *testing.T) {
	tool := jsonTool(t)
	e := boardEdge(t,
		fileTool("direct", tool, `, "access": "consent"`),
		fileTool("expired", tool, `, "expires": "2026-01-31"`),
		fileTool("off", tool, `, "disabled": true`),
		`{"name": "listed", "title": "Only listed", "url": "https://listed.example.org"}`,
	)
	e.wantRefused(t, "direct/x", 403, "the tool isn't declared for the proxy", tool)
	e.wantRefused(t, "expired/x", 403, "the tool's declaration expired: 2026-01-31", tool)
	e.wantRefused(t, "off/x", 403, "the tool is disabled", tool)
	e.wantRefused(t, "listed/x", 503, "how it may be used isn't declared yet", tool)
	html, list := e.page(t)
	wantWords(t, "the page", html, "declaration expired: 2026-01-31", "Out of use: the tool is disabled", "Only listed", "<strong>expired</strong> expired")
	wantWords(t, "the JSON", list, `"standing": "expired"`, `"standing": "disabled"`, `"standing": "pending"`, `"act": "expired"`)
	var standings []string
	for _, entry := range e.tools(t).Tools {
		standings = append(standings, entry.Name+" "+entry.Standing)
	}
	if want := []string{"direct usable", "expired expired", "off disabled", "listed pending"}; !slices.Equal(standings, want) {
		t.Errorf("the admin API lists %q", standings)
	}
	out := stdout(t, func() {
		if _, err := run(t, "", "tools", "list", "--address", e.admin); err != nil {
			t.Error(err)
		}
	})
	wantWords(t, "the command's list", out, "TOOL", "direct", "expired  ", "2026-01-31", "listed", "pending")
}

func TestKillSwitch(t *testing.T) {
	maps := jsonTool(t)
	e := boardEdge(t, fileTool("maps", maps, ""))
	e.wantAnswer(t, "maps/x", maps)

	out := stdout(t, func() {
		if _, err := run(t, "", "tools", "disable", "maps", "--reason", "It <leaks>", "--address", e.admin); err != nil {
			t.Fatal(err)
		}
	})
	if out != "disabled maps\n" {
		t.Errorf("the command says %q", out)
	}
	e.wantRefused(t, "maps/x", 403, "the tool is disabled: It <leaks>", maps)
	html, list := e.page(t)
	wantWords(t, "the page", html, "Out of use: the tool is disabled: It &lt;leaks&gt;", "<strong>maps</strong> was disabled")
	wantWords(t, "the JSON", list, `"standing": "disabled"`, `"act": "disabled"`)
	if strings.Contains(html+list, "(command)") {
		t.Error("the public sees who disabled it")
	}
	if got := e.tools(t); len(got.Disabled) != 1 || got.Disabled[0].By != whoRuns() || got.Changes[0].By != whoRuns() {
		t.Errorf("the admin API lists %+v", got)
	}

	// It holds after a restart, whatever the declaration says then, and on other nodes.
	e.load(t, "{\n{GLOBAL}\n}\n")
	writeTools(t, e.dir, fileTool("maps", maps, `, "purpose": "Another"`))
	e.load(t, boardSite)
	e.wantRefused(t, "maps/x", 403, "the tool is disabled: It <leaks>", maps)
	other := startNode(t, e)
	other.wantRefused(t, "maps/x", 403, "the tool is disabled: It <leaks>", maps)

	// Either node can take it back, and disable again.
	if _, err := run(t, "", "tools", "enable", "maps", "--address", other.admin); err != nil {
		t.Fatal(err)
	}
	other.wantAnswer(t, "maps/x", maps)
	eventually(t, "the first node to follow", func() bool { return e.status(t, "maps/x") == 200 })
	if status, body := e.post(t, adminDisableTools, switchRequest{Tool: "maps", Why: "again"}); status != 200 || strings.Contains(body, "warning") {
		t.Fatalf("disabling: %d %s", status, body)
	}
	maps.take()
	e.wantRefused(t, "maps/x", 403, "the tool is disabled: again", maps)
	eventually(t, "the second node to follow", func() bool { return other.status(t, "maps/x") == 403 })
	maps.take()
	other.wantRefused(t, "maps/x", 403, "the tool is disabled: again", maps)
	if got := other.tools(t); len(got.Disabled) != 1 || got.Disabled[0].By != "admin API" {
		t.Errorf("the second node lists %+v", got.Disabled)
	}
}

// One address of a tool is killed: nothing that begins with it is asked for, neither
// straight nor by a redirect of the tool, and the rest goes on.
func TestKillSwitchOfAnAddress(t *testing.T) {
	maps := newApp(t, func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"a":1}`)
	})
	e := boardEdge(t, fileTool("maps", maps, ""))
	out := stdout(t, func() {
		_, err := run(t, "", "tools", "disable", "maps", "--url", maps.URL+"/private/a%20b", "--reason", "names readers", "--address", e.admin)
		if err != nil {
			t.Fatal(err)
		}
	})
	if out != "disabled maps, what begins with /private/a b\n" {
		t.Errorf("the command says %q", out)
	}
	for _, path := range []string{"/private/a%20b", "/private/a%20b/c", "/Private/A%20B", "/private/%61%20b", "/private;x/a%20b"} {
		e.wantRefused(t, "maps"+path, 403, "this part of the tool is disabled: names readers", maps)
	}
	e.wantAnswer(t, "maps/private/a", maps)
	for to, want := range map[string]struct {
		status int
		reason string
	}{
		"/private/a%2520b":               {403, "the tool redirects to what is refused: this part of the tool is disabled: names readers"},
		maps.URL + "/private/a%2520b":    {403, "the tool redirects to what is refused: this part of the tool is disabled: names readers"},
		"/x?to=%252Fprivate%252Fa%2520b": {403, "the tool redirects to what is refused: this part of the tool is disabled: names readers"},
		"/x/%252e%252e/private/a%2520b":  {502, "can't be checked: the path holds an escaped dot or slash"},
	} {
		resp, body := e.ask(t, "maps/x?to="+to)
		if resp.StatusCode != want.status || !strings.Contains(body, want.reason) {
			t.Errorf("redirect to %s: %d %q", to, resp.StatusCode, body)
		}
		for _, r := range maps.take() {
			if r.URL.Path != "/x" {
				t.Errorf("redirect to %s: the tool got %s", to, r.URL.Path)
			}
		}
	}
	html, list := e.page(t)
	wantWords(t, "the page", html, "addresses that begin with <code>/private/a b</code>: names readers", `<p class="label`)
	wantWords(t, "the JSON", list, `"standing": "usable"`, `"prefix": "/private/a b"`)
	out = stdout(t, func() {
		if _, err := run(t, "", "tools", "list", "--address", e.admin); err != nil {
			t.Error(err)
		}
	})
	wantWords(t, "the command's list", out, "DISABLED", "/private/a b", whoRuns(), "names readers")
	if _, err := run(t, "", "tools", "enable", "maps", "--url", "/private/a%20b", "--address", e.admin); err != nil {
		t.Fatal(err)
	}
	e.wantAnswer(t, "maps/private/a%20b", maps)
}

// The kill switch acts though the storage fails, says so, survives a reload, and is stored
// when the storage is back.
func TestKillSwitchWithoutStorage(t *testing.T) {
	maps := jsonTool(t)
	e := boardEdge(t, fileTool("maps", maps, ""))
	stored := filepath.Join(e.dir, "storage", noticeboard.StateKey)
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
	status, body := e.post(t, adminDisableTools, switchRequest{Tool: "maps", Why: "now"})
	if status != 200 || !strings.Contains(body, "disabled on this node only") {
		t.Fatalf("disabling: %d %s", status, body)
	}
	e.wantRefused(t, "maps/x", 403, "the tool is disabled: now", maps)
	eventually(t, "the metric", func() bool { return metricsOf(t, e)["wikiveil_tools_state_broken"] == 1 })
	wantWords(t, "the log", e.readLog(t), "the noticeboard's shared state can't be read or stored")
	for range 2 {
		e.load(t, strings.Replace(boardSite, "respond page", "respond other", 1))
		e.wantRefused(t, "maps/x", 403, "the tool is disabled: now", maps)
		e.load(t, boardSite)
	}
	if err := os.Remove(stored); err != nil {
		t.Fatal(err)
	}
	replaceFile(t, stored, string(kept))
	eventually(t, "the kill to be stored", func() bool {
		data, err := os.ReadFile(stored)
		return err == nil && strings.Contains(string(data), `"why":"now"`)
	})
	e.wantRefused(t, "maps/x", 403, "the tool is disabled: now", maps)
}

func TestKillSwitchRefusals(t *testing.T) {
	maps := jsonTool(t)
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
			if status, body := e.post(t, c.path, c.body); status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("got %d %s", status, body)
			}
		})
	}
	for path, method := range map[string]string{adminTools: "POST", adminDisableTools: "GET", adminEnableTools: "GET"} {
		if resp, _ := send(t, http.DefaultClient, method, "http://"+e.admin+path, nil); resp.StatusCode != 405 {
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
		_, err := run(t, "", append(append([]string{"tools"}, c.args...), "--address", e.admin)...)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.args, err, c.want)
		}
	}
	e.wantAnswer(t, "maps/x", maps)
	if got := e.tools(t); len(got.Disabled) != 0 {
		t.Errorf("disabled are %+v", got.Disabled)
	}
}

// The page links to where consent is withdrawn.
func TestNoticeboardWithdraw(t *testing.T) {
	tool := jsonTool(t)
	e := boardEdge(t, fileTool("maps", tool, `, "access": "both"`))
	if html, _ := e.page(t); !strings.Contains(html, "Ask the operator of this wiki how to withdraw") {
		t.Errorf("without: %s", html)
	}
	e.reload(t, strings.Replace(boardSite, "anonproxy", "anonproxy {\nwithdraw /.privacy/consents\n}", 1))
	if html, _ := e.page(t); !strings.Contains(html, `<a href="/.privacy/consents">your consents</a>`) {
		t.Errorf("with: %s", html)
	}
	// What a part of is disabled is not reached directly at all, and the page says so.
	if status, body := e.post(t, adminDisableTools, switchRequest{Tool: "maps", URL: "/x"}); status != 200 {
		t.Fatalf("disabling: %d %s", status, body)
	}
	html, _ := e.page(t)
	wantWords(t, "the page", html, "Not while a part of it is out of use.")
}

func TestToolsFileBadConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		replaceFile(t, file, text)
		return file
	}
	good := write("good.json", `[{"name": "maps", "wikiveil": {"origin": "https://maps.example.org"}}]`)
	for name, tt := range map[string]struct{ options, reason string }{
		"no file named":    {"tools_file", "wrong argument count or unexpected line ending after 'tools_file', at Caddyfile:3"},
		"two files":        {"tools_file a b", "at Caddyfile:3"},
		"twice":            {"tools_file " + good + "\ntools_file " + good, "tools_file stands twice; put all tools in one file, at Caddyfile:4"},
		"missing":          {"tools_file " + dir + "/none.json", "none.json: no such file"},
		"a directory":      {"tools_file " + dir, "isn't a file"},
		"empty by setting": {"tools_file {env.WIKIVEIL_TEST_UNSET}", "tools_file {env.WIKIVEIL_TEST_UNSET} is empty"},
		"not JSON":         {"tools_file " + write("broken.json", "[\n{]"), "broken.json: line 2: it isn't JSON"},
		"unknown kind":     {"tools_file " + write("kind.json", "[\n"+`{"name": "maps", "wikiveil": {"origin": "https://maps.example.org", "kinds": ["image"]}}]`), `kind.json:2: tool "maps": kind "image" is unknown`},
		"public suffix":    {"tools_file " + write("org.json", `{"name": "maps", "wikiveil": {"origin": "https://*.org"}}`), "org.json:1"},
		"in both":          {"tool maps https://maps.example.org\ntools_file " + good, `tool "maps" is declared twice, in the configuration (tool 1) and in ` + good + ":1"},
	} {
		t.Run(name, func(t *testing.T) {
			wantRefusedConfig(t, validate(t, "{\nwikiveil {\n"+tt.options+"\n}\n}\nhttp://{SITE} {\nanonproxy\n}\n"), tt.reason)
		})
	}
	t.Setenv("WIKIVEIL_TEST_TOOLS", good)
	if err := validate(t, "{\nwikiveil {\ntools_file {env.WIKIVEIL_TEST_TOOLS}\n}\n}\nhttp://{SITE} {\nanonproxy\n}\n"); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

// `wikiveil validate` takes note of no declaration.
func TestValidateWritesNoState(t *testing.T) {
	e := &edge{dir: t.TempDir(), admin: freePort(t), site: freePort(t)}
	e.log = filepath.Join(e.dir, "edge.log")
	writeTools(t, e.dir, fileTool("maps", jsonTool(t), ""))
	var config caddy.Config
	if err := json.Unmarshal(adapt(t, e.expand(boardSite)), &config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&config); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(e.dir, "storage", noticeboard.StateKey)); !os.IsNotExist(err) {
		t.Errorf("a state is there: %v", err)
	}
	boardStates.Range(func(key, _ any) bool {
		t.Errorf("a state stays in use: %v", key)
		return true
	})
}

// A damaged state is refused at the start, and left as it is.
func TestDamagedBoardStateIsRefused(t *testing.T) {
	e := &edge{dir: t.TempDir(), admin: freePort(t), site: freePort(t)}
	e.log = filepath.Join(e.dir, "edge.log")
	writeTools(t, e.dir)
	file := filepath.Join(e.dir, "storage", noticeboard.StateKey)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	replaceFile(t, file, "{}")
	if err := loadErr(t, e.expand(boardSite)); err == nil || !strings.Contains(err.Error(), "noticeboard's state is damaged") {
		t.Errorf("got %v", err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "{}" {
		t.Errorf("the file is now %q, %v", data, err)
	}
}

// Requests go on with the proxy they began with, and its transports close after the last.
func TestToolProxyEndsWithItsLastUser(t *testing.T) {
	board, err := noticeboard.New([]*noticeboard.Tool{{Name: "maps", Origin: "https://maps.example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := newToolProxy(board, anonproxy.Config{})
	if err != nil {
		t.Fatal(err)
	}
	tool, _ := board.Lookup("maps")
	held := func() bool {
		n, ok := toolTransports.References(anonproxy.TransportKey(tool))
		return ok && n > 0
	}
	if !p.use() || !held() {
		t.Fatal("a new proxy can't be used")
	}
	for i, want := range []bool{true, false} {
		if err := p.release(); err != nil || held() != want {
			t.Errorf("release %d: %v, held %v", i+1, err, held())
		}
	}
	if p.use() {
		t.Error("an ended proxy can be used")
	}
}

// In a reload, Caddy cleans up before all requests have been served.
func TestToolsServedAfterCleanup(t *testing.T) {
	tool := jsonTool(t)
	state, err := noticeboard.OpenState(t.Context(), &certmagic.FileStorage{Path: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	live, err := noticeboard.NewLive(noticeboard.LiveConfig{
		State: state, Tools: []*noticeboard.Tool{{Name: "maps", Origin: tool.URL, AllowLoopback: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := live.Publish(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := &AnonProxy{app: &App{live: live}}
	h.told.Refuse = h.refuse
	if err := h.open(); err != nil {
		t.Fatal(err)
	}
	ask := func() string {
		r := httptest.NewRequest(http.MethodGet, "/.tools/maps/x", nil)
		r.Header = browser("empty", "alice")
		w := httptest.NewRecorder()
		if err := h.ServeHTTP(w, r, nil); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(w.Code, " ", w.Body)
	}
	for range 2 {
		if got := ask(); got != `200 {"a":1}` || len(tool.take()) != 1 {
			t.Errorf("got %s", got)
		}
		if err := h.Cleanup(); err != nil {
			t.Fatal(err)
		}
	}
	if err := live.Disable(t.Context(), noticeboard.Kill{Tool: "maps", By: "a test"}); err != nil {
		t.Fatal(err)
	}
	if got := ask(); !strings.HasPrefix(got, "403 the tool is disabled") || len(tool.take()) != 0 {
		t.Errorf("disabled: got %s", got)
	}
	toolTransports.Range(func(key, _ any) bool {
		t.Errorf("a transport stays: %s", key)
		return true
	})
}

// The noticeboard changes with each of many reloads under load: a tool that stays answers each
// request, and is held by the last config alone.
func TestToolsOverReloadsUnderLoad(t *testing.T) {
	tool, wiki := jsonTool(t), newApp(t, nil)
	config := func(n int) string {
		return toolsConfig(tool, wiki, fmt.Sprintf("tool other%d https://other.example.org", n))
	}
	e := newEdge(t, config(0))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var served atomic.Int64
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if resp, body := e.ask(t, "maps/x"); resp.StatusCode != 200 || body != `{"a":1}` {
					t.Errorf("got %d %q", resp.StatusCode, body)
					return
				}
				served.Add(1)
			}
		})
	}
	for n := range 20 {
		e.load(t, config(n+1))
		for before := served.Load(); served.Load() < before+10 && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
	close(stop)
	wg.Wait()
	tool.take()
	eventually(t, "earlier configs to let go", func() bool {
		names := 0
		toolTransports.Range(func(key, value any) bool {
			refs, _ := toolTransports.References(key)
			names += refs
			return true
		})
		return names == 2 // maps and other20, once each
	})
}

// nodeProcess names the file with the config of a node in a process of its own.
const nodeProcess = "WIKIVEIL_TEST_NODE"

// startNode starts a second node that shares the edge's storage and file of tools.
func startNode(t *testing.T, e *edge) *edge {
	t.Helper()
	node := &edge{dir: e.dir, log: filepath.Join(e.dir, "node.log"), admin: freePort(t), site: freePort(t)}
	config := filepath.Join(t.TempDir(), "node.json")
	if err := os.WriteFile(config, adapt(t, node.expand(boardSite)), 0o600); err != nil {
		t.Fatal(err)
	}
	process := exec.Command("/proc/self/exe", "-test.run=^TestNodeProcess$")
	process.Env = append(os.Environ(), nodeProcess+"="+config)
	process.Stderr = os.Stderr
	lifeline, err := process.StdinPipe() // ends with this process, however that ends
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		lifeline.Close()
		if err := process.Wait(); err != nil {
			t.Errorf("the second node: %v", err)
		}
	})
	client := from(t, "127.0.0.2")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if resp, err := client.Get("http://" + node.site + "/"); err == nil {
			resp.Body.Close()
			return node
		}
		if time.Now().After(deadline) {
			t.Fatal("the second node does not answer")
		}
	}
}

// TestNodeProcess is the second node's whole process; in the tests' own it has nothing to do.
func TestNodeProcess(t *testing.T) {
	file := os.Getenv(nodeProcess)
	if file == "" {
		return
	}
	config, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
}
