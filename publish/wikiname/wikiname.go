// Package wikiname reads and writes addresses as MediaWiki keeps them: as the names of unregistered users (IPUtils::sanitizeIP:
// IPv6 in capitals, without zeros in front and without "::") and as hexadecimal numbers that sort (IPUtils::toHex).
package wikiname

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
)

// Parse reads the name of an unregistered user. MediaWiki takes IPv4 addresses with zeros in front for decimal ones.
func Parse(name string) (netip.Addr, bool) {
	if len(name) < len("::") || len(name) > len("0000:0000:0000:0000:0000:ffff:255.255.255.255") || strings.Contains(name, "%") {
		return netip.Addr{}, false
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		return addr, true
	}
	parts := strings.Split(name, ".")
	if len(parts) != 4 {
		return netip.Addr{}, false
	}
	var v4 [4]byte
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || len(part) > 3 {
			return netip.Addr{}, false
		}
		v4[i] = byte(n)
	}
	return netip.AddrFrom4(v4), true
}

// ParseRange reads a range as MediaWiki names it, "192.0.2.0/24". Host bits may be set; they don't count.
func ParseRange(name string) (netip.Prefix, bool) {
	text, length, ok := strings.Cut(name, "/")
	addr, isAddr := Parse(text)
	bits, err := strconv.ParseUint(length, 10, 8)
	if !ok || !isAddr || err != nil || int(bits) > addr.BitLen() || length[0] == '0' && bits != 0 {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(addr, int(bits)).Masked(), true
}

// Spell writes an address as the name of an unregistered user.
func Spell(addr netip.Addr) string {
	if addr.Is4() {
		return addr.String()
	}
	var groups [8]string
	b := addr.As16()
	for i := range groups {
		groups[i] = strconv.FormatUint(uint64(b[2*i])<<8|uint64(b[2*i+1]), 16)
	}
	return strings.ToUpper(strings.Join(groups[:], ":"))
}

// Hex writes an address as MediaWiki's hexadecimal columns have it: "C0000201", "v6-20010DB8…".
func Hex(addr netip.Addr) string {
	text := strings.ToUpper(hex.EncodeToString(addr.AsSlice()))
	if addr.Is6() {
		return "v6-" + text
	}
	return text
}

// ParseHex reads what Hex writes.
func ParseHex(text string) (netip.Addr, bool) {
	digits, is6 := strings.CutPrefix(text, "v6-")
	b, err := hex.DecodeString(digits)
	if err != nil || is6 != (len(b) == 16) {
		return netip.Addr{}, false
	}
	return netip.AddrFromSlice(b)
}
