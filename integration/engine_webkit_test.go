//go:build integration

package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// webkit speaks WebDriver with WebKitGTK's driver, which runs its MiniBrowser on a display of its own.
type webkit struct {
	http    http.Client
	session string // URL
}

func startWebKit(t *testing.T, _ *authority) engine {
	t.Helper()
	browsers, _ := filepath.Glob("/usr/lib/*/webkit2gtk-4.*/MiniBrowser")
	if len(browsers) == 0 {
		t.Fatal("there is no MiniBrowser of WebKitGTK (scripts/install-test-programs installs it)")
	}
	_, port, _ := net.SplitHostPort(freeAddr(t, "127.0.0.1"))
	cmd := exec.Command("WebKitWebDriver", "--host=127.0.0.1", "--port="+port)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "DISPLAY="+startDisplay(t), "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CACHE_HOME="+home, "XDG_CONFIG_HOME="+home,
		"XDG_RUNTIME_DIR="+home, "NO_AT_BRIDGE=1", "GSETTINGS_BACKEND=memory", "LIBGL_ALWAYS_SOFTWARE=1",
		// Its sandbox needs user namespaces, which containers mostly lack.
		"WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS=1", "WEBKIT_DISABLE_DMABUF_RENDERER=1")
	startProgram(t, cmd)
	w := &webkit{http: http.Client{Timeout: 3 * time.Minute}}
	driver := "http://127.0.0.1:" + port
	wait(t, "WebKitGTK's driver", func() bool { return w.call("GET", driver+"/status", nil, nil) == nil })
	var made struct {
		SessionID string `json:"sessionId"`
	}
	if err := w.call("POST", driver+"/session", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"acceptInsecureCerts":      true,
		"webkitgtk:browserOptions": map[string]any{"binary": browsers[0], "args": []string{"--automation"}},
		"unhandledPromptBehavior":  "dismiss",
		"timeouts":                 map[string]int{"script": 60_000, "pageLoad": 60_000},
	}}}, &made); err != nil {
		t.Fatalf("starting WebKitGTK: %v", err)
	}
	w.session = driver + "/session/" + made.SessionID
	t.Cleanup(func() { _ = w.call("DELETE", w.session, nil, nil) })
	return w
}

// startDisplay runs an X server that shows nothing, until the test ends.
func startDisplay(t *testing.T) string {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	// The first free number is what all others on this machine try, too, at the same time.
	display := fmt.Sprintf(":%d", 100+rand.IntN(30_000))
	cmd := exec.Command("Xvfb", display, "-displayfd", "3", "-screen", "0", "1280x1000x24", "-nolisten", "tcp", "-noreset")
	cmd.ExtraFiles = []*os.File{writer}
	err = cmd.Start()
	writer.Close()
	if err != nil {
		t.Fatalf("%v (scripts/install-test-programs installs it)", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // lets it remove its socket
		_ = cmd.Wait()
	})
	// It writes once it listens, and ends where it can't write the end of the line.
	if _, err := bufio.NewReader(reader).ReadString('\n'); err != nil {
		t.Fatalf("starting Xvfb: %v", err)
	}
	return display
}

// call sends a command and reads its value.
func (w *webkit) call(method, url string, params, result any) error {
	var body bytes.Buffer
	if method == "POST" {
		if params == nil {
			params = struct{}{}
		}
		if err := json.NewEncoder(&body).Encode(params); err != nil {
			return err
		}
	}
	r, err := http.NewRequest(method, url, &body)
	if err != nil {
		return err
	}
	resp, err := w.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct {
		Value json.RawMessage `json:"value"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, answer.Value)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer.Value, result)
}

func (w *webkit) must(t *testing.T, method, path string, params, result any) {
	t.Helper()
	if err := w.call(method, w.session+path, params, result); err != nil {
		t.Fatalf("in WebKitGTK: %s: %v", path, err)
	}
}

func (w *webkit) open(t *testing.T, url string) {
	t.Helper()
	// What ends in a page of the browser's own may be an error here.
	if err := w.call("POST", w.session+"/url", map[string]any{"url": url}, nil); err != nil && !strings.Contains(err.Error(), "unknown error") {
		t.Fatalf("in WebKitGTK: %s: %v", url, err)
	}
}

func (w *webkit) run(script string) (json.RawMessage, error) {
	var text string
	err := w.call("POST", w.session+"/execute/async", map[string]any{
		"script": "const done = arguments[0]; " + asJSON(script) + ".then(done, error => done('!' + error));", "args": []any{},
	}, &text)
	if failed, found := strings.CutPrefix(text, "!"); err == nil && found {
		err = fmt.Errorf("%s", failed)
	}
	return json.RawMessage(text), err
}

func (w *webkit) element(t *testing.T, selector string) string {
	t.Helper()
	var found map[string]string
	w.must(t, "POST", "/element", map[string]any{"using": "css selector", "value": selector}, &found)
	for _, id := range found {
		return "/element/" + id
	}
	t.Fatalf("in WebKitGTK: no %s", selector)
	return ""
}

func (w *webkit) click(t *testing.T, selector string) {
	t.Helper()
	w.must(t, "POST", w.element(t, selector)+"/click", nil, nil)
}

func (w *webkit) write(t *testing.T, selector, text string) {
	t.Helper()
	w.must(t, "POST", w.element(t, selector)+"/value", map[string]any{"text": text}, nil)
}

func (w *webkit) windows(t *testing.T) (ids []string) {
	t.Helper()
	w.must(t, "GET", "/window/handles", nil, &ids)
	return ids
}

func (w *webkit) use(t *testing.T, window string) {
	t.Helper()
	w.must(t, "POST", "/window", map[string]any{"handle": window}, nil)
}
