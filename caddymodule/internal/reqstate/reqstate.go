// Package reqstate holds what the edge's handlers know of one request and tell each other of its response: its State.
// Of returns it, for handlers that add to it; Known reads it, for matchers, logs and whoever only asks.
package reqstate

import (
	"net/http"
	"net/netip"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/csp/exempt"
)

// State is of one request and all its runs: through the site's routes and then through its error routes.
type State struct {
	Client   *Client // whose request it is; nil: no client_mask came before
	Observed bool    // client_mask only observes: the request goes on as it came

	// Own is the server's address, where the request names the server by it and client_mask leaves it alone therefore.
	Own netip.Addr

	// Cookies are the Cookie headers as they came, if the edge's own were taken out of them.
	Cookies []string

	// What csp decided holds in all runs, though its causes may change in between.
	Nonce    csp.Nonce // zero: there is none yet
	Enforced *bool     // whether the policy that is rolled out is enforced; nil: undecided
	Exempt   []*exempt.Tool

	Response Response
}

// Response is what csp's writer is told of the response by those that come after it. Each run has its own.
type Response struct {
	Policy       string // in place of the site's, for a page of the edge; empty: the site's
	KeepPolicies bool   // those that the handler sets, even where the app's are dropped
	SetsCookies  bool   // of the edge
	Headers      Headers
}

// Headers knows which headers of the response csp wrote. These hold a client's address only if the config does.
type Headers interface {
	// Wrote reports whether csp wrote these values of the header of that name.
	Wrote(name string, values []string) bool
}

// key is where the State stands among Caddy's variables of the request. These are better than a key of our own in the
// request's context. If a handler before us goes on with a copy of the request, error routes still have the variables.
// And a request that a handler makes out of another, as templates do, has variables of its own.
const key = "wikiveil.request"

// Of returns the request's State, and makes it at the first call. Where Caddy's server hasn't prepared the request, nothing is kept.
func Of(r *http.Request) *State {
	if state, ok := caddyhttp.GetVar(r.Context(), key).(*State); ok {
		return state
	}
	return In(r, new(State))
}

// In is Of with room for the State, which spares whoever makes something for the request anyway an allocation.
func In(r *http.Request, room *State) *State {
	vars, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	if state, ok := vars[key].(*State); ok {
		return state
	}
	if vars != nil {
		vars[key] = room
	}
	return room
}

// Known returns what is known of the request so far.
func Known(r *http.Request) State {
	if state, ok := caddyhttp.GetVar(r.Context(), key).(*State); ok {
		return *state
	}
	return State{}
}

// Masked returns the client if the mask stands in its address's place, else nil.
func (s *State) Masked() *Client {
	if s.Observed {
		return nil
	}
	return s.Client
}

// String keeps it out of placeholders and of whatever else prints a request's variables.
func (*State) String() string { return "" }
