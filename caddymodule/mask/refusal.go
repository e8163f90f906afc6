package mask

import (
	"net/http"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

// Why a request can't go on.
var (
	refusedUnnamed     = refusal.New(http.StatusServiceUnavailable, "client_address_missing", "refusal-client-address-missing")
	refusedNoMask      = refusal.New(http.StatusServiceUnavailable, "no_mask", "refusal-no-mask")
	refusedHost        = refusal.New(http.StatusBadRequest, "host_is_client", "refusal-host-is-client")
	refusedMethod      = refusal.New(http.StatusBadRequest, "method_is_client", "refusal-method-is-client")
	refusedNotRecorded = refusal.New(http.StatusServiceUnavailable, "not_recorded", "refusal-not-recorded")
	refusedUnproven    = refusal.New(http.StatusTooEarly, "address_unproven", "refusal-address-unproven")
)
