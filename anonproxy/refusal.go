package anonproxy

import (
	"net/http"

	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/i18n"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// retryAfter is in seconds, a little over what a noticeboard takes to follow.
const retryAfter = "5"

// writeRefusal answers with a refusal. It carries the forced headers too: a cached one must not be taken for another
// destination's.
func writeRefusal(w http.ResponseWriter, r *http.Request, e *refusal.Refusal) {
	reader := i18n.Of(r)
	body := e.In(reader) + "\n"
	headers.Force(w.Header(), "text/plain; charset=utf-8", "no-store", int64(len(body)))
	w.Header().Set("Content-Language", reader.Code)
	if later := w.Header()["Retry-After"]; len(later) == 0 && (e.Status == http.StatusServiceUnavailable || e.Reason == outcomes.LimitedClient) {
		w.Header().Set("Retry-After", retryAfter)
	}
	w.WriteHeader(e.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(body)) // a reader who has left needs no reason
	}
}
