package leakguard

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/testutil/leaktest"
)

// alice is a reader with secrets of all fields.
var alice = func() (r Reader) {
	for _, s := range leaktest.Alice {
		r.Secrets = append(r.Secrets, Secret(s))
	}
	return r
}()

// Each encoding of each field in each place, as the guard sees it.
func TestLeakGuardFinds(t *testing.T) {
	for value, field := range leaktest.Leaked {
		for encoding, encode := range leaktest.Encodings {
			for place, put := range leaktest.Places {
				path, body := put(encode(value))
				if body == "" {
					path, _ = put(leaktest.URLSafe(encode(value)))
				}
				text := path
				if body != "" {
					text = body
				}
				refused := alice.Check([]byte(text), nil)
				if field == "your cookie wikiPref" && strings.Contains(encoding, "letters") {
					continue // a cookie's escapes are no letters to fold
				}
				if field == "your cookie wikiPref" && (encoding == "JSON twice" || encoding == "base64 of JSON in base64") {
					continue // with the cookie's own escapes these are four in one another
				}
				if refused == nil || refused.Reason != outcomes.Leak || refused.Status != 403 || !strings.Contains(refused.Error(), field+",") {
					t.Errorf("%s of %q in %s: %+v, want %s: %s", encoding, value, place, refused, field, text)
				}
			}
		}
	}
}

func TestLeakGuardAddressForms(t *testing.T) {
	v4, v6 := netip.MustParseAddr("203.0.113.77").As4(), netip.MustParseAddr("2a02:8109:b0:1c2::5e")
	all := v6.As16()
	for name, text := range map[string]string{
		"leading zeros":       "203.000.113.077",
		"port":                "203.0.113.77:8080",
		"glued":               "ip203.0.113.77x",
		"hyphens":             "203-0-113-77.dynamic.isp.example",
		"commas":              "203,0,113,77",
		"segments":            "/203/0/113/77",
		"reversed":            "77.113.0.203.in-addr.arpa",
		"more numbers":        "1.203.0.113.77",
		"after coordinates":   "52.5-203.0.113.77",
		"prefix length":       "203.0.113.77/32",
		"decimal":             fmt.Sprint(uint32(v4[0])<<24 | uint32(v4[1])<<16 | uint32(v4[2])<<8 | uint32(v4[3])),
		"hex number":          "0xCB00714D",
		"hex, after a number": "1-CB00714D",
		"hex, dotted":         "cb.00.71.4d",
		"mapped":              "::ffff:203.0.113.77",
		"mapped, hex":         "::ffff:cb00:714d",
		"mapped, expanded":    "0000:0000:0000:0000:0000:ffff:cb00:714d",
		"NAT64":               "64:ff9b::cb00:714d",
		"6to4":                "2002:cb00:714d::1",
		"compressed":          v6.String(),
		"expanded":            v6.StringExpanded(),
		"capitals":            strings.ToUpper(v6.StringExpanded()),
		"other privacy":       "2a02:8109:b0:1c2:aaaa:bbbb:cccc:dddd",
		"brackets":            "http://[2a02:8109:b0:1c2::5e]:443/",
		"port, no brackets":   "2a02:8109:b0:1c2:0:0:0:5e:443",
		"zone":                "2a02:8109:b0:1c2::5e%eth0",
		"prefix":              "2a02:8109:b0:1c2::/64",
		"as a user":           "User:2A02:8109:B0:1C2::5E",
		"as a title":          "Special:Contributions/2A02:8109:B0:1C2:0:0:0:5E",
		"after a word":        "cafe2a02:8109:b0:1c2::5e",
		"after more digits":   "1:cafe2a02:8109:b0:1c2::5e",
		"as a host name":      "2a02-8109-b0-1c2--5e.ipv6-literal.net",
		"hex v6":              fmt.Sprintf("%x", all),
		"half of it in hex":   fmt.Sprintf("id=%X", all[:8]),
		"nibbles with dots":   strings.Join(strings.Split(fmt.Sprintf("%x", all), ""), "."),
		"decimal v6":          new(big.Int).SetBytes(all[:]).String(),
		"mask":                "2001:002f:1111:2222:3333:4444:5555:6666",
		"mask in base64":      leaktest.Base64("2001:2F:1111:2222:3333:4444:5555:6666"),
		"mask, its first":     "2001:2f:1111:2222::",
		"mask, four groups":   "2001:2f:1111:2222", // case 61, as the next
		"mask, seven groups":  "2001:2f:1111:2222:3333:4444:5555",
		"mask, the last":      "2f:1111:2222:3333:4444:5555:6666",
		"JSON list":           "[203, 0, 113, 77]",
		"JSON list, strings":  `["203","0","113","77"]`,
		"octal":               "0313.0.0161.0115",
		"padded, reversed":    "077-113-000-203.isp.example",
		"hex parts":           "0xcb.0.0x71.77",
		"little-endian":       "4D7100CB",
		"bytes in base64":     base64.StdEncoding.EncodeToString(v4[:]),
		"bytes of C":          `\xcb\x00\x71\x4d`,
		"HTML":                "203&#46;0&#x2e;113&period;77",
		"full width":          "２０３．０．１１３．７７",
		"Teredo":              "2001:0:4136:e378:8000:63bf:34ff:8eb2",
		"NAT64, local":        "64:ff9b:1:cb00:71:4d00::",
		"ip6.arpa":            "e.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.c.1.0.0.b.0.0.9.0.1.8.2.0.a.2.ip6.arpa",
		"escaped colons":      "2a02%3A8109%3ab0%3A1c2%3a%3A5e",
		"many colons before":  strings.Repeat(":", 50) + v6.String(),
		"many groups before":  strings.Repeat("1:", 50) + v6.String(),
		"many numbers before": strings.Repeat("1.", 50) + "203.0.113.77",
	} {
		t.Run(name, func(t *testing.T) {
			refused := alice.Check([]byte("/a?x="+text+"&y"), nil)
			if refused == nil || !strings.Contains(refused.Error(), "your address") && !strings.Contains(refused.Error(), "your mask") {
				t.Errorf("%s: %v", text, refused)
			}
		})
	}
}

