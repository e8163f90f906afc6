package caddymodule

import (
	"net/netip"
)

// replaceAddrs appends text to dst with each IP address in it replaced by what
// replace returns; where replace says no, the address stays as it is. dst is
// returned as it came, and false, where nothing was replaced, so that the usual
// case copies nothing.
//
// It finds IPv4 in dotted form, leading zeros included, and IPv6 in any spelling
// of RFC 4291, with brackets, zone or port, and with its colons percent-encoded;
// glued to words as well ("ip_192.0.2.1"). A port that follows goes with its address: an
// ephemeral port singles a client out.
func replaceAddrs[T string | []byte](dst []byte, text T, replace func(netip.Addr) (string, bool)) ([]byte, bool) {
	start, replaced := 0, false
	for i := 0; i < len(text); i++ {
		addr, end := scanAddr(text, i)
		if end == 0 {
			continue
		}
		with, ok := replace(addr)
		if !ok {
			if addr.Is6() {
				i = end - 1
			} // but in 1.192.0.2.1 the next one may be it
			continue
		}
		from := i
		end, port := scanPort(text, &from, end)
		dst = append(dst, text[start:from]...)
		if port {
			dst = append(append(append(dst, '['), with...), "]:0"...)
		} else {
			dst = append(dst, with...)
		}
		start, replaced = end, true
		i = end - 1
	}
	if !replaced {
		return dst, false
	}
	return append(dst, text[start:]...), true
}

// replaceAddrsIn is replaceAddrs for strings.
func replaceAddrsIn(text string, replace func(netip.Addr) (string, bool)) (string, bool) {
	out, replaced := replaceAddrs(nil, text, replace)
	if !replaced {
		return text, false
	}
	return string(out), true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func isWord(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' }

func isEscapedColon[T string | []byte](text T, i int) bool {
	return i+2 < len(text) && text[i] == '%' && text[i+1] == '3' && text[i+2]|0x20 == 'a'
}

// endsEscape reports whether a percent-escape, such as %20 or %5B, ends just before i:
// its last letter is no part of what follows.
func endsEscape[T string | []byte](text T, i int) bool {
	return i >= 3 && text[i-3] == '%' && isHex(text[i-2]) && isHex(text[i-1])
}

// scanAddr reads the address that starts at i and returns where it ends, 0 for none.
func scanAddr[T string | []byte](text T, i int) (netip.Addr, int) {
	c := text[i]
	if !isHex(c) && c != ':' && !isEscapedColon(text, i) {
		return netip.Addr{}, 0
	}
	after := i == 0 || endsEscape(text, i)
	if isDigit(c) && (after || !isDigit(text[i-1])) {
		if addr, end := scanV4(text, i); end > 0 {
			return addr, end
		}
	}
	if after || !isHex(text[i-1]) && text[i-1] != ':' {
		return scanV6(text, i)
	}
	if text[i-1] == ':' && (i < 2 || text[i-2] != ':') && c == ':' {
		return scanV6(text, i) // a colon, then an address that starts with two: "ip:::1"
	}
	if text[i-1] == ':' && c != ':' && (i < 2 || text[i-2] != ':' && !isHex(text[i-2])) {
		return scanV6(text, i) // a colon after a word: "addr:2001:db8::1"
	}
	return netip.Addr{}, 0
}

func scanV4[T string | []byte](text T, i int) (netip.Addr, int) {
	var octets [4]byte
	for n := range octets {
		if n > 0 {
			if i >= len(text) || text[i] != '.' {
				return netip.Addr{}, 0
			}
			i++
		}
		value, from := 0, i
		for i < len(text) && isDigit(text[i]) && value <= 255 {
			value = value*10 + int(text[i]-'0')
			i++
		}
		if i == from || value > 255 {
			return netip.Addr{}, 0
		}
		octets[n] = byte(value)
	}
	if i < len(text) && isDigit(text[i]) {
		return netip.Addr{}, 0
	}
	return netip.AddrFrom4(octets), i
}

// maxV6 bounds what is tried as one IPv6 address: no spelling without
// percent-escapes is longer than 45 characters.
const maxV6 = 45

func scanV6[T string | []byte](text T, i int) (netip.Addr, int) {
	var buf [maxV6]byte
	n, colons := 0, 0
	var ends [maxV6 + 1]int // in text, of each prefix of buf
	end := i
	for end < len(text) && n < maxV6 {
		c, width := text[end], 1
		if isEscapedColon(text, end) {
			c, width = ':', 3
		}
		if c == ':' {
			colons++
		} else if !isHex(c) && c != '.' {
			break
		}
		buf[n] = c
		n++
		end += width
		ends[n] = end
	}
	if colons < 2 || end < len(text) && isHex(text[end]) {
		return netip.Addr{}, 0
	}
	// Punctuation may follow: "from 2001:db8::1: refused", "to 2001:db8::1."
	for ; n > 1; n-- {
		if addr, err := netip.ParseAddr(string(buf[:n])); err == nil {
			if isName(text, i, ends[n], buf[:n]) {
				return netip.Addr{}, 0
			}
			return addr, skipZone(text, ends[n])
		}
		if c := buf[n-1]; c != ':' && c != '.' {
			break
		}
	}
	return netip.Addr{}, 0
}

// isName reports whether what reads as an address is rather part of a name such as
// Title::newFromText or Interface::add: glued to letters, and without a digit in its first group.
func isName[T string | []byte](text T, i, end int, addr []byte) bool {
	before := i > 0 && isWord(text[i-1]) && !endsEscape(text, i)
	after := end < len(text) && isWord(text[end])
	if !before && !after {
		return false
	}
	for _, c := range addr {
		if isDigit(c) {
			return false
		}
		if c == ':' {
			break
		}
	}
	return true
}

func skipZone[T string | []byte](text T, i int) int {
	if i+1 >= len(text) || text[i] != '%' || !isWord(text[i+1]) {
		return i
	}
	for i++; i < len(text) && (isWord(text[i]) || text[i] == '-' || text[i] == '.'); i++ {
	}
	return i
}

// scanPort finds the port of the address text[*from:end]. A bracket before
// the address belongs to it if one follows.
func scanPort[T string | []byte](text T, from *int, end int) (int, bool) {
	if *from > 0 && text[*from-1] == '[' && end < len(text) && text[end] == ']' {
		if after, ok := scanColonDigits(text, end+1); ok {
			*from--
			return after, true
		}
		return end, false
	}
	return scanColonDigits(text, end)
}

func scanColonDigits[T string | []byte](text T, i int) (int, bool) {
	width := 0
	switch {
	case i < len(text) && text[i] == ':':
		width = 1
	case isEscapedColon(text, i):
		width = 3
	}
	end := i + width
	for end < len(text) && isDigit(text[end]) {
		end++
	}
	if width == 0 || end == i+width {
		return i, false
	}
	return end, true
}
