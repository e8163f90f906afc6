//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"
)

// enginePayloads and engineSinks are those of TestProxiedAnswerNeverRuns in which engines differ.
var (
	enginePayloads = []string{"script.js", "page.html", "script.json", "picture.svg"}
	engineSinks    = []string{"script", "module", "worker", "importScripts", "serviceWorker", "frame", "object"}
)

const enginePage = "header / Content-Type text/html\nrespond / `<!doctype html><title>wiki</title><h1>A page</h1>`\n"

// TestEnginesNeverRunProxiedAnswers has a hostile tool answer with code, in Firefox and WebKitGTK; TestProxiedAnswerNeverRuns
// does in Chromium, with caches and all payloads. The proxy alone must hold, without a policy. The baseline is an ordinary proxy.
func TestEnginesNeverRunProxiedAnswers(t *testing.T) {
	tool := startTool(t, hostile)
	a := newAuthority(t)
	for _, name := range []string{"Firefox", "WebKitGTK"} {
		t.Run(name, func(t *testing.T) {
			e := engines[name](t, a)
			t.Run("baseline", func(t *testing.T) {
				s := startEdge(t, edgeConfig{site: "handle_path /.tools/hostile/* {\nreverse_proxy " + tool.url + "\n}\n" + enginePage, unmasked: true})
				run := make(map[string]bool)
				for _, payload := range enginePayloads[:2] {
					for _, sink := range sinksThatRunIn(t, e, s.url, payload) {
						run[sink] = true
					}
				}
				for _, sink := range []string{"script", "module", "worker", "importScripts", "frame", "object", "navigation"} {
					if !run[sink] {
						t.Errorf("no payload runs as %s", sink)
					}
				}
			})
			s := startEdge(t, edgeConfig{app: tool.declaration("hostile"), site: clientMask + "anonproxy\n" + enginePage})
			for _, payload := range enginePayloads {
				for _, sink := range sinksThatRunIn(t, e, s.url, payload) {
					t.Errorf("%s runs as %s", payload, sink)
				}
			}
		})
	}
}

// sinksThatRunIn tries a payload in every sink and returns those that ran it.
func sinksThatRunIn(t *testing.T, e engine, wiki, payload string) (run []string) {
	t.Helper()
	e.open(t, wiki+"/")
	value[any](t, e, "(0, eval)("+fmt.Sprintf("%q", sinkScript+"\nObject.assign(globalThis, {attempt, ran, sleep}); null")+")")
	for _, sink := range engineSinks {
		url, id := payloadAddress(payload, sink, "")
		// Not every engine tells of everything that failed; what runs late is seen in the end.
		value[any](t, e, fmt.Sprintf("Promise.race([attempt(%q, %q, %q), sleep(1000)])", sink, url, id))
	}
	for _, id := range value[[]string](t, e, "sleep(2000).then(() => [...ran])") {
		if parts := strings.Split(id, "."); len(parts) == 4 { // a worker says more than that it ran
			run = append(run, parts[2])
		}
	}
	url, id := payloadAddress(payload, "navigation", "")
	e.open(t, wiki+url)
	if value[bool](t, e, fmt.Sprintf("document.documentElement.dataset.ran === %q", id)) {
		run = append(run, "navigation")
	}
	return run
}
