package leakguard

import (
	"encoding/binary"
	"net/netip"
)

// address is one of a reader's, or a mask.
type address struct {
	netip.Addr
	secret *Secret
}

func (s *Secret) isAddress() bool { return s.Field == FieldAddress || s.Field == FieldMask }

// parse fills in the reader's addresses.
func (g *guard) parse() {
	g.parsed = true
	for i := range g.secrets {
		if s := &g.secrets[i]; s.isAddress() {
			if addr, err := netip.ParseAddr(s.Value); err == nil {
				g.addresses = append(g.addresses, address{addr.Unmap().WithZone(""), s})
			}
		}
	}
}

// mayGuess counts what could be addresses. A gadget could else learn the reader's by few
// requests with thousands each, and by which of them is refused.
func (g *guard) mayGuess() bool {
	if !g.parsed { // most requests have nothing that could be one
		g.parse()
	}
	if len(g.addresses) == 0 {
		return false
	}
	g.guesses++
	return g.guesses <= maxGuesses
}

// V4 implements spelling.Sink.
func (g *guard) V4(addr uint32) bool {
	if !g.mayGuess() {
		return false
	}
	for _, a := range g.addresses {
		if a.Is4() {
			if four := a.As4(); binary.BigEndian.Uint32(four[:]) == addr {
				g.found = a.secret
				return true
			}
		}
	}
	return false
}

// V6 implements spelling.Sink. Four groups are enough: mostly those that name the network, as the
// rest changes by the day. Of groups that are nearly all zero there are many like it.
func (g *guard) V6(high, low uint64, bits int) bool {
	if bits < 64 || !g.mayGuess() {
		return false
	}
	for _, a := range g.addresses {
		if !a.Is6() {
			continue
		}
		all := a.As16()
		same := bits == 128 && high == 0 && a.Addr == addrOf(high, low)
		for i := 0; i <= 8 && !same; i += 2 {
			groups := binary.BigEndian.Uint64(all[i:])
			same = groups == high && (i == 0 && high != 0 || isTelling(groups))
		}
		if same {
			g.found = a.secret
			return true
		}
	}
	return false
}

func addrOf(high, low uint64) netip.Addr {
	var all [16]byte
	binary.BigEndian.PutUint64(all[:], high)
	binary.BigEndian.PutUint64(all[8:], low)
	return netip.AddrFrom16(all)
}

// isTelling reports whether at least three of four groups aren't zero.
func isTelling(groups uint64) bool {
	set := 0
	for ; groups != 0; groups >>= 16 {
		if groups&0xffff != 0 {
			set++
		}
	}
	return set >= 3
}
