package mask

import (
	"net/http"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

// Why a request can't go on.
var (
	refusedUnnamed = refusal.Literal(http.StatusServiceUnavailable, "client_address_missing",
		"The server can't tell the client's address, so it can't protect it. "+
			"(For the operator: a trusted proxy sent a request that changes something without the header that names its client; "+
			"see client_ip_headers, and trust no range that clients are in.)")
	refusedNoMask = refusal.Literal(http.StatusServiceUnavailable, "no_mask",
		"The server can't make the mask that stands for the client's address.")
	refusedHost = refusal.Literal(http.StatusBadRequest, "host_is_client",
		"The Host header names the client's own address.")
	refusedMethod = refusal.Literal(http.StatusBadRequest, "method_is_client",
		"The request's method names the client's own address.")
	refusedNotRecorded = refusal.Literal(http.StatusServiceUnavailable, "not_recorded",
		"The server can't store the record that changes need just now. Nothing was changed; try again in a moment.")
	refusedUnproven = refusal.Literal(http.StatusTooEarly, "address_unproven",
		"The client's address is not proven before the handshake ends. Send the request again.")
)
