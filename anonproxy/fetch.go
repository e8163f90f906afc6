package anonproxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/wikiveil/wikiveil/anonproxy/cache"
	"github.com/wikiveil/wikiveil/anonproxy/outcomes"
	"github.com/wikiveil/wikiveil/internal/publicnet"
	"github.com/wikiveil/wikiveil/internal/refusal"
)

var errTimeout = errors.New("the tool took too long")

// fetch is one request of a reader at work.
type fetch struct {
	p        *Proxy
	up       *upstream
	reader   context.Context // done when the reader leaves
	ctx      context.Context
	cancel   context.CancelCauseFunc
	watchdog *time.Timer
	deadline time.Time
	want     *cache.Range // where no cache looks after them
	hops     []cache.Hop  // redirects so far

	// For the cache.
	validators *cache.Validators // to send
	sent       bool              // they were, with the last request
	shared     bool              // the answer goes through a cache
	quiet      bool              // whoever asks tells of errors
	url        string            // of the last request

	// For fairness.
	visit    *visit // nil: the edge's own
	slot     atomic.Pointer[slots]
	keeps    atomic.Bool // the client's slot
	requests int
	err      error // of the last request; never to be shown
}

func newFetch(reader context.Context, p *Proxy, up *upstream) *fetch {
	f := &fetch{p: p, up: up, reader: reader, deadline: time.Now().Add(up.timeout)}
	ctx, cancel := context.WithCancelCause(reader)
	f.ctx, f.cancel = ctx, func(cause error) { cancel(cause); f.leave() }
	return f
}

// watch gives the next step a time limit, within that of the whole. The time in
// which the reader is slow to take an answer isn't counted against a step.
func (f *fetch) watch(limit time.Duration) {
	limit = min(limit, time.Until(f.deadline))
	if f.watchdog == nil {
		f.watchdog = time.AfterFunc(limit, func() { f.cancel(errTimeout) })
		return
	}
	f.watchdog.Reset(limit)
}

// rest ends a step. What remains is the limit of the whole: while a reader takes nothing, the
// tool isn't kept waiting for longer than that.
func (f *fetch) rest() { f.watchdog.Reset(time.Until(f.deadline)) }

// send asks the tool and follows its redirects.
func (f *fetch) send(req request) (*http.Response, *refusal.Refusal) {
	u := spelledURL(f.up.origin.Scheme, f.up.origin.Host, req.target)
	for range maxRedirects + 1 {
		out := &http.Request{Method: req.method, URL: u, Host: u.Host, Header: f.withValidators(f.up.header(req, u), u)}
		req.putBody(out)
		f.count()
		f.watch(f.p.cfg.HeaderTimeout)
		res, err := f.up.transport.Do(f.ctx, out)
		f.watchdog.Stop()
		if err != nil {
			f.err = err
			return nil, f.failure(err)
		}
		if !isRedirect(res.StatusCode) {
			refused := f.unpack(res, req.method)
			switch {
			case refused == nil:
			case res.StatusCode >= 400 && refused.Reason == outcomes.RefusedResponse:
				res.Header.Del("Content-Type") // the error counts, its page doesn't: see check
			default:
				res.Body.Close()
				return nil, refused
			}
			return res, nil
		}
		location := res.Header["Location"]
		f.hops = append(f.hops, cache.Hop{Status: res.StatusCode, Header: res.Header})
		f.discard(res.Body)
		var refused *refusal.Refusal
		if u, refused = f.up.follow(u, location); refused == nil {
			refused = f.p.refuseHop(f.up, u)
		}
		if refused == nil {
			refused = req.redirect(f.up, res.StatusCode)
		}
		if refused != nil {
			return nil, refused
		}
	}
	return nil, outcomes.BadResponse("the tool redirects too often")
}

// withValidators adds the validators of a stored answer to a request for what it
// is of: elsewhere they mean nothing.
func (f *fetch) withValidators(header http.Header, u *url.URL) http.Header {
	if !f.shared {
		return header
	}
	f.url = addressOf(u)
	if f.sent = f.validators != nil && f.validators.URL == f.url; !f.sent {
		return header
	}
	header = maps.Clone(header)
	f.validators.Put(header)
	return header
}

// failure says in plain words why a request failed. Errors of the transport may
// quote what the tool sent, and so what the reader asked: they go nowhere.
func (f *fetch) failure(err error) *refusal.Refusal {
	var blocked *publicnet.BlockedError
	var notFound *net.DNSError
	var dial *net.OpError
	var certificate *tls.CertificateVerificationError
	unreachable := func(reason string) *refusal.Refusal {
		return refusal.Literal(http.StatusBadGateway, outcomes.Unreachable, reason)
	}
	switch {
	case f.reader.Err() != nil:
		return refusal.Literal(http.StatusBadGateway, outcomes.Canceled, "the request was canceled")
	case errors.As(err, &blocked):
		return refusal.Literal(http.StatusBadGateway, outcomes.Blocked, "the tool's host has an address that isn't allowed: "+blocked.Reason)
	case errors.Is(context.Cause(f.ctx), errTimeout):
		return refusal.Literal(http.StatusGatewayTimeout, outcomes.Timeout, errTimeout.Error())
	case errors.As(err, &notFound):
		return unreachable("the tool's host name can't be resolved")
	case errors.As(err, &certificate):
		return unreachable("the tool's certificate isn't valid")
	case errors.As(err, &dial) && dial.Op == "dial":
		return unreachable("the tool's host can't be reached")
	default:
		return unreachable("the tool gave no proper answer")
	}
}

// discard reads a little of a body that isn't wanted, so that its connection
// can serve again, and closes it.
func (f *fetch) discard(body io.ReadCloser) {
	f.watch(f.p.cfg.IdleTimeout)
	_, _ = io.CopyN(io.Discard, body, 2<<10)
	f.watchdog.Stop()
	body.Close()
}
