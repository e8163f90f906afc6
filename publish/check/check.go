// Package check looks for addresses that are left in files: the gate before they are published.
package check

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"github.com/wikiveil/wikiveil/publish/find"
	"github.com/wikiveil/wikiveil/publish/inorder"
	"github.com/wikiveil/wikiveil/publish/packed"
)

// Options say what counts.
type Options struct {
	// Keep are addresses that may stay, such as those of the operator's own servers.
	Keep []netip.Prefix
	// Versions passes over what stands where a program's version does: see [find.IsVersion].
	Versions bool
	// Possible takes also numbers and ids that may be an address: see [find.Finder].
	Possible bool
}

// Finding is an address that is left. It doesn't say which.
type Finding struct {
	Line    int64  `json:"line"`              // from 1
	Byte    int64  `json:"byte"`              // where it begins in the file, unpacked, from 0
	Bytes   int    `json:"bytes"`             // how many it has
	Element string `json:"element,omitempty"` // the element of XML that it stands in
	What    What   `json:"what"`
	text    string
}

// Text is the finding itself, for who may see it.
func (f Finding) Text() string { return f.text }

// What says what was found.
type What string

// What is found.
const (
	Address    What = "address"
	Range      What = "range"
	Disguised  What = "address in another spelling"
	Possible   What = "possible address"
	Compressed What = "compressed text, which can't be looked into"
	Unreadable What = "text that takes too much work to look through"
)

// Bounds of a piece of a file, in bytes.
const (
	pieceSize   = 1 << 20
	longestLine = 32 << 20
)

// Run looks through a file, which may be compressed, and tells each finding, in order. It returns how many bytes it has
// looked through. An error means that there may be more.
func Run(in io.Reader, o Options, tell func(Finding)) (size int64, err error) {
	unpacked, _, err := packed.NewReader(in)
	if err != nil {
		return 0, err
	}
	defer unpacked.Close()
	split := inorder.Split{Size: pieceSize, Most: longestLine, Cut: inorder.Lines}
	lines := int64(0)
	element := "" // the one that the last piece ends in
	err = inorder.Run(unpacked, split, func() func(*inorder.Piece[found]) {
		c := &checker{Options: o, finder: find.Finder{Possible: o.Possible}}
		return c.piece
	}, func(p *inorder.Piece[found]) error {
		if p.Out.err != nil {
			return p.Out.err
		}
		for _, f := range p.Out.list {
			f.Line += lines + 1
			f.Byte += p.At
			if f.Element == inherited {
				f.Element = element
			}
			tell(f)
		}
		if p.Out.last != "" {
			element = p.Out.last
		}
		lines += p.Out.lines
		size = p.At + int64(len(p.In))
		return nil
	})
	return size, err
}

// found is what a piece has: places are counted from its start.
type found struct {
	list  []Finding
	lines int64
	last  string // the element that it ends in, if one begins in it
	err   error
}

type checker struct {
	Options
	finder find.Finder
}

func (c *checker) piece(p *inorder.Piece[found]) {
	p.Out = found{list: p.Out.list[:0], lines: int64(bytes.Count(p.In, []byte{'\n'}))}
	if p.At == 0 {
		p.Out.err = refuseEncoding(p.In)
	}
	x := elements{text: p.In}
	line := int64(0)
	for at := 0; at < len(p.In); line++ {
		end := len(p.In)
		if n := bytes.IndexByte(p.In[at:], '\n'); n >= 0 {
			end = at + n + 1
		}
		c.line(p, &x, at, end, line)
		at = end
	}
	p.Out.last = x.last()
}

func (c *checker) line(p *inorder.Piece[found], x *elements, from, end int, line int64) {
	text := p.In[from:end]
	if isCompressedText(text) {
		p.Out.list = append(p.Out.list, Finding{Line: line, Byte: int64(from), Bytes: len(text), What: Compressed})
	}
	all, ok := c.finder.All(text)
	if !ok {
		p.Out.list = append(p.Out.list, Finding{Line: line, Byte: int64(from), Bytes: len(text), What: Unreadable})
	}
	for _, f := range all {
		if c.passes(text, f) {
			continue
		}
		what := whatOf(text, f)
		element := x.at(from + f.From)
		if what == Possible && isPlainFact(element, text, f) {
			continue
		}
		p.Out.list = append(p.Out.list, Finding{Line: line, Byte: int64(from + f.From), Bytes: f.End - f.From, Element: element, What: what, text: string(text[f.From:f.End])})
	}
}

func (c *checker) passes(text []byte, f find.Found) bool {
	if !f.Surely() {
		return false
	}
	return slices.ContainsFunc(c.Keep, func(p netip.Prefix) bool { return p.Bits() <= f.Net.Bits() && p.Contains(f.Net.Addr()) }) ||
		c.Versions && find.IsVersion(text, f)
}

func whatOf(text []byte, f find.Found) What {
	switch plain, ok := find.Plain(text, f.From); {
	case !f.Surely():
		return Possible
	case !ok || plain.From != f.From:
		return Disguised
	case !f.Address():
		return Range
	}
	return Address
}

// refuseEncoding refuses what no address would be found in.
func refuseEncoding(start []byte) error {
	for _, mark := range []string{"\xff\xfe", "\xfe\xff", "\x00\x00\xfe\xff"} {
		if bytes.HasPrefix(start, []byte(mark)) {
			return fmt.Errorf("it is in UTF-16 or UTF-32: convert it to UTF-8 first")
		}
	}
	return nil
}

// isCompressedText reports whether a line of an SQL dump has rows of MediaWiki's text table whose text is compressed.
func isCompressedText(line []byte) bool {
	return bytes.Contains(line, []byte("gzip'")) && bytes.Contains(line, []byte("INSERT INTO")) ||
		bytes.HasPrefix(line, []byte("(")) && bytes.Contains(line, []byte(",'utf-8,gzip'"))
}
