package caddymodule

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// haystack is bytes in which an address is looked for in every spelling: dotted (padded with zeros,
// with dashes or underscores for dots), any IPv6 text of it, percent-encoded, and in
// binary. It shares no code with what it checks.
type haystack struct {
	raw     string
	text    string // in lower case, with percent-escapes undone
	dotted  string // text with the numbers between dots, dashes and underscores as in dotted form
	decided map[string]bool
}

func newHaystack(data []byte) *haystack {
	h := &haystack{raw: string(data), text: strings.ToLower(unescape(string(data)))}
	h.dotted = plainNumbers(h.text)
	return h
}

// find returns what surrounds addr, or an address of its /64.
func (h *haystack) find(addr netip.Addr) (string, bool) {
	if i := strings.Index(h.raw, string(addr.AsSlice())); i >= 0 {
		return fmt.Sprintf("binary: %q", around(h.raw, i)), true
	}
	if addr.Is4() {
		if i := indexNumber(h.dotted, addr.String()); i >= 0 {
			return around(h.dotted, i), true
		}
	}
	if !strings.Contains(h.text, sixHint(addr)) {
		return "", false
	}
	h.decided = make(map[string]bool)
	for i := 0; i < len(h.text); {
		end := i
		for end < len(h.text) && isSixChar(h.text[end]) {
			end++
		}
		if end > i && h.runHolds(h.text[i:end], addr) {
			return around(h.text, i), true
		}
		i = end + 1
	}
	return "", false
}

// runHolds tries all parts of a run of characters that IPv6 addresses are made of.
func (h *haystack) runHolds(run string, addr netip.Addr) bool {
	if strings.Count(run, ":") < 2 || !strings.Contains(run, sixHint(addr)) {
		return false
	}
	if known, ok := h.decided[run]; ok {
		return known
	}
	const longest = len("0000:0000:0000:0000:0000:ffff:255.255.255.255")
	for from := range run {
		for to := from + 2; to <= min(len(run), from+longest); to++ {
			if got, err := netip.ParseAddr(run[from:to]); err == nil && stands(got, addr) {
				h.decided[run] = true
				return true
			}
		}
	}
	h.decided[run] = false
	return false
}

// stands reports whether an IPv6 text tells addr.
func stands(got, addr netip.Addr) bool {
	if !got.Is6() {
		return false
	}
	b := got.As16()
	if addr.Is4() {
		four := addr.As4()
		return [4]byte(b[12:]) == four || [4]byte(b[2:6]) == four // mapped, NAT64 and the like; 6to4
	}
	return netip.PrefixFrom(addr, 64).Contains(got)
}

// sixHint is what every IPv6 text of addr holds.
func sixHint(addr netip.Addr) string {
	b := addr.AsSlice()
	if addr.Is4() {
		return ":" // it may end dotted
	}
	return fmt.Sprintf("%x:", binary.BigEndian.Uint16(b))
}

func isSixChar(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || c == ':' || c == '.'
}

func isDecimal(c byte) bool { return '0' <= c && c <= '9' }

// indexNumber is strings.Index for what is not part of a longer number.
func indexNumber(text, part string) int {
	for from := 0; ; {
		i := strings.Index(text[from:], part)
		if i < 0 {
			return -1
		}
		i += from
		end := i + len(part)
		if (i == 0 || !isDecimal(text[i-1])) && (end == len(text) || !isDecimal(text[end])) {
			return i
		}
		from = i + 1
	}
}

