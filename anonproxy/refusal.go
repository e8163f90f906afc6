package anonproxy

import (
	_ "embed"
	"net/http"
	"strings"

	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/i18n"
	"github.com/wikiveil/wikiveil/internal/page"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// retryAfter is in seconds, a little over what a noticeboard takes to follow.
const retryAfter = "5"

//go:embed refusal.html
var refusalHTML string

var refusalPage = page.Must(refusalHTML, nil)

// writeRefusal answers with a refusal: a page for a person who opened the address in a tab, else plain text. It carries the forced headers too: a
// cached one must not be taken for another destination's.
func (p *Proxy) writeRefusal(w http.ResponseWriter, r *http.Request, e *refusal.Refusal) {
	h, reader := w.Header(), i18n.Of(r)
	body := e.In(reader) + "\n"
	headers.Force(h, "text/plain; charset=utf-8", "no-store", int64(len(body)))
	h.Set("Content-Language", reader.Code)
	if later := h["Retry-After"]; len(later) == 0 && (e.Status == http.StatusServiceUnavailable || e.Reason == outcomes.LimitedClient) {
		h.Set("Retry-After", retryAfter)
	}
	if inTab(r) {
		p.writeRefusalPage(w, r, e)
		return
	}
	w.WriteHeader(e.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(body)) // a reader who has left needs no reason
	}
}

// inTab reports whether a person opened the address itself. Over plain HTTP browsers don't say so, but what they would like best.
func inTab(r *http.Request) bool {
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" {
		return dest == "document"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// writeRefusalPage answers with a page that has nothing of the tool's. Its policy stands in the place of the one under which a sheet would not load.
func (p *Proxy) writeRefusalPage(w http.ResponseWriter, r *http.Request, e *refusal.Refusal) {
	h := w.Header()
	delete(h, "Content-Disposition")
	policies := h["Content-Security-Policy"]
	policies[len(policies)-1] = page.Policy("'self'", "")
	page.Protect(h, "")
	frame := page.For(r, "proxy-refused-title")
	frame.Sheet = page.SheetAddress(p.cfg.Prefix + "style.css")
	_ = page.Write(w, e.Status, refusalPage, struct {
		page.Frame
		Why, Board string
	}{frame, e.In(frame.Lang()), frame.Link(p.cfg.Prefix)})
}
