package mask

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
)

// The headers that apps which speak masks read.
const (
	headerMask         = "Client-Mask"
	headerNetworkMasks = "Client-Network-Masks"
	headerNetworkNames = "Client-Network"
)

// varMask is the variable that the placeholder {vars.client_mask} gives.
const varMask = "client_mask"

// maskedRequest is a request that goes on with a mask. It holds all that this takes, its
// context and response writer too, so that masking a request costs one allocation.
type maskedRequest struct {
	client  *reqstate.Client
	own     *netip.Addr // see reqstate.Rare
	trusted bool        // it comes from a trusted proxy
	values  [4]string   // of the headers set
	state   reqstate.State
	context maskedContext
	writer  maskedWriter
}

// freshRequest is a maskedRequest of a client that isn't remembered.
type freshRequest struct {
	maskedRequest
	made reqstate.Client
}

// maskedContext gives the request as it was, which Caddy restores before error
// routes, with the mask for its address.
type maskedContext struct {
	context.Context
	client *reqstate.Client
	vars   reqstate.Vars
}

// Value implements context.Context. Handlers ask for the variables again and again: they are given here, as the way down to
// those in the context below costs more than all else that a request's context does.
func (c *maskedContext) Value(key any) any {
	if name, ok := key.(caddy.CtxKey); ok {
		switch name {
		case caddyhttp.VarsCtxKey:
			return map[string]any(c.vars)
		case caddyhttp.OriginalRequestCtxKey:
			if original, ok := c.Context.Value(key).(http.Request); ok {
				original.RemoteAddr = c.client.Peer
				return original
			}
		}
	}
	return c.Context.Value(key)
}

// originalIsKnown reports whether the request as it was is kept in the form that maskedContext masks. In another Caddy, error routes
// might get the address from it.
func originalIsKnown(r *http.Request) bool {
	original := r.Context().Value(caddyhttp.OriginalRequestCtxKey)
	_, known := original.(http.Request)
	return original == nil || known
}

// apply makes r a request of the mask. It changes r itself, not a copy: the server and its
// placeholders hold the same pointer and are to see the mask too.
func (m *maskedRequest) apply(r *http.Request, w http.ResponseWriter, state *reqstate.State, vars reqstate.Vars, networks networksMode) {
	m.context = maskedContext{r.Context(), m.client, vars}
	m.writer.ResponseWriter, m.writer.needle, m.writer.state = w, newNeedle(m.client, m.own), state
	*r = *r.WithContext(&m.context)
	r.RemoteAddr = m.client.Peer
	r.Trailer = nil // comes after the body, past all checks of its names

	m.writer.needle.scrubRequest(r.Header)
	keepOurs(r.Header["Connection"], func(name string) bool { return isOurs(name) || carriesAddress(name) })
	m.describe(r.Header, networks)

	state.Client, state.Observed = m.client, false
	if m.own != nil {
		state.AddRare().Own = m.own
	}
	vars.Set(varMask, m.client.Boxed)
	vars.Set(caddyhttp.ClientIPVarKey, m.client.Boxed)
	m.forward(r.Header, vars, networks)
}

// keepOurs takes the headers that we set out of those that reverse_proxy removes since Connection names them:
// a client could else get rid of its network's masks, and of blocks with them.
func keepOurs(connection []string, ours func(name string) bool) {
	for i, value := range connection {
		if len(value) <= len("keep-alive") { // too short for one of ours
			continue
		}
		tokens := strings.Split(value, ",")
		tokens = slices.DeleteFunc(tokens, func(token string) bool {
			return ours(strings.TrimSpace(token))
		})
		connection[i] = strings.Join(tokens, ",")
	}
}

// describe tells apps that speak masks.
func (m *maskedRequest) describe(h http.Header, networks networksMode) {
	m.set(h, 0, headerMask, m.client.Mask)
	if m.client.Networks != "" && networks != networksOff {
		m.set(h, 1, headerNetworkMasks, m.client.Networks)
	}
	if m.client.Names != "" {
		m.set(h, 2, headerNetworkNames, m.client.Names)
	}
}

// forward sets X-Forwarded-For so that it ends with the mask behind reverse_proxy, which
// appends the peer address where the peer is trusted and else replaces all.
func (m *maskedRequest) forward(h http.Header, vars reqstate.Vars, networks networksMode) {
	switch {
	case networks == networksXFF && m.client.Networks != "":
		if !m.trusted {
			// They were the client's own words, and reverse_proxy would now believe them.
			delete(h, "X-Forwarded-Proto")
			delete(h, "X-Forwarded-Host")
			vars.Set(caddyhttp.TrustedProxyVarKey, true)
		}
		m.set(h, 3, "X-Forwarded-For", m.client.Networks)
	case !m.trusted:
		m.set(h, 3, "X-Forwarded-For", m.client.Mask)
	}
}

// set gives a header its value out of the request's own array. The capacity is
// cut, so that a handler which adds a value does not write over the next one.
func (m *maskedRequest) set(h http.Header, i int, name, value string) {
	m.values[i] = value
	h[name] = m.values[i : i+1 : i+1]
}

// Interface guards
var (
	_ context.Context = (*maskedContext)(nil)
)
