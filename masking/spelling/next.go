package spelling

import "net/netip"

// Found is an address in a text.
type Found struct {
	Addr       netip.Addr
	At         int // where the address begins
	Start, End int // of the address with the brackets and the port that belong to it
}

// Next returns the first address in text that begins at from or after. Like [Replace] it finds the
// spellings that can be nothing else. Another may begin inside, at At+1.
func Next[T string | []byte](text T, from int) (Found, bool) {
	for i, sep := skip(text, from, -1); i < len(text); i, sep = skip(text, i+1, sep) {
		addr, end := scanAddr(text, i)
		if end == 0 {
			continue
		}
		f := Found{Addr: addr, At: i, Start: i}
		f.End, _ = scanPort(text, &f.Start, end)
		return f, true
	}
	return Found{}, false
}
