package find

import (
	"bytes"
	"slices"
)

// versionWords stand before a number that is a version, by themselves or as a part of a word such as "v1.2.3.4".
var versionWords = [][]byte{
	[]byte("v"), []byte("ver"), []byte("version"), []byte("versions"), []byte("release"), []byte("releases"), []byte("build"), []byte("patch"),
	[]byte("update"), []byte("firmware"), []byte("mediawiki"), []byte("chrome"), []byte("firefox"), []byte("windows"), []byte("php"),
}

// IsVersion reports whether the address at a place in a text is rather the version of a program: it stands behind a word that
// says so ("version 1.2.3.4", "v1.2.3.4", "MediaWiki 1.39.10.2") or behind a product's name and a slash, as in a user agent.
func IsVersion(text []byte, f Found) bool {
	if !f.Net.Addr().Is4() || f.Port || !f.Address() || f.From == 0 {
		return false
	}
	return IsProduct(text, f) || bytes.IndexByte(text[f.From:f.End], '.') >= 0 && afterVersionWord(text[:f.From])
}

func afterVersionWord(before []byte) bool {
	before = before[max(0, len(before)-32):]
	word := bytes.TrimRight(before, " .:_=")
	if len(before)-len(word) > 2 {
		return false
	}
	at := len(word)
	for at > 0 && isLetter(word[at-1]) {
		at--
	}
	if at > 0 && (IsWord(word[at-1]) || word[at-1] == '%') {
		return false
	}
	last := bytes.ToLower(word[at:])
	return slices.ContainsFunc(versionWords, func(w []byte) bool { return bytes.Equal(w, last) })
}

// IsProduct reports whether an address is the version of a product in a user agent: "YaBrowser/24.1.0.0", but not the end of
// a path.
func IsProduct(text []byte, f Found) bool {
	if f.From < 2 || text[f.From-1] != '/' || !f.Net.Addr().Is4() {
		return false
	}
	at := f.From - 1
	for at > 0 && (IsWord(text[at-1]) || text[at-1] == '-' || text[at-1] == '.') {
		at--
	}
	if at == f.From-1 || !isLetter(text[at]) {
		return false
	}
	return at == 0 || bytes.IndexByte([]byte(" \"'(;,\t\n"), text[at-1]) >= 0
}
