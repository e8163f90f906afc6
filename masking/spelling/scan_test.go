package spelling

import (
	"net/netip"
	"strings"
	"testing"
)

func TestReplace(t *testing.T) {
	all := func(netip.Addr) (string, bool) { return "M", true }
	for _, c := range []struct{ name, in, want string }{
		{"IPv4", "203.0.113.9", "M"},
		{"IPv4 with port", "203.0.113.9:4711", "[M]:0"},
		{"IPv4 in a sentence", "from 203.0.113.9.", "from M."},
		{"IPv4 with leading zeros", "203.000.113.009", "M"},
		{"IPv4 list", "203.0.113.9, 10.0.0.1,1.1.1.1", "M, M,M"},
		{"Forwarded", `for="203.0.113.9:4711";by=10.0.0.1`, `for="[M]:0";by=M`},
		{"after a colon", "addr:203.0.113.9", "addr:M"},
		{"after an equals sign", "a=203.0.113.9&b", "a=M&b"},
		{"after %20", "x%20203.0.113.9", "x%20M"},
		{"after an escaped line break", `"x\n203.0.113.9"`, `"x\nM"`},
		{"JSON", `{"remote_ip":"203.0.113.9","n":1.5}`, `{"remote_ip":"M","n":1.5}`},
		{"a Go error", "read tcp 127.0.0.1:443->203.0.113.9:51000: reset", "read tcp [M]:0->[M]:0: reset"},
		{"IPv6", "2001:db8::1", "M"},
		{"IPv6 in capitals", "2001:DB8::A", "M"},
		{"IPv6 in full", "2001:0db8:0000:0000:0000:0000:0000:0001", "M"},
		{"IPv6 in brackets", "[2001:db8::1]", "[M]"},
		{"IPv6 with port", "[2001:db8::1]:443: refused", "[M]:0: refused"},
		{"IPv6 before a colon", "from 2001:db8::1: refused", "from M: refused"},
		{"IPv6 with zone", "fe80::1%eth0 x", "M x"},
		{"IPv6 percent-encoded", "ip=2001%3Adb8%3a%3A1&x", "ip=M&x"},
		{"IPv4-mapped", "::ffff:203.0.113.9", "M"},
		{"IPv4-mapped in hex", "::ffff:cb00:7109", "M"},
		{"loopback", "::1", "M"},
		{"after a lone colon", "ip:::1", "ip:M"},

		{"glued to a word", "v203.0.113.9 client_203.0.113.9_x a203.0.113.9b", "vM client_M_x aMb"},
		{"among more numbers", "1.203.0.113.9 999.203.0.113.9", "M.9 999.M"},
		{"after many colons", "::::::203.0.113.9", "::::::M"},
		{"IPv6 glued to a word", "v2001:db8::1 client_2001:db8:1:2:3:4:5:6_x ip_fe80::1x", "vM client_M_x ip_Mx"},

		{"three parts", "v2.11.9 1.2.3", "v2.11.9 1.2.3"},
		{"octet too large", "Chrome/156.0.8078.73", "Chrome/156.0.8078.73"},
		{"octets of four digits", "1203.0.113.9 203.0.113.9000", "1203.0.113.9 203.0.113.9000"},
		{"time", "2026/11/22 14:43:56.123", "2026/11/22 14:43:56.123"},
		{"hardware address", "aa:bb:cc:dd:ee:ff", "aa:bb:cc:dd:ee:ff"},
		{"names", "foo::bar std::deque Title::newFromText Interface::add() Abc::def", "foo::bar std::deque Title::newFromText Interface::add() M"},
		{"empty", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := ReplaceIn(c.in, all)
			if got != c.want {
				t.Errorf("%q gives %q, want %q", c.in, got, c.want)
			}
			if bytes, replaced := Replace(nil, []byte(c.in), all); replaced && string(bytes) != got {
				t.Errorf("as bytes %q gives %q, want %q", c.in, bytes, got)
			}
		})
	}
}

func TestReplaceReadsTheAddress(t *testing.T) {
	for in, want := range map[string]string{
		"203.000.113.009": "203.0.113.9", "2001%3ADB8%3A%3A1": "2001:db8::1",
		"::ffff:cb00:7109": "::ffff:203.0.113.9", "fe80::1%eth0": "fe80::1",
	} {
		var got netip.Addr
		ReplaceIn(in, func(a netip.Addr) (string, bool) {
			if !got.IsValid() {
				got = a
			}
			return "", false
		})
		if got.String() != want {
			t.Errorf("%q read as %v, want %v", in, got, want)
		}
	}
}

func FuzzReplace(f *testing.F) {
	for _, s := range []string{
		"203.0.113.9:80", "[2001:db8::1]:443", "::ffff:1.2.3.4%eth0", "a%3A%3a1", "1.2.3.4.", ":::::", "%", "%3", "[::1", "::1]:1",
		strings.Repeat("0:", 100), strings.Repeat("1.", 100), `\n::1`, "\xff::1\x00",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, replaced := ReplaceIn(s, func(netip.Addr) (string, bool) { return "", false }); replaced || got != s {
			t.Fatalf("%q became %q with nothing replaced", s, got)
		}
		// Whatever an address stands among, it's found between spaces.
		if got, _ := ReplaceIn(s+" 203.0.113.9 "+s, func(a netip.Addr) (string, bool) {
			return "M", a == netip.MustParseAddr("203.0.113.9")
		}); strings.Contains(got, " 203.0.113.9 ") {
			t.Fatalf("missed in %q", got)
		}
	})
}

func BenchmarkReplaceNothingFound(b *testing.B) {
	const ua = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
	b.ReportAllocs()
	for b.Loop() {
		ReplaceIn(ua, func(netip.Addr) (string, bool) { return "", false })
	}
}
