package anonproxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"sync"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// serve asks the tool and passes its answer on.
func (f *fetch) serve(w http.ResponseWriter, req request) (string, *refusal.Refusal) {
	res, refused := f.get(req)
	req.body.done() // a reader who takes the answer slowly must not hold it
	if refused != nil {
		return "", refused
	}
	defer res.Body.Close()
	contentType, refused := f.check(res, req.kind)
	if refused == nil {
		contentType, refused = f.tameSheet(res, req.method, contentType)
	}
	if refused != nil {
		return "", refused
	}
	if req.method == http.MethodPost && res.StatusCode < 400 && f.p.cfg.Cache != nil {
		f.p.cfg.Cache.Invalidate(f.up.keys(req)...)
	}
	return f.pass(w, req.method, res, contentType)
}

// pass hands on the tool's answer, built anew: status, type, length, lifetime
// and body. Validators are dropped, as an ETag or a date of the tool's choice
// would mark the browser that keeps it.
func (f *fetch) pass(w http.ResponseWriter, method string, res *http.Response, contentType string) (string, *refusal.Refusal) {
	if refused := f.cut(w, res); refused != nil {
		return "", refused
	}
	outcome, lifetime := outcomes.OK, cache.Control(res.StatusCode, res.Header, f.hops)
	if res.StatusCode >= 400 {
		outcome = outcomes.ToolError
	}
	if method == http.MethodPost {
		lifetime = "no-store"
	}
	length := res.ContentLength
	if res.StatusCode == http.StatusNoContent {
		length = -1
	}
	headers.Force(w.Header(), contentType, lifetime, length)
	if res.StatusCode == http.StatusPartialContent {
		w.Header().Set("Accept-Ranges", "bytes")
	}
	w.WriteHeader(res.StatusCode)
	if method == http.MethodHead || res.StatusCode == http.StatusNoContent {
		return outcome, nil
	}
	if err := f.stream(w, res); err != nil {
		return "", f.broken(err)
	}
	return outcome, nil
}

// check tells the type to pass on, or why nothing is.
func (f *fetch) check(res *http.Response, kind noticeboard.Kind) (string, *refusal.Refusal) {
	switch status := res.StatusCode; {
	case status == http.StatusNoContent:
		return "", nil
	case status < 200 || status > 204 && status < 400 || status == http.StatusProxyAuthRequired || status > 599:
		return "", outcomes.BadResponse("the tool answers with a status that isn't passed on")
	}
	own, contentType, reason := headers.Classify(res.Header["Content-Type"])
	if reason == "" && own != kind && (kind != headers.AnyKind || !f.up.tool.Has(own)) {
		reason = "has a content type that isn't allowed for this use"
	}
	switch {
	case reason != "" && res.StatusCode >= 400: // the error counts, its page doesn't
		return "", refusal.Literal(res.StatusCode, outcomes.ToolError, "the tool answers with status "+strconv.Itoa(res.StatusCode))
	case reason != "":
		return "", outcomes.BadResponse("the tool's answer " + reason)
	case res.ContentLength > f.up.maxSize:
		return "", refusal.Literal(http.StatusBadGateway, outcomes.TooLarge, errTooLarge.Error())
	}
	return contentType, nil
}

var (
	errTooLarge = errors.New("the tool's answer is too large")
	errReader   = errors.New("the reader left")
)

// buffers are reused between streams.
var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// stream copies the body as it comes, within the limits of size and time.
func (f *fetch) stream(w http.ResponseWriter, res *http.Response) error {
	buf := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	out := promptWriter{w: w}
	defer out.stop()
	defer func() { f.watchdog.Stop() }()
	for size := int64(0); ; {
		f.watch(f.p.cfg.IdleTimeout)
		n, err := res.Body.Read(buf[:])
		f.rest()
		if size += int64(n); size > f.up.maxSize {
			return errTooLarge
		}
		if n > 0 {
			if err := out.write(buf[:n], err == nil && size != res.ContentLength); err != nil {
				return errReader
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// broken says why an answer that has begun must be broken off, so that the
// reader doesn't take it for whole.
func (f *fetch) broken(err error) *refusal.Refusal {
	switch {
	case errors.Is(err, errReader) || f.reader.Err() != nil:
		return refusal.Literal(0, outcomes.Canceled, errReader.Error())
	case errors.Is(err, errTooLarge):
		return refusal.Literal(0, outcomes.TooLarge, err.Error())
	case errors.Is(context.Cause(f.ctx), errTimeout):
		return refusal.Literal(0, outcomes.Timeout, errTimeout.Error())
	default:
		return refusal.Literal(0, outcomes.Unreachable, "the tool broke its answer off")
	}
}
