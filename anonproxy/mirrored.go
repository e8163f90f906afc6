package anonproxy

import (
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/mirror"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// mirrored are the files of a tool that is a mirror.
type mirrored struct {
	tool  *noticeboard.Tool
	files []*mirroredFile
	paths map[string]*mirroredFile // by path and query below the tool's name, without version
	urls  map[string]*mirroredFile // by where they are fetched from

	releasing sync.Once
}

// mirroredFile is a file of a mirror.
type mirroredFile struct {
	noticeboard.MirrorAddress
	of    *mirrored
	url   *url.URL
	from  *upstream // its host
	own   bool      // on the tool's own origin
	entry *mirror.Entry

	rewriting sync.Mutex
	sheet     *rewritten // nil: not yet, or no style sheet
}

// newMirrored prepares a mirror's files; nil for other tools.
func (p *Proxy) newMirrored(up *upstream) *mirrored {
	if !up.tool.IsMirror() {
		return nil
	}
	m := &mirrored{tool: up.tool, paths: make(map[string]*mirroredFile), urls: make(map[string]*mirroredFile)}
	root := p.cfg.Prefix + up.tool.Name
	for _, address := range up.tool.MirrorAddresses(p.cfg.Prefix) {
		u, err := url.Parse(address.URL)
		if err != nil { // a board's are addresses
			continue
		}
		f := &mirroredFile{
			MirrorAddress: address, of: m, url: u, from: up.at(u), own: u.Host == up.origin.Host,
			entry: p.cfg.Mirrors.Hold(mirror.Key{URL: address.URL, Integrity: address.Integrity}),
		}
		m.files = append(m.files, f)
		m.urls[address.URL] = f
		m.paths[plainEscapes(strings.TrimPrefix(address.Address, root))] = f
		m.paths[plainEscapes("/~"+u.Host+u.RequestURI())] = f
	}
	return m
}

// at is the tool at another of its hosts.
func (up *upstream) at(u *url.URL) *upstream {
	other := *up
	other.origin = &url.URL{Scheme: u.Scheme, Host: u.Host}
	return &other
}

// find returns the file that is asked for, and whether the address names the version
// that it has.
func (m *mirrored) find(t target) (f *mirroredFile, current bool) {
	asked := t.escaped
	if t.anyQuery || t.rawQuery != "" {
		asked += "?" + t.rawQuery
	}
	version := ""
	if below, ok := strings.CutPrefix(asked, "/~"); ok {
		if v, rest, ok := strings.Cut(below, "/"); ok && noticeboard.IsMirrorVersion(v) {
			version, asked = v, "/~"+rest
		}
	}
	f = m.paths[asked]
	return f, f != nil && version == f.Version
}

// contentType tells what a file is. A name that tells it outweighs what the service
// says, whose word is taken only where it says what the tool may have.
func (f *mirroredFile) contentType(said string) (kind noticeboard.Kind, contentType, reason string) {
	kind, contentType, known := f.of.tool.MirrorType(f.url.Path)
	if !known {
		kind, contentType, reason = f.of.classify(said)
	}
	if reason == "" && (kind == noticeboard.Script || kind == noticeboard.Style) && !strings.Contains(contentType, ";") {
		contentType += "; charset=utf-8"
	}
	return kind, contentType, reason
}

// scriptTypes are the types of scripts (RFC 9239 and what it obsoletes).
var scriptTypes = map[string]bool{
	"text/javascript": true, "application/javascript": true, "application/x-javascript": true, "text/ecmascript": true, "application/ecmascript": true,
}

func (m *mirrored) classify(said string) (kind noticeboard.Kind, contentType, reason string) {
	bare, _, _ := strings.Cut(said, ";")
	if scriptTypes[strings.ToLower(strings.TrimSpace(bare))] {
		kind, contentType = noticeboard.Script, "text/javascript"
	} else if said == "" {
		return "", "", "has no content type"
	} else if kind, contentType, reason = headers.Classify([]string{said}); reason != "" {
		return "", "", reason
	}
	if !m.tool.Has(kind) {
		return "", "", "has a content type that isn't one of the declared kinds"
	}
	return kind, contentType, ""
}

// mirrorKind tells what the browser will use a file for. Scripts may run: the operator
// has pinned each.
func (p *Proxy) mirrorKind(r *http.Request) (noticeboard.Kind, *refusal.Refusal) {
	dest, refused := headers.Destination(r, p.cfg.RequireFetchMetadata)
	if refused != nil || dest == "" {
		return headers.AnyKind, refused
	}
	if dest == "script" {
		return noticeboard.Script, nil
	}
	kind, ok := headers.KindFor(dest)
	if !ok {
		return "", outcomes.BadRequest(http.StatusForbidden, "a mirror serves no workers, frames or documents")
	}
	return kind, nil
}

// release ends the use of the files, once.
func (m *mirrored) release() {
	m.releasing.Do(func() {
		for _, f := range m.files {
			f.entry.Release()
		}
	})
}
