package exempt

import (
	"fmt"
	"net/http"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// Refusals, each found by [errors.Is].
var (
	errNotFound    = refusal.New(http.StatusNotFound, "not_found", "there is no such page here")
	errMethod      = refusal.New(http.StatusMethodNotAllowed, "method", "this address takes another method")
	errNoTool      = refusal.New(http.StatusNotFound, "no_such_tool", "there is no tool of that name that readers can let through")
	errToolParam   = refusal.New(http.StatusBadRequest, "tool_parameter", "the address must name one tool: ?tool=NAME")
	errForm        = refusal.New(http.StatusBadRequest, "form", "the form is malformed")
	errCrossOrigin = refusal.New(http.StatusForbidden, "cross_origin", "the request came from another site's page")
	errTooMany     = refusal.New(http.StatusConflict, "too_many", fmt.Sprintf("only %d tools can be let through at a time; please withdraw one first", maxGrants))
	errTooLarge    = refusal.New(http.StatusConflict, "too_large_policy", fmt.Sprintf("with these tools together the policy would take more than the %d bytes that a response may have of it; please withdraw one", csp.Budget))
	// errScriptPolicy: beside a hash, browsers take 'unsafe-inline' for absent, so the
	// wiki's own scripts would stop.
	errScriptPolicy = refusal.New(http.StatusConflict, "script_policy", "this tool has a script, and this wiki's policy can't admit a single script")
	// errPrefixes is returned for browsers that let a script write any cookie.
	errPrefixes = refusal.New(http.StatusForbidden, "cookie_prefixes", "this browser does not keep scripts from writing the cookie that would hold your consent, so a script could fake it; please use a current Firefox, Chrome or Edge")
	ErrFailed   = refusal.New(http.StatusServiceUnavailable, "failed", "consents can't be read or recorded now; please try again later")
)

// refusalOf returns what to answer and count for err.
func refusalOf(err error) *refusal.Refusal {
	if found, ok := refusal.Of(err); ok {
		return found
	}
	return ErrFailed
}
