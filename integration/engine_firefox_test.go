//go:build integration

package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// firefox speaks WebDriver BiDi with Firefox, which needs no driver for it.
type firefox struct {
	conn    *websocket.Conn
	next    int
	context string // the window
}

// firefoxPreferences leave the web platform as readers have it, and keep Firefox from talking to others: what it asks of its
// makers whatever is set goes to a proxy that isn't there.
const firefoxPreferences = `
user_pref("app.update.enabled", false);
user_pref("browser.newtabpage.enabled", false);
user_pref("browser.safebrowsing.downloads.enabled", false);
user_pref("browser.safebrowsing.malware.enabled", false);
user_pref("browser.safebrowsing.phishing.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.page", 0);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("network.proxy.type", 1);
user_pref("network.proxy.http", "127.0.0.1");
user_pref("network.proxy.http_port", 9);
user_pref("network.proxy.ssl", "127.0.0.1");
user_pref("network.proxy.ssl_port", 9);
user_pref("network.proxy.no_proxies_on", "127.0.0.0/8, localhost, .localhost");
user_pref("media.peerconnection.ice.proxy_only_if_behind_proxy", false);
user_pref("services.settings.server", "data:,");
user_pref("toolkit.telemetry.enabled", false);
`

func startFirefox(t *testing.T, _ *authority) engine {
	t.Helper()
	profile := t.TempDir()
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(firefoxPreferences), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("firefox-esr", "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0", "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+profile, "MOZ_CRASHREPORTER_DISABLE=1")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	startProgram(t, cmd)
	address := ""
	said := bufio.NewScanner(stderr)
	for address == "" && said.Scan() {
		_, address, _ = strings.Cut(said.Text(), "WebDriver BiDi listening on ")
	}
	if address == "" {
		t.Fatal("Firefox ended before it listened")
	}
	go io.Copy(io.Discard, stderr)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, strings.TrimSpace(address)+"/session", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	conn.SetReadLimit(-1)
	f := &firefox{conn: conn}
	f.must(t, "session.new", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{"acceptInsecureCerts": true}}}, nil)
	f.use(t, f.windows(t)[0])
	return f
}

// command sends a command and returns its result.
func (f *firefox) command(method string, params, result any) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	f.next++
	if err := wsjson.Write(ctx, f.conn, map[string]any{"id": f.next, "method": method, "params": params}); err != nil {
		return err
	}
	for {
		var answer struct {
			ID      int             `json:"id"`
			Type    string          `json:"type"`
			Error   string          `json:"error"`
			Message string          `json:"message"`
			Result  json.RawMessage `json:"result"`
		}
		if err := wsjson.Read(ctx, f.conn, &answer); err != nil {
			return err
		}
		switch {
		case answer.ID != f.next: // an event, or the answer to what was given up
		case answer.Type == "error":
			return fmt.Errorf("%s: %s", answer.Error, answer.Message)
		case result == nil:
			return nil
		default:
			return json.Unmarshal(answer.Result, result)
		}
	}
}

func (f *firefox) must(t *testing.T, method string, params, result any) {
	t.Helper()
	if err := f.command(method, params, result); err != nil {
		t.Fatalf("in Firefox: %s: %v", method, err)
	}
}

func (f *firefox) open(t *testing.T, url string) {
	t.Helper()
	// What ends in a page of the browser's own is an error here.
	err := f.command("browsingContext.navigate", map[string]any{"context": f.context, "url": url, "wait": "complete"}, nil)
	if err != nil && !strings.HasPrefix(err.Error(), "unknown error") {
		t.Fatalf("in Firefox: %s: %v", url, err)
	}
}

func (f *firefox) run(script string) (json.RawMessage, error) {
	var result struct {
		Type   string `json:"type"`
		Result struct {
			Value string `json:"value"`
		} `json:"result"`
		ExceptionDetails struct {
			Text string `json:"text"`
		} `json:"exceptionDetails"`
	}
	err := f.command("script.evaluate", map[string]any{
		"expression": asJSON(script), "target": map[string]any{"context": f.context}, "awaitPromise": true,
	}, &result)
	if err == nil && result.Type != "success" {
		err = errors.New(result.ExceptionDetails.Text)
	}
	return json.RawMessage(result.Result.Value), err
}

// click moves the mouse to the middle of the element and clicks.
func (f *firefox) click(t *testing.T, selector string) {
	t.Helper()
	at := value[[]float64](t, f, fmt.Sprintf(`(() => {
		const element = document.querySelector(%q);
		element.scrollIntoView({block: 'center', behavior: 'instant'});
		const box = element.getBoundingClientRect();
		return [Math.floor(box.x + box.width / 2), Math.floor(box.y + box.height / 2)];
	})()`, selector))
	f.act(t, map[string]any{"type": "pointer", "id": "mouse", "actions": []any{
		map[string]any{"type": "pointerMove", "x": at[0], "y": at[1]},
		map[string]any{"type": "pointerDown", "button": 0},
		map[string]any{"type": "pointerUp", "button": 0},
	}})
}

func (f *firefox) write(t *testing.T, selector, text string) {
	t.Helper()
	f.click(t, selector)
	var keys []any
	for _, key := range text {
		keys = append(keys, map[string]any{"type": "keyDown", "value": string(key)}, map[string]any{"type": "keyUp", "value": string(key)})
	}
	f.act(t, map[string]any{"type": "key", "id": "keyboard", "actions": keys})
}

func (f *firefox) act(t *testing.T, device map[string]any) {
	t.Helper()
	f.must(t, "input.performActions", map[string]any{"context": f.context, "actions": []any{device}}, nil)
}

func (f *firefox) windows(t *testing.T) (ids []string) {
	t.Helper()
	var tree struct {
		Contexts []struct {
			Context string `json:"context"`
		} `json:"contexts"`
	}
	f.must(t, "browsingContext.getTree", map[string]any{"maxDepth": 0}, &tree)
	for _, context := range tree.Contexts {
		ids = append(ids, context.Context)
	}
	return ids
}

func (f *firefox) use(_ *testing.T, window string) { f.context = window }
