// Package scrub puts masks in the place of addresses in MediaWiki's XML dumps, SQL dumps, access logs, JSON lines and tables.
// Each address becomes the mask that the edge gives it, in the form in which MediaWiki names its user, so that links lead to
// where they led. Masks stay as they are: scrubbing twice changes nothing more.
package scrub

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"unicode/utf8"

	"github.com/wikiveil/wikiveil/masking"
	"github.com/wikiveil/wikiveil/publish/find"
	"github.com/wikiveil/wikiveil/publish/inorder"
	"github.com/wikiveil/wikiveil/publish/wikiname"
)

// Format is what a file is.
type Format string

// The formats.
const (
	XML  Format = "xml"  // a dump of MediaWiki by dumpBackup.php, https://www.mediawiki.org/xml/
	SQL  Format = "sql"  // a dump by mysqldump, mariadb-dump or SQLite's .dump
	Log  Format = "log"  // an access log in the common or combined format
	JSON Format = "json" // lines of JSON
	TSV  Format = "tsv"  // lines of fields with tabs between them
)

// Formats are all of them.
var Formats = []Format{XML, SQL, Log, JSON, TSV}

// Mode says which addresses are masked.
type Mode string

// The modes.
const (
	// Contributors masks those that stand where a client's is named: as contributor, as whole field, in titles of and links to
	// users' pages.
	Contributors Mode = "contributors"
	// Everywhere masks each that is found, in any spelling.
	Everywhere Mode = "everywhere"
)

// Options say what is masked.
type Options struct {
	Masker *masking.Masker
	// Format is what the input is, "" for what it looks like.
	Format Format
	// Mode says which addresses; "" is Everywhere for logs and lines of JSON, and else Contributors.
	Mode Mode
	// Versions leaves what stands where a program's version does: see [find.IsVersion].
	Versions bool
	// Keep are addresses that stay, such as those of the operator's own servers.
	Keep []netip.Prefix
}

// Bounds of a piece of an input, in bytes.
const (
	pieceSize     = 1 << 20
	longestRecord = 32 << 20
	headSize      = 64 << 10
)

// Errors of inputs.
var (
	ErrEncoding  = errors.New("it isn't UTF-8: convert it first")
	ErrFormat    = errors.New("its format can't be told: give it by --format")
	ErrTruncated = errors.New("it ends too early: it is truncated")
)

// Run scrubs what it reads. Before an error it may have written a part.
func Run(out io.Writer, in io.Reader, o Options) error {
	head := make([]byte, headSize)
	n, err := io.ReadFull(in, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	if head = head[:n]; n == 0 {
		return nil
	}
	if o.Format == "" {
		if o.Format = formatOf(head); o.Format == "" {
			return ErrFormat
		}
	}
	if err := checkHead(head, o.Format); err != nil {
		return err
	}
	if o.Mode == "" {
		o.Mode = Contributors
		if o.Format == Log || o.Format == JSON {
			o.Mode = Everywhere
		}
	}
	about := readNames(head)
	split := inorder.Split{Size: pieceSize, Most: longestRecord, Cut: cuts[o.Format]}
	return inorder.Run(io.MultiReader(bytes.NewReader(head), in), split, func() func(*inorder.Piece[result]) {
		return newWorker(o, about).piece
	}, func(p *inorder.Piece[result]) error {
		if p.Out.err != nil {
			return fmt.Errorf("from byte %d on: %w", p.At, p.Out.err)
		}
		_, err := out.Write(p.Out.text)
		return err
	})
}

// formatOf tells a format by how a file begins.
func formatOf(head []byte) Format {
	first, _, _ := bytes.Cut(bytes.TrimLeft(head, "\ufeff \r\n"), []byte{'\n'})
	switch {
	case bytes.HasPrefix(first, []byte("<mediawiki")), bytes.HasPrefix(first, []byte("<?xml")):
		return XML
	case bytes.HasPrefix(first, []byte("--")), bytes.HasPrefix(first, []byte("/*")), bytes.HasPrefix(first, []byte("PRAGMA ")), bytes.HasPrefix(first, []byte("INSERT ")):
		return SQL
	case bytes.HasPrefix(first, []byte("{")):
		return JSON
	case bytes.Contains(first, []byte(" [")) && bytes.Contains(first, []byte(`] "`)):
		return Log
	case bytes.IndexByte(first, '\t') >= 0:
		return TSV
	}
	return ""
}

func checkHead(head []byte, format Format) error {
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")), format != SQL && bytes.IndexByte(head, 0) >= 0:
		return ErrEncoding
	case format == XML && !bytes.Contains(head, []byte("<mediawiki")):
		return errors.New("it is XML, but no dump of MediaWiki")
	}
	if start := head[:min(len(head), 200)]; format == XML {
		if at := bytes.Index(start, []byte("encoding=")); at >= 0 && !bytes.HasPrefix(bytes.ToLower(start[at:]), []byte(`encoding="utf-8"`)) {
			return ErrEncoding
		}
	}
	return nil
}

