package scrub

import (
	"bytes"
	"errors"
	"html"

	"github.com/wikiveil/wikiveil/publish/find"
	"github.com/wikiveil/wikiveil/publish/inorder"
)

var recordStarts = [][]byte{[]byte("<revision>"), []byte("<page>"), []byte("<logitem>"), []byte("<upload>"), []byte("</mediawiki>")}

// cutXML cuts before the last page, revision or log entry. In MediaWiki's dumps "<" stands nowhere but in tags.
func cutXML(data []byte, seen int) int {
	seen = max(0, seen-len("</mediawiki>"))
	for end := len(data); end > seen; {
		at := bytes.LastIndexByte(data[seen:end], '<')
		if at < 0 {
			return 0
		}
		end = seen + at
		for _, start := range recordStarts {
			if bytes.HasPrefix(data[end:], start) {
				return end
			}
		}
	}
	return 0
}

// xml scrubs a piece of a dump, and mends the checksums and sizes of the texts that it changes: with those, and the rest of a
// text, its address could be found by trying.
func (w *worker) xml(dst []byte, p *inorder.Piece[result]) ([]byte, error) {
	if err := w.checkXML(p); err != nil {
		return dst, err
	}
	out := w.spare[:0]
	var err error
	w.texts = w.texts[:0]
	for text := p.In; len(text) > 0; {
		if text[0] == '<' {
			end := bytes.IndexByte(text, '>') + 1
			if end == 0 {
				return dst, ErrTruncated
			}
			if out, err = w.tag(out, text[:end]); err != nil {
				return dst, err
			}
			text = text[end:]
			continue
		}
		size := bytes.IndexByte(text, '<')
		if size < 0 {
			size = len(text)
		}
		if out, err = w.element(out, text[:size]); err != nil {
			return dst, err
		}
		text = text[size:]
	}
	if w.spare = out; cap(out) > 4*pieceSize {
		w.spare = nil
	}
	return appendMended(dst, out, w.texts)
}

func (w *worker) checkXML(p *inorder.Piece[result]) error {
	if bytes.Contains(p.In, []byte("<![CDATA[")) || bytes.Contains(p.In, []byte("<!--")) || bytes.Contains(p.In, []byte("<!DOCTYPE")) {
		return errors.New("it has comments, CDATA or a DOCTYPE, which MediaWiki's dumps don't")
	}
	if p.Last && !bytes.HasSuffix(bytes.TrimRight(p.In, " \r\n\t"), []byte("</mediawiki>")) {
		return ErrTruncated
	}
	return validUTF8(p.In)
}

// tag appends a tag, of which only that of a redirect may name a user: in its title.
func (w *worker) tag(out, tag []byte) ([]byte, error) {
	if !bytes.HasPrefix(tag, []byte("<redirect ")) {
		return append(out, tag...), nil
	}
	return w.replace(out, tag, w.isTitle)
}

// isTitle reports whether an address stands in the title of a user's page.
func (w *worker) isTitle(text []byte, f find.Found) bool {
	return w.leadsToUser(text[:f.From]) || w.about(text[:f.From])
}

// element appends the content of an element whose tag is the last of out.
func (w *worker) element(out, text []byte) ([]byte, error) {
	if len(text) < len("::1") {
		return append(out, text...), nil
	}
	start := bytes.LastIndexByte(out, '<') + 1
	name := tagName(out[start:])
	before := len(out)
	var err error
	switch name {
	case "ip", "username":
		out, err = w.replace(out, text, isContributor)
	case "title", "logtitle":
		out, err = w.replace(out, text, w.isTitle)
	case "params":
		out, err = w.params(out, text)
	case "text", "comment":
		out, err = w.replace(out, text, w.isLinked)
	case "id", "parentid", "timestamp", "sha1", "ns", "model", "format", "origin", "bytes":
		return append(out, text...), nil
	default:
		out, err = w.replace(out, text, func([]byte, find.Found) bool { return false })
	}
	if name == "text" && err == nil && !bytes.Equal(out[before:], text) {
		w.texts = append(w.texts, start-1)
	}
	return out, err
}

func tagName(tag []byte) string {
	if end := bytes.IndexAny(tag, " />"); end >= 0 {
		return string(tag[:end])
	}
	return ""
}

// isContributor takes a whole name, or one of another wiki as in "wiki>192.0.2.1".
func isContributor(text []byte, f find.Found) bool {
	return (f.From == 0 || bytes.HasSuffix(text[:f.From], []byte("&gt;"))) && f.End == len(text)
}

// isLinked reports whether an address stands in a link to a user's page or contributions, or in its text.
func (w *worker) isLinked(text []byte, f find.Found) bool {
	if w.leadsToUser(text[:f.From]) {
		return true
	}
	near := max(0, f.From-longestName)
	start := bytes.LastIndex(text[near:f.From], []byte("[["))
	if start < 0 || bytes.Contains(text[near+start:f.From], []byte("]]")) {
		return false
	}
	link := text[near+start : f.From]
	if bytes.IndexByte(link, '|') < 0 {
		return w.about(link)
	}
	inTarget, ok := find.Plain(text, near+start)
	return ok && inTarget.From < f.From && (w.leadsToUser(text[:inTarget.From]) || w.about(text[near+start:inTarget.From]))
}

// params scrubs the parameters of a log entry, which are lines or what PHP's serialize makes.
func (w *worker) params(out, text []byte) ([]byte, error) {
	plain := []byte(html.UnescapeString(string(text)))
	changed, err := w.serialized(nil, plain)
	if err != nil {
		return out, err
	}
	if bytes.Equal(changed, plain) {
		return append(out, text...), nil
	}
	return append(out, html.EscapeString(string(changed))...), nil
}
