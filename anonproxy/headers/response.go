package headers

import (
	"net/http"
	"strconv"
)

// Force puts the headers of every answer. They are the whole answer's
// headers: nothing of the tool's own comes through but what is given here. A
// contentLength under 0 is unknown, an empty contentType is none.
func Force(h http.Header, contentType, cacheControl string, contentLength int64) {
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
