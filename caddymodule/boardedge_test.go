package caddymodule

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
	e := place(t)
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
	defer client.CloseIdleConnections() // who asks in a loop would come to an end of the process's files
	resp, err := overReload(func() (*http.Response, error) { return client.Do(r) })
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
		// The site may answer a moment before the config counts as the running one.
		if resp, err := client.Get("http://" + node.admin + adminTools); err == nil {
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
