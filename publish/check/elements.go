package check

import (
	"bytes"

	"github.com/wikiveil/wikiveil/publish/find"
)

// inherited stands for the element that the piece before ended in.
const inherited = "\x00"

// elements tells in which element of XML a place of a text is, going through it once.
type elements struct {
	text []byte
	read int
	name string
	any  bool
}

// at returns the name of the element that a place is in: of the last tag before it, if that opens one. Places are asked for in
// their order.
func (e *elements) at(place int) string {
	if tag := bytes.LastIndexByte(e.text[e.read:place], '<'); tag >= 0 {
		e.name, e.any = tagName(e.text[e.read+tag+1:]), true
	}
	e.read = place
	if !e.any {
		return inherited
	}
	return e.name
}

// last returns the element that the text ends in, "" if none begins or ends in it.
func (e *elements) last() string {
	if name := e.at(len(e.text)); name != inherited {
		return name
	}
	return ""
}

func tagName(tag []byte) string {
	end := 0
	for end < len(tag) && end < 32 && ('a' <= tag[end]|0x20 && tag[end]|0x20 <= 'z' || end > 0 && '0' <= tag[end] && tag[end] <= '9') {
		end++
	}
	return string(tag[:end])
}

// isPlainFact reports whether what may be an address stands where MediaWiki's dumps have ids, times and checksums.
func isPlainFact(element string, text []byte, f find.Found) bool {
	switch element {
	case "id", "parentid", "revid", "timestamp", "sha1", "origin":
		return bytes.IndexByte(text[f.From:f.End], '.') < 0
	case "text": // in the tag itself: bytes, sha1, id, location
		tag := bytes.LastIndexByte(text[:f.From], '<')
		return tag >= 0 && bytes.IndexByte(text[tag:f.From], '>') < 0
	}
	return false
}
