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
	errUnknown   = refusal.New(http.StatusNotFound, ReasonUnknown, "no tool of that name is declared")
	errListed    = refusal.New(http.StatusServiceUnavailable, ReasonPending, "the tool is listed, but how it may be used isn't declared yet")
	errUncounted = refusal.New(http.StatusServiceUnavailable, ReasonPending, "the tool's declaration is new and not recorded yet: try again in a moment")
	errDeclared  = refusal.New(http.StatusForbidden, ReasonDisabled, "the tool is disabled")
	errNoProxy   = refusal.New(http.StatusForbidden, ReasonAccess, "the tool isn't declared for the proxy")
	errNoConsent = refusal.New(http.StatusForbidden, ReasonAccess, "the tool isn't declared for direct access")
)

func stopped(text string, k Stop) *refusal.Refusal {
	if k.Why != "" {
		text += ": " + k.Why
	}
	return refusal.New(http.StatusForbidden, ReasonDisabled, text)
}
