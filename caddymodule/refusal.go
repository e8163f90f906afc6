package caddymodule

import (
	"io"
	"net/http"
)

// refusal is why a request can't go on. No text of one names an address.
type refusal struct {
	status int
	reason string // label of the metric
	text   string // for the person who reads the answer
}

var (
	refusedNoAddress = refusal{http.StatusServiceUnavailable, "client_address_unknown",
		"The server can't tell the client's address, so it can't protect it. " +
			"(For the operator: behind a Unix socket, set trusted_proxies_unix in the servers option.)"}
	refusedUnreadable = refusal{http.StatusServiceUnavailable, "client_address_unreadable",
		"The server can't tell the client's address, so it can't protect it. " +
			"(For the operator: the header in which a trusted proxy names its client holds no address that can be read; see trusted_proxies and client_ip_headers.)"}
	refusedUnnamed = refusal{http.StatusServiceUnavailable, "client_address_missing",
		"The server can't tell the client's address, so it can't protect it. " +
			"(For the operator: a trusted proxy sent a request that changes something without the header that names its client; " +
			"see client_ip_headers, and trust no range that clients are in.)"}
	refusedMaskedTwice = refusal{http.StatusServiceUnavailable, "client_is_masked",
		"The server can't tell the client's address: what stands in its place is a mask already. " +
			"(For the operator: client_mask belongs on one edge alone; take it off this one, or off the one before it.)"}
	refusedNoMask = refusal{http.StatusServiceUnavailable, "no_mask",
		"The server can't make the mask that stands for the client's address."}
	refusedHost = refusal{http.StatusBadRequest, "host_is_client",
		"The Host header names the client's own address."}
	refusedMethod = refusal{http.StatusBadRequest, "method_is_client",
		"The request's method names the client's own address."}
	refusedNotRecorded = refusal{http.StatusServiceUnavailable, "not_recorded",
		"The server can't store the record that changes need just now. Nothing was changed; try again in a moment."}
	refusedStarting = refusal{http.StatusServiceUnavailable, "starting",
		"The server is just starting. Try again in a moment."}
	refusedUnproven = refusal{http.StatusTooEarly, "address_unproven",
		"The client's address is not proven before the handshake ends. Send the request again."}
)

// retryAfter is how soon, in seconds, what can't be done now may be tried again.
const retryAfter = "5"

// answer writes the refusal itself, where an error would leave the body to others:
// an error route may hand on what was just refused.
func (r *refusal) answer(w http.ResponseWriter) error {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if r.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", retryAfter)
	}
	w.WriteHeader(r.status)
	_, err := io.WriteString(w, r.text+"\n")
	return err
}
