package anonproxy

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/internal/testutil/tooltest"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// Who opens a tool's address in a tab reads why that isn't shown, and gets no file; a gadget gets plain text. The tool isn't asked: friction 19.
func TestFriction19RefusalInATab(t *testing.T) {
	b := newBackend(t, tooltest.Answers("image/png", "x"))
	e := newEdge(t, Config{}, tool("maps", b.URL, noticeboard.Img))
	for name, c := range map[string]struct {
		header http.Header
		page   bool
	}{
		"a tab":               {http.Header{"Sec-Fetch-Dest": {"document"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Site": {"none"}}, true},
		"a tab over http":     {http.Header{"Accept": {"text/html,*/*"}, "Service-Worker": {"script"}}, true},
		"a frame":             {http.Header{"Sec-Fetch-Dest": {"iframe"}, "Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Site": {"same-origin"}}, false},
		"another site":        {http.Header{"Sec-Fetch-Dest": {"image"}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Site": {"cross-site"}}, false},
		"a gadget's mistake":  {http.Header{"Sec-Fetch-Dest": {"script"}, "Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Site": {"same-origin"}}, false},
		"a program's mistake": {http.Header{"Service-Worker": {"script"}}, false},
	} {
		r := httptest.NewRequest("GET", "/.tools/maps/tile.png", nil)
		r.Header = c.header
		w := httptest.NewRecorder()
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		e.proxy.ServeHTTP(w, r)
		h, body := w.Header(), w.Body.String()
		if w.Code != 403 || (h.Get("Content-Disposition") == "") != c.page || h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(strings.Join(h["Vary"], ","), "Sec-Fetch-Dest") || len(h["Content-Security-Policy"]) != 2 {
			t.Errorf("%s: %d %v", name, w.Code, h)
		}
		isPage := h.Get("Content-Type") == "text/html; charset=utf-8" && strings.Contains(body, `<a href="/.tools/">`) && strings.Contains(body, `role="alert"`)
		if isPage != c.page || !c.page && (h.Get("Content-Type") != "text/plain; charset=utf-8" || strings.Contains(body, "<")) {
			t.Errorf("%s: %s %s", name, h.Get("Content-Type"), body)
		}
		if policy := h["Content-Security-Policy"][1]; c.page && !strings.HasPrefix(policy, "default-src 'none'; style-src 'self'") || !c.page && !strings.HasPrefix(policy, "sandbox;") {
			t.Errorf("%s: policy %q", name, policy)
		}
	}
	if n := b.conns.Load(); n != 0 {
		t.Errorf("the tool got %d connections", n)
	}
}