func TestLeakGuardNames(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		leak       bool
	}{
		{"Bob", "/user/Bob", true},
		{"Bob", "/user/bob/talk", true},
		{"Bob", "?who=BOB", true},
		{"Bob", "?q=User:Bob", true},
		{"Bob", "?q=User%3ABob%27s", true},
		{"Bob", "?q=Qm9i", true},
		{"Bob", "/x/Qm9i/y", true},
		{"Bob", "?q=426f62", true},
		{"Bob", "?q=426F62&x", true},
		{"Bob", `{"\u0042ob":1}`, true},
		{"Bob", "?q=" + leaktest.Base64(`{"u":"Bob"}`), true},
		{"Bob", "/movies/Bobsled", false},
		{"Bob", "/wiki/discombobulate", false},
		{"Bob", "?q=Kabob", false},
		{"Al", "/user/Al", false}, // too short to be looked for
		{"42", "/tiles/12/42/7.png", false},
		{"2026", "/data/2026.json", false},
		{"20261122", "/data/20261122.json", true},
		{"Elizabeth II", "/user/Elizabeth_II", true},
		{"Elizabeth II", "/user/elizabeth-ii", true},
		{"Elizabeth II", "?u=Elizabeth+II", true},
		{"Elizabeth II", "?u=xElizabeth%20IIx", true},
		{"Elizabeth II", "?u=Elizabeth_III_of_nowhere", true}, // inside a longer word, since it is long
		{"Elizabeth II", "?u=Elizabeth", false},
		{"Ängelholm", "?u=%C3%84ngelholm", true},
		{"Ängelholm", "?u=%C3%A4ngelholm", true},
		{"Ängelholm", "?u=%u00C4ngelholm", true},
		{"Ängelholm", `{"u":"\u00c4ngelholm"}`, true},
		{"Ängelholm", "?u=" + leaktest.Base64("Ängelholm"), true},
		{"Ängelholm", "?u=" + leaktest.Base64("ÄNGELHOLM"), true},
		{"Ängelholm", "?u=" + leaktest.Hex("ängelholm"), true},
		{"Ängelholm", "?u=Angelholm", false},
		{"王小明", "?u=%E7%8E%8B%E5%B0%8F%E6%98%8E", true},
		{"王小明", `{"u":"\u738b\u5c0f\u660e"}`, true},
		{"王小明", "?u=" + leaktest.Base64("王小明"), true},
		{"王小明", "?u=%E7%8E%8B%E5%B0%8F", false},
		{"😀smile", `{"u":"\ud83d\ude00smile"}`, true},
		{"😀smile", `{"u":"\u{1f600}smile"}`, true},
		{"😀smile", "?u=%uD83D%uDE00smile", true},
		{"~2026-12345-67", "?u=~2026-12345-67", true},
		{"A/B test", `{"u":"A\/B test"}`, true},
	} {
		t.Run(tc.name+" "+tc.text, func(t *testing.T) {
			r := Reader{Secrets: []Secret{{Field: FieldUser, Value: tc.name}}}
			refused := r.Check([]byte(tc.text), nil)
			if (refused != nil) != tc.leak || tc.leak && refused.Error() != "the request carries your user name, which no tool may get" {
				t.Errorf("got %v, want a leak: %t", refused, tc.leak)
			}
		})
	}
}

