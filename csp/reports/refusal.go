package reports

import "net/http"

// A refusal is why a request is not read.
type refusal struct {
	reason Reason
	status int
	text   string
}

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
	errMethod   = &refusal{RefusedMethod, http.StatusMethodNotAllowed, "reports are sent with POST"}
	errOrigin   = &refusal{RefusedOrigin, http.StatusForbidden, "this address takes reports of this wiki's pages only"}
	errType     = &refusal{RefusedType, http.StatusUnsupportedMediaType, "a report is application/csp-report, application/reports+json or application/json"}
	errEncoding = &refusal{RefusedEncoding, http.StatusUnsupportedMediaType, "a report has no Content-Encoding"}
	errSize     = &refusal{RefusedSize, http.StatusRequestEntityTooLarge, "reports have at most 64 KB in one request"}
	errBody     = &refusal{RefusedBody, http.StatusBadRequest, "the body ended early"}
)

// malformedBodies are the refusals of [Batch].Refused.
var malformedBodies = map[Reason]*refusal{
	BadJSON:   {BadJSON, http.StatusBadRequest, "the body is not JSON"},
	BadObject: {BadObject, http.StatusBadRequest, "the body has no report: a report is a JSON object"},
	BadForm:   {BadForm, http.StatusBadRequest, "the body has no report of a policy's violation"},
	BadDepth:  {BadDepth, http.StatusBadRequest, "the report is nested too deeply"},
	BadSize:   {BadSize, http.StatusRequestEntityTooLarge, "a report has at most 8 KB"},
}
