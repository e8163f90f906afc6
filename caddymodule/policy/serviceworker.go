package policy

import (
	"io"
	"net/http"
	"slices"
	"strings"
)

// killSwitch is a service worker that ends itself. It handles no fetch, so from its
// activation on pages load from the network; it reloads none of them, because one
// may hold an edit that isn't saved.
const killSwitch = `// This site allows no service workers.
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', event => event.waitUntil(self.registration.unregister()));
`

// fetchesServiceWorker reports whether a browser asks for a service worker's script.
// An empty header is one too.
func fetchesServiceWorker(h http.Header) bool {
	if _, present := h["Service-Worker"]; present {
		return true
	}
	return slices.ContainsFunc(h["Sec-Fetch-Dest"], func(dest string) bool {
		return strings.Contains(strings.ToLower(dest), "serviceworker")
	})
}

// serveKillSwitch responds with status 200, because browsers leave a worker in place
// when its update fails with 404, 410 or anything else.
func serveKillSwitch(w http.ResponseWriter) error {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	_, err := io.WriteString(w, killSwitch)
	return err
}
