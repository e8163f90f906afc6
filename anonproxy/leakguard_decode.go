package anonproxy

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// What of a text must read as text, to be taken for encoded.
const (
	minTextQuanta = 2 // of base64, so 6 bytes
	minTextBytes  = 6 // of hex
)

// scanEscapes checks a text without its escapes, if it has any.
func (g *guard) scanEscapes(text []byte, depth int) *Secret {
	from := len(g.room)
	var changed bool
	if g.room, changed = unescape(g.room, text); !changed {
		return nil
	}
	return g.recurse(from, depth)
}

// unescape appends a text to dst without percent escapes (RFC 3986, and the %uXXXX of
// ECMAScript's escape), without the escapes of JSON and JavaScript strings, and without the
// NULs of UTF-16. Broken escapes stay as they are. Where there is none, it appends nothing.
func unescape(dst, text []byte) ([]byte, bool) {
	i := bytes.IndexAny(text, "%\\\x00")
	if i < 0 {
		return dst, false
	}
	dst = append(dst, text[:i]...)
	for i < len(text) {
		switch c := text[i]; c {
		case '%', '\\':
			var size int
			dst, size = unescapeOne(dst, text[i:])
			i += size
		case 0:
			i++
		default:
			dst = append(dst, c)
			i++
		}
	}
	return dst, true
}

// shortEscapes are those of JSON and JavaScript that stand for another byte than their own.
var shortEscapes = map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '0': 0}

// unescapeOne appends what the escape at the start of a text stands for, and returns its size.
func unescapeOne(dst, text []byte) ([]byte, int) {
	if len(text) < 2 {
		return append(dst, text...), len(text)
	}
	percent, kind := text[0] == '%', text[1]
	digits := 0
	switch {
	case kind == 'u':
		digits = 4
	case !percent && kind == 'x':
		digits = 2
	case percent:
		if v, ok := hexNumber(text[1:], 2); ok {
			return append(dst, byte(v)), 3
		}
		return append(dst, '%'), 1
	default:
		if short, ok := shortEscapes[kind]; ok {
			kind = short
		}
		return append(dst, kind), 2
	}
	if !percent && digits == 4 && len(text) > 2 && text[2] == '{' {
		return unescapeBraces(dst, text)
	}
	v, ok := hexNumber(text[2:], digits)
	if !ok {
		return append(dst, text[0]), 1
	}
	size := 2 + digits
	if r := rune(v); utf16.IsSurrogate(r) && len(text) >= 2*size && text[size] == text[0] && text[size+1] == kind {
		if low, ok := hexNumber(text[size+2:], digits); ok {
			if whole := utf16.DecodeRune(r, rune(low)); whole != utf8.RuneError {
				return utf8.AppendRune(dst, whole), 2 * size
			}
		}
	}
	return utf8.AppendRune(dst, rune(v)), size
}

// unescapeBraces is unescapeOne for \u{1f600}.
func unescapeBraces(dst, text []byte) ([]byte, int) {
	end := bytes.IndexByte(text[:min(len(text), 12)], '}')
	if end > 3 {
		if v, ok := hexNumber(text[3:], end-3); ok {
			return utf8.AppendRune(dst, rune(min(v, utf8.MaxRune+1))), end + 1
		}
	}
	return append(dst, text[0]), 1
}

// hexNumber reads so many hex digits.
func hexNumber(text []byte, digits int) (v uint32, ok bool) {
	if len(text) < digits {
		return 0, false
	}
	for _, c := range text[:digits] {
		d := hexDigits[c]
		if d == none {
			return 0, false
		}
		v = v<<4 | uint32(d)
	}
	return v, true
}

// scanBase64 checks what a text holds in base64 (RFC 4648), of both alphabets, padded
// or not, at any place. What decodes to no text is no encoding but a word, a path or a key.
func (g *guard) scanBase64(text []byte, depth int) *Secret {
	for i := 0; i < len(text); i++ {
		start := i
		for i < len(text) && base64Digits[text[i]] != none {
			i++
		}
		if i-start < 4 {
			continue
		}
		if s := g.scanBase64Segments(text[start:i], depth); s != nil {
			return s
		}
		if s := g.scanBase64Run(text[start:i], depth); s != nil {
			return s
		}
	}
	return nil
}

// scanBase64Segments checks what is base64 as a whole, be it short: a run, and as a slash may also be
// a path's, the segments of it.
func (g *guard) scanBase64Segments(run []byte, depth int) *Secret {
	segment, rest, more := bytes.Cut(run, []byte("/"))
	if more {
		if s := g.scanBase64Whole(run, depth); s != nil {
			return s
		}
	}
	for {
		if s := g.scanBase64Whole(segment, depth); s != nil || !more {
			return s
		}
		segment, rest, more = bytes.Cut(rest, []byte("/"))
	}
}

