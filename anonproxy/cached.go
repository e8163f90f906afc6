package anonproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unique"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
	"github.com/wikiveil/wikiveil/noticeboard"
)

// scopes are the cache's keys of a tool, by kind: all that decides about a path's
// answer but the path. A declaration that changes leaves the old answers behind.
func scopes(up *upstream) map[noticeboard.Kind]unique.Handle[cache.Scope] {
	declaration := fmt.Sprintf("%s revision=%d size=%d", TransportKey(up.tool), up.tool.Revision, up.maxSize)
	made := make(map[noticeboard.Kind]unique.Handle[cache.Scope], len(up.headers))
	for kind, header := range up.headers {
		variant := fmt.Sprintf("%q", kind)
		if kind == headers.AnyKind { // its types are those of all the tool's kinds
			variant += fmt.Sprintf(" %q", up.tool.Kinds)
		}
		for _, name := range slices.Sorted(maps.Keys(header)) {
			variant += fmt.Sprintf(" %q %q", name, header[name])
		}
		made[kind] = unique.Make(cache.Scope{Tool: up.tool.Name, Declaration: declaration, Variant: variant})
	}
	return made
}

// serveCached answers from the cache, which asks the tool where it must. Of the
// reader's headers If-None-Match, Range and If-Range are evaluated here, and none
// is sent on: the tool is always asked for the whole.
func (p *Proxy) serveCached(w http.ResponseWriter, r *http.Request, reader *Reader, up *upstream, req request) (string, *refusal.Refusal) {
	want, err := cache.ParseRange(r.Header["Range"])
	if err != nil {
		return "", outcomes.BadRequest(http.StatusRequestedRangeNotSatisfiable, err.Error())
	}
	shared, key := p.cfg.Cache, up.key(req)
	answer, ok := shared.Lookup(r.Context(), key)
	if ok {
		defer answer.Close()
		return p.reply(w, r, &answer, want)
	}
	if r.Method == http.MethodHead { // the same for all readers too, and small
		return p.serveUncached(w, r, reader, up, req)
	}
	v, refused := p.visit(r.Context(), reader.Client, up)
	if refused != nil {
		return "", refused
	}
	defer v.end()
	answer, err = shared.Get(r.Context(), key, p.fetcher(v, up, req), v.admit)
	if err != nil {
		refused = fetchRefusal(r.Context(), err, http.StatusBadGateway)
		v.putRetryAfter(w.Header(), refused)
		return "", refused
	}
	defer answer.Close()
	return p.reply(w, r, &answer, want)
}

// reply puts an answer of the cache under the forced headers.
func (p *Proxy) reply(w http.ResponseWriter, r *http.Request, a *cache.Answer, want *cache.Range) (string, *refusal.Refusal) {
	reply := a.Reply(r.Method, r.Header, want)
	if reply.Status == http.StatusRequestedRangeNotSatisfiable {
		reply.PutHeader(w.Header()) // Content-Range tells the length
		return "", outcomes.BadRequest(reply.Status, "the range is past the end")
	}
	headers.Force(w.Header(), reply.ContentType, reply.CacheControl, reply.Length)
	reply.PutHeader(w.Header())
	w.WriteHeader(reply.Status)
	if err := reply.WriteTo(w); err != nil {
		return "", fetchRefusal(r.Context(), err, 0)
	}
	if reply.Status >= 400 {
		return outcomes.ToolError, nil
	}
	return outcomes.OK, nil
}

// fetchRefusal says why the cache has no answer, or no more of it.
func fetchRefusal(reader context.Context, err error, status int) *refusal.Refusal {
	var refused *refusal.Refusal
	var write *cache.WriteError
	switch {
	case errors.As(err, &write), reader.Err() != nil:
		return refusal.Literal(status, outcomes.Canceled, errReader.Error())
	case errors.As(err, &refused):
		shared := *refused // by all who waited
		switch {
		case status == 0:
			shared.Status = 0
		case shared.Status == 0 && shared.Reason == outcomes.Timeout: // in a body that nobody has seen yet
			shared.Status = http.StatusGatewayTimeout
		case shared.Status == 0:
			shared.Status = status
		}
		return &shared
	case errors.Is(err, cache.ErrClosed):
		return refusal.Literal(http.StatusServiceUnavailable, outcomes.Canceled, "the proxy is closing")
	default:
		return refusal.Literal(status, outcomes.Unreachable, "the tool broke its answer off")
	}
}

