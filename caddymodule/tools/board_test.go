package tools

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/caddymodule/internal/pool"
	"github.com/wikiveil/wikiveil/internal/testutil"
	"github.com/wikiveil/wikiveil/noticeboard"
)

func TestToolsFileIsFollowed(t *testing.T) {
	testutil.Slow(t)
	maps, stats := edgetest.JSONTool(t), edgetest.JSONTool(t)
	e := boardEdge(t, fileTool("maps", maps, ""))
	wantAnswer(t, e, "maps/x", maps)
	wantRefused(t, e, "stats/x", 404, "no tool of that name is declared", stats)

	// A new tool is there without a reload, and those that stay keep their connections.
	edgetest.WriteTools(t, e.Dir, fileTool("maps", maps, ""), fileTool("stats", stats, ""))
	testutil.Eventually(t, "the new tool", func() bool { return toolStatus(t, e, "stats/x") == 200 })
	stats.Take()
	wantAnswer(t, e, "maps/x", maps)
	transports := func() (names []string) {
		for key := range toolTransports.All() {
			name, _, _ := strings.Cut(key, " ")
			names = append(names, name)
		}
		slices.Sort(names)
		return names
	}
	if got := transports(); !slices.Equal(got, []string{"maps", "stats"}) {
		t.Errorf("transports are held for %q", got)
	}
	html, list := boardPage(t, e)
	wantWords(t, "the page", html, "The stats", "<strong>stats</strong> was added", "/.tools/stats/")
	wantWords(t, "the JSON", list, `"name": "stats"`, `"standing": "usable"`, `"act": "added"`)

	// What is broken changes nothing, and is told.
	for name, tt := range map[string]struct{ text, reason string }{
		"JSON": {"[\n{\n]", "tools.json: line 3: it isn't JSON"},
	} {
		edgetest.ReplaceFile(t, filepath.Join(e.Dir, "tools.json"), tt.text)
		testutil.Eventually(t, "the log to tell of "+name, func() bool { return strings.Contains(e.ReadLog(t), tt.reason) })
		wantAnswer(t, e, "maps/x", maps)
		wantAnswer(t, e, "stats/x", stats)
	}
	wantWords(t, "the log", e.ReadLog(t), "the file of tools can't be used; what it said last goes on to hold")
	if got := e.Metrics(t)["wikiveil_tools_file_broken"]; got != 1 {
		t.Errorf("the metric is %v", got)
	}
	if got := toolsOf(t, e); got.FileError == "" || got.StateError != "" {
		t.Errorf("the admin API tells %q, %q", got.FileError, got.StateError)
	}

	// Case 27: an entry that is broken leaves the rest alone, and is told.
	for name, tt := range map[string]struct{ text, reason string }{
		"wildcard":  {"[" + strings.Replace(fileTool("maps", maps, ""), "http://127", "http://*.127", 1) + "]", "tools.json:"},
		"duplicate": {"[" + fileTool("maps", maps, "") + ",\n" + fileTool("maps", maps, "") + "]", `is declared twice, first in`},
		"unknown":   {"[" + fileTool("maps", maps, `, "colour": "red"`) + "]", `unknown field \"colour\"`},
	} {
		edgetest.ReplaceFile(t, filepath.Join(e.Dir, "tools.json"), strings.Replace(tt.text, "[", "["+fileTool("stats", stats, "")+",\n", 1))
		testutil.Eventually(t, "the log to tell of "+name, func() bool { return strings.Contains(e.ReadLog(t), tt.reason) })
		wantAnswer(t, e, "maps/x", maps)
		wantAnswer(t, e, "stats/x", stats)
	}
	wantWords(t, "the log", e.ReadLog(t), "an entry of the file of tools is left out")
	if got := e.Metrics(t)["wikiveil_tools_file_entries_left_out"]; got != 1 {
		t.Errorf("the metric is %v", got)
	}
	if got := toolsOf(t, e); len(got.LeftOut) != 1 || got.FileError != "" {
		t.Errorf("the admin API tells %q, %q", got.LeftOut, got.FileError)
	}

	// Once repaired, what it no longer names is gone.
	edgetest.WriteTools(t, e.Dir, fileTool("maps", maps, ""))
	testutil.Eventually(t, "the tool to go", func() bool { return toolStatus(t, e, "stats/x") == 404 })
	stats.Take()
	wantRefused(t, e, "stats/x", 404, "no tool of that name is declared", stats)
	wantAnswer(t, e, "maps/x", maps)
	if got := transports(); !slices.Equal(got, []string{"maps"}) {
		t.Errorf("transports are held for %q", got)
	}
	series := e.Metrics(t)
	if broken, ok := series["wikiveil_tools_file_broken"]; !ok || broken != 0 || series["wikiveil_tools_state_broken"] != 0 {
		t.Errorf("the metrics are %v", series)
	}
	testutil.Eventually(t, "the page to tell", func() bool { // once it is in the storage
		html, _ = boardPage(t, e)
		return strings.Contains(html, "<strong>stats</strong> was removed")
	})
}

