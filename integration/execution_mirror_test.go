//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/anonproxy/mirror"
)

// asScripts are the sinks that ask for a script, which a page that is in the wiki anyhow runs. A
// worker that exists may import one, too.
var asScripts = []string{"script", "module", "import", "importScripts"}

// TestMirroredScriptRunsAsScriptAlone tries each way to run a mirrored script: when the browser
// asks for it the first time, and when it has it in its cache as a script, at the address that may
// be kept for good as well. As a worker, a service worker, a frame or a page it must not run, with or
// without the wiki's policy.
func TestMirroredScriptRunsAsScriptAlone(t *testing.T) {
	for name, site := range map[string]string{"proxy alone": "anonproxy\n", "proxy and policy": "csp\nanonproxy\n"} {
		t.Run(name, func(t *testing.T) {
			content := func(query string) string { return fmt.Sprintf(announce, query) }
			cdn := startTool(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/javascript")
				fmt.Fprint(w, content(r.URL.RawQuery))
			})
			app := "data_dir " + t.TempDir() + "\ntool hostile " + cdn.url + " {\nkinds script\nexecutable\nallow_loopback\n"
			pins := 0
			for _, sink := range sinks {
				for _, warm := range []string{"", "preloaded", "versioned"} {
					_, id := payloadAddress("lib.js", sink, warm)
					app += "mirror /lib.js?" + id + " " + mirror.Integrity([]byte(content(id))) + "\n"
					pins++
				}
			}
			s := setScene(t, fronts[0], edgeConfig{app: app + "}\n", site: clientMask + site}, "")
			versioned := make(map[string]string)
			for _, file := range s.mirroredFiles(t, func() bool { return len(cdn.seen()) == pins }) {
				versioned[file.Address] = file.Versioned
			}

			b := startBrowser(t)
			for _, warm := range []string{"", "preloaded", "versioned"} {
				b.openWithSinks(t, s.url)
				address := func(sink string) (url, id string) {
					url, id = payloadAddress("lib.js", sink, warm)
					if warm == "versioned" {
						url = versioned[url]
					}
					return url, id
				}
				if warm != "" {
					for _, sink := range sinks {
						url, _ := address(sink)
						evaluate[bool](t, b, fmt.Sprintf("get('preloaded', %q)", url))
					}
					b.openWithSinks(t, s.url)
				}
				for _, sink := range sinks {
					url, id := address(sink)
					if warm != "" && !evaluate[bool](t, b, fmt.Sprintf("get('preloaded', %q)", url)) {
						t.Errorf("%s is not in the browser's cache", url)
					}
					want := slices.Contains(asScripts, sink) && (sink != "importScripts" || !strings.Contains(site, "csp"))
					if got := b.runs(t, sink, s.url, url, id); got != want {
						t.Errorf("%s as %s: runs %t, want %t", url, sink, got, want)
					}
				}
			}
			if n := len(cdn.seen()); n != pins {
				t.Errorf("the service got %d requests, want the edge's %d alone", n, pins)
			}
		})
	}
}