// What gadgets ask for all day must not be refused.
func TestLeakGuardLetsPass(t *testing.T) {
	innocents := []string{
		"/", "/?", "/tiles/12/2146/1422.png", "/tiles/12/42/7@2x.webp?v=3", "/api/rest_v1/page/summary/Berlin?lang=en",
		"/w/api.php?action=query&format=json&titles=Main_Page%7CVector-2022&lang=en&seen=1&uselang=en-gb",
		"/maps?center=52.5200,13.4050&zoom=12&size=640x480", "/stats/2026-11-22?from=20261101000000&to=20261122235959",
		"/sparql?query=SELECT%20%3Fitem%20WHERE%20%7B%20%3Fitem%20wdt%3AP31%20wd%3AQ146%20%7D", "/user/Alice", "/user/Example/Alice",
		"/fonts/roboto/v30/KFOmCnqEu92Fr1Mu4mxK.woff2", "/img/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.png",
		"/id/123e4567-e89b-12d3-a456-426614174000", "/whois/198.51.100.7", "/whois/203.0.113.7", "/whois/203.0.113.78", "/whois/1203.0.113.77",
		"/whois/2001:2f:1111:2223:3334:4445:5556:6667", "/whois/2a02:8109:b0:1c3::5e", "/mac/cb:00:71:4e:00:11", "/rev/48213370", "/rev/14821337x",
		"/time/12:34:56", "/slug/a--b", "/cpp/std::vector", "/x?y=visualeditor&z=22-Nov-2026&n=00000000000000000000",
		"/b64/" + leaktest.Base64("an innocent sentence, that nobody minds"), "/b64/" + leaktest.Base64(strings.Repeat("\x00\xff\x80ab", 50)),
	}
	for _, path := range innocents {
		if refused := alice.Check([]byte(path), nil); refused != nil {
			t.Errorf("%s: %s", path, refused.Error())
		}
	}
	big := []byte(`{"text":"` + strings.Repeat("The quick brown fox jumps over the lazy dog. ", 1400) + `"}`)
	if refused := alice.Check(big, nil); refused != nil {
		t.Errorf("a long body: %s", refused.Error())
	}
	if refused := alice.Check([]byte(leaktest.Base64(string(big))), nil); refused != nil {
		t.Errorf("a long body in base64: %s", refused.Error())
	}
	none := Reader{}
	if refused := none.Check([]byte("Alice Example 203.0.113.77"), nil); refused != nil {
		t.Errorf("a reader without secrets: %s", refused.Error())
	}
}

// What can't be checked within bounds is refused, in little time and memory.
func TestLeakGuardBounds(t *testing.T) {
	deep := "who=nobody in particular, really"
	for range 40 {
		deep = leaktest.Base64(deep)
		if len(deep) > 1<<20 {
			break
		}
	}
	if refused := alice.Check([]byte("%252525"+deep), nil); refused == nil || !strings.Contains(refused.Error(), "can't be checked") {
		t.Errorf("base64 in base64 of %d bytes, four ways: %v", len(deep), refused)
	}
	guesses := "/"
	for i := range 5000 {
		guesses += fmt.Sprintf("198.51.%d.%d;", i>>8, i&255)
	}
	if refused := alice.Check([]byte(guesses), nil); refused == nil || !strings.Contains(refused.Error(), "thousands of numbers") {
		t.Errorf("5000 addresses: %v", refused)
	}
	many := Reader{Secrets: make([]Secret, 1000)}
	for i := range many.Secrets {
		many.Secrets[i] = Secret{Field: FieldCookie, Value: fmt.Sprintf("k%dx8Q2v%dzz", i, i)}
	}
	if refused := many.Check([]byte("/x"), nil); refused == nil || !strings.Contains(refused.Error(), "too many cookies") {
		t.Errorf("1000 cookies: %v", refused)
	}
}

