//go:build integration

package integration

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// payload is what a hostile tool answers: code, with a content type that suits it or
// pretends that it is data.
type payload struct {
	contentType, form string
	// warm is how a page gets the answer into the browser's cache, "" where the
	// proxy refuses it whatever it is asked for.
	warm string
}

const (
	asScript   = `%s`
	asDocument = `<!DOCTYPE html><title>-</title><script>%s</script>`
	asPicture  = `<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>%s</script></svg>`
)

var payloads = map[string]payload{
	"script.js":     {"text/javascript", asScript, ""},
	"page.html":     {"text/html", asDocument, ""},
	"script.json":   {"application/json", asScript, "fetched"},
	"page.json":     {"application/json", asDocument, "fetched"},
	"script.txt":    {"text/plain", asScript, "fetched"},
	"page.txt":      {"text/plain", asDocument, "fetched"},
	"script.css":    {"text/css", asScript, "styled"},
	"picture.svg":   {"image/svg+xml", asPicture, "shown"},
	"script.events": {"text/event-stream", asScript, ""},
	"script.ldjson": {"application/ld+json", asScript, "fetched"},
}

// announce is the code of every payload: it tells all who may listen that it ran. The
// request's query is what it says, so that each attempt is told from the others.
const announce = `(function () {
	var id = %q;
	try { new BroadcastChannel('ran').postMessage(id); } catch (e) {}
	try { postMessage(id); } catch (e) {}
	try { parent.postMessage(id, '*'); } catch (e) {}
	try { opener.postMessage(id, '*'); } catch (e) {}
	try { document.documentElement.dataset.ran = id; } catch (e) {}
})();`

// hostile answers with the payload that the path names, to be cached for long.
func hostile(w http.ResponseWriter, r *http.Request) {
	p := payloads[path.Base(r.URL.Path)]
	w.Header().Set("Content-Type", p.contentType)
	w.Header().Set("Cache-Control", "max-age=3600")
	fmt.Fprintf(w, p.form, fmt.Sprintf(announce, r.URL.RawQuery))
}

// sinks are the ways to have the browser run a resource, see testdata/sinks.js.
var sinks = []string{
	"script", "module", "import", "worker", "moduleWorker", "sharedWorker", "importScripts",
	"serviceWorker", "moduleServiceWorker", "worklet", "frame", "form", "object", "embed", "navigation",
}

//go:embed testdata/sinks.js
var sinkScript string

// TestProxiedAnswerNeverRuns lets a hostile tool answer with code, under each content
// type, and tries each way to run it on the wiki's origin: when the browser asks for it
// the first time, when it has it in its cache as data, and when the edge has it in the
// shared cache for each use that another reader could make of it. The proxy's own
// protections must hold without the wiki's policy, too.
func TestProxiedAnswerNeverRuns(t *testing.T) {
	for name, site := range map[string]string{"proxy alone": "anonproxy\n", "proxy and policy": "csp\nanonproxy\n"} {
		t.Run(name, func(t *testing.T) {
			tool := startTool(t, hostile)
			app := strings.Replace(tool.declaration("hostile"), "kinds", "methods GET POST\nstreams events\nkinds", 1)
			s := setScene(t, fronts[0], edgeConfig{app: app, site: clientMask + site}, "")
			b := startBrowser(t)
			for _, name := range slices.Sorted(maps.Keys(payloads)) {
				for _, sink := range b.sinksThatRun(t, s.url, name, "") {
					t.Errorf("%s runs as %s", name, sink)
				}
				if payloads[name].warm == "" {
					continue
				}
				for _, sink := range b.sinksThatRun(t, s.url, name, payloads[name].warm) {
					t.Errorf("%s runs as %s out of the browser's cache", name, sink)
				}
				s.visit(bob).fillSharedCache(t, name)
				before := len(tool.seen())
				for _, sink := range b.sinksThatRun(t, s.url, name, sharedCache) {
					t.Errorf("%s runs as %s out of the shared cache", name, sink)
				}
				if n := len(tool.seen()) - before; n != 0 {
					t.Errorf("%s: %d answers didn't come from the shared cache", name, n)
				}
			}
		})
	}
}

