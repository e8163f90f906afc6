package anonproxy

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
)

// alice is a reader with secrets of all fields.
var alice = Reader{Client: "2001:2f:1111:2222:3333:4444:5555:6666", Secrets: []Secret{
	{Field: FieldAddress, Value: "203.0.113.77"},
	{Field: FieldAddress, Value: "2a02:8109:b0:1c2::5e"},
	{Field: FieldMask, Value: "2001:2f:1111:2222:3333:4444:5555:6666"},
	{Field: FieldUser, Value: "Alice Example"},
	{Field: FieldUserID, Value: "4821337"},
	{Field: FieldSession, Value: "k3v9qf2m1t8s7r6p5n4b0c1d2e3f4g5h"},
	{Field: FieldCookie, Name: "wikiPref", Value: "x9%2FT1~q0aB\\Zk7"},
	{Field: FieldCookie, Name: "wikiState", Value: `%7B%22id%22%3A%227f3c2b9a1d8e4f60a5b7%22%2C%22n%22%3A1%7D`},
	{Field: FieldCookie, Name: "lang", Value: "en"},
	{Field: FieldCookie, Name: "seen", Value: "1"},
	{Field: FieldCookie, Name: "skin", Value: "vector-2022"},
	{Field: FieldCookie, Name: "day", Value: "22-Nov-2026"},
	{Field: FieldCookie, Name: "editor", Value: "visualeditor"},
	{Field: FieldCookie, Name: "zeros", Value: "00000000000000000000"},
}}

// reasons of alice's secrets, by the value in plain.
var leaked = map[string]string{
	"203.0.113.77":                          "your address",
	"2a02:8109:b0:1c2::5e":                  "your address",
	"2001:2f:1111:2222:3333:4444:5555:6666": "your mask",
	"Alice Example":                         "your user name",
	"4821337":                               "your user ID",
	"k3v9qf2m1t8s7r6p5n4b0c1d2e3f4g5h":      "your session",
	"x9%2FT1~q0aB\\Zk7":                     "your cookie wikiPref",
	`{"id":"7f3c2b9a1d8e4f60a5b7","n":1}`:   "your cookie wikiState",
	"7f3c2b9a1d8e4f60a5b7":                  "your cookie wikiState", // a piece of it
}

// percentAll escapes each byte, with a form for it.
func percentAll(form string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			fmt.Fprintf(&b, form, c)
		}
		return b.String()
	}
}

func base64Within(before string, encoding *base64.Encoding) func(string) string {
	return func(s string) string { return encoding.EncodeToString([]byte(before + s + `"}`)) }
}

func jsonString(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func jsonEscaped(form string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, c := range utf16.Encode([]rune(s)) {
			fmt.Fprintf(&b, form, c)
		}
		return b.String()
	}
}

func base64UTF16(s string) string {
	var b []byte
	for _, c := range utf16.Encode([]rune(s)) {
		b = append(b, byte(c), byte(c>>8))
	}
	return base64.StdEncoding.EncodeToString(b)
}

var b64, hexOf = func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }, func(s string) string { return hex.EncodeToString([]byte(s)) }

