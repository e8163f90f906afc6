//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// violation is a SecurityPolicyViolationEvent.
type violation struct {
	Directive string `json:"directive"`
	Blocked   string `json:"blocked"`
	Document  string `json:"document"`
}

// browser is a tab of real Chromium, with what it saw.
type browser struct {
	ctx context.Context

	mu         sync.Mutex
	violations []violation
	failures   []string // of what pages loaded: status 400 and up, and failed requests
}

// watchViolations passes every violation of a document on to a binding, which
// outlives the document.
const watchViolations = `addEventListener('securitypolicyviolation', e => violated(JSON.stringify(
	{directive: e.effectiveDirective, blocked: e.blockedURI, document: e.documentURI})))`

// startBrowser runs Chromium with a fresh profile until the test ends. Its options
// leave the web platform as readers have it, caches and all.
func startBrowser(t *testing.T, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath("chromium"),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.WindowSize(1280, 900),
	}
	for _, flag := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-quic", "disable-dev-shm-usage", "no-first-run", "no-default-browser-check",
		"disable-background-networking", "disable-component-update", "disable-default-apps", "disable-sync", "mute-audio",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, cancelAllocator := chromedp.NewExecAllocator(context.Background(), append(options, more...)...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		cancel()
		cancelAllocator()
	})
	b := &browser{ctx: ctx}
	if err := chromedp.Listen(ctx, b.observe); err != nil {
		t.Fatalf("starting Chromium: %v", err)
	}
	b.do(t, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, network.Enable, network.EnableParams{})
		if err == nil {
			_, err = cdp.Call(ctx, tab, runtime.AddBinding, runtime.AddBindingParams{Name: "violated"})
		}
		if err == nil {
			_, err = cdp.Call(ctx, tab, page.AddScriptToEvaluateOnNewDocument,
				page.AddScriptToEvaluateOnNewDocumentParams{Source: watchViolations})
		}
		return err
	}))
	return b
}

func (b *browser) observe(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch event := event.(type) {
	case *runtime.EventBindingCalled:
		var v violation
		if err := json.Unmarshal([]byte(event.Payload), &v); err != nil {
			v.Directive = "unreadable: " + event.Payload
		}
		b.violations = append(b.violations, v)
	case *network.EventResponseReceived:
		// A page may well say that it is not there.
		if event.Response.Status >= 400 && event.Type != network.ResourceTypeDocument {
			b.failures = append(b.failures, fmt.Sprintf("%d %s", event.Response.Status, event.Response.URL))
		}
	case *network.EventLoadingFailed:
		// A page that is left cancels what it was still loading.
		if !event.Canceled {
			b.failures = append(b.failures, fmt.Sprintf("%s %s %s", event.Type, event.ErrorText, event.BlockedReason))
		}
	}
}

// do takes steps in the tab, all within a minute.
func (b *browser) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatalf("in Chromium: %v\n%s", err, b.report())
	}
}

// open navigates to a page.
func (b *browser) open(t *testing.T, url string) {
	t.Helper()
	b.do(t, chromedp.Navigate(url))
}

// evaluate runs JavaScript in the page and returns the value, or its promise's.
func evaluate[T any](t *testing.T, b *browser, script string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("in Chromium: %s: %v\n%s", script, err, b.report())
	}
	return value
}

// waitFor waits for a JavaScript condition to hold, over navigations too.
func (b *browser) waitFor(t *testing.T, condition string) {
	t.Helper()
	for deadline := time.Now().Add(45 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		// An evaluation fails while the page is being replaced.
		holds, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+condition+")"))
		if err == nil && holds {
			return
		}
		if time.Now().After(deadline) {
			location, _ := chromedp.Run(b.ctx, chromedp.Location())
			t.Fatalf("%s: waited in vain for %s (%v)\n%s", location, condition, err, b.report())
		}
	}
}

// take returns the violations and failures so far, and starts anew.
func (b *browser) take() (violations []violation, failures []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	violations, failures = b.violations, b.failures
	b.violations, b.failures = nil, nil
	return violations, failures
}

func (b *browser) report() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Sprintf("violations: %+v\nfailures: %s", b.violations, strings.Join(b.failures, "\n"))
}

// waitForViolations waits until there are as many violations.
func (b *browser) waitForViolations(t *testing.T, count int) {
	t.Helper()
	for deadline := time.Now().Add(45 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		b.mu.Lock()
		got := len(b.violations)
		b.mu.Unlock()
		if got >= count {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d violations, want %d\n%s", got, count, b.report())
		}
	}
}

// fillIn sets a form field's value.
func fillIn(id, value string) chromedp.Action[chromedp.Void] {
	return chromedp.SetValue(chromedp.ID(id), value)
}

// click clicks on the first element that a CSS selector finds.
func click(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(chromedp.CSS(selector))
}
