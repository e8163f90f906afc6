package spelling

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Finder finds one client's address in texts, in every spelling. It is small, made without allocation, and doesn't
// change: many goroutines may use one.
type Finder struct {
	client    netip.Prefix // the address, or the IPv6 prefix that the mask stands for
	own       netip.Addr   // see Except
	high, low uint64       // of the client's IPv6 address
	v4        uint32
	key       uint64 // see memo
}

// NewFinder returns a Finder of a client: of its address, or of the IPv6 prefix, of 48 bits
// or more, that its mask stands for.
func NewFinder(client netip.Prefix) Finder {
	f := Finder{client: client}
	if addr := client.Addr(); addr.Is4() {
		four := addr.As4()
		f.v4 = binary.BigEndian.Uint32(four[:])
		f.key = keyV4(f.v4)
	} else {
		all := addr.As16()
		f.high, f.low = binary.BigEndian.Uint64(all[:]), binary.BigEndian.Uint64(all[8:])
		f.key = keyV6(f.high)
	}
	return f
}

// Except returns a Finder that passes one address over: the server's own, where it is one of the
// client's, as on one machine.
func (f Finder) Except(own netip.Addr) Finder {
	f.own = own
	return f
}

// MayHold is a quick look that rules out nearly every text that doesn't spell the address. What it has to work
// out, it remembers for the next client with the same text.
func (f *Finder) MayHold(text string) bool {
	if len(text) < minSpelling {
		return false
	}
	return len(text) > maxRemembered || texts.mayHold(text, f.key)
}

// Finds reports whether a text holds the address.
func (f *Finder) Finds(text string) bool {
	_, found := f.Replace(text, "")
	return found
}

// Replace puts a text in the place of each spelling of the address; a port that follows goes
// with it. It returns the text itself, and false, where there is none. A text that takes too much
// work to look through is replaced as a whole.
func (f *Finder) Replace(text, with string) (string, bool) {
	if !f.MayHold(text) {
		return text, false
	}
	return f.replace(text, with)
}

func (f *Finder) replace(text, with string) (string, bool) {
	s := scanners.Get().(*scanner)
	defer s.release()
	s.to = f
	if !s.all(text) {
		return with, true
	}
	if len(s.hits) == 0 {
		return text, false
	}
	return string(appendReplaced(nil, text, s.hits, with)), true
}

func appendReplaced(dst []byte, text string, hits []span, with string) []byte {
	slices.SortFunc(hits, func(a, b span) int { return a.from - b.from })
	start := 0
	for i := 0; i < len(hits); {
		at := hits[i]
		for i++; i < len(hits) && hits[i].from <= at.end; i++ { // several readings of one
			if hits[i].end >= at.end {
				at.end, at.port = hits[i].end, at.port && hits[i].end == at.end || hits[i].port
			}
		}
		at.from = max(at.from, start)
		if !at.port {
			at.end = skipZone(text, at.end)
			from := at.from
			if end, port := scanPort(text, &from, at.end); port && from >= start {
				at.from, at.end, at.port = from, end, true
			}
		}
		dst = append(dst, text[start:at.from]...)
		if at.port {
			dst = append(append(append(dst, '['), with...), "]:0"...)
		} else {
			dst = append(dst, with...)
		}
		start = at.end
	}
	return append(dst, text[start:]...)
}

// V4 implements Sink.
func (f *Finder) V4(addr uint32) bool {
	return addr == f.v4 && f.client.Addr().Is4() && f.own != f.client.Addr()
}

// V6 implements Sink.
func (f *Finder) V6(high, low uint64, known int) bool {
	if f.client.Addr().Is4() {
		return false
	}
	length := f.client.Bits()
	if length > 64 && known == 128 && low != f.low {
		return false
	}
	if shift := 64 - min(length, known, 64); known < min(length, 64) || high>>shift != f.high>>shift {
		return false
	}
	var all [16]byte
	binary.BigEndian.PutUint64(all[:], high)
	binary.BigEndian.PutUint64(all[8:], low)
	return netip.AddrFrom16(all) != f.own
}
