// Package text has what is asked of texts that come from elsewhere in several places.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable reports whether a text has at most so many bytes, is UTF-8, and has no control characters, line breaks included.
func Printable(text string, most int) bool {
	return len(text) <= most && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// Cut returns the first bytes of a text, at most so many, and no part of a character.
func Cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
