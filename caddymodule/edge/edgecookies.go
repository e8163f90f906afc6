package edge

import (
	"net/http"
	"slices"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/csp/exempt"
)

// HideEdgeCookies takes the edge's cookies out of a request before others see it.
func HideEdgeCookies(r *http.Request) {
	before := r.Header["Cookie"]
	exempt.StripCookies(r.Header)
	if !slices.Equal(before, r.Header["Cookie"]) {
		reqstate.Of(r).AddRare().Cookies = before
	}
}

// EdgeRequest returns a request as a handler of the edge needs it that comes after the csp handler: with the
// edge's cookies. Its response may set them.
func EdgeRequest(r *http.Request) *http.Request {
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