// TestUnprotectedAnswerRuns is the baseline: through an ordinary proxy on the wiki's
// origin, each way to run code runs it.
func TestUnprotectedAnswerRuns(t *testing.T) {
	server := startTool(t, hostile)
	site := "handle_path /.tools/hostile/* {\nreverse_proxy " + server.url + "\n}\n"
	s := setScene(t, fronts[0], edgeConfig{site: site, unmasked: true}, "")
	b := startBrowser(t)
	run := make(map[string]bool)
	for name := range payloads {
		for _, sink := range b.sinksThatRun(t, s.url, name, "") {
			run[sink] = true
		}
	}
	for _, sink := range sinks {
		if !run[sink] {
			t.Errorf("no payload runs as %s", sink)
		}
	}
}

// sinksThatRun opens a page of the wiki, tries a payload in every sink and returns those
// that ran it. With warm, the browser has the payload in its cache before each attempt,
// or another reader has filled the shared one.
func (b *browser) sinksThatRun(t *testing.T, wiki, payload, warm string) []string {
	t.Helper()
	address := func(sink string) (url, id string) { return payloadAddress(payload, sink, warm) }
	get := func(sink string) (cached bool) {
		url, _ := address(sink)
		return evaluate[bool](t, b, fmt.Sprintf("get(%q, %q)", warm, url))
	}
	b.openWithSinks(t, wiki)
	inBrowser := warm != "" && warm != sharedCache
	if inBrowser {
		for _, sink := range sinks {
			get(sink)
		}
		// A page keeps what it loaded apart from the browser's cache.
		b.openWithSinks(t, wiki)
	}
	var run []string
	for _, sink := range sinks {
		if inBrowser && !get(sink) {
			t.Errorf("%s is not in the browser's cache for %s", payload, sink)
		}
		if url, id := address(sink); b.runs(t, sink, wiki, url, id) {
			run = append(run, sink)
		}
	}
	return run
}

// sharedCache says that it is the edge that has the payload.
const sharedCache = "shared"

// payloadAddress is where a payload is for an attempt, and what it says if it runs.
func payloadAddress(payload, sink, warm string) (url, id string) {
	id = payload + "." + sink + "." + warm
	return "/.tools/hostile/" + payload + "?" + id, id
}

// fillSharedCache asks for a payload as everything that the proxy
// serves, so that the edge has it.
func (v *visitor) fillSharedCache(t *testing.T, payload string) {
	t.Helper()
	for _, sink := range sinks {
		path, _ := payloadAddress(payload, sink, sharedCache)
		served := 0
		for _, use := range []string{"empty", "image", "style"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range map[string]string{"Dest": use, "Site": "same-origin", "Mode": "cors"} {
				r.Header.Set("Sec-Fetch-"+name, value)
			}
			answer, err := v.http.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				served++
			}
		}
		if served != 1 { // each type belongs to one kind
			t.Fatalf("%s is served for %d uses", path, served)
		}
	}
}

func (b *browser) openWithSinks(t *testing.T, wiki string) {
	t.Helper()
	b.open(t, wiki+"/index.php/Main_Page")
	evaluate[chromedp.Void](t, b, sinkScript)
}

// runs tries one payload in one sink.
func (b *browser) runs(t *testing.T, sink, wiki, url, id string) bool {
	t.Helper()
	if sink == "navigation" {
		return b.runsAsPage(t, wiki, url, id)
	}
	return evaluate[bool](t, b, fmt.Sprintf("attempt(%q, %q, %q)", sink, url, id))
}

// runsAsPage goes from a page of the wiki to a payload, in another tab, and tells
// whether it ran there.
func (b *browser) runsAsPage(t *testing.T, wiki, url, id string) bool {
	t.Helper()
	tab, cancel := chromedp.NewContext(b.ctx)
	defer cancel()
	if err := chromedp.Do(tab, chromedp.Navigate(wiki+"/load.php")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(tab, time.Minute)
	defer cancel()
	leave := chromedp.Evaluate[chromedp.Void](fmt.Sprintf("location.assign(%q)", url))
	switch _, err := chromedp.RunResponse(ctx, leave); {
	case errors.Is(err, chromedp.ErrPageLoad): // the browser shows its own page
		return false
	case err != nil:
		t.Fatalf("going to %s: %v", url, err)
	}
	page, err := chromedp.Run(ctx, chromedp.OuterHTML(chromedp.JSPath("document.documentElement")))
	if err != nil {
		t.Fatalf("reading the page of %s: %v", url, err)
	}
	return strings.Contains(page, fmt.Sprintf("data-ran=%q", id))
}
