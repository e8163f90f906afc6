//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"slices"
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
	for _, name := range others() {
		t.Run(name, func(t *testing.T) {
			e := engines[name](t, a)
			t.Run("baseline", func(t *testing.T) {
				s := startEdge(t, edgeConfig{site: "handle_path /.tools/hostile/* {\nreverse_proxy " + tool.url + "\n}\n" + enginePage, unmasked: true})
				run := strings.Join(sinksThatRunIn(t, e, s.url, enginePayloads[:2]), " ")
				for _, sink := range append(engineSinks, "navigation") {
					if sink != "serviceWorker" && !strings.Contains(run, "."+sink+".") { // which needs https
						t.Errorf("no payload runs as %s", sink)
					}
				}
			})
			s := startEdge(t, edgeConfig{app: tool.declaration("hostile"), site: clientMask + "anonproxy\n" + enginePage})
			for _, id := range sinksThatRunIn(t, e, s.url, enginePayloads) {
				t.Errorf("%s runs", id)
			}
		})
	}
}

// sinksThatRunIn tries payloads in every sink, all in one page of the wiki, and as pages of their own, and returns what ran.
func sinksThatRunIn(t *testing.T, e engine, wiki string, payloads []string) (run []string) {
	t.Helper()
	e.open(t, wiki+"/")
	value[any](t, e, "(0, eval)("+fmt.Sprintf("%q", sinkScript+"\nObject.assign(globalThis, {attempt, ran, sleep}); null")+")")
	var attempts [][3]string
	for _, payload := range payloads {
		for _, sink := range engineSinks {
			url, id := payloadAddress(payload, sink, "")
			attempts = append(attempts, [3]string{sink, url, id})
		}
	}
	list, err := json.Marshal(attempts)
	if err != nil {
		t.Fatal(err)
	}
	// Not every engine tells of everything that failed; what runs late is seen in the end.
	for _, id := range value[[]string](t, e, fmt.Sprintf(
		`Promise.race([Promise.all(%s.map(a => attempt(...a))), sleep(8000)]).then(() => sleep(2000)).then(() => [...ran].map(String))`, list)) {
		if slices.ContainsFunc(attempts, func(a [3]string) bool { return a[2] == id }) { // a worker says more than that it ran
			run = append(run, id)
		}
	}
	for _, payload := range payloads {
		url, id := payloadAddress(payload, "navigation", "")
		e.open(t, wiki+url)
		if value[bool](t, e, fmt.Sprintf("document.documentElement.dataset.ran === %q", id)) {
			run = append(run, id)
		}
	}
	return run
}
