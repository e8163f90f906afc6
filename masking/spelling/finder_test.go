package spelling

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// Generators of spellings. They share no code with what finds them.

func spellingsOf(addr netip.Addr) map[string]string {
	of := make(map[string]string)
	if addr.Is4() {
		plainV4(of, addr.As4())
	} else {
		plainV6(of, addr.As16())
	}
	for name, plain := range maps.Clone(of) {
		for coding, encode := range codings {
			if strings.HasPrefix(plain, "%") && coding == "percent, one digit" {
				continue // takes another escape apart
			}
			of[name+", "+coding] = encode(plain)
		}
	}
	return of
}

func plainV4(of map[string]string, b [4]byte) {
	n := binary.BigEndian.Uint32(b[:])
	join := func(form, separator string, octets ...byte) string {
		var parts []string
		for _, o := range octets {
			parts = append(parts, fmt.Sprintf(form, o))
		}
		return strings.Join(parts, separator)
	}
	back := []byte{b[3], b[2], b[1], b[0]}
	of["dotted"] = join("%d", ".", b[:]...)
	of["padded"] = join("%03d", ".", b[:]...)
	of["octal"] = join("0%o", ".", b[:]...)
	of["hex parts"] = join("0x%x", ".", b[:]...)
	of["mixed parts"] = fmt.Sprintf("0x%x.0%o.%d.%d", b[0], b[1], b[2], b[3])
	of["PTR"] = join("%d", ".", back...) + ".in-addr.arpa"
	of["dashes"] = "ip-" + join("%d", "-", b[:]...) + ".isp.example"
	of["dashes, padded"] = join("%03d", "-", b[:]...) + ".dyn.isp.example"
	of["dashes, reversed"] = join("%d", "-", back...) + ".isp.example"
	of["underscores"] = "c_" + join("%d", "_", b[:]...) + "_x"
	of["JSON list"] = "[" + join("%d", ", ", b[:]...) + "]"
	of["JSON list, tight"] = "[" + join("%d", ",", b[:]...) + "]"
	of["JSON list of strings"] = `["` + join("%d", `","`, b[:]...) + `"]`
	of["slashes"] = "/" + join("%d", "/", b[:]...) + "/"
	of["spaces"] = join("%d", " ", b[:]...)
	of["decimal"] = fmt.Sprint(n)
	of["decimal, signed"] = fmt.Sprint(int32(n))
	of["padded, glued"] = "dsl" + join("%03d", "", b[:]...) + ".isp.example"
	nibbles := strings.Split("00000000000000000000ffff"+fmt.Sprintf("%08x", n), "")
	slices.Reverse(nibbles)
	of["ip6.arpa, mapped"] = strings.Join(nibbles, ".") + ".ip6.arpa"
	of["octal number"] = fmt.Sprintf("0%o", n)
	of["hex number"] = fmt.Sprintf("0x%08x", n)
	of["hex"] = fmt.Sprintf("%08x", n)
	of["hex, capitals"] = fmt.Sprintf("%08X", n)
	of["HAProxy"] = fmt.Sprintf("%08X:DA28_7F000001:5A32_652_0001:1", n)
	of["hex, port"] = fmt.Sprintf("%08x:da28", n)
	of["little-endian hex"] = fmt.Sprintf("%08X", swap(n))
	of["hex, colons"] = join("%02x", ":", b[:]...)
	of["hex, dashes"] = join("%02X", "-", b[:]...)
	of["hex, dots"] = join("%02x", ".", b[:]...)
	of["hex, spaces"] = join("%02x", " ", b[:]...)
	of["hex bytes of C"] = `\x` + join("%02x", `\x`, b[:]...)
	of["percent bytes"] = "%" + join("%02X", "%", b[:]...)
	of["hex list"] = join("0x%02x", ", ", b[:]...)
	of["base64 bytes"] = base64.StdEncoding.EncodeToString(b[:])
	of["base64url bytes"] = base64.RawURLEncoding.EncodeToString(b[:])
	of["two parts"] = fmt.Sprintf("%d.%d", b[0], n&0xffffff)
	of["three parts"] = fmt.Sprintf("%d.%d.%d", b[0], b[1], n&0xffff)
	if n&0xffffff < 65536 {
		delete(of, "two parts")
	}
	if n&0xffff < 256 {
		delete(of, "three parts")
	}
	groups := fmt.Sprintf("%x:%x", n>>16, n&0xffff)
	of["mapped"] = "::ffff:" + of["dotted"]
	of["mapped, hex"] = "::ffff:" + groups
	of["mapped, full"] = fmt.Sprintf("0000:0000:0000:0000:0000:ffff:%04x:%04x", n>>16, n&0xffff)
	of["mapped, one number"] = fmt.Sprintf("00000000000000000000ffff%08x", n)
	of["compatible"] = "::" + groups
	of["NAT64"] = "64:ff9b::" + groups
	of["NAT64, local"] = fmt.Sprintf("64:ff9b:1:%x:%x:%x::", n>>16, n>>8&0xff, n&0xff<<8)
	of["6to4"] = "2002:" + groups + "::1"
	of["Teredo"] = fmt.Sprintf("2001:0:4136:e378:8000:63bf:%x:%x", ^n>>16, ^n&0xffff)
	of["ISATAP"] = "fe80::5efe:" + groups
	of["ISATAP, dotted"] = "fe80::0:5efe:" + of["dotted"]
	of["port"] = of["dotted"] + ":55848"
	of["after a percent sign"] = "%" + of["dotted"]
	of["after a zone"] = "fe80::1%" + of["dotted"]
	of["in an amount"] = "100%" + of["dotted"]
}

