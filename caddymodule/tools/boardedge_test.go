package tools

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
	"github.com/wikiveil/wikiveil/internal/testutil"
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
func fileTool(name string, tool *edgetest.Backend, more string) string {
	return fmt.Sprintf(`{"name": %q, "title": "The %s", "url": "https://%s.example.org", "wikiveil": {"origin": %q, "allow_loopback": true%s}}`,
		name, name, name, tool.URL, more)
}

// boardEdge is an edge whose tools are in its file.
func boardEdge(t *testing.T, entries ...string) *edgetest.Edge {
	t.Helper()
	e := edgetest.Place(t)
	edgetest.WriteTools(t, e.Dir, entries...)
	e.Load(t, boardSite)
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return e
}

// reload loads a config after the old one's listener, which a connection could still come to and
// end with, has gone.
func reload(t *testing.T, e *edgetest.Edge, caddyfile string) {
	t.Helper()
	e.Load(t, "{\n{GLOBAL}\n}\n")
	testutil.Eventually(t, "the old listener to go", func() bool {
		conn, err := net.Dial("tcp", e.Site)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	e.Load(t, caddyfile)
}

// askTool fetches from a tool as a page of the wiki does.
func askTool(t *testing.T, e *edgetest.Edge, path string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://"+e.Site+"/.tools/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = edgetest.Browser("empty", "alice")
	client := edgetest.From(t, "127.0.0.2")
	defer client.CloseIdleConnections() // who asks in a loop would come to an end of the process's files
	resp, err := edgetest.OverReload(func() (*http.Response, error) { return client.Do(r) })
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
func wantAnswer(t *testing.T, e *edgetest.Edge, path string, tool *edgetest.Backend) {
	t.Helper()
	if resp, body := askTool(t, e, path); resp.StatusCode != 200 || body != `{"a":1}` {
		t.Errorf("%s: got %d %q", path, resp.StatusCode, body)
	}
	tool.One(t)
}

// wantRefused asks a tool that must see nothing of it.
func wantRefused(t *testing.T, e *edgetest.Edge, path string, status int, reason string, tool *edgetest.Backend) {
	t.Helper()
	resp, body := askTool(t, e, path)
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
	if n := len(tool.Take()); n != 0 {
		t.Errorf("%s: the tool got %d requests", path, n)
	}
}

func toolStatus(t *testing.T, e *edgetest.Edge, path string) int {
	t.Helper()
	resp, _ := askTool(t, e, path)
	return resp.StatusCode
}

// toolsOf asks the admin API how the tools stand.
func toolsOf(t *testing.T, e *edgetest.Edge) (list toolList) {
	t.Helper()
	_, body := edgetest.Send(t, http.DefaultClient, http.MethodGet, "http://"+e.Admin+adminTools, nil)
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return list
}

// boardPage returns the noticeboard as readers and as programs get it.
func boardPage(t *testing.T, e *edgetest.Edge) (html, list string) {
	t.Helper()
	_, html = edgetest.Send(t, edgetest.From(t, "127.0.0.2"), http.MethodGet, "http://"+e.Site+"/.tools/", http.Header{"Accept": {"text/html"}})
	_, list = edgetest.Send(t, edgetest.From(t, "127.0.0.2"), http.MethodGet, "http://"+e.Site+"/.tools/?format=json", nil)
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

// nodeProcess names the file with the config of a node in a process of its own.
const nodeProcess = "WIKIVEIL_TEST_NODE"

// startNode starts a second node that shares the edge's storage and file of tools.
func startNode(t *testing.T, e *edgetest.Edge) *edgetest.Edge {
	t.Helper()
	node := &edgetest.Edge{Dir: e.Dir, Log: filepath.Join(e.Dir, "node.log"), Admin: edgetest.FreePort(t), Site: edgetest.FreePort(t)}
	config := filepath.Join(t.TempDir(), "node.json")
	if err := os.WriteFile(config, edgetest.Adapt(t, node.Expand(boardSite)), 0o600); err != nil {
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
	client := edgetest.From(t, "127.0.0.2")
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		// The site may answer a moment before the config counts as the running one.
		if resp, err := client.Get("http://" + node.Admin + adminTools); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return node
			}
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
