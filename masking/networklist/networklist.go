// Package networklist reads lists of networks as they are published: ranges on lines, Tor's own lists of its exits, tables of CSV,
// and MaxMind's databases of anonymous addresses.
package networklist

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"go4.org/netipx"

	"github.com/wikiveil/wikiveil/masking"
)

// Bounds of a list.
const (
	MaxRanges = 2_000_000
	MaxSize   = 128 << 20 // bytes

	maxLine = 1 << 20 // bytes
	minV4   = 8       // bits; what is wider is no network's but a mistake
	minV6   = 16
)

// Why a list is no good, for callers to test for; other errors say what can't be read.
var (
	ErrEmpty    = errors.New("the list has no ranges")
	ErrHTML     = errors.New("it is a page of HTML and no list")
	ErrDatabase = errors.New("it is no text; a database is read from a file: have geoipupdate put it there")
	ErrTooLong  = fmt.Errorf("the list is longer than %d ranges or %d MiB", MaxRanges, MaxSize>>20)
)

// Format is how a list is written.
type Format string

// The formats.
const (
	// Ranges has one or more on each line: an address, a CIDR range, or two addresses with a hyphen between. Several stand
	// apart by blanks or commas. What follows # or ; on a line is a comment. Tor's bulk exit list is of this format.
	Ranges Format = "ranges"
	// CSV has an address or a range in the first column, or a range's first and last address in the first two, as
	// Apple's list of iCloud Private Relay and lists of VPNs have. The first line may name the columns.
	CSV Format = "csv"
	// ExitAddresses is the exit list of TorDNSEL: https://metrics.torproject.org/collector.html#type-tordnsel
	ExitAddresses Format = "exit-addresses"
	// Onionoo is a details document in JSON: https://metrics.torproject.org/onionoo.html#details
	Onionoo Format = "onionoo"
	// AnonymousIP is MaxMind's database Anonymous-IP or Anonymous-Plus.
	AnonymousIP Format = "anonymous-ip"
)

var formats = map[Format]func(from *bufio.Reader, to *adder) error{
	Ranges: readRanges, CSV: readCSV, ExitAddresses: readExitAddresses, Onionoo: readOnionoo, AnonymousIP: readAnonymousIP,
}

// IsFormat reports whether there is such a format.
func IsFormat(f Format) bool { return formats[f] != nil }

// A List is read by Read.
type List struct {
	Format  Format // empty: told by the content
	Network string // whose list it is: of an Anonymous-IP database, that network's ranges are taken
	Fetched bool   // by the edge: then it is no database, in which a bad index may lead anywhere for ever
}

// Read gives add each range of a list, host bits cut off, and returns how many there were. It reads as it goes, but for databases.
// After an error, what was read up to there is no whole list. An error of a line names it.
//
// Errors: [ErrEmpty], [ErrHTML], [ErrTooLong], those of reading.
func (l List) Read(from io.Reader, add func(netip.Prefix)) (count int, err error) {
	limited := &io.LimitedReader{R: from, N: MaxSize + 1}
	r := bufio.NewReaderSize(limited, peeked)
	start, err := r.Peek(peeked)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if bytes.HasPrefix(start, []byte(byteOrderMark)) {
		r.Discard(len(byteOrderMark))
		start = start[len(byteOrderMark):]
	}
	if bytes.HasPrefix(bytes.TrimSpace(start), []byte("<")) {
		return 0, ErrHTML
	}
	format := l.Format
	if format == "" {
		format = detect(start)
	}
	read, ok := formats[format]
	switch {
	case !ok:
		return 0, fmt.Errorf("there is no format %q", format)
	case l.Fetched && format == AnonymousIP:
		return 0, ErrDatabase
	}
	to := &adder{add: add, network: l.Network}
	err = read(r, to)
	switch {
	case limited.N == 0 || to.count > MaxRanges:
		return to.count, ErrTooLong
	case err == nil && to.count == 0:
		return 0, ErrEmpty
	}
	return to.count, err
}

const byteOrderMark = "\ufeff"

// adder takes the ranges of a list.
type adder struct {
	add     func(netip.Prefix)
	network string
	count   int
}

// prefix adds a range, unless it is far too wide.
func (a *adder) prefix(prefix netip.Prefix) error {
	if p := prefix; p.Addr().Is4() && p.Bits() < minV4 || p.Addr().Is6() && p.Bits() < minV6 {
		return fmt.Errorf("%s is too wide for a network: ranges have /%d or more, those of IPv6 /%d", p, minV4, minV6)
	}
	if a.count++; a.count > MaxRanges {
		return ErrTooLong
	}
	a.add(prefix)
	return nil
}

// addr adds one address.
func (a *adder) addr(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	return a.prefix(netip.PrefixFrom(addr, addr.BitLen()))
}

// text adds an address, a range, or two addresses with a hyphen between.
func (a *adder) text(text string) error {
	if from, until, ok := strings.Cut(text, "-"); ok {
		return a.span(from, until)
	}
	prefix, err := masking.ParseRange(text)
	if err != nil {
		return fmt.Errorf("%s is neither an address, nor a CIDR range, nor two addresses with a hyphen between", quote(text))
	}
	return a.prefix(prefix)
}

// span adds all addresses from one to another.
func (a *adder) span(from, until string) error {
	first, err := netip.ParseAddr(strings.TrimSpace(from))
	last, lastErr := netip.ParseAddr(strings.TrimSpace(until))
	span := netipx.IPRangeFrom(first.Unmap().WithZone(""), last.Unmap().WithZone(""))
	if err != nil || lastErr != nil || !span.IsValid() {
		return fmt.Errorf("%s isn't two addresses with a hyphen between, the first one first", quote(from+"-"+until))
	}
	for _, prefix := range span.Prefixes() {
		if err := a.prefix(prefix); err != nil {
			return err
		}
	}
	return nil
}

func readRanges(from *bufio.Reader, to *adder) error {
	return eachLine(from, func(line []byte) error {
		for field := range bytes.FieldsFuncSeq(withoutComment(line), isBetween) {
			if err := to.text(string(field)); err != nil {
				return err
			}
		}
		return nil
	})
}

func withoutComment(line []byte) []byte {
	if at := bytes.IndexAny(line, "#;"); at >= 0 {
		return line[:at]
	}
	return line
}

// eachLine calls do for each line; an error of it ends the list, and gets the line's number.
func eachLine(from io.Reader, do func(line []byte) error) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	lines.Split(scanLine)
	n := 0
	for lines.Scan() {
		n++
		if err := do(lines.Bytes()); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("line %d: %w", n+1, err)
	}
	return nil
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

// quote writes what stands in the list so that it can stand in an error.
func quote(text string) string {
	if len(text) > 64 {
		text = text[:64] + "…"
	}
	return fmt.Sprintf("%q", text)
}
