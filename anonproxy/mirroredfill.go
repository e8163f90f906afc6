package anonproxy

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wikiveil/wikiveil/anonproxy/headers"
	"github.com/wikiveil/wikiveil/anonproxy/mirror"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

// mirrorRound bounds the time between two rounds in which some file is missing.
const (
	mirrorRound   = time.Minute
	mirrorFetches = 4 // at a time
)

// FillMirrors fetches mirrored files that the store doesn't have, as far as it is time
// to try, and tells after how long to call it again. Somebody has to call it, over and
// over: requests never make the edge ask a mirror's service. Tools that are refused
// are left out.
func (p *Proxy) FillMirrors(ctx context.Context) (again time.Duration) {
	again = mirrorRound
	var mu sync.Mutex
	var fetches errgroup.Group
	fetches.SetLimit(mirrorFetches)
	for _, up := range p.upstreams() {
		if up.mirror == nil {
			continue
		}
		for _, f := range up.mirror.files {
			if ctx.Err() != nil {
				break
			}
			path := ""
			if f.own {
				path = f.url.Path
			}
			if p.refuse(up, path) != nil {
				continue
			}
			fetches.Go(func() error {
				if wait := p.fillMirror(ctx, up, f); wait > 0 {
					mu.Lock()
					defer mu.Unlock()
					again = min(again, wait)
				}
				return nil
			})
		}
	}
	_ = fetches.Wait()
	return again
}

// fillMirror gets one file and tells how that went.
func (p *Proxy) fillMirror(ctx context.Context, up *upstream, f *mirroredFile) time.Duration {
	asked, again, err := f.entry.Fill(ctx, p.mirrorFetch(up, f))
	if !asked {
		return again
	}
	outcome := outcomes.Kept
	var refused *refusal.Refusal
	var mismatch *mirror.MismatchError
	switch {
	case err == nil:
		p.cfg.Logger.Info("a mirrored file is kept", "tool", up.tool.Name, "file", f.Path)
	case errors.As(err, &mismatch):
		outcome = outcomes.Mismatch
	case errors.As(err, &refused):
		outcome = refused.Reason
	default:
		outcome = outcomes.Unreachable
	}
	if err != nil {
		p.cfg.Logger.Warn("a file can't be mirrored", "tool", up.tool.Name, "file", f.Path, "outcome", outcome, "reason", err.Error())
	}
	if p.cfg.ObserveMirror != nil {
		p.cfg.ObserveMirror(up.tool.Name, outcome)
	}
	return again
}

// mirrorFetch asks the service for a file, by a request of constants.
func (p *Proxy) mirrorFetch(up *upstream, file *mirroredFile) mirror.Fetch {
	return func(ctx context.Context) (*mirror.Response, error) {
		u := file.url
		f := newFetch(ctx, p, file.from)
		res, refused := f.get(request{
			target: target{name: up.tool.Name, path: u.Path, escaped: u.EscapedPath(), rawQuery: u.RawQuery, anyQuery: u.ForceQuery},
			method: http.MethodGet, kind: headers.AnyKind,
		})
		if refused == nil {
			if refused = p.checkMirrored(up, f, res); refused != nil {
				res.Body.Close()
			}
		}
		if refused != nil {
			f.cancel(nil)
			return nil, refused
		}
		return &mirror.Response{
			Body: &limitedBody{f: f, body: res.Body},
			Meta: mirror.Meta{Type: res.Header.Get("Content-Type"), URL: addressOf(finalURL(u, res))},
		}, nil
	}
}

// finalURL is where redirects led.
func finalURL(u *url.URL, res *http.Response) *url.URL {
	if res.Request != nil && res.Request.URL != nil {
		return res.Request.URL
	}
	return u
}

// checkMirrored tells why a service's answer is none to be kept. Whether it is the
// pinned file shows later.
func (p *Proxy) checkMirrored(up *upstream, f *fetch, res *http.Response) *refusal.Refusal {
	at := finalURL(f.up.origin, res)
	switch {
	case res.StatusCode != http.StatusOK:
		return refusal.Literal(http.StatusServiceUnavailable, outcomes.ToolError, "the service answers with status "+strconv.Itoa(res.StatusCode))
	case len(res.Header["Content-Encoding"]) > 0 && res.Header.Get("Content-Encoding") != "identity":
		return outcomes.BadResponse("the service compresses what was asked for plain")
	case res.ContentLength > up.maxSize:
		return refusal.Literal(http.StatusBadGateway, outcomes.TooLarge, errTooLarge.Error())
	case at.Host == up.origin.Host:
		return p.refuse(up, at.Path)
	}
	return nil
}
