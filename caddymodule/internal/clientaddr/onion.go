package clientaddr

import (
	"net"
	"net/http"
	"net/netip"

	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/masking"
)

// OnionAddr is the local address of a connection whose peer, Tor, said by which circuit its client came. Requests keep it in their
// context, where nobody outside can write.
type OnionAddr struct{ net.Addr }

// FromOnion reports whether a request came by the listener of an onion service.
func FromOnion(r *http.Request) bool {
	_, ok := r.Context().Value(http.LocalAddrContextKey).(OnionAddr)
	return ok
}

// circuitOf returns the circuit of a request that came by the listener of an onion service. What its headers say counts for nothing.
func circuitOf(r *http.Request) (netip.Addr, *refusal.Refusal) {
	addr := peerAddr(r)
	if !masking.IsCircuit(addr) {
		return netip.Addr{}, refusedUnknown
	}
	return addr, nil
}