// A guard that is used again remembers nobody.
func TestLeakGuardForgets(t *testing.T) {
	for range 100 {
		if refused := alice.Check([]byte("?x="+leaktest.Base64("Alice Example")), nil); refused == nil {
			t.Fatal("not found")
		}
		bob := Reader{Secrets: []Secret{{Field: FieldUser, Value: "Robert"}, {Field: FieldAddress, Value: "198.51.100.9"}}}
		if refused := bob.Check([]byte("?x=Alice_Example&y=203.0.113.77&z=k3v9qf2m1t8s7r6p5n4b0c1d2e3f4g5h"), nil); refused != nil {
			t.Fatalf("found for another: %s", refused.Error())
		}
	}
}

func TestRandomness(t *testing.T) {
	for text, searched := range map[string]bool{
		"1": false, "en": false, "en-GB": false, "true": false, "undefined": false, "vector-2022": false, "2026-11-22": false, "22-Nov-2026": false,
		"visualeditor": false, "Main_Page_of_the_wiki": false, "0000000000000000": false, "1763845": false, "20261122": false, "America/New_York": false,
		"a3f09b1c": true, "1763845461": true, "5f2b9c01e7d3": true, "Zk8qT1vX": true, "k3v9qf2m1t8s7r6p5n4b0c1d2e3f4g5h": true,
		"DE:BE:Berlin:52.52:13.40:v4": true, "eyJhbGciOiJIUzI1NiJ9": true, "2026-11-22T21:04:21Z": true, "": false,
	} {
		if got := randomness(text) >= minRandomness; got != searched {
			t.Errorf("%q has %d tenths of a bit, want it searched: %t", text, randomness(text), searched)
		}
	}
}

func FuzzLeakGuard(f *testing.F) {
	for _, encode := range leaktest.Encodings {
		f.Add([]byte(encode("Alice Example")), "Alice Example")
	}
	f.Add([]byte(`%\u{%x\ud83d%u`), "x%\\")
	f.Add([]byte("::::1:2:3::-__--a-b--1.2.3.4.5.6"), "1::")
	f.Add([]byte("\\"), "\\\\\\")
	f.Fuzz(func(t *testing.T, text []byte, value string) {
		before := slices.Clone(text)
		for _, field := range []string{FieldAddress, FieldUser, FieldSession, FieldCookie} {
			r := Reader{Secrets: []Secret{{Field: field, Value: value}}}
			_ = r.Check(text, nil)
			s := &r.Secrets[0]
			if s.Field == FieldAddress || len(value) < minNeedle || s.search(value) == searchNever || len(text) > 1<<10 || len(value) > 1<<10 {
				continue
			}
			for name, encode := range map[string]func(string) string{"verbatim": leaktest.Encodings["verbatim"], "percent": leaktest.Percent("%%%02x"), "base64": leaktest.Base64, "hex": leaktest.Hex} {
				within := append(slices.Clone(text), "\n\""+encode(value)+"\"\n"...)
				if ascii := !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r >= 0x7f }); !ascii && name != "verbatim" && name != "percent" {
					continue
				}
				if bytesEndOpen(text) {
					continue // an escape or a number goes on
				}
				if r.Check(within, nil) == nil {
					t.Errorf("%s: %q isn't found as %s in %q", field, value, name, within)
				}
			}
		}
		if !slices.Equal(before, text) {
			t.Error("the text was changed")
		}
	})
}

// bytesEndOpen reports whether what follows may be read as a part of the last escape.
func bytesEndOpen(text []byte) bool {
	tail := text[max(0, len(text)-12):]
	return strings.ContainsAny(string(tail), `%\`)
}

func BenchmarkLeakGuard(b *testing.B) {
	for name, text := range map[string]string{
		"tile":      "/tiles/12/2146/1422.png?lang=en",
		"query":     "/w/api.php?action=query&format=json&titles=Main_Page&prop=extracts&exintro=1&uselang=en",
		"escaped":   "/api/rest_v1/page/summary/Bundesrepublik%20Deutschland?lang=en&q=a%7Cb",
		"hash":      "/img/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.png",
		"64KiB":     strings.Repeat("The quick brown fox jumps over it. ", 1800),
		"64KiB b64": leaktest.Base64(strings.Repeat("The quick brown fox jumps over it. ", 1400)),
	} {
		b.Run(name, func(b *testing.B) {
			text := []byte(text)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if refused := alice.Check(text, nil); refused != nil {
					b.Fatal(refused.Error())
				}
			}
		})
	}
}
