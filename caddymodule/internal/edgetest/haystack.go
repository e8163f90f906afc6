package edgetest

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
)

// Haystack is bytes in which an address is looked for in every spelling: dotted (padded with zeros,
// with dashes or underscores for dots), any IPv6 text of it, percent-encoded, and in
// binary. It shares no code with what it checks.
type Haystack struct {
	Raw     string
	text    string // in lower case, with percent-escapes undone
	dotted  string // text with the numbers between dots, dashes and underscores as in dotted form
	decided map[string]bool
}

// NewHaystack prepares bytes for a search.
func NewHaystack(data []byte) *Haystack {
	h := &Haystack{Raw: string(data), text: strings.ToLower(unescape(string(data)))}
	h.dotted = plainNumbers(h.text)
	return h
}

// Find returns what surrounds addr, or an address of its /64.
func (h *Haystack) Find(addr netip.Addr) (string, bool) {
	if i := strings.Index(h.Raw, string(addr.AsSlice())); i >= 0 {
		return fmt.Sprintf("binary: %q", Around(h.Raw, i)), true
	}
	if addr.Is4() {
		if i := IndexNumber(h.dotted, addr.String()); i >= 0 {
			return Around(h.dotted, i), true
		}
	}
	if !strings.Contains(h.text, sixHint(addr)) {
		return "", false
	}
	h.decided = make(map[string]bool)
	for i := 0; i < len(h.text); {
		end := i
		for end < len(h.text) && isSixChar(h.text[end]) {
			end++
		}
		if end > i && h.runHolds(h.text[i:end], addr) {
			return Around(h.text, i), true
		}
		i = end + 1
	}
	return "", false
}

// runHolds tries all parts of a run of characters that IPv6 addresses are made of.
func (h *Haystack) runHolds(run string, addr netip.Addr) bool {
	if strings.Count(run, ":") < 2 || !strings.Contains(run, sixHint(addr)) {
		return false
	}
	if known, ok := h.decided[run]; ok {
		return known
	}
	const longest = len("0000:0000:0000:0000:0000:ffff:255.255.255.255")
	for from := range run {
		for to := from + 2; to <= min(len(run), from+longest); to++ {
			if got, err := netip.ParseAddr(run[from:to]); err == nil && stands(got, addr) {
				h.decided[run] = true
				return true
			}
		}
	}
	h.decided[run] = false
	return false
}

// stands reports whether an IPv6 text tells addr.
func stands(got, addr netip.Addr) bool {
	if !got.Is6() {
		return false
	}
	b := got.As16()
	if addr.Is4() {
		four := addr.As4()
		return [4]byte(b[12:]) == four || [4]byte(b[2:6]) == four // mapped, NAT64 and the like; 6to4
	}
	return netip.PrefixFrom(addr, 64).Contains(got)
}

// sixHint is what every IPv6 text of addr holds.
func sixHint(addr netip.Addr) string {
	b := addr.AsSlice()
	if addr.Is4() {
		return ":" // it may end dotted
	}
	return fmt.Sprintf("%x:", binary.BigEndian.Uint16(b))
}

func isSixChar(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || c == ':' || c == '.'
}

func isDecimal(c byte) bool { return '0' <= c && c <= '9' }

// IndexNumber is strings.Index for what is not part of a longer number.
func IndexNumber(text, part string) int {
	for from := 0; ; {
		i := strings.Index(text[from:], part)
		if i < 0 {
			return -1
		}
		i += from
		end := i + len(part)
		if (i == 0 || !isDecimal(text[i-1])) && (end == len(text) || !isDecimal(text[end])) {
			return i
		}
		from = i + 1
	}
}

// plainNumbers puts a dot for a dash or underscore between digits and drops leading zeros.
func plainNumbers(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		inside := i > 0 && isDecimal(text[i-1])
		switch {
		case c == '0' && !inside && i+1 < len(text) && isDecimal(text[i+1]):
			for i+2 < len(text) && text[i+1] == '0' && isDecimal(text[i+2]) {
				i++
			}
		case (c == '-' || c == '_') && inside && i+1 < len(text) && isDecimal(text[i+1]):
			b.WriteByte('.')
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unescape undoes the percent-escapes that are right and leaves the others.
func unescape(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if c, err := hex.DecodeString(text[i+1 : i+3]); err == nil {
				b.Write(c)
				i += 2
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// Around is what surrounds a place in a text.
func Around(text string, i int) string {
	return text[max(0, i-100):min(len(text), i+120)]
}