// encodings are ways to hide a value.
var encodings = map[string]func(string) string{
	"verbatim":                 func(s string) string { return s },
	"in capitals":              strings.ToUpper,
	"in small letters":         strings.ToLower,
	"query escape":             url.QueryEscape,
	"path escape":              url.PathEscape,
	"percent, all":             percentAll("%%%02X"),
	"percent, small":           percentAll("%%%02x"),
	"percent, some":            func(s string) string { return percentAll("%%%02x")(s[:3]) + s[3:] },
	"percent, the last":        func(s string) string { return s[:len(s)-1] + percentAll("%%%02x")(s[len(s)-1:]) },
	"percent, twice":           percentAll("%%25%02x"),
	"percent, thrice":          percentAll("%%2525%02x"),
	"%u":                       percentAll("%%u00%02x"),
	"base64":                   b64,
	"base64, unpadded":         func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) },
	"base64url":                func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) },
	"base64url, unpadded":      func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) },
	"base64 within, 1":         base64Within(`{"u":"`, base64.StdEncoding),
	"base64 within, 2":         base64Within(`{"u": "`, base64.RawURLEncoding),
	"base64 within, 3":         base64Within(`{ "u": "`, base64.StdEncoding),
	"base64, glued":            func(s string) string { return "abc" + b64(`u="`+s+`"`) },
	"base64 twice":             func(s string) string { return b64(b64(s)) },
	"base64 of UTF-16":         base64UTF16,
	"base64 of hex":            func(s string) string { return b64(hexOf(s)) },
	"base64 of percent":        func(s string) string { return b64(url.QueryEscape(s)) },
	"percent of base64":        func(s string) string { return percentAll("%%%02X")(b64(s)) },
	"base64 of JSON in base64": func(s string) string { return b64(`{"a":"` + b64(jsonString(s)) + `"}`) },
	"hex":                      hexOf,
	"hex, capitals":            func(s string) string { return strings.ToUpper(hexOf(s)) },
	"hex within":               func(s string) string { return hexOf("\x00\x01u=" + s + "&\xff") },
	"hex at an odd place":      func(s string) string { return "a" + hexOf(`u=`+s) },
	"hex of base64":            func(s string) string { return hexOf(b64(s)) },
	`\x`:                       percentAll(`\x%02x`),
	"JSON":                     jsonString,
	"JSON, all":                jsonEscaped(`\u%04x`),
	"JSON, all, capitals":      jsonEscaped(`\u%04X`),
	"JSON, braces":             jsonEscaped(`\u{%x}`),
	"JSON, the first":          func(s string) string { return jsonEscaped(`\u%04x`)(s[:1]) + s[1:] },
	"JSON twice":               func(s string) string { return jsonString(jsonString(s)) },
	"JSON in percent":          func(s string) string { return url.QueryEscape(jsonEscaped(`\u%04x`)(s)) },
	`solidus as \/`:            func(s string) string { return strings.ReplaceAll(jsonString(s), "/", `\/`) },
	"in a sentence":            func(s string) string { return "who is " + s + ", and where?" },
	"with NULs":                func(s string) string { return strings.Join(strings.Split(s, ""), "%00") },
}

// places are where a value can stand in a request.
var places = map[string]func(string) (path, body string){
	"path":        func(v string) (string, string) { return "/a/" + v + "/b", "" },
	"end of path": func(v string) (string, string) { return "/a/" + v, "" },
	"query value": func(v string) (string, string) { return "/a?x=1&who=" + v + "&y=2", "" },
	"query name":  func(v string) (string, string) { return "/a?" + v + "=1", "" },
	"whole query": func(v string) (string, string) { return "/a?" + v, "" },
	"form":        func(v string) (string, string) { return "/a", "x=1&who=" + v + "&y=2" },
	"JSON body":   func(v string) (string, string) { return "/a", `{"x":[{"who":"` + v + `"}]}` },
	"text body":   func(v string) (string, string) { return "/a", v },
}

