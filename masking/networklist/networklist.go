// Package networklist reads lists of addresses as they are published: one range or more on
// each line, with comments.
package networklist

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"go4.org/netipx"

	"github.com/wikiveil/wikiveil/masking"
)

// Bounds of a list.
const (
	maxLine = 1 << 20 // bytes
	minV4   = 8       // bits; what is wider is no network's but a mistake
	minV6   = 16
)

// Read adds the ranges of a list to a set, and returns how many it has read. It reads as it
// goes, however long the list is.
//
// A range is an address, a CIDR range, or two addresses with a hyphen between. Several stand
// apart by blanks or commas. What follows # or ; on a line is a comment. Empty lines, a byte
// order mark and any ends of lines are fine. An error names the line; what was read up to
// there is no whole list.
func Read(from io.Reader, to *netipx.IPSetBuilder) (count int, err error) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	lines.Split(scanLine)
	n := 0
	for lines.Scan() {
		line := lines.Bytes()
		if n++; n == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		if at := bytes.IndexAny(line, "#;"); at >= 0 {
			line = line[:at]
		}
		for field := range bytes.FieldsFuncSeq(line, isBetween) {
			if err := add(string(field), to); err != nil {
				return count, fmt.Errorf("line %d: %w", n, err)
			}
			count++
		}
	}
	if err := lines.Err(); err != nil {
		return count, fmt.Errorf("line %d: %w", n+1, err)
	}
	return count, nil
}

// scanLine is a bufio.SplitFunc for lines that end with LF, CR or both: a comment must not hide
// the lines after it.
func scanLine(data []byte, atEOF bool) (advance int, token []byte, err error) {
	end := bytes.IndexAny(data, "\r\n")
	switch {
	case end < 0 && atEOF && len(data) > 0:
		return len(data), data, nil
	case end < 0 || end == len(data)-1 && data[end] == '\r' && !atEOF:
		return 0, nil, nil // more is needed to tell
	case bytes.HasPrefix(data[end:], []byte("\r\n")):
		return end + 2, data[:end], nil
	}
	return end + 1, data[:end], nil
}

func isBetween(r rune) bool { return r == ' ' || r == '\t' || r == ',' || r == '\v' || r == '\f' }

func add(text string, to *netipx.IPSetBuilder) error {
	if from, until, ok := strings.Cut(text, "-"); ok {
		return addSpan(text, from, until, to)
	}
	prefix, err := masking.ParseRange(text)
	if err != nil {
		return fmt.Errorf("%s is neither an address, nor a CIDR range, nor two addresses with a hyphen between", quote(text))
	}
	if isTooWide(prefix) {
		return fmt.Errorf("%s is too wide for a network: ranges have /%d or more, those of IPv6 /%d", quote(text), minV4, minV6)
	}
	to.AddPrefix(prefix)
	return nil
}

// addSpan adds all addresses from one to another.
func addSpan(text, from, until string, to *netipx.IPSetBuilder) error {
	first, err := netip.ParseAddr(from)
	last, lastErr := netip.ParseAddr(until)
	span := netipx.IPRangeFrom(first.Unmap().WithZone(""), last.Unmap().WithZone(""))
	if err != nil || lastErr != nil || !span.IsValid() {
		return fmt.Errorf("%s isn't two addresses with a hyphen between, the first one first", quote(text))
	}
	for _, prefix := range span.Prefixes() {
		if isTooWide(prefix) {
			return fmt.Errorf("%s is too wide for a network", quote(text))
		}
	}
	to.AddRange(span)
	return nil
}

func isTooWide(p netip.Prefix) bool {
	return p.Addr().Is4() && p.Bits() < minV4 || p.Addr().Is6() && p.Bits() < minV6
}

// quote writes what stands in the list so that it can stand in an error.
func quote(text string) string {
	if len(text) > 64 {
		text = text[:64] + "…"
	}
	return fmt.Sprintf("%q", text)
}