// What is declared, but not for this way or not for now, says so and reaches nobody.
func TestToolsOutOfUse(t *testing.T) {
	tool := edgetest.JSONTool(t)
	e := boardEdge(t,
		fileTool("direct", tool, `, "access": "consent"`),
		fileTool("expired", tool, `, "expires": "2026-01-31"`),
		fileTool("off", tool, `, "disabled": true`),
		`{"name": "listed", "title": "Only listed", "url": "https://listed.example.org"}`,
	)
	wantRefused(t, e, "direct/x", 403, "the tool isn't declared for the proxy", tool)
	wantRefused(t, e, "expired/x", 403, "the tool's declaration expired: 2026-01-31", tool)
	wantRefused(t, e, "off/x", 403, "the tool is disabled", tool)
	wantRefused(t, e, "listed/x", 503, "how it may be used isn't declared yet", tool)
	html, list := boardPage(t, e)
	wantWords(t, "the page", html, "declaration expired: 2026-01-31", "Out of use: the tool is disabled", "Only listed", "<strong>expired</strong> expired")
	wantWords(t, "the JSON", list, `"standing": "expired"`, `"standing": "disabled"`, `"standing": "pending"`, `"act": "expired"`)
	var standings []string
	for _, entry := range toolsOf(t, e).Tools {
		standings = append(standings, entry.Name+" "+entry.Standing)
	}
	if want := []string{"direct usable", "expired expired", "off disabled", "listed pending"}; !slices.Equal(standings, want) {
		t.Errorf("the admin API lists %q", standings)
	}
	out := edgetest.Stdout(t, func() {
		if _, err := edgetest.Run(t, "", "tools", "list", "--address", e.Admin); err != nil {
			t.Error(err)
		}
	})
	wantWords(t, "the command's list", out, "TOOL", "direct", "expired  ", "2026-01-31", "listed", "pending")
}

// Tools and their noticeboard are where the site says.
func TestToolsAtAnotherPath(t *testing.T) {
	tool := edgetest.JSONTool(t)
	e := boardEdge(t, fileTool("maps", tool, ""))
	reload(t, e, strings.Replace(boardSite, "anonproxy", "anonproxy {\npath /_proxy/\n}", 1))
	header := edgetest.Browser("empty", "alice")
	if resp, body := edgetest.Send(t, edgetest.From(t, "127.0.0.2"), "GET", "http://"+e.Site+"/_proxy/maps/x", header); resp.StatusCode != 200 || body != `{"a":1}` {
		t.Errorf("the tool: %d %s", resp.StatusCode, body)
	}
	if resp, body := edgetest.Send(t, edgetest.From(t, "127.0.0.2"), "GET", "http://"+e.Site+"/_proxy/", nil); resp.StatusCode != 200 || !strings.Contains(body, "/_proxy/maps/") || strings.Contains(body, "/.tools/") {
		t.Errorf("the noticeboard: %d %s", resp.StatusCode, body)
	}
	tool.Take()
	if resp, body := edgetest.Send(t, edgetest.From(t, "127.0.0.2"), "GET", "http://"+e.Site+"/.tools/maps/x", header); resp.StatusCode != 200 || body != "page" || len(tool.Take()) != 0 {
		t.Errorf("where they are by default: %d %s", resp.StatusCode, body)
	}
}

// The page links to where consent is withdrawn.
func TestNoticeboardWithdraw(t *testing.T) {
	tool := edgetest.JSONTool(t)
	e := boardEdge(t, fileTool("maps", tool, `, "access": "both"`))
	if html, _ := boardPage(t, e); !strings.Contains(html, "Ask the operator of this wiki how to withdraw") {
		t.Errorf("without: %s", html)
	}
	reload(t, e, strings.Replace(boardSite, "anonproxy", "anonproxy {\nwithdraw /.privacy/consents\n}", 1))
	if html, _ := boardPage(t, e); !strings.Contains(html, `<a href="/.privacy/consents">your consents</a>`) {
		t.Errorf("with: %s", html)
	}
	// What a part of is disabled is not reached directly at all, and the page says so.
	if status, body := e.Post(t, adminDisableTools, switchRequest{Tool: "maps", URL: "/x"}); status != 200 {
		t.Fatalf("disabling: %d %s", status, body)
	}
	html, _ := boardPage(t, e)
	wantWords(t, "the page", html, "Not while a part of it is out of use.")
}