func plainV6(of map[string]string, b [16]byte) {
	addr := netip.AddrFrom16(b)
	full, digits := addr.StringExpanded(), hex.EncodeToString(b[:])
	nibbles := strings.Split(digits, "")
	of["text"] = addr.String()
	of["full"] = full
	of["capitals"] = strings.ToUpper(full)
	of["mixed case"] = strings.ToUpper(full[:9]) + full[9:]
	of["brackets"] = "[" + addr.String() + "]:4711"
	of["another of its network"] = netip.PrefixFrom(addr, 64).Masked().Addr().String() + "9"
	of["prefix"] = netip.PrefixFrom(addr, 64).Masked().String()
	of["first half"] = full[:19]
	of["seven groups"] = full[:34]
	of["dashes"] = strings.ReplaceAll(full, ":", "-")
	of["dashes, short"] = strings.ReplaceAll(addr.String(), ":", "-") + ".ipv6-literal.net"
	of["underscores"] = strings.ReplaceAll(full, ":", "_")
	of["dots"] = strings.ReplaceAll(full, ":", ".")
	of["hex"] = digits
	of["hex, capitals"] = strings.ToUpper(digits)
	of["hex, half"] = digits[:16]
	of["hex, colons"] = strings.TrimSuffix(hexPairs(b[:], ":"), ":")
	of["nibbles"] = strings.Join(nibbles, ".")
	slices.Reverse(nibbles)
	of["UUID"] = strings.Join([]string{digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]}, "-")
	of["ip6.arpa"] = strings.Join(nibbles, ".") + ".ip6.arpa"
	of["ip6.arpa of the network"] = strings.Join(nibbles[16:], ".") + ".ip6.arpa"
	of["decimal"] = new(big.Int).SetBytes(b[:]).String()
	of["base64 bytes"] = base64.StdEncoding.EncodeToString(b[:])
	of["base64url bytes"] = base64.RawURLEncoding.EncodeToString(b[:])
	of["JSON list"] = strings.ReplaceAll(fmt.Sprint(b[:]), " ", ", ")
	of["JSON list, tight"] = strings.ReplaceAll(fmt.Sprint(b[:]), " ", ",")
	of["dotted end"] = fmt.Sprintf("%s:%d.%d.%d.%d", full[:29], b[12], b[13], b[14], b[15])
	of["zone"] = addr.String() + "%eth0"
}

func hexPairs(b []byte, after string) string {
	var s strings.Builder
	for _, c := range b {
		fmt.Fprintf(&s, "%02x%s", c, after)
	}
	return s.String()
}

func eachByte(form string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			fmt.Fprintf(&b, form, c)
		}
		return b.String()
	}
}

func punctuation(form string) func(string) string {
	return func(s string) string {
		var b strings.Builder
		for _, c := range []byte(s) {
			if isAlnum(c) {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, form, c)
			}
		}
		return b.String()
	}
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

var codings = map[string]func(string) string{
	"percent":              punctuation("%%%02X"),
	"percent, small":       punctuation("%%%02x"),
	"percent, all":         eachByte("%%%02X"),
	"percent twice":        punctuation("%%25%02X"),
	"percent, all, twice":  eachByte("%%25%02x"),
	"percent, one digit":   func(s string) string { return s[:1] + fmt.Sprintf("%%%02x", s[1]) + s[2:] },
	"%u":                   eachByte("%%u%04x"),
	"JSON":                 punctuation(`\u%04x`),
	"JSON, all":            eachByte(`\u%04X`),
	`\x`:                   eachByte(`\x%02x`),
	"HTML":                 punctuation("&#%d;"),
	"HTML, hex":            punctuation("&#x%x;"),
	"HTML, all":            eachByte("&#%d;"),
	"full width":           fullWidth,
	"base64":               b64,
	"base64, unpadded":     func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) },
	"base64url":            func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) },
	"base64 of JSON":       func(s string) string { return b64(`{"sub":"x","ip":"` + s + `"}`) },
	"base64 of JSON, more": func(s string) string { return b64(`{"ip": "` + s + `", "n": 1}`) },
	"base64 twice":         func(s string) string { return b64(b64(s)) },
	"base64 of percent":    func(s string) string { return b64(punctuation("%%%02X")(s)) },
	"percent of base64":    func(s string) string { return punctuation("%%%02X")(b64(s)) },
	"hex of text":          func(s string) string { return hex.EncodeToString([]byte(s)) },
}

