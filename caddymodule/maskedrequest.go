package caddymodule

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// The headers that apps which speak masks read.
const (
	headerMask         = "Client-Mask"
	headerNetworkMasks = "Client-Network-Masks"
	headerNetworkNames = "Client-Network"
)

// varRequest is the request variable that the maskedRequest is kept in. It prints as the mask, so
// {vars.client_mask} is the placeholder for that.
const varRequest = "client_mask"

// varObserved keeps it where client_mask only observes, and the request goes on as it is.
const varObserved = "wikiveil.observed"

// maskedRequest is a request that goes on with a mask. It holds all that this takes, its
// context and response writer too, so that masking a request costs one allocation.
type maskedRequest struct {
	client  *client
	own     netip.Addr // the server's address, where the request is for it by number
	values  [4]string  // of the headers set
	context maskedContext
	writer  maskedWriter
}

// freshRequest is a maskedRequest of a client that isn't remembered.
type freshRequest struct {
	maskedRequest
	made client
}

// String keeps the address out of whatever prints a request's variables.
func (m *maskedRequest) String() string { return m.client.mask }

// varsOf returns the request's variables, nil where Caddy's server didn't make them.
func varsOf(r *http.Request) map[string]any {
	vars, _ := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	return vars
}

// requestOf returns what client_mask kept of this request, or nil.
func requestOf(r *http.Request) *maskedRequest {
	m, _ := varsOf(r)[varRequest].(*maskedRequest)
	return m
}

// maskedContext gives the request as it was, which Caddy restores before error
// routes, with the mask for its address.
type maskedContext struct {
	context.Context
	peer string
}

// Value implements context.Context.
func (c *maskedContext) Value(key any) any {
	value := c.Context.Value(key)
	if key == caddyhttp.OriginalRequestCtxKey {
		if original, ok := value.(http.Request); ok {
			original.RemoteAddr = c.peer
			return original
		}
	}
	return value
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
func (m *maskedRequest) apply(r *http.Request, w http.ResponseWriter, vars map[string]any, networks networksMode) {
	m.context = maskedContext{Context: r.Context(), peer: m.client.peer}
	m.writer = maskedWriter{client: m.client, own: m.own}
	m.writer.ResponseWriter = w
	*r = *r.WithContext(&m.context)
	r.RemoteAddr = m.client.peer
	r.Trailer = nil // comes after the body, past all checks of its names

	m.client.needle.except(m.own).scrubRequest(r.Header)
	keepOurs(r.Header["Connection"], func(name string) bool { return isOurs(name) || carriesAddress(name) })
	m.describe(r.Header, networks)

	vars[varRequest] = m
	vars[caddyhttp.ClientIPVarKey] = m.client.boxed
	m.forward(r.Header, vars, networks)
}

// keepOurs takes the headers that we set out of those that reverse_proxy removes since Connection names them:
// a client could else get rid of his network's masks, and of blocks with them.
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
	m.set(h, 0, headerMask, m.client.mask)
	if m.client.networks != "" && networks != networksOff {
		m.set(h, 1, headerNetworkMasks, m.client.networks)
	}
	if m.client.names != "" {
		m.set(h, 2, headerNetworkNames, m.client.names)
	}
}

// forward sets X-Forwarded-For so that it ends with the mask behind reverse_proxy, which
// appends the peer address where the peer is trusted and else replaces all.
func (m *maskedRequest) forward(h http.Header, vars map[string]any, networks networksMode) {
	trusted, _ := vars[caddyhttp.TrustedProxyVarKey].(bool)
	switch {
	case networks == networksXFF && m.client.networks != "":
		if !trusted {
			// They were the client's own words, and reverse_proxy would now believe them.
			delete(h, "X-Forwarded-Proto")
			delete(h, "X-Forwarded-Host")
			vars[caddyhttp.TrustedProxyVarKey] = true
		}
		m.set(h, 3, "X-Forwarded-For", m.client.networks)
	case !trusted:
		m.set(h, 3, "X-Forwarded-For", m.client.mask)
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
