package scrub

import (
	"bytes"

	"github.com/wikiveil/wikiveil/publish/find"
)

// lines scrubs logs and tables.
func (w *worker) lines(dst, text []byte) ([]byte, error) {
	if bytes.IndexByte(text, 0) >= 0 {
		return dst, ErrEncoding
	}
	whole := wholeField
	switch w.Format {
	case TSV:
		whole = wholeCell
	case JSON:
		whole = wholeString
	}
	return w.replace(dst, text, func(text []byte, f find.Found) bool {
		return whole(text, f) || w.leadsToUser(text[:f.From])
	})
}

// wholeCell reports whether an address is a field of a table, or a subpage's title begins with it.
func wholeCell(text []byte, f find.Found) bool {
	return (f.From == 0 || text[f.From-1] == '\t' || text[f.From-1] == '\n') &&
		(f.End == len(text) || bytes.IndexByte([]byte("\t\r\n/"), text[f.End]) >= 0)
}

// wholeString reports whether an address is a string of JSON, or one of a list in it as in X-Forwarded-For.
func wholeString(text []byte, f find.Found) bool {
	from, end := f.From, f.End
	for from > 0 && isListByte(text[from-1]) {
		from--
	}
	for end < len(text) && isListByte(text[end]) {
		end++
	}
	return from > 0 && text[from-1] == '"' && end < len(text) && text[end] == '"'
}

// isListByte reports whether a byte may stand in a list of addresses.
func isListByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' || bytes.IndexByte([]byte(":., []%"), c) >= 0
}

// wholeField reports whether an address is a field of an access log: between spaces, or all that is in quotes.
func wholeField(text []byte, f find.Found) bool {
	line := text[bytes.LastIndexByte(text[:f.From], '\n')+1:]
	from, end := f.From-(len(text)-len(line)), f.End-(len(text)-len(line))
	if bytes.Count(line[:from], []byte{'"'})%2 == 1 {
		return wholeString(line, find.Found{From: from, End: end})
	}
	return (from == 0 || line[from-1] == ' ' || line[from-1] == ',') && (end == len(line) || bytes.IndexByte([]byte(" ,\r\n"), line[end]) >= 0)
}
