package networklist

import (
	"bytes"
	"strings"

	"github.com/wikiveil/wikiveil/masking"
)

// peeked is how much of a list its format is told by, in bytes.
const peeked = 16 << 10

// detect tells the format of a list by how it starts.
func detect(start []byte) Format {
	if bytes.IndexByte(start, 0) >= 0 {
		return AnonymousIP
	}
	if bytes.HasPrefix(bytes.TrimSpace(start), []byte("{")) {
		return Onionoo
	}
	for len(start) > 0 {
		advance, line, _ := scanLine(start, true)
		start = start[advance:]
		fields := strings.Fields(string(withoutComment(line)))
		if len(fields) == 0 {
			continue
		}
		switch fields[0] {
		case "ExitNode", "ExitAddress", "@type":
			return ExitAddresses
		}
		if isRow(string(withoutComment(line))) {
			return CSV
		}
		return Ranges
	}
	return Ranges
}

// isRow reports whether a line has columns, and isn't ranges alone.
func isRow(line string) bool {
	if strings.HasPrefix(line, `"`) {
		return true
	}
	columns := strings.Split(line, ",")
	for _, column := range columns[1:] {
		if column = strings.TrimSpace(column); column != "" && !isRange(column) {
			return true
		}
	}
	return false
}

// isRange reports whether all of a text are ranges.
func isRange(text string) bool {
	for _, field := range strings.Fields(text) {
		first, last, both := strings.Cut(field, "-")
		if _, err := masking.ParseRange(first); err != nil || both && !isAddr(last) {
			return false
		}
	}
	return true
}
