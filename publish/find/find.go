// Package find finds addresses in texts, anybody's, and tells what is surely one from what only may be.
package find

import (
	"net/netip"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/spelling"
)

// Found is an address, or a range of them, that stands in a text.
type Found struct {
	From, End int // where, in bytes
	Net       netip.Prefix
	Port      bool // a port stands behind it, within End
}

// Address reports whether it's one address rather than a range.
func (f Found) Address() bool { return f.Net.IsSingleIP() }

// Plain returns the first address in text from a place on that is written as people and programs write one: 192.0.2.1,
// 2001:DB8:0:0:0:0:0:1, [2001:db8::1]:443, 192.0.2.0/24. It passes over masks and over what no host has, as in "::Add".
func Plain(text []byte, from int) (Found, bool) {
	for {
		next, ok := spelling.Next(text, from)
		if !ok {
			return Found{}, false
		}
		from = next.At + 1
		addr := next.Addr.WithZone("").Unmap()
		switch {
		case masking.Is(addr):
			from = next.End
			continue
		case addr.Is4() && next.Addr.Is4() && inLongerNumber(text, &from, next):
			continue
		case !spelling.Plausible(addr):
			continue
		}
		f := Found{From: next.Start, End: next.End, Net: netip.PrefixFrom(addr, addr.BitLen())}
		f.Port = text[next.End-1] != ']' && hasPort(text, next)
		if reversed, ok := reverseName(text, spelling.Span{From: next.At, End: next.End}); ok {
			return reversed, true
		}
		if !f.Port {
			f.From = next.At
			if end, bits := rangeAfter(text, f.End, addr.BitLen()); bits > 0 {
				f.End, f.Net = end, netip.PrefixFrom(addr, bits).Masked()
			}
		}
		return f, true
	}
}

// hasPort reports whether a port belongs to an address. What Next takes up to its End is then more than an address.
func hasPort(text []byte, f spelling.Found) bool {
	if f.Start < f.At {
		return true
	}
	i := f.End
	for i > f.At && isDigit(text[i-1]) {
		i--
	}
	if f.Addr.Is4() {
		return i > f.At && (text[i-1] == ':' || text[i-1]|0x20 == 'a')
	}
	_, err := netip.ParseAddr(string(text[f.At:f.End]))
	return err != nil && i > f.At && text[i-1] == ':' && f.Addr.Zone() == ""
}

// inLongerNumber reports whether four numbers are a part of more of them, such as an object identifier. It sets where
// to go on behind those.
func inLongerNumber(text []byte, from *int, f spelling.Found) bool {
	at, end := f.At, f.At
	for end < len(text) && (isDigit(text[end]) || text[end] == '.') {
		end++
	}
	for end > at && text[end-1] == '.' {
		end--
	}
	dots := 0
	for _, c := range text[at:end] {
		if c == '.' {
			dots++
		}
	}
	before := at >= 2 && text[at-1] == '.' && isDigit(text[at-2])
	if dots > 3 || before {
		*from = end
		return true
	}
	return false
}

// rangeAfter reads the length of a range, as in 192.0.2.0/24.
func rangeAfter(text []byte, i, most int) (end, bits int) {
	switch {
	case i < len(text) && text[i] == '/':
		i++
	case i+2 < len(text) && text[i] == '%' && text[i+1] == '2' && text[i+2]|0x20 == 'f':
		i += 3
	default:
		return 0, 0
	}
	for end = i; end < len(text) && isDigit(text[end]) && end < i+3; end++ {
		bits = 10*bits + int(text[end]-'0')
	}
	if end == i || text[i] == '0' || bits > most || end < len(text) && (IsWord(text[end]) || text[end] == '.' && end+1 < len(text) && IsWord(text[end+1])) {
		return 0, 0
	}
	return end, bits
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// IsWord reports whether a byte is of a word, in any script.
func IsWord(c byte) bool { return isDigit(c) || isLetter(c) || c == '_' || c >= 0x80 }
