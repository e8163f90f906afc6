package anonproxy

import (
	"encoding/binary"
	"math/big"
	"net/netip"
)

// known returns the reader's addresses. They are parsed when something looks like an
// address, which is seldom.
func (g *guard) known() []address {
	if g.parsed {
		return g.addresses
	}
	g.parsed = true
	for i := range g.secrets {
		s := &g.secrets[i]
		if !s.isAddress() {
			continue
		}
		if addr, err := netip.ParseAddr(s.Value); err == nil {
			g.addresses = append(g.addresses, address{addr.Unmap().WithZone(""), s})
		}
	}
	return g.addresses
}

// mayGuess counts what could be addresses. A gadget could else learn the reader's by few
// requests with thousands each, and by which of them is refused.
func (g *guard) mayGuess() bool {
	if len(g.known()) == 0 {
		return false
	}
	if g.guesses++; g.guesses > maxGuesses {
		g.work = -1
	}
	return g.work >= 0
}

// hasV4 finds an IPv4 address among the reader's.
func (g *guard) hasV4(v uint32) *Secret {
	if !g.mayGuess() {
		return nil
	}
	for _, a := range g.known() {
		if a.Is4() {
			if four := a.As4(); binary.BigEndian.Uint32(four[:]) == v {
				return a.secret
			}
		}
	}
	return nil
}

// hasV6 finds an IPv6 address among the reader's, by the half that names the network: the rest
// changes by the day, and a mask's doesn't matter, as its first half is a hash too.
func (g *guard) hasV6(network, host uint64) *Secret {
	if !g.mayGuess() {
		return nil
	}
	for _, a := range g.known() {
		if a.Is6() {
			all := a.As16()
			if n := binary.BigEndian.Uint64(all[:]); n == network && (n != 0 || binary.BigEndian.Uint64(all[8:]) == host) {
				return a.secret
			}
		}
	}
	return nil
}

// hasAddr finds an IPv6 address, or the IPv4 address that it carries: at its end, mapped and behind
// NAT64, or after the prefix of 6to4.
func (g *guard) hasAddr(addr netip.Addr) *Secret {
	all := addr.As16()
	network, host := binary.BigEndian.Uint64(all[:]), binary.BigEndian.Uint64(all[8:])
	if s := g.hasV6(network, host); s != nil {
		return s
	}
	if s := g.hasV4(uint32(host)); s != nil {
		return s
	}
	return g.hasV4(uint32(network >> 16))
}

// scanNumbers looks for addresses of decimal numbers: 192.0.2.1 with any separator, with leading zeros,
// from behind, as one number.
func (g *guard) scanNumbers(text []byte) *Secret {
	var window uint32  // the last four
	count, end := 0, 0 // of the window, and where its last number ends
	for i := 0; i < len(text); {
		if !isDigit(text[i]) {
			i++
			continue
		}
		start, v := i, uint64(0)
		for ; i < len(text) && isDigit(text[i]); i++ {
			v = min(v*10+uint64(text[i]-'0'), 1<<40)
		}
		if i-start >= 8 {
			if s := g.hasNumber(text[start:i], v); s != nil {
				return s
			}
		}
		beside := start == end+1 && !isWordByte(text[end])
		switch {
		case v > 255:
			count = 0
			continue
		case count > 0 && beside && (count == 1 || text[end] == separatorBefore(text, end)):
			count++
		case count > 0 && beside:
			count = 2
		default:
			count = 1
		}
		window, end = window<<8|uint32(v), i
		if count >= 4 {
			if s := g.hasV4(window); s != nil {
				return s
			}
			if s := g.hasV4(window>>24 | window>>8&0xff00 | window<<8&0xff0000 | window<<24); s != nil {
				return s
			}
		}
	}
	return nil
}

// separatorBefore returns the byte before the number that ends at a place.
func separatorBefore(text []byte, end int) byte {
	for end > 0 && isDigit(text[end-1]) {
		end--
	}
	if end == 0 {
		return 0
	}
	return text[end-1]
}

// hasNumber finds an address that is written as one decimal number.
func (g *guard) hasNumber(digits []byte, v uint64) *Secret {
	if v < 1<<32 {
		return g.hasV4(uint32(v))
	}
	if len(digits) < 30 || len(digits) > 39 {
		return nil
	}
	n, ok := new(big.Int).SetString(string(digits), 10)
	if !ok || n.BitLen() > 128 {
		return nil
	}
	var all [16]byte
	n.FillBytes(all[:])
	return g.hasV6(binary.BigEndian.Uint64(all[:]), binary.BigEndian.Uint64(all[8:]))
}

