package anonproxy

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
)

// TestSharedFailuresAreLoggedOnce: however many wait, and also where nobody does or a stale
// answer serves, and of a body that breaks off too.
func TestSharedFailuresAreLoggedOnce(t *testing.T) {
	for _, tc := range []struct {
		name, control string
		status        int // for the readers
		fails         http.HandlerFunc
		reason        string
	}{
		{"nothing in its place", "max-age=10", 502, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "no proper answer"},
		{"in the background", "max-age=10, stale-while-revalidate=1000", 200, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "no proper answer"},
		{"stale in its place", "max-age=10, stale-if-error=1000", 200, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusNotImplemented + 1)
		}, ""},
		{"refused", "max-age=10, stale-if-error=1000", 502, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/html") }, "content type that isn't allowed"},
		{"breaks off, in the background", "max-age=10, stale-while-revalidate=1000", 200, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "100")
			keepable(time.Hour)(w, r)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, "broke its answer off"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var broken atomic.Bool
				m := newMemoryTool(t, func(w http.ResponseWriter, r *http.Request) {
					time.Sleep(time.Second)
					if broken.Load() {
						tc.fails(w, r)
						return
					}
					w.Header().Set("Content-Type", "application/json")
					w.Header().Set("Cache-Control", tc.control)
				})
				e := newMemoryEdge(t, m, newCache(t, cache.Config{}), nil, pagesTool(nil))
				e.get("/.tools/pages/a")
				broken.Store(true)
				time.Sleep(20 * time.Second)
				var readers crowd
				for range 10 {
					readers.ask(t.Context(), e, "GET", "/.tools/pages/a", "empty")
				}
				for _, a := range readers.all() {
					if a.status != tc.status {
						t.Errorf("a reader got %+v", a)
					}
				}
				time.Sleep(10 * time.Second) // a connection that ends is tried anew
				want := 1
				if tc.reason == "" {
					want = 0 // a status of the tool's own is nothing new in the log
				}
				if n := strings.Count(e.logs.String(), "refusing a tool's answer"); n != want || !strings.Contains(e.logs.String(), tc.reason) {
					t.Errorf("logged %d times: %s", n, e.logs)
				}
			})
		})
	}
}