func TestToolsFileBadConfig(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		edgetest.ReplaceFile(t, file, text)
		return file
	}
	good := write("good.json", `[{"name": "maps", "wikiveil": {"origin": "https://maps.example.org"}}]`)
	for name, tt := range map[string]struct{ options, reason string }{
		"no file named":    {"tools_file", "wrong argument count or unexpected line ending after 'tools_file', at Caddyfile:3"},
		"two files":        {"tools_file a b", "at Caddyfile:3"},
		"twice":            {"tools_file " + good + "\ntools_file " + good, "tools_file is given twice, at Caddyfile:4"},
		"missing":          {"tools_file " + dir + "/none.json", "none.json: no such file"},
		"a directory":      {"tools_file " + dir, "isn't a file"},
		"empty by setting": {"tools_file {env.WIKIVEIL_TEST_UNSET}", "tools_file {env.WIKIVEIL_TEST_UNSET} is empty"},
		"not JSON":         {"tools_file " + write("broken.json", "[\n{]"), "broken.json: line 2: it isn't JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			edgetest.WantRefused(t, edgetest.Validate(t, "{\nwikiveil {\n"+tt.options+"\n}\n}\nhttp://{SITE} {\nanonproxy\n}\n"), tt.reason)
		})
	}
	t.Setenv("WIKIVEIL_TEST_TOOLS", good)
	if err := edgetest.Validate(t, "{\nwikiveil {\ntools_file {env.WIKIVEIL_TEST_TOOLS}\n}\n}\nhttp://{SITE} {\nanonproxy\n}\n"); err != nil {
		t.Errorf("a good one: %v", err)
	}
}

// Case 27: the edge starts without the entries of the file that can't be used, and tells of them.
func TestCase27EdgeStartsWithoutBadEntries(t *testing.T) {
	maps := edgetest.JSONTool(t)
	e := boardEdge(t, fileTool("maps", maps, ""), fileTool("maps", maps, ""), `{"name": "", "title": "", "description": "", "url": ""}`,
		`{"name": "kind", "wikiveil": {"origin": "https://maps.example.org", "kinds": ["image"]}}`)
	wantAnswer(t, e, "maps/x", maps)
	wantWords(t, "the log", e.ReadLog(t), "an entry of the file of tools is left out", `tool \"maps\" is declared twice`, "a tool's name must be", `kind \"image\" is unknown`)
	if got := toolsOf(t, e); len(got.LeftOut) != 3 || got.FileError != "" {
		t.Errorf("the admin API tells %q, %q", got.LeftOut, got.FileError)
	}
}

// `wikiveil validate` takes note of no declaration.
func TestValidateWritesNoState(t *testing.T) {
	e := edgetest.Place(t)
	edgetest.WriteTools(t, e.Dir, fileTool("maps", edgetest.JSONTool(t), ""))
	var config caddy.Config
	if err := json.Unmarshal(edgetest.Adapt(t, e.Expand(boardSite)), &config); err != nil {
		t.Fatal(err)
	}
	if err := edgetest.ValidateConfig(&config); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(e.Dir, "storage", noticeboard.StateKey)); !os.IsNotExist(err) {
		t.Errorf("a state is there: %v", err)
	}
	if left := pool.Left("noticeboards"); len(left) != 0 {
		t.Errorf("a state stays in use: %v", left)
	}
}

// A damaged state is refused at the start, and left as it is.
func TestDamagedBoardStateIsRefused(t *testing.T) {
	e := edgetest.Place(t)
	edgetest.WriteTools(t, e.Dir)
	file := filepath.Join(e.Dir, "storage", noticeboard.StateKey)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	edgetest.ReplaceFile(t, file, "{}")
	if err := edgetest.LoadErr(t, e.Expand(boardSite)); err == nil || !strings.Contains(err.Error(), noticeboard.StateKey+": it is damaged") {
		t.Errorf("got %v", err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "{}" {
		t.Errorf("the file is now %q, %v", data, err)
	}
}
