//go:build integration

package demo

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// startBrowser runs real Chromium until the test ends.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath("chromium"), chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1000, 1400)}
	for _, name := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "no-first-run", "no-default-browser-check", "hide-scrollbars",
		"disable-background-networking", "disable-component-update", "disable-default-apps", "disable-sync",
	} {
		options = append(options, chromedp.Flag(name, true))
	}
	allocator, cancelAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	browser, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() { cancel(); cancelAllocator() })
	do(t, browser) // the first run starts it, and must have no deadline
	return browser
}

func do(t *testing.T, browser context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(browser, steps...); err != nil {
		t.Fatalf("in Chromium: %v", err)
	}
}

func evaluate[T any](t *testing.T, browser context.Context, script string) T {
	t.Helper()
	value, err := chromedp.Run(browser, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("in Chromium: %s: %v", script, err)
	}
	return value
}

// openPage opens a page of the demo and waits until its script has tried everything.
func openPage(t *testing.T, browser context.Context, address string) {
	t.Helper()
	do(t, browser, chromedp.Navigate(address))
	for deadline := time.Now().Add(time.Minute); !evaluate[bool](t, browser, `document.documentElement.dataset.tried === "all"`); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the page never ended its tries:\n%s", evaluate[string](t, browser, `document.body.innerText`))
		}
	}
}

// results returns a list's lines as "good"/"bad", title and outcome.
const results = `((id) => [...document.querySelectorAll("#" + id + " li")].map((line) =>
	line.className + ": " + line.firstChild.firstChild.textContent + ": " + line.querySelector(".outcome").textContent))`

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestPageInBrowser(t *testing.T) {
	e := runExample(t)
	browser := startBrowser(t)
	openPage(t, browser, e.edge)

	mask := evaluate[string](t, browser, `document.getElementById("address").textContent`)
	if !strings.HasPrefix(mask, "2001:2f:") {
		t.Errorf("page shows the address %s, want a mask", mask)
	}
	wantLines(t, evaluate[[]string](t, browser, results+`("attempts")`),
		"good: A picture from the other site: blocked by the policy (img-src)",
		"good: A script from the other site: blocked by the policy (script-src-elem)",
		"good: Data from the other site: blocked by the policy (connect-src)",
		"good: The same picture through the edge’s proxy: shown, fetched by the edge",
		"good: The same script through the edge’s proxy: refused: a tool’s answers never run",
	)
	counted := evaluate[string](t, browser, `document.getElementById("counted").textContent`)
	if !strings.HasSuffix(counted, "0 pictures, 0 scripts, 0 pieces of data.") {
		t.Errorf("the other site counts: %s", counted)
	}
	wantLines(t, evaluate[[]string](t, browser, results+`("forged")`),
		"good: X-Forwarded-For: replaced with the edge’s own",
		"good: X-Real-Ip: never arrived",
		"good: Forwarded: never arrived",
		"good: True-Client-Ip: never arrived",
		"good: Client-Mask: replaced with the edge’s own",
	)
	tool := evaluate[map[string]string](t, browser, `Object.fromEntries([...document.querySelectorAll("#tool-table tbody tr")].map((row) =>
		[row.children[0].textContent, row.children[2].className + ": " + row.children[2].textContent]))`)
	for name, want := range map[string]string{"Cookies": "good: nothing", "Referer": "good: nothing", "Accept-Language": "good: nothing", "Origin": "good: nothing"} {
		if tool[name] != want {
			t.Errorf("%s through the edge: got %q, want %q", name, tool[name], want)
		}
	}
	if agent := tool["User-Agent"]; agent == "" || strings.Contains(agent, "Mozilla") {
		t.Errorf("the tool saw the user agent %q", agent)
	}
	for name, outcome := range tool {
		if !strings.HasPrefix(outcome, "good: ") {
			t.Errorf("the tool saw %s as the browser sends it: %s", name, outcome)
		}
	}

	do(t, browser, chromedp.SendKeys(chromedp.ID("text"), "Typed <i>here</i>"))
	if _, err := chromedp.Run(browser, chromedp.WaitEvent(page.LoadEventFired, nil, chromedp.Submit(chromedp.ID("text")))); err != nil {
		t.Fatal(err)
	}
	wantLines(t, evaluate[[]string](t, browser, `[...document.querySelectorAll(".notes li")].map((note) => note.querySelector("code").textContent + ": " + note.querySelector("bdi").textContent)`),
		mask+": Typed <i>here</i>")
}

// The page must not claim what is not so.
func TestPageAroundTheEdgeInBrowser(t *testing.T) {
	e := runExample(t)
	browser := startBrowser(t)
	openPage(t, browser, e.wiki)
	wantLines(t, evaluate[[]string](t, browser, results+`("attempts")`),
		"bad: A picture from the other site: loaded: no policy stopped it",
		"bad: A script from the other site: loaded: no policy stopped it",
		"bad: Data from the other site: loaded: no policy stopped it",
		"bad: The same picture through the edge’s proxy: not loaded: is there an edge?",
		"bad: The same script through the edge’s proxy: not loaded: is there an edge?",
	)
	if address := evaluate[string](t, browser, `document.querySelector("#address.bad").textContent`); address != "127.0.0.1" {
		t.Errorf("page shows %s, want 127.0.0.1", address)
	}
}

func TestPageWithoutJavaScript(t *testing.T) {
	e := runExample(t)
	browser := startBrowser(t)
	do(t, browser, func(ctx context.Context, tab *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return chromedp.Void{}, err
	}, chromedp.Navigate(e.edge))
	text, err := chromedp.Run(browser, chromedp.Text(chromedp.ID("main")))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(text, "JavaScript is off in your browser"); got != 3 {
		t.Errorf("the page says %d times that JavaScript is off, want 3:\n%s", got, text)
	}
	if !strings.Contains(text, "Your real address never reached it") {
		t.Error("the page without JavaScript lacks what needs none")
	}
}
