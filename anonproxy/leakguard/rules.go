package leakguard

import (
	"strings"
	"unicode/utf8"
)

// The fields of a [Secret] that the leak guard knows. Any other is looked for like
// FieldSession.
const (
	FieldAddress = "address"   // a client's IP address
	FieldMask    = "mask"      // one that stands for it
	FieldUser    = "user name" // who is logged in
	FieldUserID  = "user ID"   // the same, as a number
	FieldSession = "session"   // whoever has it is logged in
	FieldCookie  = "cookie"    // of which most say nothing
)

// What is looked for at all, in bytes unless said otherwise.
const (
	minNeedle          = 3   // shorter ones stand everywhere
	minAnywhere        = 8   // shorter ones must be whole words
	minNumber          = 6   // digits; fewer are years, zoom levels, pages
	minPiece           = 16  // of a longer value
	minRandomness      = 280 // of a cookie's value, in tenths of a bit
	minPieceRandomness = 560
	minKey             = 160
)

type search int

const (
	searchNever    search = iota
	searchWhole           // with no letter or digit beside it
	searchAnywhere        // inside of other text too
)

// IsKey reports whether a value could be a key: whether it was chosen with some bits by a rough count. A word
// isn't, whatever the cookie's name.
func IsKey(value string) bool { return randomness(value) >= minKey }

// search tells how a text that belongs to the secret is to be looked for. The reader's
// innocent requests must pass: a word that a thousand others may send says nothing of them.
func (s *Secret) search(text string) search {
	switch {
	case s.Field == FieldCookie:
		if randomness(text) < minRandomness {
			return searchNever
		}
		return searchAnywhere
	case len(text) < minNeedle, len(text) < minNumber && isNumber(text):
		return searchNever
	case len(text) < minAnywhere, s.Field == FieldUser && mayBeWord(s.Value):
		return searchWhole
	}
	return searchAnywhere
}

// randomness is a rough count, in tenths, of the bits that a text was chosen with: few for
// words and dates, many for keys. "vector-2022" has 20 bits, 8 random hex digits some 30.
func randomness(s string) int {
	var seen [4]uint64
	tenths, distinct := 0, 0
	for i := 0; i < len(s); {
		word := wordAt(s, i)
		for _, c := range []byte(s[i : i+word]) {
			if bit := uint64(1) << (c & 63); seen[c>>6]&bit == 0 {
				seen[c>>6] |= bit
				distinct++
			}
			switch {
			case word >= 3:
				tenths += 10 // Shannon, "Prediction and entropy of printed English": about a bit a letter
			case isDigit(c):
				tenths += 33
			case isAlnum(c):
				tenths += 47
			case c >= utf8.RuneSelf:
				tenths += 20
			default:
				tenths += 5
			}
		}
		i += word
	}
	if distinct < 5 {
		return 0
	}
	return tenths
}

// wordAt returns the length of the word at i: letters of one case, of which the first may be
// a capital. It is 1 where there is none.
func wordAt(s string, i int) int {
	if !isAlnum(s[i]) || isDigit(s[i]) {
		return 1
	}
	end := i + 1
	if end == len(s) || !isAlnum(s[end]) || isDigit(s[end]) {
		return 1
	}
	for small := s[end] & 0x20; end < len(s) && isAlnum(s[end]) && !isDigit(s[end]) && s[end]&0x20 == small; {
		end++
	}
	if s[i]&0x20 != 0 && s[i+1]&0x20 == 0 { // aBC
		return 1
	}
	return end - i
}

func isNumber(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isAlnum(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' }

// isWordByte tells what may go on a word: letters beyond ASCII too.
func isWordByte(c byte) bool { return isAlnum(c) || c >= utf8.RuneSelf }

// fold makes one of the bytes that a gadget, or MediaWiki, may put for one another: small letters
// for capitals, a space for what stands for it in titles, forms and slugs.
var fold = func() (table [256]byte) {
	for i := range table {
		c := byte(i)
		switch {
		case 'A' <= c && c <= 'Z':
			c |= 0x20
		case c == '_' || c == '+' || c == '-':
			c = ' '
		}
		table[i] = c
	}
	return table
}()
