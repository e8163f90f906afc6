package publicnet

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"code.dny.dev/ssrf"
)

// Boundaries of every range: its first and last address are special for the
// reason given, the addresses just outside are not, or for another reason.
func TestSpecialRanges(t *testing.T) {
	const unicast = "not global unicast"
	for _, tc := range []struct{ reason, before, first, last, after string }{
		{"this network", "", "0.0.0.0", "0.255.255.255", "1.0.0.0"},
		{"private use", "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
		{"shared address space", "100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"},
		{"loopback", "126.255.255.255", "127.0.0.0", "127.255.255.255", "128.0.0.0"},
		{"Azure", "168.63.129.15", "168.63.129.16", "168.63.129.16", "168.63.129.17"},
		{"link local", "169.253.255.255", "169.254.0.0", "169.254.255.255", "169.255.0.0"},
		{"private use", "172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
		{"IETF protocol assignments", "191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"},
		{"documentation", "192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"},
		{"AS112", "192.31.195.255", "192.31.196.0", "192.31.196.255", "192.31.197.0"},
		{"AMT", "192.52.192.255", "192.52.193.0", "192.52.193.255", "192.52.194.0"},
		{"6to4 relay", "192.88.98.255", "192.88.99.0", "192.88.99.255", "192.88.100.0"},
		{"private use", "192.167.255.255", "192.168.0.0", "192.168.255.255", "192.169.0.0"},
		{"AS112", "192.175.47.255", "192.175.48.0", "192.175.48.255", "192.175.49.0"},
		{"benchmarking", "198.17.255.255", "198.18.0.0", "198.19.255.255", "198.20.0.0"},
		{"documentation", "198.51.99.255", "198.51.100.0", "198.51.100.255", "198.51.101.0"},
		{"documentation", "203.0.112.255", "203.0.113.0", "203.0.113.255", "203.0.114.0"},
		{"multicast", "223.255.255.255", "224.0.0.0", "239.255.255.255", "reserved 240.0.0.0"},
		{"reserved", "multicast 239.255.255.255", "240.0.0.0", "255.255.255.255", ""},

		{"unspecified", "", "::", "::", "loopback ::1"},
		{"loopback", "unspecified ::", "::1", "::1", "IPv4-compatible ::2"},
		{"IPv4-compatible", "loopback ::1", "::2", "::ffff:ffff", unicast + " ::1:0:0"},
		{"mapped IPv4", unicast + " ::fffe:ffff:ffff", "::ffff:0:0", "::ffff:ffff:ffff", unicast + " ::1:0:0:0"},
		{"NAT64", unicast + " 64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "64:ff9b::", "64:ff9b::ffff:ffff", unicast + " 64:ff9b::1:0:0"},
		{"local NAT64", unicast + " 64:ff9b:0:ffff:ffff:ffff:ffff:ffff", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", unicast + " 64:ff9b:2::"},
		{"discard only", unicast + " ff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "100::", "100::ffff:ffff:ffff:ffff", "dummy prefix 100:0:0:1::"},
		{"dummy prefix", "discard only 100::ffff:ffff:ffff:ffff", "100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff", unicast + " 100:0:0:2::"},
		{"Teredo", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "IETF 2001:1::"},
		{"benchmarking", "IETF 2001:1:ffff:ffff:ffff:ffff:ffff:ffff", "2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", "IETF 2001:2:1::"},
		{"AMT", "IETF 2001:2:ffff:ffff:ffff:ffff:ffff:ffff", "2001:3::", "2001:3:ffff:ffff:ffff:ffff:ffff:ffff", "IETF 2001:4::"},
		{"AS112", "IETF 2001:4:111:ffff:ffff:ffff:ffff:ffff", "2001:4:112::", "2001:4:112:ffff:ffff:ffff:ffff:ffff", "IETF 2001:4:113::"},
		{"ORCHID", "IETF 2001:f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "ORCHIDv2 2001:20::"},
		{"ORCHIDv2", "ORCHID 2001:1f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", "drone 2001:30::"},
		{"drone identifiers", "ORCHIDv2 2001:2f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:30::", "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff", "IETF 2001:40::"},
		{"IETF protocol assignments", "drone 2001:3f:ffff:ffff:ffff:ffff:ffff:ffff", "2001:40::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::"},
		{"documentation", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
		{"6to4", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::"},
		{"AS112", "2620:4f:7fff:ffff:ffff:ffff:ffff:ffff", "2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", "2620:4f:8001::"},
		{"documentation", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"},
		{unicast, "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "4000::", "5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "segment routing 5f00::"},
		{"segment routing", unicast + " 5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", unicast + " 5f01::"},
		{"unique local", unicast + " fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", unicast + " fe00::"},
		{"link local", unicast + " fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site local fec0::"},
		{"site local", "link local febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast ff00::"},
		{"multicast", "site local feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
	} {
		t.Run(tc.reason+" "+tc.first, func(t *testing.T) {
			first, last := netip.MustParseAddr(tc.first), netip.MustParseAddr(tc.last)
			for _, inside := range []netip.Addr{first, last} {
				if got := special(inside); !strings.HasPrefix(got, tc.reason) {
					t.Errorf("%s is special for %q, want %q", inside, got, tc.reason)
				}
			}
			for _, outside := range []struct {
				entry string
				want  netip.Addr
			}{{tc.before, first.Prev()}, {tc.after, last.Next()}} {
				if outside.entry == "" {
					continue // the end of the address space
				}
				i := strings.LastIndexByte(outside.entry, ' ')
				reason, addr := outside.entry[:max(i, 0)], netip.MustParseAddr(outside.entry[i+1:])
				if addr != outside.want {
					t.Errorf("the table says %s, but %s is just outside", addr, outside.want)
				}
				if got := special(addr); reason == "" && got != "" || !strings.HasPrefix(got, reason) {
					t.Errorf("%s is special for %q, want %q", addr, got, reason)
				}
			}
		})
	}
}

func TestSpecialForms(t *testing.T) {
	for _, tc := range []struct {
		name   string
		addr   netip.Addr
		reason string
	}{
		{"none", netip.Addr{}, "not an address"},
		{"zoned", netip.MustParseAddr("2606:4700::1111%eth0"), "bound to a network interface"},
		{"zoned link local", netip.MustParseAddr("fe80::1%eth0"), "bound to a network interface"},
		{"mapped public", netip.MustParseAddr("::ffff:8.8.8.8"), "mapped IPv4"},
		{"mapped loopback", netip.MustParseAddr("::ffff:127.0.0.1"), "mapped IPv4"},
		{"cloud metadata", netip.MustParseAddr("169.254.169.254"), "link local"},
		{"cloud metadata by IPv6", netip.MustParseAddr("fd00:ec2::254"), "unique local"},
		{"Alibaba metadata", netip.MustParseAddr("100.100.100.200"), "shared address space"},
		{"Oracle metadata", netip.MustParseAddr("192.0.0.192"), "IETF protocol assignments"},
		{"broadcast", netip.MustParseAddr("255.255.255.255"), "reserved"},
		{"a mask", netip.MustParseAddr("2001:2f::1"), "ORCHIDv2"},
		{"NAT64 of loopback", netip.MustParseAddr("64:ff9b::127.0.0.1"), "NAT64"},
		{"6to4 of a private address", netip.MustParseAddr("2002:0a00:0001::"), "6to4"},
		{"public IPv4", netip.MustParseAddr("8.8.8.8"), ""},
		{"public IPv6", netip.MustParseAddr("2606:4700::1111"), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := special(tc.addr); tc.reason == "" && got != "" || !strings.HasPrefix(got, tc.reason) {
				t.Errorf("special for %q, want %q", got, tc.reason)
			}
		})
	}
}

// The library's ranges must all have a reason of their own here.
func TestSpecialCoversLibrary(t *testing.T) {
	for _, prefix := range slices.Concat(ssrf.IPv4DeniedPrefixes, ssrf.IPv6DeniedPrefixes) {
		if got := special(prefix.Addr()); got == "" || got == "not global unicast" {
			t.Errorf("%s has no reason of its own", prefix)
		}
	}
}

func FuzzSpecial(f *testing.F) {
	for _, seed := range []string{"0.0.0.0", "168.63.129.16", "::ffff:10.0.0.1", "2001:1ff::", "fe80::1%a", "64:ff9b::a00:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		addr, err := netip.ParseAddr(s)
		if err != nil || special(addr) != "" {
			return
		}
		// An independent view: whatever the standard library calls special is.
		if !addr.IsGlobalUnicast() || addr.IsPrivate() || addr.Is4In6() || addr.Zone() != "" {
			t.Fatalf("%s passes", addr)
		}
	})
}

func BenchmarkSpecial(b *testing.B) {
	for _, addr := range []netip.Addr{netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("2606:4700::1111")} {
		b.Run(addr.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if special(addr) != "" {
					b.Fatal("special")
				}
			}
		})
	}
}
