package find

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/masking/spelling"
	"github.com/wikiveil/wikiveil/publish/wikiname"
)

const (
	depth        = 3  // encodings in one another that are undone
	leastEncoded = 10 // characters of an address's text in base64
	mostEncoded  = 1 << 10
)

// Decode says of a span of text, which may spell an address in any way, whether it surely is one, and which: with escapes,
// in base64 or hex, as a name of reverse DNS, with dashes in a host's name, in octal or hex parts, or as MediaWiki
// stores it in hex. What could be any number or id isn't.
func Decode(text []byte, at spelling.Span) (Found, bool) {
	if f, ok := reverseName(text, at); ok {
		return f, true
	}
	if f, ok := hostName(text, at); ok {
		return f, true
	}
	if f, ok := storedHex(text, at); ok {
		return f, true
	}
	addr, ok := decoded(string(text[at.From:at.End]), depth)
	return Found{From: at.From, End: at.End, Net: addr}, ok
}

// decoded undoes escapes and encodings until an address is to be read.
func decoded(text string, depth int) (netip.Prefix, bool) {
	if f, ok := Plain([]byte(text), 0); ok {
		return f.Net, true
	}
	if strings.Count(text, ".") == 3 && (strings.HasPrefix(text, "0") || strings.Contains(text, ".0")) {
		if addr, ok := spelling.Host(text); ok && addr.As4()[0] != 0 {
			return netip.PrefixFrom(addr, 32), true
		}
	}
	if depth == 0 {
		return netip.Prefix{}, false
	}
	if plain := spelling.Unescape(text); plain != text {
		return decoded(plain, depth-1)
	}
	if len(text) < leastEncoded || len(text) > mostEncoded {
		return netip.Prefix{}, false
	}
	if plain, err := hex.DecodeString(text); err == nil {
		return decodedText(plain, depth)
	}
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	plain, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return netip.Prefix{}, false
	}
	return decodedText(plain, depth)
}

func decodedText(plain []byte, depth int) (netip.Prefix, bool) {
	if slices.ContainsFunc(plain, func(c byte) bool { return c < ' ' || c > '~' }) {
		return netip.Prefix{}, false
	}
	return decoded(string(plain), depth-1)
}

// reverseName reads a name of reverse DNS: 1.2.0.192.in-addr.arpa and ip6.arpa with all or some nibbles.
func reverseName(text []byte, at spelling.Span) (Found, bool) {
	from, end := spelling.Around(text, at.From, at.End)
	rest := bytes.ToLower(text[end:min(len(text), end+len(".in-addr.arpa"))])
	digits := text[from:end]
	switch {
	case bytes.HasPrefix(rest, []byte(".in-addr.arpa")):
		parts := strings.Split(string(digits), ".")
		slices.Reverse(parts)
		addr, err := netip.ParseAddr(strings.Join(parts, "."))
		if err != nil {
			return Found{}, false
		}
		return Found{From: from, End: end + len(".in-addr.arpa"), Net: netip.PrefixFrom(addr, 32)}, true
	case bytes.HasPrefix(rest, []byte(".ip6.arpa")):
		nibbles := bytes.ReplaceAll(digits, []byte("."), nil)
		slices.Reverse(nibbles)
		if len(nibbles) < 12 || len(nibbles) > 32 {
			return Found{}, false
		}
		var b [16]byte
		bits := 4 * len(nibbles)
		if len(nibbles)%2 == 1 {
			nibbles = append(nibbles, '0')
		}
		if _, err := hex.Decode(b[:], nibbles); err != nil {
			return Found{}, false
		}
		f := Found{From: from, End: end + len(".ip6.arpa"), Net: netip.PrefixFrom(netip.AddrFrom16(b), bits)}
		return f, !masking.Is(f.Net.Addr())
	}
	return Found{}, false
}

// fileEndings are what makes ip-192-0-2-1.jpg no host's name.
var fileEndings = []string{"jpg", "jpeg", "png", "gif", "svg", "pdf", "ogg", "ogv", "webm", "webp", "tif", "tiff", "txt", "html", "htm", "php", "mp3", "mp4"}

// hostName reads an address in the name of a host: ip-192-0-2-1.isp.example, 2001-db8--1.ipv6-literal.net.
func hostName(text []byte, at spelling.Span) (Found, bool) {
	span := text[at.From:at.End]
	if bytes.IndexByte(span, '-') < 0 && bytes.IndexByte(span, '_') < 0 || bytes.ContainsAny(span, ".:%") {
		return Found{}, false
	}
	end := at.End
	for end < len(text) && (isDigit(text[end]) || isLetter(text[end]) || text[end] == '-' || text[end] == '.') {
		end++
	}
	rest := strings.Trim(string(text[at.End:end]), ".")
	label := rest[strings.LastIndexByte(rest, '.')+1:]
	if !strings.Contains(string(text[at.End:end]), ".") || label == "" || !isLetter(label[0]) || slices.Contains(fileEndings, strings.ToLower(label)) {
		return Found{}, false
	}
	f := Found{From: at.From, End: at.End}
	plain := strings.NewReplacer("_", "-").Replace(string(span))
	parts := strings.Split(plain, "-")
	if len(parts) == 4 {
		for i, part := range parts {
			parts[i] = strings.TrimLeft(part[:max(0, len(part)-1)], "0") + part[max(0, len(part)-1):]
		}
		addr, err := netip.ParseAddr(strings.Join(parts, "."))
		f.Net = netip.PrefixFrom(addr, 32)
		return f, err == nil && spelling.Plausible(addr)
	}
	addr, err := netip.ParseAddr(strings.ReplaceAll(plain, "-", ":"))
	if err != nil || !addr.Is6() {
		return Found{}, false
	}
	f.Net = netip.PrefixFrom(addr, 128)
	return f, spelling.Plausible(addr) && !masking.Is(addr)
}

// storedHex reads what MediaWiki stores of an IPv6 address: v6- and 32 digits.
func storedHex(text []byte, at spelling.Span) (Found, bool) {
	if at.End-at.From != 32 || at.From < len("v6-") {
		return Found{}, false
	}
	addr, ok := wikiname.ParseHex(string(text[at.From-len("v6-") : at.End]))
	if !ok || masking.Is(addr) {
		return Found{}, false
	}
	return Found{From: at.From - len("v6-"), End: at.End, Net: netip.PrefixFrom(addr, 128)}, true
}