// cuts are where an input may be taken apart.
var cuts = map[Format]func([]byte, int) int{XML: cutXML, SQL: cutSQL, Log: inorder.Lines, JSON: inorder.Lines, TSV: inorder.Lines}

// result is what becomes of a piece.
type result struct {
	text []byte
	err  error
}

// worker scrubs one piece after the other.
type worker struct {
	Options
	*names
	masks  masks
	finder find.Finder
	spare  []byte
	texts  []int // where the elements of XML begin whose text was changed
}

func newWorker(o Options, about *names) *worker {
	w := &worker{Options: o, names: about}
	w.masks.masker, w.masks.spell = o.Masker, netip.Addr.String
	if o.Format == XML || o.Format == SQL {
		w.masks.spell = wikiname.Spell
	}
	return w
}

func (w *worker) piece(p *inorder.Piece[result]) {
	text := p.Out.text[:0]
	if cap(text) > 4*pieceSize {
		text = nil
	}
	var err error
	switch w.Format {
	case XML:
		text, err = w.xml(text, p)
	case SQL:
		text, err = w.sql(text, p)
	default:
		text, err = w.lines(text, p.In)
	}
	p.Out = result{text, err}
}

// keeps reports whether an address may stay.
func (w *worker) keeps(f find.Found) bool {
	return slices.ContainsFunc(w.Keep, func(p netip.Prefix) bool { return p.Bits() <= f.Net.Bits() && p.Contains(f.Net.Addr()) })
}

// replace appends a text with masks for the addresses that wanted takes, or for all of them.
func (w *worker) replace(dst, text []byte, wanted func(text []byte, f find.Found) bool) ([]byte, error) {
	if w.Mode == Everywhere {
		return w.replaceAll(dst, text)
	}
	var err error
	start := 0
	for at := 0; ; {
		f, ok := find.Plain(text, at)
		if !ok {
			return append(dst, text[start:]...), nil
		}
		if at = f.End; w.keeps(f) || !wanted(text, f) {
			continue
		}
		if dst, err = w.masks.put(append(dst, text[start:f.From]...), f); err != nil {
			return dst, err
		}
		start = f.End
	}
}

// replaceAll is replace for all addresses, in any spelling.
func (w *worker) replaceAll(dst, text []byte) ([]byte, error) {
	for len(text) > 0 {
		line := text
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			line = text[:end+1]
		}
		text = text[len(line):]
		found, ok := w.finder.All(line)
		if !ok {
			return dst, errors.New("a line takes too much work to look through")
		}
		start := 0
		for _, f := range found {
			if w.keeps(f) || w.isVersion(line, f) {
				continue
			}
			var err error
			if dst, err = w.masks.put(append(dst, line[start:f.From]...), f); err != nil {
				return dst, err
			}
			start = f.End
		}
		dst = append(dst, line[start:]...)
	}
	return dst, nil
}

// isVersion reports whether an address stays as a program's version: in logs those of user agents always do.
func (w *worker) isVersion(line []byte, f find.Found) bool {
	inLog := w.Format == Log || w.Format == JSON
	return w.Versions && find.IsVersion(line, f) || inLog && find.IsProduct(line, f) && !w.leadsToUser(line[:f.From])
}

func validUTF8(text []byte) error {
	if !utf8.Valid(text) {
		return ErrEncoding
	}
	return nil
}
