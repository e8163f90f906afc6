//go:build integration

package integration

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
)

// hostileSite is an attacker's own web server, on another port of the wiki's host: browsers send it and
// its frames all cookies, which is the most that a foreign site can have.
type hostileSite struct {
	url string

	mu    sync.Mutex
	pages map[string]string // by path
}

func newHostileSite(t *testing.T, s *consentScene) *hostileSite {
	t.Helper()
	h := &hostileSite{pages: make(map[string]string)}
	h.url = "https://" + wikiHost + ":" + s.serve(t, "127.0.0.1", h)
	return h
}

// put makes a page of the site and returns its address.
func (h *hostileSite) put(html string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	path := fmt.Sprintf("/page-%d", len(h.pages))
	h.pages[path] = html
	return h.url + path
}

func (h *hostileSite) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	page, found := h.pages[r.URL.Path]
	h.mu.Unlock()
	if !found {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<!DOCTYPE html>\n<title>hostile</title>\n%s", page)
}
