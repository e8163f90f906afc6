package clientaddr

import (
	"net"
	"net/http"
	"net/netip"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/wikiveil/wikiveil/caddymodule/internal/reqstate"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/forwarded"
)

// Of returns the address of the sender of a request with these variables, unmapped and without zone. Caddy takes the
// peer for the client where a trusted proxy's header can't be read; all readers behind that proxy would
// be one client then, so such a request is refused here. Named is false where a trusted proxy names
// no client at all, as in health checks: the address is the proxy's own.
func Of(r *http.Request, vars reqstate.Vars) (addr netip.Addr, named bool, refused *refusal.Refusal) {
	if FromOnion(r) {
		addr, refused = circuitOf(r)
		return addr, refused == nil, refused
	}
	text, _ := vars[caddyhttp.ClientIPVarKey].(string)
	addr, err := netip.ParseAddr(text)
	addr, named = addr.Unmap().WithZone(""), true
	if vars.Trusted() {
		server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
		if !ok || server == nil { // another Caddy: the header can't be checked
			return netip.Addr{}, false, refusedUnknown
		}
		addr, named, refused = toldAddr(r, server, addr)
	}
	switch {
	case refused != nil:
		return netip.Addr{}, false, refused
	case !addr.IsValid() || err != nil && !named:
		return netip.Addr{}, false, refusedUnknown
	case masking.Is(addr):
		return netip.Addr{}, false, refusedMasked
	case masking.IsCircuit(addr):
		return netip.Addr{}, false, refusedCircuit
	}
	return addr, named, nil
}

// toldAddr reads the headers in which a trusted proxy tells the client's address. Caddys is the address
// that Caddy itself takes for the client's.
func toldAddr(r *http.Request, server *caddyhttp.Server, caddys netip.Addr) (addr netip.Addr, named bool, refused *refusal.Refusal) {
	blank := false
	for _, name := range server.ClientIPHeaders {
		lines := r.Header.Values(name)
		list := forwarded.Read(name, lines)
		if len(list) == 0 {
			blank = blank || len(lines) > 0
			continue
		}
		if server.TrustedProxiesStrict <= 0 || len(list) == 1 && len(server.ClientIPHeaders) == 1 {
			if addr = list.First(); !addr.IsValid() {
				return addr, false, refusedUnreadable
			}
			return addr, true, nil
		}
		last, readable := lastUntrusted(r, server, name, list)
		switch {
		case last.IsValid():
			return last, true, nil
		case !readable:
			return addr, false, refusedUnreadable
		case !addr.IsValid():
			addr = list.First() // all are trusted proxies: one of them asks for itself
		}
	}
	switch {
	case addr.IsValid():
		return addr, true, nil
	case blank:
		return addr, false, refusedUnreadable
	}
	// A handler before us may have removed the header that Caddy has read.
	return caddys, caddys.IsValid() && caddys != peerAddr(r), nil
}

// lastUntrusted returns the last address of a list that isn't a trusted proxy's, if nothing after it is unreadable,
// and whether the list can be read whole. Only Caddy knows whom it trusts: it is asked with the list put plainly.
func lastUntrusted(r *http.Request, server *caddyhttp.Server, name string, list forwarded.List) (netip.Addr, bool) {
	end, readable := list.Readable()
	if len(end) == 0 {
		return netip.Addr{}, readable
	}
	plain := &http.Request{Method: r.Method, URL: r.URL, RemoteAddr: r.RemoteAddr, Header: make(http.Header, 1)}
	plain.Header.Set(name, end.String())
	plain = caddyhttp.PrepareRequest(plain.WithContext(r.Context()), caddy.NewEmptyReplacer(), nil, server)
	text, _ := reqstate.VarsOf(plain)[caddyhttp.ClientIPVarKey].(string)
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Unmap() == peerAddr(r) { // what Caddy falls back to
		return netip.Addr{}, readable
	}
	return addr.Unmap(), readable
}

// peerAddr is the address at the other end of the connection; not valid for a Unix socket.
func peerAddr(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr, _ := netip.ParseAddr(host)
	return addr.Unmap().WithZone("")
}
