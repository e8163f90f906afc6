package exempt

import (
	"fmt"
	"net/http"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// Refusals, each found by [errors.Is].
var (
	errNotFound    = refusal.Literal(http.StatusNotFound, "not_found", "there is no such page here")
	errMethod      = refusal.Literal(http.StatusMethodNotAllowed, "method", "this address takes another method")
	errNoTool      = refusal.Literal(http.StatusNotFound, "no_such_tool", "there is no tool of that name that readers can let through")
	errToolParam   = refusal.Literal(http.StatusBadRequest, "tool_parameter", "the address must name one tool: ?tool=NAME")
	errNoFrame     = refusal.Literal(http.StatusNotFound, "no_such_frame", "there is no tool of that name with pages to show in a frame")
	errOwnFrame    = refusal.Literal(http.StatusForbidden, "own_frame", "this tool is declared to be on the wiki's own origin: nothing of it is shown in a frame")
	errForm        = refusal.Literal(http.StatusBadRequest, "form", "the form is malformed")
	errCrossOrigin = refusal.Literal(http.StatusForbidden, "cross_origin", "the request came from another site's page")
	errTooMany     = refusal.Literal(http.StatusConflict, "too_many", fmt.Sprintf("only %d tools can be let through at a time; please withdraw one first", maxGrants))
	errTooLarge    = refusal.Literal(http.StatusConflict, "too_large_policy", fmt.Sprintf("with these tools together the policy would take more than the %d bytes that a response may have of it; please withdraw one", csp.Budget))
	// errScriptPolicy: beside a hash, browsers take 'unsafe-inline' for absent, so the
	// wiki's own scripts would stop.
	errScriptPolicy = refusal.Literal(http.StatusConflict, "script_policy", "this tool has a script, and this wiki's policy can't admit a single script")
	// errPrefixes is returned for browsers that let a script write any cookie.
	errPrefixes = refusal.Literal(http.StatusForbidden, "cookie_prefixes", "this browser does not keep scripts from writing the cookie that would hold your consent, so a script could fake it; please use a current Firefox, Chrome or Edge")
	ErrFailed   = refusal.Literal(http.StatusServiceUnavailable, "failed", "consents can't be read or recorded now; please try again later")
)

// refusalOf returns what to answer and count for err.
func refusalOf(err error) *refusal.Refusal {
	if found, ok := refusal.Of(err); ok {
		return found
	}
	return ErrFailed
}