func fullWidth(s string) string {
	var b strings.Builder
	for _, c := range s {
		if '!' <= c && c <= '~' {
			c += '\uff01' - '!'
		}
		b.WriteRune(c)
	}
	return b.String()
}

// clients are those that are looked for in these tests.
var clients = []netip.Addr{
	netip.MustParseAddr("127.11.22.33"), netip.MustParseAddr("203.0.113.77"), netip.MustParseAddr("9.9.8.201"), netip.MustParseAddr("198.51.100.8"),
	netip.MustParseAddr("2001:db8:1:2:3:4:5:6"), netip.MustParseAddr("2a02:8109:b0:1c2:f00d:1234:9abc:5e"),
}

func finderOf(addr netip.Addr) Finder {
	if addr.Is4() {
		return NewFinder(netip.PrefixFrom(addr, 32))
	}
	return NewFinder(netip.PrefixFrom(addr, 64).Masked())
}

// Case 1. Each spelling is found in ordinary surroundings, and nothing of it is left.
func TestCase1FinderFindsEachSpelling(t *testing.T) {
	for _, addr := range clients {
		f := finderOf(addr)
		for name, text := range spellingsOf(addr) {
			for _, around := range surroundings {
				in := strings.Replace(around, "{}", text, 1)
				for _, may := range []bool{f.MayHold(in), f.MayHold(in), f.MayHold(in)} { // as new, and as remembered
					if !may {
						t.Fatalf("%s, %s: passed over in %q", addr, name, in)
					}
				}
				got, found := f.Replace(in, "M")
				if !found || !strings.Contains(got, "M") {
					t.Errorf("%s, %s: not found in %q", addr, name, in)
				} else if f.Finds(got) {
					t.Errorf("%s, %s: %q leaves it in %q", addr, name, in, got)
				}
			}
		}
	}
}

var surroundings = []string{
	"{}", "ip={}; lang=en", `{"ip":"{}","t":1764442261}`, "https://wiki.example/w/index.php?title=Main_Page&from={}&oldid=1231231",
	"a, {}, b", "({})", `for="{}";proto=https`, "x:{}", "x/{}/y", "id.{}.example", "v1 {} Mozilla/5.0 (X11; Linux x86_64; rv:153.0)",
}

// Case 1. The host's half of an address goes with its network: it may hold the number of a network card.
func TestCase1NothingOfTheHostIsLeft(t *testing.T) {
	addr := netip.MustParseAddr("2001:db8:1:2:3:4:5:6")
	f, all := finderOf(addr), spellingsOf(addr)
	for _, name := range []string{"JSON list", "JSON list, tight", "hex, colons", "full", "hex", "dashes", "dots"} {
		got, _ := f.Replace("a="+strings.Trim(all[name], "[]")+"; b", "M")
		if got != "a=M; b" {
			t.Errorf("%s: %q is left of %q", name, got, all[name])
		}
	}
}

// Whatever strangers write around it, an address is found, as are those of strangers themselves.
func FuzzFinder(f *testing.F) {
	f.Add(uint64(1), "a=", "; b")
	f.Add(uint64(2), "%", "%3A")
	f.Add(uint64(3), "[", "]:80")
	f.Add(uint64(4), "::ffff:", ".")
	f.Add(uint64(5), `\u00`, `\`)
	f.Fuzz(func(t *testing.T, seed uint64, before, after string) {
		random := rand.New(rand.NewPCG(seed, 9))
		addr := randomAddr(random)
		finder := finderOf(addr)
		all := spellingsOf(addr)
		names := slices.Sorted(maps.Keys(all))
		name := names[random.IntN(len(names))]
		text := before + " " + all[name] + " " + after
		got, found := finder.Replace(text, "2001:2f::1")
		if !found {
			t.Fatalf("%s, %s: not found in %q", addr, name, text)
		}
		if strings.Contains(got, " "+all[name]+" ") {
			t.Fatalf("%s, %s: left in %q", addr, name, got)
		}
		if again, left := finder.Replace(got, "2001:2f::1"); left && len(text) < 200 {
			if _, left = finder.Replace(again, "2001:2f::1"); left {
				t.Fatalf("%s, %s: %q, then %q", addr, name, text, again)
			}
		}
	})
}

func randomAddr(random *rand.Rand) netip.Addr {
	if random.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte{byte(1 + random.IntN(222)), byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())})
	}
	b := [16]byte{0x20 | byte(random.IntN(16))}
	for i := range 15 {
		b[i+1] = byte(random.Uint32())
	}
	return netip.AddrFrom16(b)
}
