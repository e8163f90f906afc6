package caddymodule

import (
	"net/http"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

// Why a request can't go on.
var (
	refusedNoAddress = refusal.New(http.StatusServiceUnavailable, "client_address_unknown",
		"The server can't tell the client's address, so it can't protect it. "+
			"(For the operator: behind a Unix socket, set trusted_proxies_unix in the servers option.)")
	refusedUnreadable = refusal.New(http.StatusServiceUnavailable, "client_address_unreadable",
		"The server can't tell the client's address, so it can't protect it. "+
			"(For the operator: the header in which a trusted proxy names its client holds no address that can be read; see trusted_proxies and client_ip_headers.)")
	refusedUnnamed = refusal.New(http.StatusServiceUnavailable, "client_address_missing",
		"The server can't tell the client's address, so it can't protect it. "+
			"(For the operator: a trusted proxy sent a request that changes something without the header that names its client; "+
			"see client_ip_headers, and trust no range that clients are in.)")
	refusedMaskedTwice = refusal.New(http.StatusServiceUnavailable, "client_is_masked",
		"The server can't tell the client's address: what stands in its place is a mask already. "+
			"(For the operator: client_mask belongs on one edge alone; take it off this one, or off the one before it.)")
	refusedNoMask = refusal.New(http.StatusServiceUnavailable, "no_mask",
		"The server can't make the mask that stands for the client's address.")
	refusedHost = refusal.New(http.StatusBadRequest, "host_is_client",
		"The Host header names the client's own address.")
	refusedMethod = refusal.New(http.StatusBadRequest, "method_is_client",
		"The request's method names the client's own address.")
	refusedNotRecorded = refusal.New(http.StatusServiceUnavailable, "not_recorded",
		"The server can't store the record that changes need just now. Nothing was changed; try again in a moment.")
	refusedStarting = refusal.New(http.StatusServiceUnavailable, "starting",
		"The server is just starting. Try again in a moment.")
	refusedUnproven = refusal.New(http.StatusTooEarly, "address_unproven",
		"The client's address is not proven before the handshake ends. Send the request again.")
)
