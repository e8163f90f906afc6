package mask

import (
	"net"
	"net/http"
	"net/netip"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/internal/clientaddr"
	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/masking"
)

// clientIPHeaders are the headers in which the operator's proxies tell the client's address,
// whatever they are called. They are the server's, and so the same for all requests.
func (h *ClientMask) clientIPHeaders(r *http.Request) []string {
	h.findHeaders.Do(func() {
		if server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok {
			for _, name := range server.ClientIPHeaders {
				h.headers = append(h.headers, http.CanonicalHeaderKey(name))
			}
		}
	})
	return h.headers
}

// request finds out whose request it is.
func (h *ClientMask) request(r *http.Request, state *reqstate.State, vars reqstate.Vars) (*maskedRequest, *refusal.Refusal) {
	if client := state.Masked(); client != nil {
		// An error route: Caddy has put the peer's address back, we still know the client.
		return &maskedRequest{client: client, own: state.Rare().Own, trusted: vars.Trusted()}, nil
	}
	addr, named, refused := clientaddr.Of(r, vars)
	if refused != nil {
		return nil, refused
	}
	if !originalIsKnown(r) {
		return nil, refusedNoMask
	}
	if !named && !onlyReads(r) { // nobody is to publish under the mask of the proxy
		return nil, refusedUnnamed
	}
	// In 0-RTT data a QUIC client's address is not proven yet: nobody is to publish
	// something under another's mask.
	if r.TLS != nil && !r.TLS.HandshakeComplete && !isSafe(r.Method) {
		return nil, refusedUnproven
	}
	request := h.requestFrom(r, addr)
	if request == nil {
		return nil, refusedNoMask
	}
	if clientaddr.FromOnion(r) {
		vars.Set(caddyhttp.TrustedProxyVarKey, false) // whatever a config trusts: Tor's clients write their headers themselves
	}
	request.trusted = vars.Trusted()
	if request.client.Finder.FindsHost(r.Host) {
		if request.own = ownAddr(r, request.client); request.own == nil {
			return nil, refusedHost
		}
	}
	if request.client.Finder.Finds(r.Method) {
		return nil, refusedMethod
	}
	return request, nil
}

// requestFrom returns a request of a client, or nil where no mask can be made.
func (h *ClientMask) requestFrom(r *http.Request, addr netip.Addr) *maskedRequest {
	masks, err := h.masks()
	if err != nil {
		return nil
	}
	request := h.requestOf(r, masks, masking.Who{Addr: addr}, "")
	if request == nil || masks.sessions == nil {
		return request
	}
	return h.bySession(r, masks, request)
}

// requestOf returns a request of who it is, or nil where no mask can be made. The cookie is the one of its session.
func (h *ClientMask) requestOf(r *http.Request, masks *siteMasks, who masking.Who, cookie string) *maskedRequest {
	known, remember := masks.cache.get(who.Addr, cookie)
	if known != nil && (masks.salts == nil || known.IsFresh() && onlyReads(r)) {
		return &maskedRequest{client: known}
	}
	if masks.salts != nil {
		var err error
		if who.Salts, err = h.saltsOf(r, masks, who); err != nil {
			return nil
		}
	}
	if !remember && known == nil {
		fresh := new(freshRequest)
		fresh.made.Session = cookie
		if err := fresh.made.Init(who, h.config.V6Prefix, masks.site, masks.sightings); err != nil {
			return nil
		}
		fresh.client = &fresh.made
		return &fresh.maskedRequest
	}
	made := &reqstate.Client{Session: cookie}
	if err := made.Init(who, h.config.V6Prefix, masks.site, masks.sightings); err != nil {
		return nil
	}
	masks.cache.put(made)
	return &maskedRequest{client: made}
}

// ownAddr returns the server's address where the request names the server by it, and it is the client's
// too or of the client's network, as on one machine. Elsewhere it returns nil: a Host that names the client's
// address would be a way past the mask.
func ownAddr(r *http.Request, c *reqstate.Client) *netip.Addr {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return nil
	}
	at, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return nil
	}
	own := at.Addr().Unmap().WithZone("")
	if newNeedle(c, &own).FindsHost(r.Host) {
		return nil
	}
	return &own
}

func isSafe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// onlyReads reports whether a request can't publish anything. What is upgraded can send anything later.
func onlyReads(r *http.Request) bool { return isSafe(r.Method) && r.Header["Upgrade"] == nil }
