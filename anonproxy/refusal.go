package anonproxy

import (
	"net/http"
	"strconv"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// retryAfter is in seconds, a little over what a noticeboard takes to follow.
const retryAfter = "5"

// writeRefusal answers with a refusal. It carries the forced headers too: a cached one must not be taken for another
// destination's.
func writeRefusal(w http.ResponseWriter, r *http.Request, e *refusal.Refusal) {
	body := e.Text + "\n"
	forceHeaders(w.Header(), "text/plain; charset=utf-8", "no-store", int64(len(body)))
	if later := w.Header()["Retry-After"]; len(later) == 0 && (e.Status == http.StatusServiceUnavailable || e.Reason == outcomes.LimitedClient) {
		w.Header().Set("Retry-After", retryAfter)
	}
	w.WriteHeader(e.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(body)) // a reader who has left needs no reason
	}
}

// forceHeaders puts the headers of every answer. They are the whole answer's
// headers: nothing of the tool's own comes through but what is given here. A
// contentLength under 0 is unknown, an empty contentType is none.
func forceHeaders(h http.Header, contentType, cacheControl string, contentLength int64) {
	// One array serves all values. The three-index slices keep an Add of an
	// outer handler from writing into the next one's place.
	values := [...]string{
		"nosniff", "attachment", "same-origin", "no-referrer", "none", cacheControl, contentType, "",
	}
	h["X-Content-Type-Options"] = values[0:1:1]
	// What a browser should open as a page after all, it saves instead.
	h["Content-Disposition"] = values[1:2:2]
	h["Cross-Origin-Resource-Policy"] = values[2:3:3]
	h["Referrer-Policy"] = values[3:4:4]
	h["Accept-Ranges"] = values[4:5:5]
	h["Cache-Control"] = values[5:6:6]
	if contentType != "" {
		h["Content-Type"] = values[6:7:7]
	} else {
		h["Content-Type"] = nil // keeps net/http from guessing one
	}
	if contentLength >= 0 {
		values[7] = strconv.FormatInt(contentLength, 10)
		h["Content-Length"] = values[7:8:8]
	} else {
		delete(h, "Content-Length")
	}
	// Added and not set: a site-wide policy may stand there, and two intersect.
	h["Content-Security-Policy"] = append(h["Content-Security-Policy"], Policy)
	h["Vary"] = append(h["Vary"], "Sec-Fetch-Dest")
}

// Policy is the Content-Security-Policy of every proxied answer: opened as a document,
// it can do nothing. A handler that drops the policies of others must keep it.
const Policy = "sandbox; default-src 'none'; frame-ancestors 'none'"
