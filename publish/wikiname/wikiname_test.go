package wikiname_test

import (
	"net/netip"
	"testing"

	"github.com/wikiveil/wikiveil/publish/wikiname"
)

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"203.0.113.9":                         "203.0.113.9",
		"203.000.113.009":                     "203.0.113.9",
		"2001:DB8:0:0:0:0:0:1":                "2001:db8::1",
		"2001:db8::1":                         "2001:db8::1",
		"2001:0DB8:0000:0000:0000:0000:0:1":   "2001:db8::1",
		"203.0.113.256":                       "",
		"203.0.113.xxx":                       "",
		"203.0.113":                           "",
		"203.0.113.0009":                      "",
		"+203.0.113.9":                        "",
		"fe80::1%eth0":                        "",
		"Example":                             "",
		"::":                                  "::",
		"":                                    "",
		"0:0:0:0:0:FFFF:203.0.113.9":          "::ffff:203.0.113.9",
		"00000:0:0:0:0:0:0:1":                 "",
		"203.0.113.9/24":                      "",
		"MediaWiki 1.39.10.2":                 "",
		"1.2.3.4.5":                           "",
		"~2026-1":                             "",
		"2001:DB8:0:0:0:0:0:1:2":              "",
		"999999999999999999999999.0.0.0":      "",
		"203.0.113.9 ":                        "",
		"2001:DB8:0:0:0:0:203.0.113.9.1.2.3.": "",
	} {
		addr, ok := wikiname.Parse(name)
		if ok != (want != "") || ok && addr.String() != want {
			t.Errorf("Parse(%q) = %v, %v, want %q", name, addr, ok, want)
		}
	}
	for name, want := range map[string]string{
		"203.0.113.9/24": "203.0.113.0/24", "2001:DB8:0:0:0:0:0:0/32": "2001:db8::/32", "0.0.0.0/0": "0.0.0.0/0",
		"203.0.113.0": "", "203.0.113.0/33": "", "203.0.113.0/": "", "203.0.113.0/024": "", "203.0.113.0/24/x": "", "Example/24": "",
	} {
		if got, ok := wikiname.ParseRange(name); ok != (want != "") || ok && got.String() != want {
			t.Errorf("ParseRange(%q) = %v, %v, want %q", name, got, ok, want)
		}
	}
	for _, c := range [][3]string{
		{"2001:2f:0:1::ab", "2001:2F:0:1:0:0:0:AB", "v6-2001002F0000000100000000000000AB"},
		{"192.0.2.1", "192.0.2.1", "C0000201"},
	} {
		addr := netip.MustParseAddr(c[0])
		if name, number := wikiname.Spell(addr), wikiname.Hex(addr); name != c[1] || number != c[2] {
			t.Errorf("%s is %s and %s, want %s and %s", addr, name, number, c[1], c[2])
		}
		if got, ok := wikiname.ParseHex(c[2]); !ok || got != addr {
			t.Errorf("ParseHex(%q) = %v, %v", c[2], got, ok)
		}
	}
	for _, bad := range []string{"", "v6-", "C00002", "v6-C0000201", "2001002F0000000100000000000000AB", "zz000000"} {
		if got, ok := wikiname.ParseHex(bad); ok {
			t.Errorf("ParseHex(%q) = %v", bad, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("203.0.113.9")
	f.Add("2001:DB8:0:0:0:0:0:1")
	f.Add("203.0.113.0/24")
	f.Fuzz(func(t *testing.T, name string) {
		if addr, ok := wikiname.Parse(name); ok {
			again, ok := wikiname.Parse(wikiname.Spell(addr))
			if back, hexOK := wikiname.ParseHex(wikiname.Hex(addr)); !ok || again != addr || !hexOK || back != addr {
				t.Errorf("%q is %v, which is written and read back as %v and %v", name, addr, again, back)
			}
		}
		if p, ok := wikiname.ParseRange(name); ok && p != p.Masked() {
			t.Errorf("%q gives host bits: %v", name, p)
		}
	})
}
