package spelling

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// escapes scans a text without its escapes, if it has any.
func (s *scanner) escapes(text string, depth int) {
	i := firstUndone(text)
	if i < 0 {
		return
	}
	base, spots, before := len(s.room), len(s.spots), len(s.hits)
	s.room = append(s.room, text[:i]...)
	for at := range i {
		s.spots = append(s.spots, int32(at))
	}
	for at := i; at < len(text); {
		n, size := len(s.room), 1
		if isEscapeStart(text[at]) {
			s.room, size = unescapeOne(s.room, text[at:])
		} else {
			s.room = append(s.room, text[at])
		}
		for range len(s.room) - n {
			s.spots = append(s.spots, int32(at))
		}
		at += size
	}
	s.peak = max(s.peak, len(s.room))
	s.spots = append(s.spots, int32(len(text)))
	view := s.view
	s.view.Escaped = text
	s.scan(viewOf(s.room[base:]), depth+1)
	s.view = view
	for h := before; h < len(s.hits); h++ {
		hit := &s.hits[h]
		hit.from, hit.end = int(s.spots[spots+hit.from]), int(s.spots[spots+hit.end])
	}
	s.room, s.spots = s.room[:base], s.spots[:spots]
}

// firstUndone returns where the first escape begins that stands for something else than it says: most ampersands
// of URLs don't. Without any it's -1.
func firstUndone(text string) int {
	var room [utf8.UTFMax]byte
	for i := 0; i < len(text); {
		if !isEscapeStart(text[i]) {
			i++
			continue
		}
		out, size := unescapeOne(room[:0], text[i:])
		if len(out) != size {
			return i
		}
		i += size
	}
	return -1
}

func firstEscape(text string) int {
	for i := range len(text) {
		if isEscapeStart(text[i]) {
			return i
		}
	}
	return -1
}

// isEscapeStart reports whether an escape begins with a byte: of URLs, of JSON and JavaScript, of HTML, the
// UTF-8 of a full-width character, or the NUL of UTF-16.
func isEscapeStart(c byte) bool { return escapeStarts[c] }

var escapeStarts = [256]bool{'%': true, '\\': true, '&': true, 0xef: true, 0: true}

// Unescape returns a text without percent escapes (RFC 3986, and the %uXXXX of ECMAScript's escape), without the escapes
// of JSON and JavaScript strings, without HTML's numeric and common ones, without the NULs of UTF-16, and with ASCII for
// full-width characters. Broken escapes stay as they are.
func Unescape(text string) string {
	i := firstEscape(text)
	if i < 0 {
		return text
	}
	out := append(make([]byte, 0, len(text)), text[:i]...)
	for i < len(text) {
		size := 1
		if isEscapeStart(text[i]) {
			out, size = unescapeOne(out, text[i:])
		} else {
			out = append(out, text[i])
		}
		i += size
	}
	return viewOf(out) // which nobody else has
}

// shortEscapes are those of JSON and JavaScript that stand for another byte than their own.
var shortEscapes = map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '0': 0}

// unescapeOne appends what the escape at the start of a text stands for, and returns its size.
func unescapeOne(dst []byte, text string) ([]byte, int) {
	if text[0] == 0 {
		return dst, 1
	}
	if len(text) < 2 {
		return append(dst, text...), len(text)
	}
	percent, kind := text[0] == '%', text[1]
	digits := 0
	switch {
	case text[0] == '&':
		return unescapeHTML(dst, text)
	case text[0] == 0xef:
		if r, size := utf8.DecodeRuneInString(text); '\uff01' <= r && r <= '\uff5e' {
			return append(dst, byte(r-'\uff01'+'!')), size
		}
		return append(dst, text[0]), 1
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
func unescapeBraces(dst []byte, text string) ([]byte, int) {
	end := strings.IndexByte(text[:min(len(text), 12)], '}')
	if end > 3 {
		if v, ok := hexNumber(text[3:], end-3); ok {
			return utf8.AppendRune(dst, rune(min(v, utf8.MaxRune+1))), end + 1
		}
	}
	return append(dst, text[0]), 1
}

// namedHTML are the characters of addresses and of what they stand in, by HTML's names.
var namedHTML = map[string]byte{
	"period": '.', "colon": ':', "percnt": '%', "lowbar": '_', "hyphen": '-', "dash": '-', "comma": ',', "sol": '/', "bsol": '\\',
	"lsqb": '[', "rsqb": ']', "num": '#', "amp": '&', "quot": '"', "lt": '<', "gt": '>', "nbsp": ' ',
}

// unescapeHTML is unescapeOne for &#46; &#x2e; and &period;. Browsers need no semicolon after a number.
func unescapeHTML(dst []byte, text string) ([]byte, int) {
	if text[1] != '#' {
		if end := strings.IndexByte(text[:min(len(text), 8)], ';'); end > 0 {
			if c, ok := namedHTML[text[1:end]]; ok {
				return append(dst, c), end + 1
			}
		}
		return append(dst, '&'), 1
	}
	at, base := 2, uint32(10)
	if len(text) > 2 && text[2]|0x20 == 'x' {
		at, base = 3, 16
	}
	from, v := at, uint32(0)
	for ; at < len(text) && at-from < 8; at++ {
		d := hexDigits[text[at]]
		if d == none || uint32(d) >= base {
			break
		}
		v = v*base + uint32(d)
	}
	if at == from {
		return append(dst, '&'), 1
	}
	if at < len(text) && text[at] == ';' {
		at++
	}
	return utf8.AppendRune(dst, rune(min(v, utf8.MaxRune+1))), at
}

// hexNumber reads so many hex digits.
func hexNumber(text string, digits int) (v uint32, ok bool) {
	if len(text) < digits {
		return 0, false
	}
	for i := range digits {
		d := hexDigits[text[i]]
		if d == none {
			return 0, false
		}
		v = v<<4 | uint32(d)
	}
	return v, true
}
