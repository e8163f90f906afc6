//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// engine is a reader's browser, as far as tests of all three engines need it. Chromium's own tests go further: see browser.
type engine interface {
	// open navigates the window, and waits for the page, whatever it is.
	open(t *testing.T, url string)
	// run evaluates a JavaScript expression in the window, or awaits its promise, and returns the value as JSON.
	run(script string) (json.RawMessage, error)
	// click clicks on an element as a person does, and write types into it.
	click(t *testing.T, selector string)
	write(t *testing.T, selector, text string)
	// windows are all that are open; use makes one of them the window.
	windows(t *testing.T) []string
	use(t *testing.T, window string)
}

// engines start one browser each, which trusts an authority.
var engines = map[string]func(t *testing.T, a *authority) engine{"Chromium": startChromium, "Firefox": startFirefox, "WebKitGTK": startWebKit}

// others are the engines that are there besides Chromium.
func others() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(engines)), func(name string) bool { return name == "Chromium" })
}

// value is what a script in an engine's window comes to.
func value[T any](t *testing.T, e engine, script string) (v T) {
	t.Helper()
	raw, err := e.run(script)
	if err == nil && len(raw) > 0 {
		err = json.Unmarshal(raw, &v)
	}
	if err != nil {
		t.Fatalf("%s: %v (%s)", script, err, raw)
	}
	return v
}

// until waits for a JavaScript condition, over navigations too.
func until(t *testing.T, e engine, condition string) {
	t.Helper()
	var raw json.RawMessage
	var err error
	for deadline := time.Now().Add(45 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if raw, err = e.run("!!(" + condition + ")"); err == nil && string(raw) == "true" {
			return
		}
		if time.Now().After(deadline) {
			page, _ := e.run("location.href + '\\n' + document.documentElement.innerText")
			t.Fatalf("waited in vain for %s (%s, %v)\n%s", condition, raw, err, page)
		}
	}
}

// asJSON is a script whose value is a script's as JSON, whatever that is.
func asJSON(script string) string {
	return "(async () => { const value = await (" + script + "); return JSON.stringify(value === undefined ? null : value); })()"
}

// startProgram runs a program until the test ends.
func startProgram(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v (scripts/install-test-programs installs it)", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// chromium is the browser of the other tests.
type chromium struct{ *browser }

func startChromium(t *testing.T, a *authority) engine {
	return &chromium{startBrowser(t, chromedp.Flag("ignore-certificate-errors-spki-list", a.hash))}
}

func (c *chromium) open(t *testing.T, url string) {
	t.Helper()
	if _, err := chromedp.Run(c.ctx, chromedp.Evaluate[json.RawMessage](fmt.Sprintf("void (window.left = true, location.assign(%q))", url))); err != nil {
		t.Fatal(err)
	}
	c.settle(t, url)
}

// settle waits for the page of an address, or the browser's own in its place.
func (c *chromium) settle(t *testing.T, url string) {
	t.Helper()
	wait(t, url, func() bool {
		// The page before is complete, too, until the next one comes.
		raw, err := c.run("document.readyState === 'complete' && location.href !== 'about:blank' && !window.left")
		return err == nil && string(raw) == "true"
	})
}

func (c *chromium) run(script string) (json.RawMessage, error) {
	text, err := chromedp.Run(c.ctx, chromedp.Evaluate[string](asJSON(script), chromedp.EvalAwaitPromise))
	return json.RawMessage(text), err
}

func (c *chromium) click(t *testing.T, selector string) {
	t.Helper()
	c.do(t, click(selector))
}

func (c *chromium) write(t *testing.T, selector, text string) {
	t.Helper()
	c.do(t, click(selector), chromedp.KeyEvent(text))
}

func (c *chromium) windows(t *testing.T) []string {
	t.Helper()
	targets, err := chromedp.Targets(c.ctx)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, target := range targets {
		if target.Type == "page" {
			ids = append(ids, string(target.TargetID))
		}
	}
	return ids
}

func (c *chromium) use(t *testing.T, window string) {
	t.Helper()
	targets, err := chromedp.Targets(c.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range targets {
		if string(target.TargetID) == window {
			ctx, cancel := chromedp.NewContext(c.ctx, chromedp.WithTargetID(target.TargetID))
			t.Cleanup(cancel)
			c.browser = &browser{ctx: ctx}
			return
		}
	}
	t.Fatalf("no window %s", window)
}

// newWindow waits for a window besides those before, and uses it.
func newWindow(t *testing.T, e engine, before []string) {
	t.Helper()
	known := strings.Join(before, " ")
	wait(t, "another window", func() bool {
		for _, window := range e.windows(t) {
			if !strings.Contains(known, window) {
				e.use(t, window)
				return true
			}
		}
		return false
	})
}
