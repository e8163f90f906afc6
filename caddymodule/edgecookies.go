package caddymodule

import (
	"net/http"
	"slices"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp/exempt"
)

// hideEdgeCookies takes the edge's cookies out of a request before others see it.
func hideEdgeCookies(r *http.Request) {
	before := r.Header["Cookie"]
	exempt.StripCookies(r.Header)
	if !slices.Equal(before, r.Header["Cookie"]) {
		reqstate.Of(r).AddRare().Cookies = before
	}
}

// edgeRequest returns a request as a handler of the edge needs it that comes after the csp handler: with the
// edge's cookies. Its response may set them.
func edgeRequest(r *http.Request) *http.Request {
	state := reqstate.Of(r)
	state.SetsCookies = true
	cookies := state.Rare().Cookies
	if cookies == nil {
		return r
	}
	r = r.Clone(r.Context())
	r.Header["Cookie"] = cookies
	return r
}
