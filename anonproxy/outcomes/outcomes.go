// Package outcomes has the words for how requests to tools end, and makes the refusals of those that end by one of ours.
package outcomes

import (
	"net/http"

	"github.com/wikiveil/wikiveil/internal/refusal"
)

// Outcomes of a request to a declared tool, which are labels of metrics. Those of requests that go no further are the
// reasons of their refusals, whose status is 0 where the tool's answer has begun and must be broken off.
const (
	OK              = "ok"               // the tool's answer was passed on
	ToolError       = "tool_error"       // the tool answered 4xx or 5xx, which was passed on
	RefusedRequest  = "refused_request"  // the reader's request was refused, nothing was sent
	Leak            = "leak"             // the reader's request says who asks; nothing was sent
	RefusedResponse = "refused_response" // the tool's answer or redirect was refused
	Blocked         = "blocked_address"  // the tool's name led to an address that isn't allowed
	Unreachable     = "unreachable"      // no connection, or no HTTP spoken on it
	Timeout         = "timeout"          // the tool took too long
	TooLarge        = "too_large"        // the answer was over the size limit
	Canceled        = "canceled"         // the reader left
	LimitedClient   = "limited_client"   // the reader's client asks the tool too often; nothing was sent
	LimitedTool     = "limited_tool"     // all clients together ask the tool too often; nothing was sent
	BreakerOpen     = "breaker_open"     // the tool doesn't answer and is left alone; nothing was sent
)

// Outcomes of a refresh, beside those of a request.
const (
	NotKept = "not_kept" // the tool's answer must not be kept, so nothing was won
	Stopped = "stopped"  // the tool or the path may not be asked for now, nothing was sent
)

// Outcomes of what has to do with a mirrored file, beside those of a request.
const (
	Kept     = "kept"     // it was fetched
	Mismatch = "mismatch" // it differs from its pin
)

// BadRequest refuses a reader's request before anything is sent.
func BadRequest(status int, reason string) *refusal.Refusal {
	return refusal.Literal(status, RefusedRequest, reason)
}

// BadResponse refuses a tool's answer.
func BadResponse(reason string) *refusal.Refusal {
	return refusal.Literal(http.StatusBadGateway, RefusedResponse, reason)
}