func (g *guard) scanBase64Whole(digits []byte, depth int) *Secret {
	if len(digits) < 4 || len(digits)%4 == 1 {
		return nil
	}
	from := len(g.room)
	if g.room = g.appendBase64(g.room, digits, true); len(g.room)-from == len(digits)*3/4 {
		return g.recurse(from, depth)
	}
	g.room = g.room[:from]
	return nil
}

// scanBase64Run checks the parts of a run of base64's digits that decode to text. They may
// begin at any digit, so all four ways to group the digits are followed.
func (g *guard) scanBase64Run(run []byte, depth int) *Secret {
	var quanta [4]int // that are text, up to here
	var window uint32
	for i, c := range run {
		window = window<<6 | uint32(base64Digits[c])
		way := i & 3
		if i >= 3 && (window&0x808080 == 0 || g.wide) && g.isText(byte(window>>16)) && g.isText(byte(window>>8)) && g.isText(byte(window)) {
			quanta[way]++
			continue
		}
		n := quanta[way]
		quanta[way] = 0
		if n >= minTextQuanta {
			if s := g.checkBase64(run, i-4, n, depth); s != nil {
				return s
			}
		}
	}
	for way, n := range quanta {
		if n >= minTextQuanta {
			last := len(run) - 1 - (len(run)-1-way)&3
			if s := g.checkBase64(run, last, n, depth); s != nil {
				return s
			}
		}
	}
	return nil
}

// checkBase64 checks n quanta of four digits, of which the last ends at a place, with the bytes
// beside them.
func (g *guard) checkBase64(run []byte, last, n, depth int) *Secret {
	start, end := last-4*n+1, min(last+5, len(run))
	if start >= 4 {
		start -= 4
	}
	from := len(g.room)
	g.room = g.appendBase64(g.room, run[start:end], false)
	return g.recurse(from, depth)
}

// appendBase64 decodes digits, up to what isn't text if that is wanted.
func (g *guard) appendBase64(dst, digits []byte, textOnly bool) []byte {
	var window uint32
	bits := 0
	for _, c := range digits {
		window = window<<6 | uint32(base64Digits[c])
		if bits += 6; bits < 8 {
			continue
		}
		bits -= 8
		b := byte(window >> bits)
		if textOnly && !g.isText(b) {
			return dst
		}
		dst = append(dst, b)
	}
	return dst
}

// scanHex checks what a text holds in hex, with or without separators between the bytes.
func (g *guard) scanHex(text []byte, depth int) *Secret {
	for i := 0; i < len(text); {
		if hexDigits[text[i]] == none {
			i++
			continue
		}
		start, digits, pair := i, 0, 0
		for i < len(text) {
			if hexDigits[text[i]] != none {
				digits++
				pair++
			} else if !isHexSeparator(text[i]) || pair&1 != 0 {
				break
			} else {
				pair = 0
			}
			i++
		}
		for way := range 2 {
			if digits < 2*minNeedle {
				break
			}
			if s := g.scanHexRun(text[start:i], way, depth); s != nil {
				return s
			}
		}
		if pair > 2 && pair&1 != 0 && i < len(text) && isHexSeparator(text[i]) {
			i -= 2 // a pair after other digits
		}
	}
	return nil
}

// scanHexRun checks the parts of a run of hex digits that decode to text, leaving out so many
// digits before it. A whole run may be short.
func (g *guard) scanHexRun(run []byte, skip, depth int) *Secret {
	from := len(g.room)
	var window byte
	digits, whole := 0, skip == 0
	for i := range len(run) + 1 {
		if i < len(run) {
			d := hexDigits[run[i]]
			if d == none {
				continue
			}
			window = window<<4 | d
			if digits++; digits <= skip || (digits-skip)&1 != 0 {
				continue
			}
			if g.isText(window) {
				g.room = append(g.room, window)
				continue
			}
			whole = false
		}
		if n := len(g.room) - from; n >= minTextBytes || whole && n >= minNeedle {
			if s := g.recurse(from, depth); s != nil {
				return s
			}
		}
		g.room = g.room[:from]
	}
	return nil
}

// isText tells whether a byte is likely in text that holds a secret. Bytes beyond ASCII
// count where a secret has such.
func (g *guard) isText(c byte) bool {
	return ' ' <= c && c < 0x7f || c >= utf8.RuneSelf && g.wide || c == '\n' || c == '\r' || c == '\t' || c == 0
}

func isHexSeparator(c byte) bool {
	return c == ':' || c == '-' || c == ' ' || c == ',' || c == '.' || c == '_'
}

// none is what isn't a digit.
const none = 0xff

var hexDigits, base64Digits = digitsOf("0123456789abcdef", "0123456789ABCDEF"),
	digitsOf(alphabet+"+/", alphabet+"-_")

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func digitsOf(alphabets ...string) (table [256]byte) {
	for i := range table {
		table[i] = none
	}
	for _, digits := range alphabets {
		for i := range len(digits) {
			table[digits[i]] = byte(i)
		}
	}
	return table
}
