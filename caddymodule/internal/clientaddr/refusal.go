package clientaddr

import (
	"net/http"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

var refusedUnknown = refusal.New(http.StatusServiceUnavailable, "client_address_unknown", "refusal-client-address-unknown")

var refusedUnreadable = refusal.New(http.StatusServiceUnavailable, "client_address_unreadable", "refusal-client-address-unreadable")

var refusedMasked = refusal.New(http.StatusServiceUnavailable, "client_is_masked", "refusal-client-is-masked")

var refusedCircuit = refusal.New(http.StatusServiceUnavailable, "client_is_circuit", "refusal-client-is-circuit")
