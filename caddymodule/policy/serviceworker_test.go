package policy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/caddymodule/internal/edgetest"
)

func TestCSPRefusesServiceWorkers(t *testing.T) {
	const refused = `wikiveil_refused_requests_total{reason="service_worker"}`
	for _, directive := range []string{"csp", "csp {\n mode report\n }", "csp strict"} {
		e, a := policyEdge(t, directive, "handle_errors {\n reverse_proxy {APP}\n }")
		for name, header := range map[string]http.Header{
			"both":                  {"Service-Worker": {"script"}, "Sec-Fetch-Dest": {"serviceworker"}},
			"Service-Worker":        {"Service-Worker": {"script"}},
			"in small letters":      {"service-worker": {"script"}},
			"empty":                 {"Service-Worker": {""}},
			"any value":             {"Service-Worker": {"none"}},
			"Sec-Fetch-Dest":        {"Sec-Fetch-Dest": {"serviceworker"}},
			"second Sec-Fetch-Dest": {"Sec-Fetch-Dest": {"script", "ServiceWorker"}},
			"with parameter":        {"Sec-Fetch-Dest": {"serviceworker;a=b"}},
		} {
			for _, path := range []string{"/script", "/hello", "/fail", "/dead"} {
				before := e.Metrics(t)[refused]
				resp, body := edgetest.Send(t, edgetest.From(t, "127.0.0.1"), http.MethodGet, "http://"+e.Site+path, header)
				if resp.StatusCode != 200 || !strings.Contains(body, "self.registration.unregister()") {
					t.Errorf("%s: %s: %d %q", name, path, resp.StatusCode, body)
				}
				// A browser takes it for a worker's script only with a JavaScript type.
				if got := resp.Header.Get("Content-Type"); got != "text/javascript; charset=utf-8" {
					t.Errorf("%s: %s: type %q", name, path, got)
				}
				if len(resp.Header[policyHeader])+len(resp.Header[reportOnlyHeader]) != 1 {
					t.Errorf("%s: %s: no policy", name, path)
				}
				if got := resp.Header.Get("Cache-Control"); got != "no-store" {
					t.Errorf("%s: %s: Cache-Control %q", name, path, got)
				}
				if n := len(a.Take()); n != 0 {
					t.Errorf("%s: %s: the app saw %d requests", name, path, n)
				}
				if n := e.Metrics(t)[refused] - before; n != 1 {
					t.Errorf("%s: %s: counted %v times", name, path, n)
				}
			}
		}
		resp, body := edgetest.Send(t, edgetest.From(t, "127.0.0.1"), http.MethodGet, "http://"+e.Site+"/script", http.Header{"Sec-Fetch-Dest": {"script"}})
		if resp.StatusCode != 200 || body != "1" || len(a.Take()) != 1 {
			t.Errorf("a page's script: %d %q", resp.StatusCode, body)
		}
	}
}

// The attack, which Chromium 156 falls for without Vary where workers are allowed: a page
// fetches its script, so that it is in the browser's cache, registers any script with
// updateViaCache 'all' and at once the cached one for the same scope. The first gets the
// kill switch; the second, whose registration was "checked just now", comes from the
// cache and runs. Vary makes the browser ask the edge.
func TestCSPKeepsScriptsOfPagesFromWorkers(t *testing.T) {
	e, _ := policyEdge(t, "csp", "")
	for path, want := range map[string]string{
		"/script":    "Service-Worker",
		"/unchanged": "Service-Worker",
		"/image":     "",
		"/page":      "",
	} {
		resp, _ := edgetest.Send(t, edgetest.From(t, "127.0.0.1"), http.MethodGet, "http://"+e.Site+path, nil)
		if got := strings.Join(resp.Header["Vary"], ", "); got != want {
			t.Errorf("%s: Vary %q, want %q", path, got, want)
		}
	}
}