// urlSafe escapes what can't stand in a URL, or would be refused there for another reason.
func urlSafe(v string) string {
	var b strings.Builder
	for i := range len(v) {
		switch c := v[i]; {
		case c <= ' ', c >= 0x7f, strings.IndexByte(`#?&"\{}<>^|`+"`", c) >= 0:
			fmt.Fprintf(&b, "%%%02X", c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Each encoding of each field in each place, as the guard sees it.
func TestLeakGuardFinds(t *testing.T) {
	for value, field := range leaked {
		for encoding, encode := range encodings {
			for place, put := range places {
				path, body := put(encode(value))
				if body == "" {
					path, _ = put(urlSafe(encode(value)))
				}
				text := path
				if body != "" {
					text = body
				}
				refused := alice.leaks([]byte(text), nil)
				if field == "your cookie wikiPref" && strings.Contains(encoding, "letters") {
					continue // a cookie's escapes are no letters to fold
				}
				if field == "your cookie wikiPref" && (encoding == "JSON twice" || encoding == "base64 of JSON in base64") {
					continue // with the cookie's own escapes these are four in one another
				}
				if refused == nil || refused.Reason != OutcomeLeak || refused.Status != 403 || !strings.Contains(refused.Text, field+",") {
					t.Errorf("%s of %q in %s: %+v, want %s: %s", encoding, value, place, refused, field, text)
				}
			}
		}
	}
}

// The same through a whole proxy: nothing is sent, and nothing is said of the value.
func TestLeakGuardRefuses(t *testing.T) {
	b := newBackend(t, answers("application/json", "{}"))
	posts := tool("maps", b.URL)
	posts.Methods = []string{"GET", "POST"}
	for name, cfg := range map[string]Config{"uncached": {}, "cached": {Cache: newCache(t, cache.Config{})}} {
		cfg.Reader = func(*http.Request) Reader { return alice }
		e := newEdge(t, cfg, posts)
		n := 0
		for value, field := range leaked {
			for _, encoding := range []string{"verbatim", "base64", "percent, all", "hex", "JSON, all"} {
				for place, put := range places {
					v := encodings[encoding](value)
					path, body := put(v)
					if body == "" {
						path, _ = put(urlSafe(v))
					}
					if strings.HasSuffix(place, "path") && strings.ContainsAny(path, `/\"`) && strings.Contains(strings.ToLower(path), "%2f") || strings.Contains(strings.ToLower(path), "%5c") || strings.Contains(strings.ToLower(path), "%2e") {
						continue // refused as a path
					}
					var a answer
					if body == "" {
						a = e.do(t, "GET", "/.tools/maps"+path, "empty")
					} else {
						a = e.post(t, "/.tools/maps"+path, "text/plain", body)
					}
					n++
					wantRefusal(t, a, 403, "the request carries "+field+", which no tool may get")
					if strings.Contains(strings.ToLower(a.body), strings.ToLower(value)) {
						t.Errorf("%s: the reason holds the value: %s", place, a.body)
					}
				}
			}
		}
		if b.hits.Load() != 0 || b.conns.Load() != 0 {
			t.Fatalf("%s: the tool got %d requests", name, b.hits.Load())
		}
		for _, outcome := range e.observed(t, n) {
			if outcome != "maps leak" {
				t.Fatalf("observed %q", outcome)
			}
		}
		if n < 100 || e.logs.String() != strings.ReplaceAll(e.logs.String(), "leak", "") {
			t.Errorf("%d requests; logs: %s", n, e.logs)
		}
		for _, innocent := range []string{"/a?lang=en&skin=vector-2022", "/a?lang=en"} { // the edge still serves
			if a := e.do(t, "GET", "/.tools/maps"+innocent, "empty"); a.status != 200 {
				t.Errorf("got %d %s", a.status, a.body)
			}
		}
		// An answer that is kept is no way round.
		if a := e.do(t, "GET", "/.tools/maps/a?who=Alice_Example", "empty"); a.status != 403 {
			t.Errorf("got %d", a.status)
		}
		b.hits.Store(0)
		b.conns.Store(0)
		e.proxy.upstreams()["maps"].transport.Close()
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
		"mask in base64":      b64("2001:2F:1111:2222:3333:4444:5555:6666"),
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
			refused := alice.leaks([]byte("/a?x="+text+"&y"), nil)
			if refused == nil || !strings.Contains(refused.Text, "your address") && !strings.Contains(refused.Text, "your mask") {
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
		{"Bob", "?q=" + b64(`{"u":"Bob"}`), true},
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
		{"Ängelholm", "?u=" + b64("Ängelholm"), true},
		{"Ängelholm", "?u=" + b64("ÄNGELHOLM"), true},
		{"Ängelholm", "?u=" + hexOf("ängelholm"), true},
		{"Ängelholm", "?u=Angelholm", false},
		{"王小明", "?u=%E7%8E%8B%E5%B0%8F%E6%98%8E", true},
		{"王小明", `{"u":"\u738b\u5c0f\u660e"}`, true},
		{"王小明", "?u=" + b64("王小明"), true},
		{"王小明", "?u=%E7%8E%8B%E5%B0%8F", false},
		{"😀smile", `{"u":"\ud83d\ude00smile"}`, true},
		{"😀smile", `{"u":"\u{1f600}smile"}`, true},
		{"😀smile", "?u=%uD83D%uDE00smile", true},
		{"~2026-12345-67", "?u=~2026-12345-67", true},
		{"A/B test", `{"u":"A\/B test"}`, true},
	} {
		t.Run(tc.name+" "+tc.text, func(t *testing.T) {
			r := Reader{Secrets: []Secret{{Field: FieldUser, Value: tc.name}}}
			refused := r.leaks([]byte(tc.text), nil)
			if (refused != nil) != tc.leak || tc.leak && refused.Text != "the request carries your user name, which no tool may get" {
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
		"/b64/" + b64("an innocent sentence, that nobody minds"), "/b64/" + b64(strings.Repeat("\x00\xff\x80ab", 50)),
	}
	for _, path := range innocents {
		if refused := alice.leaks([]byte(path), nil); refused != nil {
			t.Errorf("%s: %s", path, refused.Text)
		}
	}
	big := []byte(`{"text":"` + strings.Repeat("The quick brown fox jumps over the lazy dog. ", 1400) + `"}`)
	if refused := alice.leaks(big, nil); refused != nil {
		t.Errorf("a long body: %s", refused.Text)
	}
	if refused := alice.leaks([]byte(b64(string(big))), nil); refused != nil {
		t.Errorf("a long body in base64: %s", refused.Text)
	}
	none := Reader{}
	if refused := none.leaks([]byte("Alice Example 203.0.113.77"), nil); refused != nil {
		t.Errorf("a reader without secrets: %s", refused.Text)
	}
}

// What can't be checked within bounds is refused, in little time and memory.
func TestLeakGuardBounds(t *testing.T) {
	deep := "who=nobody in particular, really"
	for range 40 {
		deep = b64(deep)
		if len(deep) > 1<<20 {
			break
		}
	}
	if refused := alice.leaks([]byte("%252525"+deep), nil); refused == nil || !strings.Contains(refused.Text, "can't be checked") {
		t.Errorf("base64 in base64 of %d bytes, four ways: %v", len(deep), refused)
	}
	guesses := "/"
	for i := range 5000 {
		guesses += fmt.Sprintf("198.51.%d.%d;", i>>8, i&255)
	}
	if refused := alice.leaks([]byte(guesses), nil); refused == nil || !strings.Contains(refused.Text, "thousands of numbers") {
		t.Errorf("5000 addresses: %v", refused)
	}
	many := Reader{Secrets: make([]Secret, 1000)}
	for i := range many.Secrets {
		many.Secrets[i] = Secret{Field: FieldCookie, Value: fmt.Sprintf("k%dx8Q2v%dzz", i, i)}
	}
	if refused := many.leaks([]byte("/x"), nil); refused == nil || !strings.Contains(refused.Text, "too many cookies") {
		t.Errorf("1000 cookies: %v", refused)
	}
}

// A guard that is used again remembers nobody.
func TestLeakGuardForgets(t *testing.T) {
	for range 100 {
		if refused := alice.leaks([]byte("?x="+b64("Alice Example")), nil); refused == nil {
			t.Fatal("not found")
		}
		bob := Reader{Secrets: []Secret{{Field: FieldUser, Value: "Robert"}, {Field: FieldAddress, Value: "198.51.100.9"}}}
		if refused := bob.leaks([]byte("?x=Alice_Example&y=203.0.113.77&z=k3v9qf2m1t8s7r6p5n4b0c1d2e3f4g5h"), nil); refused != nil {
			t.Fatalf("found for another: %s", refused.Text)
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
	for _, encode := range encodings {
		f.Add([]byte(encode("Alice Example")), "Alice Example")
	}
	f.Add([]byte(`%\u{%x\ud83d%u`), "x%\\")
	f.Add([]byte("::::1:2:3::-__--a-b--1.2.3.4.5.6"), "1::")
	f.Add([]byte("\\"), "\\\\\\")
	f.Fuzz(func(t *testing.T, text []byte, value string) {
		before := slices.Clone(text)
		for _, field := range []string{FieldAddress, FieldUser, FieldSession, FieldCookie} {
			r := Reader{Secrets: []Secret{{Field: field, Value: value}}}
			_ = r.leaks(text, nil)
			s := &r.Secrets[0]
			if s.Field == FieldAddress || len(value) < minNeedle || s.search(value) == searchNever || len(text) > 1<<10 || len(value) > 1<<10 {
				continue
			}
			for name, encode := range map[string]func(string) string{"verbatim": encodings["verbatim"], "percent": percentAll("%%%02x"), "base64": b64, "hex": hexOf} {
				within := append(slices.Clone(text), "\n\""+encode(value)+"\"\n"...)
				if ascii := !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r >= 0x7f }); !ascii && name != "verbatim" && name != "percent" {
					continue
				}
				if bytesEndOpen(text) {
					continue // an escape or a number goes on
				}
				if r.leaks(within, nil) == nil {
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
		"64KiB b64": b64(strings.Repeat("The quick brown fox jumps over it. ", 1400)),
	} {
		b.Run(name, func(b *testing.B) {
			text := []byte(text)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if refused := alice.leaks(text, nil); refused != nil {
					b.Fatal(refused.Text)
				}
			}
		})
	}
}
