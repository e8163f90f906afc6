package caddymodule

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/csp/exempt"
)

// edgeCookiesVar keeps a request's Cookie headers as they came.
const edgeCookiesVar = "wikiveil.edge_cookies"

// edgeCookies are for handlers of the edge alone.
type edgeCookies struct{ lines []string }

// String keeps them out of placeholders.
func (edgeCookies) String() string { return "" }

// hideEdgeCookies takes the edge's cookies out of a request before others see it.
func hideEdgeCookies(r *http.Request) {
	before := r.Header["Cookie"]
	exempt.StripCookies(r.Header)
	if !slices.Equal(before, r.Header["Cookie"]) {
		caddyhttp.SetVar(r.Context(), edgeCookiesVar, edgeCookies{before})
	}
}

// edgeRequest returns a request as a handler of the edge needs it that comes after the csp handler: with the
// edge's cookies. Its answer may set them.
func edgeRequest(w http.ResponseWriter, r *http.Request) *http.Request {
	eachPolicyWriter(w, func(pw *policyWriter) { pw.ownAnswer = true })
	hidden, ok := caddyhttp.GetVar(r.Context(), edgeCookiesVar).(edgeCookies)
	if !ok {
		return r
	}
	r = r.Clone(r.Context())
	r.Header["Cookie"] = hidden.lines
	return r
}

// eachPolicyWriter calls do for the csp handlers' writers that w writes to.
func eachPolicyWriter(w http.ResponseWriter, do func(*policyWriter)) {
	for w != nil {
		if pw, ok := w.(*policyWriter); ok {
			do(pw)
		}
		outer, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return
		}
		w = outer.Unwrap()
	}
}

// Interface guard
var _ fmt.Stringer = edgeCookies{}
