package anonproxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/mirror"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/anonproxy/transport"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// Lifetimes of mirrored files in browsers. The address of a version never gets
// another content.
const (
	versionedLifetime = "public, max-age=31536000, immutable"
	mirrorLifetime    = "public, max-age=3600"
)

// mirrorWait is how long a request waits for a file that the edge is about to fetch.
const mirrorWait = 10 * time.Second

// rewritten is a style sheet as it is served.
type rewritten struct {
	of      *mirror.File
	body    []byte
	etag    string
	refused *refusal.Refusal
}

// serveMirror answers with a mirrored file. The service is never asked for a reader.
func (p *Proxy) serveMirror(w http.ResponseWriter, r *http.Request, up *upstream, t target) (string, *refusal.Refusal) {
	want, refused := p.mirrorKind(r)
	if refused != nil {
		return "", refused
	}
	f, current := up.mirror.find(t)
	if f == nil {
		return "", outcomes.BadRequest(http.StatusNotFound, "the file isn't one of those that are mirrored")
	}
	if f.own { // the address may spell the path in a way that a stop doesn't
		if refused := p.refuse(up, f.url.Path); refused != nil {
			return "", refused
		}
	}
	file, refused := f.get(r.Context())
	if refused != nil {
		return "", refused
	}
	kind, contentType, reason := f.contentType(file.Type)
	switch {
	case reason != "":
		return "", outcomes.BadResponse("the mirrored file " + reason)
	case want != headers.AnyKind && want != kind:
		return "", outcomes.BadRequest(http.StatusForbidden, "the file isn't for this kind of use")
	}
	lifetime := mirrorLifetime
	if current {
		lifetime = versionedLifetime
	}
	content, etag, refused := f.open(file, kind)
	if refused != nil {
		return "", refused
	}
	defer content.Close()
	headers.Force(w.Header(), contentType, lifetime, -1)
	w.Header().Set("ETag", etag)
	http.ServeContent(w, r, "", time.Time{}, content)
	return outcomes.OK, nil
}

// get waits a little for a file that isn't there.
func (f *mirroredFile) get(reader context.Context) (*mirror.File, *refusal.Refusal) {
	ctx, cancel := context.WithTimeout(reader, mirrorWait)
	defer cancel()
	file, err := f.entry.Get(ctx)
	var mismatch *mirror.MismatchError
	switch {
	case err == nil:
		return file, nil
	case reader.Err() != nil:
		return nil, refusal.Literal(http.StatusServiceUnavailable, outcomes.Canceled, errReader.Error())
	case errors.As(err, &mismatch):
		return nil, refusal.Literal(http.StatusBadGateway, outcomes.Mismatch, mismatch.Error())
	default:
		return nil, refusal.Literal(http.StatusServiceUnavailable, outcomes.Unreachable, "the file couldn't be fetched yet")
	}
}

// open returns what is served of a file, and its validator.
func (f *mirroredFile) open(file *mirror.File, kind noticeboard.Kind) (io.ReadSeekCloser, string, *refusal.Refusal) {
	content, err := file.Open()
	if err != nil {
		return nil, "", refusal.Literal(http.StatusServiceUnavailable, outcomes.Unreachable, "the file has to be fetched again")
	}
	if kind != noticeboard.Style {
		return content, `"` + f.Integrity + `"`, nil
	}
	defer content.Close()
	f.rewriting.Lock()
	defer f.rewriting.Unlock()
	if f.sheet == nil || f.sheet.of != file {
		f.sheet = f.rewrite(file, content)
	}
	return sheetContent{bytes.NewReader(f.sheet.body)}, f.sheet.etag, f.sheet.refused
}

// rewrite makes a style sheet lead to mirrored files, or nowhere.
func (f *mirroredFile) rewrite(file *mirror.File, content io.Reader) *rewritten {
	sheet := &rewritten{of: file}
	base := f.url
	if at, err := url.Parse(file.URL); err == nil && f.from.origins[at.Scheme+"://"+at.Host] {
		base = at
	}
	body, err := io.ReadAll(io.LimitReader(content, mirror.MaxSheet+1))
	if err == nil {
		sheet.body, err = mirror.Sheet{Base: base, Address: f.of.address, Own: f.of.isAddress}.Rewrite(body)
	}
	if err != nil {
		sheet.refused = outcomes.BadResponse(err.Error())
		return sheet
	}
	sum := sha256.Sum256(sheet.body)
	sheet.etag = `"sha256-` + base64.StdEncoding.EncodeToString(sum[:]) + `"`
	return sheet
}

// address returns where the wiki serves what a style sheet leads to.
func (m *mirrored) address(u *url.URL) (string, bool) {
	host := strings.TrimSuffix(strings.ToLower(u.Host), ":"+transport.DefaultPort(u.Scheme))
	for _, plain := range []bool{false, true} {
		at := *u
		at.Host = host
		at.ForceQuery = at.ForceQuery && !plain // "a.eot?#iefix" is a.eot
		if f := m.urls[at.String()]; f != nil {
			return f.Versioned, true
		}
	}
	return "", false
}

func (m *mirrored) isAddress(s string) bool {
	bare, _, _ := strings.Cut(s, "#")
	for _, f := range m.files {
		if f.Versioned == bare {
			return true
		}
	}
	return false
}

type sheetContent struct{ *bytes.Reader }

func (sheetContent) Close() error { return nil }
