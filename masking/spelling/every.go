package spelling

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Span is where something stands in a text, in bytes.
type Span struct{ From, End int }

// Every appends to dst where a text may spell an address, anybody's, in any spelling that Hide hides, in their order and none
// inside of another. It returns false where the text takes too much work to look through.
func Every(dst []Span, text string) ([]Span, bool) {
	if len(text) < minSpelling {
		return dst, true
	}
	s := scanners.Get().(*scanner)
	defer s.release()
	s.to, s.whole, s.anyone = anyone{}, true, true
	if !s.all(text) {
		return dst, false
	}
	slices.SortFunc(s.hits, func(a, b span) int { return a.from - b.from })
	end := 0
	for _, at := range s.hits {
		if at.end > end {
			dst = append(dst, Span{max(at.from, end), at.end})
			end = at.end
		}
	}
	return dst, true
}

// Plausible reports whether a host can have an address: none of those that ordinary texts spell by accident.
func Plausible(addr netip.Addr) bool {
	if addr.Is4() {
		first := addr.As4()[0]
		return first != 0 && first != 255
	}
	all := addr.As16()
	high, low := binary.BigEndian.Uint64(all[:]), binary.BigEndian.Uint64(all[8:])
	return anyone{}.V6(high, low, 128) || carriesV4(high, low)
}
