package anonproxy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/leakguard"
	"github.com/wikiveil/wikiveil/internal/testutil/leaktest"
	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
)

// The same through a whole proxy: nothing is sent, and nothing is said of the value.
func TestLeakGuardRefuses(t *testing.T) {
	b := newBackend(t, tooltest.Answers("application/json", "{}"))
	posts := tool("maps", b.URL)
	alice := Reader{Client: "2001:2f:1111:2222:3333:4444:5555:6666"}
	for _, s := range leaktest.Alice {
		alice.Secrets = append(alice.Secrets, leakguard.Secret(s))
	}
	posts.Methods = []string{"GET", "POST"}
	for name, cfg := range map[string]Config{"uncached": {}, "cached": {Cache: newCache(t, cache.Config{})}} {
		cfg.Reader = func(*http.Request) Reader { return alice }
		e := newEdge(t, cfg, posts)
		n := 0
		for value, field := range leaktest.Leaked {
			for _, encoding := range []string{"verbatim", "base64", "percent, all", "hex", "JSON, all"} {
				for place, put := range leaktest.Places {
					v := leaktest.Encodings[encoding](value)
					path, body := put(v)
					if body == "" {
						path, _ = put(leaktest.URLSafe(v))
					}
					if strings.HasSuffix(place, "path") && strings.ContainsAny(path, `/\"`) && strings.Contains(strings.ToLower(path), "%2f") || strings.Contains(strings.ToLower(path), "%5c") || strings.Contains(strings.ToLower(path), "%2e") {
						continue // refused as a path
					}
					var a answer
					if body == "" {
						a = e.do(t, "GET", "/.tools/maps"+path, "empty")
					} else {
						a = e.post(t, "/.tools/maps"+path, "text/plain", body)
					}
					n++
					wantRefusal(t, a, 403, "the request carries "+field+", which no tool may get")
					if strings.Contains(strings.ToLower(a.body), strings.ToLower(value)) {
						t.Errorf("%s: the reason holds the value: %s", place, a.body)
					}
				}
			}
		}
		if b.hits.Load() != 0 || b.conns.Load() != 0 {
			t.Fatalf("%s: the tool got %d requests", name, b.hits.Load())
		}
		for _, outcome := range e.observed(t, n) {
			if outcome != "maps leak" {
				t.Fatalf("observed %q", outcome)
			}
		}
		if n < 100 || e.logs.String() != strings.ReplaceAll(e.logs.String(), "leak", "") {
			t.Errorf("%d requests; logs: %s", n, e.logs)
		}
		for _, innocent := range []string{"/a?lang=en&skin=vector-2022", "/a?lang=en"} { // the edge still serves
			if a := e.do(t, "GET", "/.tools/maps"+innocent, "empty"); a.status != 200 {
				t.Errorf("got %d %s", a.status, a.body)
			}
		}
		// An answer that is kept is no way round.
		if a := e.do(t, "GET", "/.tools/maps/a?who=Alice_Example", "empty"); a.status != 403 {
			t.Errorf("got %d", a.status)
		}
		b.hits.Store(0)
		b.conns.Store(0)
		e.proxy.upstreams()["maps"].transport.Close()
	}
}
