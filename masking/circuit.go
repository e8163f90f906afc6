package masking

import "net/netip"

// circuits is where Tor puts the circuits of an onion service's clients: its option HiddenServiceExportCircuitID (tor(1)) gives
// each an address of this range, whose low 32 bits are the circuit's number.
var circuits = netip.MustParsePrefix("fc00:dead:beef:4dad::/64")

// OnionNetwork is the named network of all onion services.
const OnionNetwork = "onion"

// CircuitNetworks are the named networks that all clients of an onion service are in. Where there is a list of Tor's exits of
// that name, one block is of both.
var CircuitNetworks = []string{OnionNetwork, "tor"}

// IsCircuit reports whether an address stands for a circuit of an onion service. Whether it may, only who hands it on knows: anybody
// can have a private address of that range.
func IsCircuit(addr netip.Addr) bool { return circuits.Contains(addr) }

// Circuit returns the address of the circuit that addr stands for: what isn't of its number is cut off.
func Circuit(addr netip.Addr) netip.Addr {
	b := addr.As16()
	clear(b[8:12])
	return netip.AddrFrom16(b)
}

// circuit returns a circuit's mask: kind `circuit`, its salt if it has one, and its number, 4 bytes with the highest first.
func (m *Masker) circuit(salt []byte, addr netip.Addr) netip.Addr {
	b := addr.As16()
	h := m.hasher()
	h.buf = append(append(append(h.buf[:0], kindCircuit...), salt...), b[12:]...)
	return m.sum(h, clientHead)
}
