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
	errUnknown   = refusal.Literal(http.StatusNotFound, ReasonUnknown, "no tool of that name is declared")
	errListed    = refusal.Literal(http.StatusServiceUnavailable, ReasonPending, "the tool is listed, but how it may be used isn't declared yet")
	errUncounted = refusal.Literal(http.StatusServiceUnavailable, ReasonPending, "the tool's declaration is new and not recorded yet: try again in a moment")
	errDeclared  = refusal.Literal(http.StatusForbidden, ReasonDisabled, "the tool is disabled")
	errNoProxy   = refusal.Literal(http.StatusForbidden, ReasonAccess, "the tool isn't declared for the proxy")
	errNoConsent = refusal.Literal(http.StatusForbidden, ReasonAccess, "the tool isn't declared for direct access")
)

func stopped(text string, k Stop) *refusal.Refusal {
	if k.Why != "" {
		text += ": " + k.Why
	}
	return refusal.Literal(http.StatusForbidden, ReasonDisabled, text)
}
