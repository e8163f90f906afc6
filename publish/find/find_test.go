package find

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// spellings are ways to write 203.0.113.77 and 2a02:8109:b0:1c2:f00d::5e that are surely an address.
var spellings = map[string][]string{
	"203.0.113.77": {
		"203.0.113.77", "203.000.113.077", "[203.0.113.77]:443", "203.0.113.77:51234", "::ffff:203.0.113.77", "::FFFF:CB00:714D",
		"203%2E0%2E113%2E77", "203%252E0%252E113%252E77", "203&#46;0&#46;113&#46;77", "203&amp;#46;0&amp;#46;113&amp;#46;77", `203\u002e0\u002e113\u002e77`,
		"２０３．０．１１３．７７", "77.113.0.203.in-addr.arpa", "ip-203-0-113-77.isp.example", "203-000-113-077.dyn.isp.example", "c_203_0_113_77.isp.example",
		"0313.0.0161.0115", "0xcb.0x00.0x71.0x4d", base64.StdEncoding.EncodeToString([]byte("203.0.113.77")), base64.RawURLEncoding.EncodeToString([]byte(`{"ip":"203.0.113.77"}`)),
		fmt.Sprintf("%x", "203.0.113.77"), "User:203.0.113.77", "[[User talk:203.0.113.77/Archive]]",
	},
	"2a02:8109:b0:1c2:f00d::5e": {
		"2a02:8109:b0:1c2:f00d::5e", "2A02:8109:B0:1C2:F00D:0:0:5E", "2a02:8109:00b0:01c2:f00d:0000:0000:005e", "[2a02:8109:b0:1c2:f00d::5e]:443",
		"2a02%3A8109%3Ab0%3A1c2%3Af00d%3A%3A5e", "v6-2A02810900B001C2F00D00000000005E", "2a02-8109-b0-1c2-f00d--5e.ipv6-literal.net",
		"e.5.0.0.0.0.0.0.0.0.0.0.d.0.0.f.2.c.1.0.0.b.0.0.9.0.1.8.2.0.a.2.ip6.arpa", "2a02&#58;8109&#58;b0&#58;1c2&#58;f00d&#58;&#58;5e",
		base64.StdEncoding.EncodeToString([]byte("2a02:8109:b0:1c2:f00d::5e")),
	},
}

func TestSpellings(t *testing.T) {
	var f Finder
	for addr, texts := range spellings {
		want := netip.MustParseAddr(addr)
		for _, text := range texts {
			for _, around := range []string{"{}", "by {} on Monday", `<text xml:space="preserve">({}), 2026</text>`, `"{}","x"`} {
				in := strings.Replace(around, "{}", text, 1)
				found, ok := f.All([]byte(in))
				if !ok || len(found) != 1 || found[0].Net.Addr() != want || !found[0].Address() {
					t.Errorf("%q: %v, %v", in, found, ok)
				}
			}
		}
	}
}

func TestRanges(t *testing.T) {
	for text, want := range map[string]string{
		"203.0.113.0/24 is": "203.0.113.0/24", "2A02:8109:0:0:0:0:0:0/32": "2a02:8109::/32", "203.0.113.77%2F24&x": "203.0.113.0/24",
		"203.0.113.77/Archive 1": "203.0.113.77/32", "203.0.113.77/240": "203.0.113.77/32", "203.0.113.77/24.html": "203.0.113.77/32",
	} {
		f, ok := Plain([]byte(text), 0)
		if !ok || f.Net.String() != want {
			t.Errorf("%q: %v, want %s", text, f.Net, want)
		}
	}
}

// What is ordinary in wikis and their dumps is no address, nor is a mask.
func TestOrdinary(t *testing.T) {
	var f Finder
	for _, text := range []string{
		"::Add it here", "::: Dead link", "Title::newFromText", "at 10:11:12, 30 November 2026 (UTC)", "2026-11-30T10:11:12Z", "1.3.6.1.4.1.311.2", "0.0.0.0", "255.255.255.0",
		"User:2001:2F:1A2B:3C4D:5E6F:708:90A:B0C", "2001:2f:1a2b:3c4d:5e6f:708:90a:b0c", "2001:2e::1", "<sha1>phoiac9h4m842xq45sp7s6u21eteeq1</sha1>",
		"ISBN 978-3-16-148410-0", "+49 30 901820", "photo-1-2-3-4.jpg", "<id>1234567890</id>", "1,2,3,4", "v6-0000000000000000000000000000DEAD"[3:], "20261130101112",
		"a8b000cc-2939-427a-a731-822de7ad39be", "8.8.8", "1 2 3 4", "12:34:56:78:9a:bc",
		base64.StdEncoding.EncodeToString([]byte("2001:2f:1a2b:3c4d:5e6f:708:90a:b0c")), "c.0.b.0.a.0.9.0.8.0.7.0.f.6.e.5.d.4.c.3.b.2.a.1.f.2.0.0.1.0.0.2.ip6.arpa",
	} {
		if found, ok := f.All([]byte(text)); !ok || len(found) > 0 {
			t.Errorf("%q: %v, %v", text, found, ok)
		}
	}
}

func TestPossible(t *testing.T) {
	f := Finder{Possible: true}
	for _, text := range []string{"3405803853", "CB00714D", "ywBxTQ==", "203, 0, 113, 77", "203.29005", "2A02810900B001C2F00D00000000005E"} {
		found, ok := f.All([]byte("id " + text + " x"))
		if !ok || len(found) != 1 || found[0].Surely() {
			t.Errorf("%q: %v, %v", text, found, ok)
		}
	}
}

func TestVersions(t *testing.T) {
	for text, want := range map[string]bool{
		"MediaWiki 1.39.10.2": true, "version 1.2.3.4": true, "v1.2.3.4": true, "(YaBrowser/24.1.0.0)": true, "Mozilla/5.0 Chrome/120.0.0.0": true, "Version: 1.2.3.4": true,
		"by 1.2.3.4": false, "User 1.2.3.4": false, "GET /ip/1.2.3.4": false, "Special:Contributions/1.2.3.4": false, "driver 1.2.3.4": false, "v1.2.3.4:80": false, "version 2a02:8109::1": false,
	} {
		f, ok := Plain([]byte(text), 0)
		if !ok || IsVersion([]byte(text), f) != want {
			t.Errorf("%q: %v, %v", text, f, ok)
		}
	}
}

func FuzzAll(f *testing.F) {
	for _, texts := range spellings {
		for _, text := range texts {
			f.Add("x ", text, " y")
		}
	}
	f.Fuzz(func(t *testing.T, before, text, after string) {
		in := []byte(before + text + after)
		for _, possible := range []bool{false, true} {
			finder, end := Finder{Possible: possible}, 0
			found, _ := finder.All(in)
			for _, at := range found {
				if at.From < end || at.End <= at.From || at.End > len(in) {
					t.Fatalf("%v in %q", found, in)
				}
				end = at.End
			}
		}
		marked := before + " 203.0.113.77 " + after
		var finder Finder
		if found, ok := finder.All([]byte(marked)); ok {
			for _, at := range found {
				if at.From <= len(before)+1 && at.End >= len(before)+len(" 203.0.113.77") {
					return
				}
			}
			t.Fatalf("passed over in %q: %v", marked, found)
		}
	})
}
