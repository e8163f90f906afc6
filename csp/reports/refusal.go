package reports

import (
	"net/http"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

// Reasons for which a whole request is refused.
const (
	RefusedMethod   Reason = "method"
	RefusedOrigin   Reason = "foreign_origin"
	RefusedType     Reason = "content_type"
	RefusedEncoding Reason = "content_encoding"
	RefusedSize     Reason = "body_too_large"
	RefusedBody     Reason = "body_unreadable"
)

var (
	errMethod   = refusal.Literal(http.StatusMethodNotAllowed, string(RefusedMethod), "reports are sent with POST")
	errOrigin   = refusal.Literal(http.StatusForbidden, string(RefusedOrigin), "this address takes reports of this wiki's pages only")
	errType     = refusal.Literal(http.StatusUnsupportedMediaType, string(RefusedType), "a report is application/csp-report, application/reports+json or application/json")
	errEncoding = refusal.Literal(http.StatusUnsupportedMediaType, string(RefusedEncoding), "a report has no Content-Encoding")
	errSize     = refusal.Literal(http.StatusRequestEntityTooLarge, string(RefusedSize), "reports have at most 64 KB in one request")
	errBody     = refusal.Literal(http.StatusBadRequest, string(RefusedBody), "the body ended early")
)

// malformedBodies are the refusals of [Batch].Refused.
var malformedBodies = map[Reason]*refusal.Refusal{
	BadJSON:   refusal.Literal(http.StatusBadRequest, string(BadJSON), "the body is not JSON"),
	BadObject: refusal.Literal(http.StatusBadRequest, string(BadObject), "the body has no report: a report is a JSON object"),
	BadForm:   refusal.Literal(http.StatusBadRequest, string(BadForm), "the body has no report of a policy's violation"),
	BadDepth:  refusal.Literal(http.StatusBadRequest, string(BadDepth), "the report is nested too deeply"),
	BadSize:   refusal.Literal(http.StatusRequestEntityTooLarge, string(BadSize), "a report has at most 8 KB"),
}
