package edgetest

import (
	"net/netip"
	"testing"
)

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
			if _, ok := NewHaystack([]byte(c.text)).Find(netip.MustParseAddr(c.addr)); !ok {
				t.Errorf("%s not found in %q", c.addr, c.text)
			}
		})
	}
	for _, c := range []struct{ name, addr, text string }{
		{"another address", "203.0.113.7", "203.0.113.77 1203.0.113.7"},
		{"another network", "2001:db8:1:2:3:4:5:6", "2001:db8:1:3:3:4:5:6"},
		{"its own mask", "203.0.113.77", ClientMask(t, "203.0.113.77")},
		{"its own mask, IPv6", "2001:db8:1:2:3:4:5:6", ClientMask(t, "2001:db8:1:2:3:4:5:6")},
		{"a time", "10.11.12.13", "2026-10-11T12:13:14"},
	} {
		t.Run("not "+c.name, func(t *testing.T) {
			if found, ok := NewHaystack([]byte(c.text)).Find(netip.MustParseAddr(c.addr)); ok {
				t.Errorf("%s found in %q", c.addr, found)
			}
		})
	}
}
