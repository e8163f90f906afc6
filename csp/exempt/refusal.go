package exempt

import (
	"net/http"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// Refusals, each found by [errors.Is].
var (
	errNotFound    = refusal.New(http.StatusNotFound, "not_found", "refusal-not-found")
	errMethod      = refusal.New(http.StatusMethodNotAllowed, "method", "refusal-method")
	errNoTool      = refusal.New(http.StatusNotFound, "no_such_tool", "refusal-no-such-tool")
	errToolParam   = refusal.New(http.StatusBadRequest, "tool_parameter", "refusal-tool-parameter")
	errNoFrame     = refusal.New(http.StatusNotFound, "no_such_frame", "refusal-no-such-frame")
	errOwnFrame    = refusal.New(http.StatusForbidden, "own_frame", "refusal-own-frame")
	errForm        = refusal.New(http.StatusBadRequest, "form", "refusal-form")
	errCrossOrigin = refusal.New(http.StatusForbidden, "cross_origin", "refusal-cross-origin")
	errTooMany     = refusal.New(http.StatusConflict, "too_many", "refusal-too-many-tools", maxGrants)
	errTooLarge    = refusal.New(http.StatusConflict, "too_large_policy", "refusal-too-large-policy", csp.Budget)
	// errScriptPolicy: beside a hash, browsers take 'unsafe-inline' for absent, so the
	// wiki's own scripts would stop.
	errScriptPolicy = refusal.New(http.StatusConflict, "script_policy", "refusal-script-policy")
	// errPrefixes is returned for browsers that let a script write any cookie.
	errPrefixes = refusal.New(http.StatusForbidden, "cookie_prefixes", "refusal-cookie-prefixes")
	ErrFailed   = refusal.New(http.StatusServiceUnavailable, "failed", "refusal-consents-failed")
)

// refusalOf returns what to answer and count for err.
func refusalOf(err error) *refusal.Refusal {
	if found, ok := refusal.Of(err); ok {
		return found
	}
	return ErrFailed
}
