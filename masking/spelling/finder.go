package spelling

import (
	"net/netip"
	"strings"
)

// Finder finds one client's address in texts. It is small, made without allocation, and doesn't
// change: many goroutines may use one.
type Finder struct {
	client netip.Prefix // the address, or the IPv6 prefix that the mask stands for
	dotted [15]byte     // the address, if it's IPv4
	length uint8        // of that
	own    netip.Addr   // see Except
}

// NewFinder returns a Finder of a client: of its address, or of the IPv6 prefix that its mask stands for.
func NewFinder(client netip.Prefix) Finder {
	f := Finder{client: client.Masked()}
	if client.Addr().Is4() {
		f.length = uint8(len(client.Addr().AppendTo(f.dotted[:0])))
	}
	return f
}

// Except returns a Finder that passes one address over: the server's own, where it is one of the
// client's, as on one machine.
func (f Finder) Except(own netip.Addr) Finder {
	f.own = own
	return f
}

// MayHold is a quick look that rules out nearly every text that doesn't hold the address. It doesn't allocate.
func (f *Finder) MayHold(text string) bool {
	if f.length > 0 && strings.IndexByte(text, '.') >= 0 && strings.Contains(text, string(f.dotted[:f.length])) {
		return true
	}
	if first := strings.IndexByte(text, ':'); first >= 0 {
		if rest := text[first:]; strings.Contains(rest, "::") || strings.Count(rest, ":") >= 6 {
			return true
		}
	}
	return strings.IndexByte(text, '%') >= 0 && (strings.Contains(text, "%3A") || strings.Contains(text, "%3a"))
}

// Finds reports whether a text holds the address.
func (f *Finder) Finds(text string) bool {
	_, found := f.Replace(text, "")
	return found
}

// Replace puts a text in the place of each spelling of the address; a port that follows goes
// with it. It returns the text itself, and false, where there is none.
func (f *Finder) Replace(text, with string) (string, bool) {
	if !f.MayHold(text) {
		return text, false
	}
	return ReplaceIn(text, func(addr netip.Addr) (string, bool) {
		return with, f.isClient(addr)
	})
}

func (f *Finder) isClient(addr netip.Addr) bool {
	addr = addr.Unmap()
	return addr != f.own && (f.client.Contains(addr) || f.embedded(addr))
}

// embedded reports whether an IPv6 address tells an IPv4 client's: by NAT64 and its like at
// the end, by 6to4 after the prefix.
func (f *Finder) embedded(addr netip.Addr) bool {
	if !f.client.Addr().Is4() || addr.Is4() {
		return false
	}
	b, client := addr.As16(), f.client.Addr().As4()
	return [4]byte(b[12:]) == client || [4]byte(b[2:6]) == client
}
