//go:build integration

package integration

import (
	"fmt"
	"testing"
)

// enginePayloads and engineSinks are those of TestProxiedAnswerNeverRuns in which engines differ.
var (
	enginePayloads = []string{"script.js", "page.html", "script.json", "page.txt", "picture.svg"}
	engineSinks    = []string{"script", "module", "worker", "moduleWorker", "importScripts", "serviceWorker", "frame", "object", "embed", "navigation"}
)

const enginePage = "header / Content-Type text/html\nrespond / `<!doctype html><title>wiki</title><h1>A page</h1>`\n"

// TestEnginesNeverRunProxiedAnswers has a hostile tool answer with code, in Firefox and WebKitGTK; TestProxiedAnswerNeverRuns
// does in Chromium, with caches. The baseline is an ordinary proxy.
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
			for what, site := range map[string]string{"proxy alone": "anonproxy\n", "proxy and policy": "csp\nanonproxy\n"} {
				t.Run(what, func(t *testing.T) {
					s := startEdge(t, edgeConfig{app: tool.declaration("hostile"), site: clientMask + site + enginePage})
					for _, payload := range enginePayloads {
						for _, sink := range sinksThatRunIn(t, e, s.url, payload) {
							t.Errorf("%s runs as %s", payload, sink)
						}
					}
				})
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
		if sink == "navigation" {
			e.open(t, wiki+url)
			if value[bool](t, e, fmt.Sprintf("document.documentElement.dataset.ran === %q", id)) {
				run = append(run, sink)
			}
			continue
		}
		// Not every engine tells of everything that failed.
		if value[bool](t, e, fmt.Sprintf("Promise.race([attempt(%q, %q, %q), sleep(4000).then(() => ran.has(%q))])", sink, url, id, id)) {
			run = append(run, sink)
		}
	}
	return run
}
