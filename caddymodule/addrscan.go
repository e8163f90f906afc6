package caddymodule

import (
	"net/netip"
	"strings"
)

// replaceAddrs appends text to dst with each IP address in it replaced by what
// replace returns; where replace says no, the address stays as it is. dst is
// returned as it came, and false, where nothing was replaced, so that the usual
// case copies nothing.
//
// It finds IPv4 in dotted form, leading zeros included, and IPv6 in any spelling
// of RFC 4291, with brackets, zone or port, and with its colons percent-encoded.
// A port that follows goes with its address: an ephemeral port singles a client out.
func replaceAddrs[T string | []byte](dst []byte, text T, replace func(netip.Addr) (string, bool)) ([]byte, bool) {
	start, replaced := 0, false
	for i := 0; i < len(text); {
		if !mayStart(text, i) || i > 0 && isWord(text[i-1]) && !endsEscape(text, i) {
			i++
			continue
		}
		addr, end := scanAddr(text, i)
		if end == 0 {
			i = skipRun(text, i)
			continue
		}
		with, ok := replace(addr)
		if !ok {
			i = end
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
		start, i, replaced = end, end, true
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

func mayStart[T string | []byte](text T, i int) bool {
	return isHex(text[i]) || text[i] == ':' || isEscapedColon(text, i)
}

func isEscapedColon[T string | []byte](text T, i int) bool {
	return i+2 < len(text) && text[i] == '%' && text[i+1] == '3' && text[i+2]|0x20 == 'a'
}

// endsEscape reports whether a percent-escape, such as %20 or %5B, or the
// escaped line break of JSON ends just before i: its last letter is no part of a word.
func endsEscape[T string | []byte](text T, i int) bool {
	if i >= 3 && text[i-3] == '%' && isHex(text[i-2]) && isHex(text[i-1]) {
		return true
	}
	return i >= 2 && text[i-2] == '\\' && strings.IndexByte("nrt", text[i-1]) >= 0
}

// skipRun returns where the run of address-like characters at i ends: no address starts inside it.
func skipRun[T string | []byte](text T, i int) int {
	if text[i] == ':' || text[i] == '%' {
		return i + 1 // what follows a lone colon may be one, as in "addr:192.0.2.1"
	}
	if i > 0 && text[i-1] == '%' && i+1 < len(text) && isHex(text[i]) && isHex(text[i+1]) {
		return i + 2 // a percent-escape; what follows may be one
	}
	for i < len(text) && (isWord(text[i]) || text[i] == '.' && i+1 < len(text) && isDigit(text[i+1])) {
		i++
	}
	return i
}

// scanAddr reads the address that starts at i and returns where it ends, 0 for none.
func scanAddr[T string | []byte](text T, i int) (netip.Addr, int) {
	if addr, end := scanV4(text, i); end > 0 {
		return addr, end
	}
	return scanV6(text, i)
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
	// 1.2.3.4.5 is a version, 1.2.3.4a a name; "…1.2.3.4." ends a sentence.
	if i < len(text) && (isWord(text[i]) || text[i] == '.' && i+1 < len(text) && isWord(text[i+1])) {
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
	if colons < 2 || end < len(text) && isWord(text[end]) {
		return netip.Addr{}, 0
	}
	// Punctuation may follow: "from 2001:db8::1: refused", "to 2001:db8::1."
	for ; n > 1; n-- {
		if addr, err := netip.ParseAddr(string(buf[:n])); err == nil {
			return addr, skipZone(text, ends[n])
		}
		if c := buf[n-1]; c != ':' && c != '.' {
			break
		}
	}
	return netip.Addr{}, 0
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
