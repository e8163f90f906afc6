package spelling

import (
	"net/netip"
	"slices"
)

// Replace appends text to dst with each IP address in it replaced by what
// replace returns; where replace says no, the address stays as it is. dst is
// returned as it came, and false, where nothing was replaced, so that the usual
// case copies nothing.
//
// It finds IPv4 in dotted form, leading zeros included, and IPv6 in any spelling
// of RFC 4291, with brackets, zone or port, and with its colons percent-encoded;
// glued to words as well ("ip_192.0.2.1"). A port that follows goes with its address: an
// ephemeral port singles a client out.
func Replace[T string | []byte](dst []byte, text T, replace func(netip.Addr) (string, bool)) ([]byte, bool) {
	start, replaced := 0, false
	for i, sep := skip(text, 0, -1); i < len(text); i, sep = skip(text, i+1, sep) {
		addr, end := scanAddr(text, i)
		if end == 0 {
			continue
		}
		with, ok := replace(addr)
		if !ok {
			continue // another may start inside: in 1.192.0.2.1, in 64:ff9b::192.0.2.1
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

// ReplaceIn is Replace for strings.
func ReplaceIn(text string, replace func(netip.Addr) (string, bool)) (string, bool) {
	out, replaced := Replace(nil, text, replace)
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

// escape reports whether i is at a digit of an escape, %5B or JSON's \ufffd, and whether one ended before
// it: their digits are no part of what follows.
func escape[T string | []byte](text T, i int) (inside, ended bool) {
	digits := 0
	for digits < 4 && i-digits > 0 && isHex(text[i-digits-1]) {
		digits++
	}
	if from := i - digits; from >= 2 && text[from-1] == 'u' && text[from-2] == '\\' {
		return digits < 4, digits == 4
	}
	if i >= 3 && text[i-3] == '%' && digits >= 2 {
		return false, true
	}
	percent := i >= 1 && text[i-1] == '%' && i+1 < len(text) && isHex(text[i+1]) || i >= 2 && text[i-2] == '%' && digits >= 1
	return percent && isHex(text[i]), false
}

// skip returns the first place from i on where an address may begin, and the separator that follows there: a colon or dot is
// among the first digits of each address, or before them. It's given the separator that it returned last, -1 at first.
func skip[T string | []byte](text T, i, sep int) (int, int) {
	for i > sep {
		for sep = i; sep < len(text) && !separators[text[sep]]; {
			sep++
		}
		if sep == len(text) {
			return sep, sep
		}
		digits := 0
		for digits < sep-i && isHex(text[sep-digits-1]) {
			digits++
		}
		if separates(text, sep, digits > 0) {
			return sep - digits, sep
		}
		i = sep + 1
	}
	return i, sep
}

var separators = [256]bool{'.': true, ':': true, '%': true}

// separates reports whether a separator may be the first of an address, with digits before it or not.
func separates[T string | []byte](text T, i int, digits bool) bool {
	switch width := colonAt(text, i); {
	case text[i] == '.':
		return digits && i+1 < len(text) && isDigit(text[i-1]) && isDigit(text[i+1])
	case width == 0 || i+width == len(text):
		return false
	default:
		return colonAt(text, i+width) > 0 || digits && isHex(text[i+width])
	}
}

// scanAddr reads the address that starts at i and returns where it ends, 0 for none.
func scanAddr[T string | []byte](text T, i int) (netip.Addr, int) {
	c := text[i]
	if !isHex(c) && c != ':' && !isEscapedColon(text, i) {
		return netip.Addr{}, 0
	}
	inside, after := escape(text, i)
	if inside {
		return netip.Addr{}, 0
	}
	after = after || i == 0
	if isDigit(c) && (after || !isDigit(text[i-1])) {
		if addr, end := scanV4(text, i); end > 0 {
			return addr, end
		}
	}
	if after || mayStartV6(text, i) {
		return scanV6(text, i)
	}
	return netip.Addr{}, 0
}

// mayStartV6 reports whether an IPv6 address may start at i, which is not where the text starts.
func mayStartV6[T string | []byte](text T, i int) bool {
	c, before := text[i], text[i-1]
	switch {
	case c == ':' && before == ':':
		return i < 2 || text[i-2] != ':' // a colon, then an address that starts with two: "ip:::1"
	case c == ':':
		return !isHex(before)
	case !isHex(before):
		return true
	}
	// A group has four digits; those before are of something else: \u00222001:db8::1.
	for j := i; j < i+4; j++ {
		if j >= len(text) || !isHex(text[j]) {
			return false
		}
	}
	return i+4 < len(text) && (text[i+4] == ':' || isEscapedColon(text, i+4))
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

// scanV6 reads the longest IPv6 address that starts at i. A port or punctuation may follow: "from
// 2001:db8::1: refused", "2001:db8:1:2:3:4:5:6:443". Each character is looked at once.
func scanV6[T string | []byte](text T, i int) (netip.Addr, int) {
	groups, short, end := 0, false, 0 // short: there has been a "::"
	for at := i; ; {
		if colon := colonAt(text, at); colon > 0 {
			second := colonAt(text, at+colon)
			third := second > 0 && colonAt(text, at+colon+second) > 0
			if second > 0 && (short || third && groups == 0) || second == 0 && groups == 0 {
				break
			}
			at += colon + second
			if second > 0 {
				short, end = true, at
			}
			if third {
				break
			}
		} else if at > i {
			break
		}
		digits := 0
		for at+digits < len(text) && isHex(text[at+digits]) {
			digits++
		}
		if digits == 0 || digits > 4 {
			break
		}
		if _, dotted := scanV4(text, at); dotted > 0 && (groups == 6 && !short || groups < 6 && short) {
			end = dotted
			break
		}
		at += digits
		groups++
		if groups == 8 && !short || groups < 8 && short {
			end = at
		}
		if groups == 8 {
			break
		}
	}
	if end == 0 {
		return netip.Addr{}, 0
	}
	return parseV6(text, i, end)
}

// maxV6 is the length of the longest spelling without percent-escapes.
const maxV6 = 45

func parseV6[T string | []byte](text T, i, end int) (netip.Addr, int) {
	var buf [maxV6]byte
	n := 0
	for at := i; at < end && n < maxV6; n++ {
		buf[n] = text[at]
		at++
		if isEscapedColon(text, at-1) {
			buf[n] = ':'
			at += 2
		}
	}
	addr, err := netip.ParseAddr(string(buf[:n]))
	if err != nil || isName(text, i, end, buf[:n]) {
		return netip.Addr{}, 0
	}
	return addr, skipZone(text, end)
}

// colonAt returns the width of the colon at i, 0 if there's none.
func colonAt[T string | []byte](text T, i int) int {
	switch {
	case i < len(text) && text[i] == ':':
		return 1
	case isEscapedColon(text, i):
		return 3
	}
	return 0
}

// isName reports whether what reads as an address is rather part of a name such as
// Title::newFromText or Interface::add: glued to letters, and without a digit.
func isName[T string | []byte](text T, i, end int, addr []byte) bool {
	_, escaped := escape(text, i)
	before := i > 0 && isWord(text[i-1]) && !escaped
	after := end < len(text) && isWord(text[end])
	return (before || after) && !slices.ContainsFunc(addr, isDigit)
}

func skipZone[T string | []byte](text T, i int) int {
	if i+1 >= len(text) || text[i] != '%' || !isWord(text[i+1]) {
		return i
	}
	if escape := i+2 < len(text) && isHex(text[i+1]) && isHex(text[i+2]); escape && (text[i+1] != '2' || text[i+2] != '5') {
		return i // a comma or quote, say; in URLs a zone follows %25
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
	width := colonAt(text, i)
	end := i + width
	for end < len(text) && isDigit(text[end]) {
		end++
	}
	if width == 0 || end == i+width {
		return i, false
	}
	return end, true
}
