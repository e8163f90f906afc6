package clientaddr

import (
	"net/http"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

var refusedUnknown = refusal.Literal(http.StatusServiceUnavailable, "client_address_unknown",
	"The server can't tell the client's address, so it can't protect it. "+
		"(For the operator: behind a Unix socket, set trusted_proxies_unix in the servers option.)")

var refusedUnreadable = refusal.Literal(http.StatusServiceUnavailable, "client_address_unreadable",
	"The server can't tell the client's address, so it can't protect it. "+
		"(For the operator: the header in which a trusted proxy names its client holds no address that can be read; see trusted_proxies and client_ip_headers.)")

var refusedMasked = refusal.Literal(http.StatusServiceUnavailable, "client_is_masked",
	"The server can't tell the client's address: what stands in its place is a mask already. "+
		"(For the operator: client_mask belongs on one edge alone; take it off this one, or off the one before it.)")