// plainNumbers puts a dot for a dash or underscore between digits and drops leading zeros.
func plainNumbers(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		inside := i > 0 && isDecimal(text[i-1])
		switch {
		case c == '0' && !inside && i+1 < len(text) && isDecimal(text[i+1]):
			for i+2 < len(text) && text[i+1] == '0' && isDecimal(text[i+2]) {
				i++
			}
		case (c == '-' || c == '_') && inside && i+1 < len(text) && isDecimal(text[i+1]):
			b.WriteByte('.')
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unescape undoes the percent-escapes that are right and leaves the others.
func unescape(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if c, err := hex.DecodeString(text[i+1 : i+3]); err == nil {
				b.Write(c)
				i += 2
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

func around(text string, i int) string {
	return text[max(0, i-100):min(len(text), i+120)]
}

// wantNone fails where one of the addresses is in data.
func wantNone(t *testing.T, where string, data []byte, addrs ...netip.Addr) {
	t.Helper()
	h := newHaystack(data)
	for _, addr := range addrs {
		if found, ok := h.find(addr); ok {
			t.Errorf("%s: the address %s is there: …%q…", where, addr, found)
		}
	}
}

// What finds nothing proves nothing, unless it finds what is there.
func TestLeakSearch(t *testing.T) {
	for _, c := range []struct{ name, addr, text string }{
		{"dotted", "203.0.113.77", "from 203.0.113.77."},
		{"with port", "203.0.113.77", "203.0.113.77:4711"},
		{"inside a word", "203.0.113.77", "ip203.0.113.77a"},
		{"inside a longer name", "203.0.113.77", "1.203.0.113.77.5"},
		{"padded", "203.0.113.77", "203.000.113.077"},
		{"dashed", "203.0.113.77", "203-0-113-77.isp.example"},
		{"underscored", "203.0.113.77", "x_203_0_113_77"},
		{"percent-encoded dots", "203.0.113.77", "203%2e0%2E113%2e77"},
		{"mapped", "203.0.113.77", "::ffff:203.0.113.77"},
		{"mapped, hex", "203.0.113.77", "::ffff:cb00:714d"},
		{"mapped, hex, upper case", "203.0.113.77", "::FFFF:CB00:714D"},
		{"mapped, hex, full", "203.0.113.77", "0000:0000:0000:0000:0000:ffff:cb00:714d"},
		{"mapped, zeros of another number of groups", "203.0.113.77", "0:0::ffff:cb00:714d"},
		{"mapped, percent-encoded", "203.0.113.77", "%3A%3Affff%3Acb00%3A714d"},
		{"NAT64", "203.0.113.77", "64:ff9b::cb00:714d"},
		{"6to4", "203.0.113.77", "2002:cb00:714d::1"},
		{"binary", "203.0.113.77", "PROXY\xcb\x00\x71\x4d"},
		{"mapped, binary", "203.0.113.77", "\x00\x00\xff\xff\xcb\x00\x71\x4d"},
		{"IPv6", "2001:db8:1:2:3:4:5:6", "[2001:db8:1:2:3:4:5:6]:443"},
		{"IPv6, port without brackets", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6:443"},
		{"IPv6, upper case", "2001:db8:1:2:3:4:5:6", "2001:DB8:1:2:3:4:5:6"},
		{"IPv6, full", "2001:db8:1:2:3:4:5:6", "x2001:0db8:0001:0002:0003:0004:0005:0006x"},
		{"IPv6, dotted end", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:0.5.0.6"},
		{"IPv6, another of its network", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::7"},
		{"IPv6, its network", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"IPv6, percent-encoded", "2001:db8:1:2:3:4:5:6", "u=2001%3Adb8%3A1%3A2%3a3%3A4%3A5%3A6"},
		{"IPv6, binary", "2001:db8:1:2:3:4:5:6", "\x20\x01\x0d\xb8\x00\x01\x00\x02\x00\x03\x00\x04\x00\x05\x00\x06"},
		{"zone", "fe80::1", "fe80::1%eth0"},
		{"zone in a URL", "fe80::1", "http://[fe80::1%25eth0]/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, ok := newHaystack([]byte(c.text)).find(netip.MustParseAddr(c.addr)); !ok {
				t.Errorf("%s not found in %q", c.addr, c.text)
			}
		})
	}
	for _, c := range []struct{ name, addr, text string }{
		{"another address", "203.0.113.7", "203.0.113.77 1203.0.113.7"},
		{"another network", "2001:db8:1:2:3:4:5:6", "2001:db8:1:3:3:4:5:6"},
		{"its own mask", "203.0.113.77", clientMask(t, "203.0.113.77")},
		{"its own mask, IPv6", "2001:db8:1:2:3:4:5:6", clientMask(t, "2001:db8:1:2:3:4:5:6")},
		{"a time", "10.11.12.13", "2026-10-11T12:13:14"},
	} {
		t.Run("not "+c.name, func(t *testing.T) {
			if found, ok := newHaystack([]byte(c.text)).find(netip.MustParseAddr(c.addr)); ok {
				t.Errorf("%s found in %q", c.addr, found)
			}
		})
	}
}