// fetcher asks the tool for the cache. It may run on when the reader for whom it
// was made has left, so it holds nothing of theirs but a copy of what they asked for, and
// the visit that is charged for it.
func (p *Proxy) fetcher(v *visit, up *upstream, req request) cache.Fetch {
	req.path, req.escaped, req.rawQuery = strings.Clone(req.path), strings.Clone(req.escaped), strings.Clone(req.rawQuery)
	req.method = http.MethodGet
	return func(ctx context.Context, validators *cache.Validators) (*cache.Response, error) {
		return p.fetchShared(ctx, v, up, req, validators, false)
	}
}

// fetchShared asks the tool for an answer that goes to all; without a visit it is the
// edge itself that asks.
func (p *Proxy) fetchShared(ctx context.Context, v *visit, up *upstream, req request, validators *cache.Validators, quiet bool) (*cache.Response, error) {
	f := newFetch(ctx, p, up)
	f.validators, f.visit, f.shared, f.quiet = validators, v, true, quiet
	res, refused := f.get(req)
	if refused != nil {
		f.cancel(nil)
		return nil, errForCache(f.told(refused))
	}
	answer, refused := f.forCache(res, req.kind)
	if refused != nil {
		res.Body.Close()
		f.cancel(nil)
		return nil, errForCache(f.told(refused))
	}
	return answer, nil
}

// told logs why a fetch failed: once, however many wait for it, and where nobody
// does or a stale answer serves too.
func (f *fetch) told(refused *refusal.Refusal) *refusal.Refusal {
	if !f.quiet {
		f.p.logRefusal(f.up.tool.Name, refused)
	}
	return refused
}

// key names a request's answer in the cache.
func (up *upstream) key(req request) cache.Key {
	return cache.Key{Scope: up.scopes()[req.kind], Path: req.escaped, Query: req.rawQuery, AnyQuery: req.anyQuery}
}

// keys are those of what is asked for, for all uses.
func (up *upstream) keys(req request) (keys []cache.Key) {
	for req.kind = range up.scopes() {
		keys = append(keys, up.key(req))
	}
	return keys
}

// errForCache tells failures, in whose place a stale answer may be served, from
// answers that are refused.
func errForCache(e *refusal.Refusal) error {
	switch {
	case e.Reason == outcomes.Canceled, e.Status == http.StatusServiceUnavailable: // nothing was asked
		return e
	case e.Reason == outcomes.Unreachable, e.Reason == outcomes.Timeout, e.Reason == outcomes.LimitedTool, e.Reason == outcomes.BreakerOpen, e.Reason == outcomes.ToolError && e.Status >= 500 && e.Status != 501:
		return e
	}
	return &cache.FinalError{Err: e}
}

// forCache checks a tool's response and says what is to be passed on of it.
func (f *fetch) forCache(res *http.Response, kind noticeboard.Kind) (*cache.Response, *refusal.Refusal) {
	answer := &cache.Response{
		Status: res.StatusCode, Header: res.Header, Hops: f.hops, URL: f.url, Length: res.ContentLength,
		Body:     &limitedBody{f: f, body: res.Body},
		Unframed: res.ProtoMajor < 2 && res.ContentLength < 0 && len(res.TransferEncoding) == 0 && !res.Uncompressed,
	}
	if res.StatusCode == http.StatusNotModified && f.sent {
		return answer, nil
	}
	var refused *refusal.Refusal
	if answer.ContentType, refused = f.check(res, kind); refused == nil {
		answer.ContentType, refused = f.tameSheet(res, http.MethodGet, answer.ContentType)
	}
	if refused != nil {
		return nil, refused
	}
	answer.Body, answer.Length = &limitedBody{f: f, body: res.Body}, res.ContentLength
	return answer, nil
}

// limitedBody reads a tool's body within the limits of size and time.
type limitedBody struct {
	f    *fetch
	body io.ReadCloser
	size int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	b.f.watch(b.f.p.cfg.IdleTimeout)
	n, err := b.body.Read(p)
	b.f.rest()
	if b.size += int64(n); b.size > b.f.up.maxSize {
		return 0, b.f.told(b.f.broken(errTooLarge))
	}
	if err != nil && err != io.EOF {
		return n, b.f.told(b.f.broken(err))
	}
	return n, err
}

func (b *limitedBody) Close() error {
	b.f.watchdog.Stop()
	defer b.f.cancel(nil)
	return b.body.Close()
}
