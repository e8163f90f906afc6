package anonproxy

import (
	"bytes"
	"unicode/utf8"

	"github.com/wikiveil/wikiveil/masking/spelling"
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
	if g.room, changed = spelling.Unescape(g.room, text); !changed {
		return nil
	}
	outer := g.outer
	g.outer = text
	found := g.recurse(from, depth)
	g.outer = outer
	return found
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
		return g.unveil(from, depth)
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
	return g.unveil(from, depth)
}

// unveil is recurse for what was in base64 or hex.
func (g *guard) unveil(from, depth int) *Secret {
	outer := g.outer
	g.outer = nil
	g.veiled++
	found := g.recurse(from, depth)
	g.veiled--
	g.outer = outer
	return found
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
			if s := g.unveil(from, depth); s != nil {
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
