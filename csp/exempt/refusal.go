package exempt

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/csp/confirm"
)

// Refusal is why a request goes no further; see also [confirm.Refusal].
type Refusal struct {
	reason string
	status int
	text   string
}

// Error returns a plain text that may be shown to a reader.
func (e *Refusal) Error() string { return e.text }

// Reason returns a short fixed word, fit for a metric's label.
func (e *Refusal) Reason() string { return e.reason }

// Status returns the HTTP status to answer with.
func (e *Refusal) Status() int { return e.status }

// Refusals, each found by [errors.Is].
var (
	ErrNotFound    = &Refusal{"not_found", http.StatusNotFound, "there is no such page here"}
	ErrMethod      = &Refusal{"method", http.StatusMethodNotAllowed, "this address takes another method"}
	ErrNoTool      = &Refusal{"no_such_tool", http.StatusNotFound, "there is no tool of that name that readers can let through"}
	ErrToolParam   = &Refusal{"tool_parameter", http.StatusBadRequest, "the address must name one tool: ?tool=NAME"}
	ErrForm        = &Refusal{"form", http.StatusBadRequest, "the form is malformed"}
	ErrCrossOrigin = &Refusal{"cross_origin", http.StatusForbidden, "the request came from another site's page"}
	ErrTooMany     = &Refusal{"too_many", http.StatusConflict, fmt.Sprintf("only %d tools can be let through at a time; please withdraw one first", MaxGrants)}
	ErrTooLarge    = &Refusal{"too_large_policy", http.StatusConflict, fmt.Sprintf("with these tools together the policy would take more than the %d bytes that a response may have of it; please withdraw one", csp.Budget)}
	// ErrScriptPolicy: beside a hash, browsers take 'unsafe-inline' for absent, so the
	// wiki's own scripts would stop.
	ErrScriptPolicy = &Refusal{"script_policy", http.StatusConflict, "this tool has a script, and this wiki's policy can't admit a single script"}
	// ErrPrefixes is returned for browsers that let a script write any cookie.
	ErrPrefixes = &Refusal{"cookie_prefixes", http.StatusForbidden, "this browser does not keep scripts from writing the cookie that would hold your consent, so a script could fake it; please use a current Firefox, Chrome or Edge"}
	ErrFailed   = &Refusal{"failed", http.StatusServiceUnavailable, "consents can't be read or recorded now; please try again later"}
)

// TooLarge is an [ErrTooLarge] that names the tools.
type TooLarge struct{ Tools []string }

func (e *TooLarge) Error() string { return ErrTooLarge.text + ": " + strings.Join(e.Tools, ", ") }

func (e *TooLarge) Unwrap() []error { return []error{ErrTooLarge, csp.ErrTooLarge} }

// refusal is what [Refusal] and [confirm.Refusal] have in common.
type refusal interface {
	error
	Reason() string
	Status() int
}

// refusalOf returns what to answer and count for err, and the text to show.
func refusalOf(err error) (refusal, string) {
	var large *TooLarge
	if errors.As(err, &large) {
		return ErrTooLarge, large.Error()
	}
	var own *Refusal
	if errors.As(err, &own) {
		return own, own.Error()
	}
	var theirs *confirm.Refusal
	if errors.As(err, &theirs) {
		return theirs, theirs.Error()
	}
	return ErrFailed, ErrFailed.Error()
}

// Interface guards
var (
	_ refusal = (*Refusal)(nil)
	_ refusal = (*confirm.Refusal)(nil)
)