// scanHexNumbers looks for addresses that stand as hex digits by themselves, with or without separators.
func (g *guard) scanHexNumbers(text []byte) *Secret {
	for i := 0; i < len(text); {
		if hexDigits[text[i]] == none {
			i++
			continue
		}
		var all, part hexNumbers
		for ; i < len(text) && (hexDigits[text[i]] != none || isHexSeparator(text[i])); i++ {
			if d := hexDigits[text[i]]; d != none {
				all.add(d)
				part.add(d)
				continue
			}
			if s := g.hasHex(part); s != nil {
				return s
			}
			part = hexNumbers{}
		}
		if s := g.hasHex(part); s != nil {
			return s
		}
		if all.digits != part.digits {
			if s := g.hasHex(all); s != nil {
				return s
			}
		}
	}
	return nil
}

// hexNumbers are the last 32 digits of a number.
type hexNumbers struct {
	high, low uint64
	digits    int
}

func (h *hexNumbers) add(d byte) {
	h.high, h.low = h.high<<4|h.low>>60, h.low<<4|uint64(d)
	h.digits++
}

// hasHex finds an IPv4 address, an IPv6 address, or its first half.
func (g *guard) hasHex(h hexNumbers) *Secret {
	switch h.digits {
	case 8:
		return g.hasV4(uint32(h.low))
	case 16:
		if h.low != 0 {
			return g.hasV6(h.low, 0)
		}
	case 32:
		return g.hasV6(h.high, h.low)
	}
	return nil
}

// scanColons looks for IPv6 addresses in any spelling of RFC 4291, also with hyphens or underscores
// for the colons, as in host names. Other words may stand before and after: "User:2001:db8::1:443".
func (g *guard) scanColons(text []byte) *Secret {
	for i := 0; i < len(text); i++ {
		sep := text[i]
		if sep != ':' && sep != '-' && sep != '_' {
			continue
		}
		start := i
		for start > 0 && i-start < 4 && hexDigits[text[start-1]] != none {
			start--
		}
		end, separators, short := i, 0, false
		for ; end < len(text) && (hexDigits[text[end]] != none || text[end] == sep); end++ {
			if text[end] == sep {
				separators++
				short = short || end > i && text[end-1] == sep
			}
		}
		i = end - 1
		if (!short && separators < 7) || len(g.known()) == 0 {
			continue
		}
		for run := text[start:end]; len(run) > 0; {
			if addr, ok := groupsAt(run, sep); ok {
				if s := g.hasAddr(addr); s != nil {
					return s
				}
			}
			run = run[nextGroup(run):]
		}
	}
	return nil
}

// nextGroup returns where the next group, or the next pair of separators, may start.
func nextGroup(run []byte) int {
	digits := 0
	for digits < len(run) && hexDigits[run[digits]] != none {
		digits++
	}
	switch {
	case digits > 4:
		return digits - 4 // those before are of something else
	case digits == 0 || digits+1 < len(run) && run[digits+1] != run[digits]:
		return digits + 1
	}
	return digits
}

// groupsAt reads the IPv6 address at the start of a text, in which sep stands for colons.
func groupsAt(text []byte, sep byte) (netip.Addr, bool) {
	var groups [8]uint16
	n, short := 0, -1
	if len(text) > 1 && text[0] == sep && text[1] == sep {
		short, text = 0, text[2:]
	}
	for n < 8 {
		v, size := uint16(0), 0
		for size < len(text) && size < 4 && hexDigits[text[size]] != none {
			v = v<<4 | uint16(hexDigits[text[size]])
			size++
		}
		if size == 0 {
			break
		}
		groups[n] = v
		n++
		if text = text[size:]; len(text) == 0 || text[0] != sep {
			break
		}
		text = text[1:]
		if len(text) > 0 && text[0] == sep {
			if short >= 0 {
				break
			}
			short, text = n, text[1:]
		}
	}
	if n < 8 && short < 0 {
		return netip.Addr{}, false
	}
	var all [16]byte
	for i, group := range groups[:n] {
		if short >= 0 && i >= short {
			i += 8 - n
		}
		binary.BigEndian.PutUint16(all[2*i:], group)
	}
	return netip.AddrFrom16(all), true
}
