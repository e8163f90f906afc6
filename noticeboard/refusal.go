package noticeboard

import (
	"net/http"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

// Reasons why a tool can't be used now, of the [refusal.Refusal] that a look-up returns.
const (
	ReasonUnknown  = "unknown"  // no such tool
	ReasonPending  = "pending"  // listed only, or its revision isn't counted yet
	ReasonDisabled = "disabled" // by its declaration or by command
	ReasonExpired  = "expired"
	ReasonAccess   = "access" // not declared for this way to it
)

var (
	errUnknown   = refusal.New(http.StatusNotFound, ReasonUnknown, "refusal-tool-unknown")
	errListed    = refusal.New(http.StatusServiceUnavailable, ReasonPending, "refusal-tool-listed")
	errUncounted = refusal.New(http.StatusServiceUnavailable, ReasonPending, "refusal-tool-new")
	errDeclared  = refusal.New(http.StatusForbidden, ReasonDisabled, "refusal-tool-disabled")
	errNoProxy   = refusal.New(http.StatusForbidden, ReasonAccess, "refusal-tool-no-proxy")
	errNoConsent = refusal.New(http.StatusForbidden, ReasonAccess, "refusal-tool-no-consent")
)

// stopped tells of a stop by the message of a key, or by the one that has the reason, too.
func stopped(key string, k Stop) *refusal.Refusal {
	if k.Why == "" {
		return refusal.New(http.StatusForbidden, ReasonDisabled, key)
	}
	return refusal.New(http.StatusForbidden, ReasonDisabled, key+"-why", k.Why)
}
