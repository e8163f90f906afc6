package anonproxy

import (
	"net/http"

	"github.com/wikiveil/wikiveil/anonproxy/leakguard"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// request is what is asked of a tool: all that the tool gets is made from it and from
// constants, so equal requests of two readers can't be told apart.
type request struct {
	target
	method string
	kind   noticeboard.Kind

	// pseudonym is the one thing of the reader's, where the tool is declared to get it.
	pseudonym string

	// Of a POST: the type in our own spelling, and the whole body.
	contentType string
	body        *requestBody
}

// shareable reports whether one answer may serve all who ask this. With a pseudonym it is each
// reader's own, and a POST may do something.
func (req *request) shareable() bool { return req.pseudonym == "" && req.method != http.MethodPost }

// Reader is what the proxy may know of a request's sender. No tool gets any of it.
type Reader struct {
	// Client tells clients apart: a mask. Empty where nobody can.
	Client string

	// What a request must not say.
	leakguard.Reader
}

// reader tells who asks, if the proxy can know.
func (p *Proxy) reader(r *http.Request) Reader {
	if p.cfg.Reader == nil {
		return Reader{}
	}
	return p.cfg.Reader(r)
}
