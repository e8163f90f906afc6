package mirror

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescape reads a name or a string's inside (CSS Syntax, 4.3.7). An escaped line
// break is none.
func unescape(raw []byte) string {
	var b strings.Builder
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			b.WriteByte(raw[i])
			i++
			continue
		}
		i++
		digits := 0
		for digits < 6 && i+digits < len(raw) && isHex(raw[i+digits]) {
			digits++
		}
		switch {
		case i == len(raw):
		case digits > 0:
			n, _ := strconv.ParseUint(string(raw[i:i+digits]), 16, 32)
			if n == 0 || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
				n = utf8.RuneError
			}
			b.WriteRune(rune(n))
			if i += digits; i < len(raw) && isSpace(raw[i]) {
				i++
			}
		case raw[i] == '\n':
			i++
		default:
			_, size := utf8.DecodeRune(raw[i:])
			b.Write(raw[i : i+size])
			i += size
		}
	}
	return b.String()
}

// unquote reads a string token, which the sheet's end may have cut off.
func unquote(raw []byte) string {
	inside, end := raw[1:], raw[0]
	for i := 0; i < len(inside); i++ {
		switch inside[i] {
		case '\\':
			i++
		case end:
			return unescape(inside[:i])
		}
	}
	return unescape(inside)
}

// urlOf reads the address in a url token.
func urlOf(raw []byte) string {
	_, inside, _ := strings.Cut(string(raw), "(")
	inside = strings.TrimLeft(inside, " \t\n")
	if inside != "" && (inside[0] == '"' || inside[0] == '\'') {
		return unquote([]byte(inside))
	}
	for i := 0; i < len(inside); i++ {
		switch inside[i] {
		case '\\':
			i++
		case ')':
			return unescape([]byte(strings.TrimRight(inside[:i], " \t\n")))
		}
	}
	return unescape([]byte(inside))
}

// quote writes a string.
func quote(value string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range value {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			escape(&b, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// ident writes a name in ASCII, with escapes where it needs them.
func ident(name string) string {
	if name == "-" {
		return `\-`
	}
	var b strings.Builder
	for i, r := range name {
		start := i == 0 || i == 1 && name[0] == '-'
		switch {
		case r >= '0' && r <= '9' && start, r >= utf8.RuneSelf, !isNameByte(byte(r)):
			escape(&b, r)
		default:
			b.WriteByte(byte(r))
		}
	}
	return b.String()
}

// hashName writes the name after a number sign, which may begin with a digit.
func hashName(raw []byte) string {
	if isPlain(raw) {
		return string(raw)
	}
	return ident(unescape(raw))
}

// dimension writes a number and its unit.
func dimension(raw []byte) string {
	i := 0
	for i < len(raw) && (raw[i] >= '0' && raw[i] <= '9' || raw[i] == '+' || raw[i] == '-' && i == 0 || raw[i] == '.') {
		i++
	}
	if isPlain(raw[i:]) {
		return string(raw)
	}
	if exponent := exponentOf(raw[i:]); exponent > 0 {
		i += exponent
	}
	unit := unescape(raw[i:])
	_, size := utf8.DecodeRuneInString(unit)
	var b strings.Builder
	b.Write(raw[:i])
	for _, r := range unit[:size] { // else 1\65 3 became 1e3
		escape(&b, r)
	}
	for _, r := range unit[size:] {
		if r >= utf8.RuneSelf || !isNameByte(byte(r)) {
			escape(&b, r)
		} else {
			b.WriteByte(byte(r))
		}
	}
	return b.String()
}

// exponentOf is the length of an exponent that begins here, or 0.
func exponentOf(raw []byte) int {
	i := 0
	if i == len(raw) || raw[i]|0x20 != 'e' {
		return 0
	}
	if i++; i < len(raw) && (raw[i] == '+' || raw[i] == '-') {
		i++
	}
	digits := i
	for i < len(raw) && raw[i] >= '0' && raw[i] <= '9' {
		i++
	}
	if i == digits {
		return 0
	}
	return i
}

// escape writes a character by its number. The blank ends the escape.
func escape(b *strings.Builder, r rune) {
	b.WriteByte('\\')
	b.WriteString(strconv.FormatInt(int64(r), 16))
	b.WriteByte(' ')
}

func isPlain(raw []byte) bool {
	for _, c := range raw {
		if !isNameByte(c) && c != '+' && c != '.' {
			return false
		}
	}
	return true
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

func isHex(c byte) bool { return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f' }

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' }
