// Package reqstate holds what the edge's handlers know of one request and tell each other of its response: its State.
// Of returns it, for handlers that add to it; Known reads it, for matchers, logs and whoever only asks. Each request has one,
// so it is small: what few requests have is allocated for these alone.
package reqstate

import (
	"net/http"
	"net/netip"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/csp"
	"github.com/wikiveil/wikiveil/csp/exempt"
	"github.com/wikiveil/wikiveil/internal/i18n"
)

// State is of one request and all its runs: through the site's routes and then through its error routes.
type State struct {
	Client   *Client        // whose request it is; nil: no client_mask came before
	Language *i18n.Language // of the site, for pages of the edge; nil: the app's
	Headers  Headers        // of this run's response; nil: no csp came before
	rare     *Rare
	Observed bool // client_mask only observes: the request goes on as it came

	// Enforcing is whether the policy that is rolled out is enforced, once csp decided that.
	Enforcing Decision

	// What csp's writer is told of this run's response by those that come after it; see Rare.Policy, too.
	KeepPolicies bool // those that the handler sets, even where the app's are dropped
	SetsCookies  bool // of the edge
}

// Rare is what few requests have. What csp decided holds in all runs, though its causes may change in between.
type Rare struct {
	// Own is the server's address, where the request names the server by it and client_mask leaves it alone therefore.
	Own *netip.Addr

	// Onion is where the site's onion service has what is asked for; empty: the response isn't to say so.
	Onion string

	// Cookies are the Cookie headers as they came, if the edge's own were taken out of them.
	Cookies []string

	Nonce  csp.Nonce // zero: there is none yet
	Exempt []*exempt.Tool
	// Granted is what the reader let through, for the response that tells so; Exempt widens policies.
	Granted []*exempt.Tool

	Policy string // of this run's response, in place of the site's, for a page of the edge; empty: the site's
}

// Decision is one that may still have to be made.
type Decision uint8

const (
	Undecided Decision = iota
	Yes
	No
)

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
	vars := VarsOf(r)
	if state := vars.State(); state != nil {
		return state
	}
	return vars.Keep(new(State))
}

// Known returns what is known of the request so far, to be read only.
func Known(r *http.Request) *State {
	if state := VarsOf(r).State(); state != nil {
		return state
	}
	return new(State)
}

// Vars are Caddy's variables of a request, for whoever is in the way of each request: there they are looked up once.
type Vars map[string]any

// VarsOf returns a request's, nil where Caddy's server hasn't prepared it.
func VarsOf(r *http.Request) Vars {
	vars, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	return vars
}

// State returns the request's State, nil where there is none yet.
func (v Vars) State() *State {
	state, _ := v[key].(*State)
	return state
}

// Trusted reports whether the request comes from a proxy that the server trusts.
func (v Vars) Trusted() bool {
	trusted, _ := v[caddyhttp.TrustedProxyVarKey].(bool)
	return trusted
}

// Keep makes a State the request's, which has none yet. Whoever makes something for the request anyway has room for it.
func (v Vars) Keep(room *State) *State {
	if v != nil {
		v[key] = room
	}
	return room
}

// Set gives a variable a value, and writes nothing where it has that already, as in error routes: a reverse_proxy whose client
// left may still be dialing then, and reads the variables meanwhile. Go ends a process that writes to a map which is being read.
func (v Vars) Set(name string, value any) {
	if v[name] != value {
		v[name] = value
	}
}

// Begin forgets what was told of an earlier run's response.
func (s *State) Begin(headers Headers) {
	s.Headers, s.KeepPolicies, s.SetsCookies = headers, false, false
	if s.rare != nil {
		s.rare.Policy = ""
	}
}

// Masked returns the client if the mask stands in its address's place, else nil.
func (s *State) Masked() *Client {
	if s == nil || s.Observed {
		return nil
	}
	return s.Client
}

var nothing Rare

// Rare returns what few requests have, to be read only.
func (s *State) Rare() *Rare {
	if s.rare == nil {
		return &nothing
	}
	return s.rare
}

// AddRare returns it to be changed.
func (s *State) AddRare() *Rare {
	if s.rare == nil {
		s.rare = new(Rare)
	}
	return s.rare
}

// String keeps it out of placeholders and of whatever else prints a request's variables.
func (*State) String() string { return "" }
